import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { show, wrap } from '../testing/render';
import { Filters } from './Filters';

const counts = { running: 0, busy: 0, stopped: 0, attention: 0 };

it('loses no letter while the address comes behind, and shows what else changes it', async () => {
  const onChange = vi.fn();
  const filters = (q?: string) => (
    <Filters filter={q ? { q } : {}} onChange={onChange} counts={counts} total={0} hosts={[]} />
  );
  const { rerender } = show(filters());
  const field = screen.getByRole('searchbox');
  await userEvent.type(field, 'scout');
  expect(onChange).toHaveBeenLastCalledWith({ q: 'scout' });
  rerender(wrap(filters('sc')));
  expect(field).toHaveValue('scout');
  rerender(wrap(filters('scout')));
  await userEvent.tab();
  rerender(wrap(filters()));
  expect(field).toHaveValue('');
});
