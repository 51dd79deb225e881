import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from 'react';
import { useDb } from '../supabase/client';
import { LiveConnection } from './connection';
import { applyChanges } from './rows';
import type { LiveMode } from './state';
import type { Change, LiveTable } from './tables';
import { watcher } from './watcher';

/** How often is asked while Realtime is silent: a person waits for it, the database does not feel it. */
export const POLL_MS = 5_000;

const LiveContext = createContext<LiveConnection | null>(null);

/** Keeps what is shown of a project up to date: by Realtime, and by asking where that is silent. */
export function LiveProvider({ projectId, children }: { projectId: string; children: ReactNode }) {
  const db = useDb();
  const queries = useQueryClient();
  const connection = useMemo(() => new LiveConnection(db, projectId), [db, projectId]);
  useEffect(() => {
    const stop = connection.start();
    const unwatch = watcher.attach((signal) => connection.signal(signal));
    const unhear = connection.onChanges((changes) => applyChanges(queries, projectId, changes));
    const refetch = (cancelRefetch: boolean) =>
      void queries.invalidateQueries({ queryKey: ['live', projectId] }, { cancelRefetch });
    // An answer that is on its way already may be of before.
    const ungap = connection.onGap(() => refetch(true));
    const poll = setInterval(() => {
      const mode = connection.currentMode();
      // One that takes longer than the next look is waited for: else a slow network never gets any.
      if (!document.hidden && (mode === 'polling' || mode === 'offline')) refetch(false);
    }, POLL_MS);
    return () => {
      clearInterval(poll);
      ungap();
      unhear();
      unwatch();
      stop();
    };
  }, [connection, queries, projectId]);
  return <LiveContext value={connection}>{children}</LiveContext>;
}

function useConnection(): LiveConnection {
  const connection = useContext(LiveContext);
  if (!connection) throw new Error('the live connection is used outside of LiveProvider');
  return connection;
}

/** How the page learns of changes at the moment. */
export function useLiveMode(): LiveMode {
  const connection = useConnection();
  return useSyncExternalStore(connection.onMode, connection.currentMode);
}

/** Calls `listener` with the changes of one table. */
export function useLiveChanges<T extends LiveTable>(
  table: T,
  listener: (changes: Change<T>[]) => void,
): void {
  const connection = useConnection();
  useEffect(
    () =>
      connection.onChanges((changes) => {
        const own = changes.filter((change): change is Change<T> => change.table === table);
        if (own.length > 0) listener(own);
      }),
    [connection, table, listener],
  );
}
