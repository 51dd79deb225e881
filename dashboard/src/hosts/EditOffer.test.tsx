import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { ProjectProvider } from '../project/project';
import { type Db, DbProvider, type Row } from '../supabase/client';
import { show, wrap } from '../testing/render';
import { EditOffer } from './EditOffer';

const host = {
  id: 'h1',
  name: 'mini',
  capacity: 10,
  tags: [],
  price: null,
  tenancy: 'single',
} as unknown as Row<'hosts'>;

function open() {
  const update = vi.fn((_change: object) => ({
    eq: () => ({ select: () => Promise.resolve({ data: [{ id: 'h1' }], error: null }) }),
  }));
  const onClose = vi.fn();
  const queries = new QueryClient();
  const dialog = (shown: Row<'hosts'>) => (
    <DbProvider value={{ from: () => ({ update }) } as unknown as Db}>
      <QueryClientProvider client={queries}>
        <ProjectProvider project={{ id: 'p', name: 'P', role: 'owner', canEdit: true }}>
          <EditOffer host={shown} currency="usd" onClose={onClose} />
        </ProjectProvider>
      </QueryClientProvider>
    </DbProvider>
  );
  const { rerender } = show(dialog(host));
  return { update, onClose, reload: (now: Row<'hosts'>) => rerender(wrap(dialog(now))) };
}

it('what somebody else changed meanwhile is not written back', async () => {
  const { update, onClose, reload } = open();
  reload({ ...host, capacity: 20, price: { month: 900 } });
  await userEvent.type(screen.getByRole('textbox', { name: 'Name' }), '-2');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(update.mock.calls).toEqual([[{ name: 'mini-2' }]]);
});

it('what was not changed is not written', async () => {
  const { update, onClose } = open();
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(update).not.toHaveBeenCalled();
});
