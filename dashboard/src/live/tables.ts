import type { Row } from '../supabase/client';

/** What Realtime publishes, and by which columns a row is known. */
export const KEY_COLUMNS = {
  agents: ['id'],
  agent_status: ['project_id', 'agent_key'],
  agent_provision_requests: ['id'],
  agent_commands: ['id'],
  brain_doc_states: ['doc_id'],
} as const;

/** A table that the page hears of. */
export type LiveTable = keyof typeof KEY_COLUMNS;
export const LIVE_TABLES = Object.keys(KEY_COLUMNS) as LiveTable[];

/**
 * Whether Realtime says which row was deleted: it tells everybody, so that it names nobody. An agent's activity goes with
 * the agent.
 */
export const namesDeleted = (table: LiveTable): boolean => table !== 'agent_status';

/** One change of one row; of what was deleted no more than its key is known. */
export type Change<T extends LiveTable = LiveTable> =
  | { table: T; type: 'INSERT' | 'UPDATE'; row: Row<T> }
  | { table: T; type: 'DELETE'; key: Partial<Row<T>> };

/** By what a row is found again. */
export function keyOf<T extends LiveTable>(table: T, row: Partial<Row<T>>): string {
  const values = row as Record<string, unknown>;
  return KEY_COLUMNS[table].map((column) => String(values[column])).join('\n');
}

/** Whether a row says by which it is found again. */
export function hasKey(table: LiveTable, row: Record<string, unknown>): boolean {
  return KEY_COLUMNS[table].every((column) => row[column] !== undefined && row[column] !== null);
}

/** Rows as they are after some changes. The same array where nothing is another. */
export function patchRows<T extends LiveTable>(
  table: T,
  rows: readonly Row<T>[],
  changes: readonly Change<T>[],
): readonly Row<T>[] {
  if (changes.length === 0) return rows;
  const byKey = new Map(rows.map((row) => [keyOf(table, row), row]));
  for (const change of changes) {
    if (change.type === 'DELETE') byKey.delete(keyOf(table, change.key));
    else {
      const key = keyOf(table, change.row);
      // Very large columns that did not change are not sent: what was known of them stays.
      byKey.set(key, { ...byKey.get(key), ...change.row });
    }
  }
  return [...byKey.values()];
}
