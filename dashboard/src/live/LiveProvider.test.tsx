import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { act, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Db, DbProvider } from '../supabase/client';
import { show } from '../testing/render';
import { LiveProvider, POLL_MS } from './LiveProvider';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const channel = {
  on() {
    return this;
  },
  subscribe() {
    return this;
  },
};
const db = {
  channel: () => channel,
  removeChannel: async () => 'ok',
  realtime: { isConnected: () => false },
} as unknown as Db;

it('an answer that takes longer than a look is waited for', async () => {
  const slow = vi.fn(
    () =>
      new Promise((resolve) => setTimeout(() => resolve(`answer ${slow.mock.calls.length}`), POLL_MS * 1.5)),
  );
  function Shown() {
    const answer = useQuery({ queryKey: ['live', 'p', 'slow'], queryFn: slow, initialData: 'of before' });
    return <p>{String(answer.data)}</p>;
  }
  show(
    <DbProvider value={db}>
      <QueryClientProvider client={new QueryClient()}>
        <LiveProvider projectId="p">
          <Shown />
        </LiveProvider>
      </QueryClientProvider>
    </DbProvider>,
  );
  await act(() => vi.advanceTimersByTimeAsync(POLL_MS * 6));
  expect(screen.queryByText('of before')).toBeNull();
});
