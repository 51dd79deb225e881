import type { Watcher } from '../supabase/client';
import type { Signal } from './state';

/** Hands what the client notices to the connection of the project that is shown. */
function makeWatcher() {
  let listener: ((signal: Signal) => void) | null = null;
  return {
    reached: (ok: boolean) => listener?.({ type: 'reached', ok }),
    heartbeat: (status: string) => {
      if (status === 'ok') listener?.({ type: 'heard', at: Date.now() });
    },
    attach: (next: (signal: Signal) => void) => {
      listener = next;
      return () => {
        if (listener === next) listener = null;
      };
    },
  } satisfies Watcher & { attach: unknown };
}

export const watcher = makeWatcher();
