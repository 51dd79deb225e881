import { type QueryClient, type UseQueryResult, useQuery } from '@tanstack/react-query';
import { type Db, type Row, useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { type Change, keyOf, type LiveTable, patchRows } from './tables';

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
export function useRows<T extends LiveTable>(projectId: string, table: T): UseQueryResult<readonly Row<T>[]> {
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

const FETCH: { [T in LiveTable]: (db: Db, projectId: string) => Promise<Row<T>[]> } = {
  agents: (db, project) =>
    allPages((from, to) =>
      db.from('agents').select('*').eq('project_id', project).order('id').range(from, to),
    ),
  agent_status: (db, project) =>
    allPages((from, to) =>
      db.from('agent_status').select('*').eq('project_id', project).order('agent_key').range(from, to),
    ),
  agent_provision_requests: async (db, project) => {
    const all = () => db.from('agent_provision_requests').select('*').eq('project_id', project);
    const [open, recent] = await Promise.all([
      must(all().in('status', ['queued', 'running']).order('requested_at', { ascending: false })),
      must(
        all().in('status', ['done', 'error']).order('requested_at', { ascending: false }).limit(RECENT_ROWS),
      ),
    ]);
    return [...open, ...recent];
  },
  agent_commands: async (db, project) => {
    const all = () => db.from('agent_commands').select('*').eq('project_id', project);
    const [open, recent] = await Promise.all([
      must(all().in('status', ['pending', 'sent']).order('created_at', { ascending: false })),
      must(
        all().in('status', ['acked', 'failed']).order('created_at', { ascending: false }).limit(RECENT_ROWS),
      ),
    ]);
    return [...open, ...recent];
  },
  brain_doc_states: (db, project) =>
    allPages((from, to) =>
      db.from('brain_doc_states').select('*').eq('project_id', project).order('doc_id').range(from, to),
    ),
};

type Page<R> = PromiseLike<{ data: R[]; error: null } | { data: null; error: { message: string } }>;

async function allPages<R>(fetch: (from: number, to: number) => Page<R>): Promise<R[]> {
  const rows: R[] = [];
  for (;;) {
    const page = await must(fetch(rows.length, rows.length + PAGE_ROWS - 1));
    rows.push(...page);
    if (page.length < PAGE_ROWS) return rows;
  }
}
