import { type QueryClient, type UseQueryResult, useQuery } from '@tanstack/react-query';
import { type Db, type Row, useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { type Change, keyOf, type LiveTable, patchRows } from './tables';

/** Tables whose rows are shown; of documents it is told only that there is another version. */
type RowTable = Exclude<LiveTable, 'brain_doc_states'>;

/** As many rows as the Data API gives at once. */
const PAGE_ROWS = 1_000;
/** How much of what is over is loaded; newer ones come by Realtime. */
const RECENT_ROWS = 500;
/** Changes that may be newer than what a slow answer says are kept for so long. */
const REMEMBER_MS = 30_000;

type Remembered = { at: number; change: Change };
const remembered = new Map<string, Remembered[]>();

export const rowsKey = (projectId: string, table: LiveTable) => ['live', projectId, 'rows', table] as const;

/** The rows of a published table of the project, kept up to date. */
export function useRows<T extends RowTable>(projectId: string, table: T): UseQueryResult<readonly Row<T>[]> {
  const db = useDb();
  return useQuery({
    queryKey: rowsKey(projectId, table),
    queryFn: async () => {
      const startedAt = Date.now();
      const rows = (await FETCH[table](db, projectId)) as unknown as Row<T>[];
      // What was heard of while the answer was on its way may be newer than the answer.
      const since = (remembered.get(projectId) ?? []).filter(
        ({ at, change }) => at >= startedAt && change.table === table,
      );
      return patchRows(
        table,
        rows,
        since.map(({ change }) => change as Change<T>),
      );
    },
    structuralSharing: (before, after) => shareRows(table, before, after),
  });
}

/** Puts changes into the rows that are shown. */
export function applyChanges(queries: QueryClient, projectId: string, changes: readonly Change[]): void {
  const now = Date.now();
  const kept = (remembered.get(projectId) ?? []).filter(({ at }) => now - at < REMEMBER_MS);
  remembered.set(projectId, [...kept, ...changes.map((change) => ({ at: now, change }))]);
  for (const table of new Set(changes.map((change) => change.table))) {
    const own = changes.filter((change) => change.table === table);
    queries.setQueryData<readonly Row<LiveTable>[]>(rowsKey(projectId, table), (rows) =>
      rows ? patchRows<LiveTable>(table, rows, own) : rows,
    );
  }
}

/** Keeps a row's identity where it did not change, so that a poll draws nothing anew. */
function shareRows<T extends LiveTable>(table: T, before: unknown, after: unknown): unknown {
  if (!Array.isArray(before) || !Array.isArray(after)) return after;
  const known = new Map<string, { row: Row<T>; text: string }>(
    before.map((row: Row<T>) => [keyOf(table, row), { row, text: JSON.stringify(row) }]),
  );
  return after.map((row: Row<T>) => {
    const old = known.get(keyOf(table, row));
    return old && (old.row === row || old.text === JSON.stringify(row)) ? old.row : row;
  });
}

const FETCH: { [T in RowTable]: (db: Db, projectId: string) => Promise<Row<T>[]> } = {
  agents: (db, project) =>
    allRows(
      (after) => {
        const rows = db.from('agents').select('*').eq('project_id', project);
        return (after === null ? rows : rows.gt('id', after)).order('id').limit(PAGE_ROWS);
      },
      ({ id }) => id,
    ),
  agent_status: (db, project) =>
    allRows(
      (after) => {
        const rows = db.from('agent_status').select('*').eq('project_id', project);
        return (after === null ? rows : rows.gt('agent_key', after)).order('agent_key').limit(PAGE_ROWS);
      },
      ({ agent_key }) => agent_key,
    ),
  agent_provision_requests: async (db, project) => {
    const all = () => db.from('agent_provision_requests').select('*').eq('project_id', project);
    const open = await allRows(
      (after) => {
        const rows = all().in('status', ['queued', 'running']);
        return (after === null ? rows : rows.gt('id', after)).order('id').limit(PAGE_ROWS);
      },
      ({ id }) => id,
    );
    const ended = all().in('status', ['done', 'error']);
    return withEnded(open, await must(ended.order('requested_at', { ascending: false }).limit(RECENT_ROWS)));
  },
  agent_commands: async (db, project) => {
    const all = () => db.from('agent_commands').select('*').eq('project_id', project);
    const open = await allRows(
      (after) => {
        const rows = all().in('status', ['pending', 'sent']);
        return (after === null ? rows : rows.gt('id', after)).order('id').limit(PAGE_ROWS);
      },
      ({ id }) => id,
    );
    const ended = all().in('status', ['acked', 'failed']);
    return withEnded(open, await must(ended.order('created_at', { ascending: false }).limit(RECENT_ROWS)));
  },
};

/** Open rows and then ended ones, asked for in this order, so that none is in neither: what ended in between is in both. */
export function withEnded<R extends { id: string }>(open: readonly R[], ended: readonly R[]): R[] {
  return [...new Map([...open, ...ended].map((row) => [row.id, row])).values()];
}

type Page<R> = PromiseLike<{ data: R[]; error: null } | { data: null; error: { message: string } }>;

/** All rows, a page at a time: by where the last one ended, as by their number a row that goes would hide another. */
export async function allRows<R>(
  page: (after: string | null) => Page<R>,
  key: (row: R) => string,
): Promise<R[]> {
  const rows: R[] = [];
  for (;;) {
    const last = rows.at(-1);
    const more = await must(page(last === undefined ? null : key(last)));
    rows.push(...more);
    if (more.length < PAGE_ROWS) return rows;
  }
}
