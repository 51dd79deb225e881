import { notifications } from '@mantine/notifications';
import { useCallback, useState } from 'react';
import { toProblem } from '../supabase/problem';

/** Says that something was done. */
export function tellDone(message: string): void {
  notifications.show({ message, color: 'teal', autoClose: 3_000 });
}

/** Says that something failed, and what to do. */
export function tellFailed(error: unknown, title?: string): void {
  const problem = toProblem(error);
  notifications.show({
    title: title ?? problem.message,
    message: [title ? problem.message : null, problem.hint].filter(Boolean).join(' '),
    color: 'red',
    autoClose: 10_000,
  });
}

/** Does something on a click: busy while it lasts, and told how it ended. */
export function useAction<A extends unknown[]>(
  act: (...args: A) => Promise<string | undefined>,
): [run: (...args: A) => Promise<boolean>, busy: boolean] {
  const [busy, setBusy] = useState(false);
  const run = useCallback(
    async (...args: A) => {
      setBusy(true);
      try {
        const done = await act(...args);
        if (done) tellDone(done);
        return true;
      } catch (error) {
        tellFailed(error);
        return false;
      } finally {
        setBusy(false);
      }
    },
    [act],
  );
  return [run, busy];
}
