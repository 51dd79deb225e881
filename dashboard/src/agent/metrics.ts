import { useQuery } from '@tanstack/react-query';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';

/** How far back is looked, and how fine the steps are then. */
export const RANGES = [
  { value: 'hour', label: '1 h', stepSecs: 60, spanSecs: 3_600 },
  { value: 'day', label: '24 h', stepSecs: 300, spanSecs: 86_400 },
  { value: 'fortnight', label: '14 d', stepSecs: 3_600, spanSecs: 14 * 86_400 },
] as const;
export type Range = (typeof RANGES)[number];

/** Hosts tell what their agents use every ten seconds at most. */
const CURRENT_MS = 15_000;

/** What an agent uses now; null where nothing was measured. */
export function useMetrics(projectId: string, agentId: string) {
  const db = useDb();
  return useQuery({
    queryKey: ['live', projectId, 'metrics', agentId, 'now'],
    refetchInterval: CURRENT_MS,
    queryFn: () => must(db.from('agent_metrics').select('*').eq('agent_id', agentId).maybeSingle()),
  });
}

/** One moment of a plot. */
export type Sample = { at: number; cpu: number | null; ram: number | null; uptime: number | null };

/** What an agent used. */
export function useHistory(projectId: string, agentId: string, range: Range) {
  const db = useDb();
  return useQuery({
    queryKey: ['live', projectId, 'metrics', agentId, range.value],
    refetchInterval: Math.max(60_000, range.stepSecs * 500),
    // While another span is loaded the last one stays; what another agent used never does.
    placeholderData: (before, query) => (query?.queryKey[3] === agentId ? before : undefined),
    queryFn: async (): Promise<Sample[]> => {
      const rows = await must(
        db
          .from('agent_metrics_history')
          .select('at, cpu_percent, ram_mb, uptime_secs')
          .eq('agent_id', agentId)
          .eq('step_secs', range.stepSecs)
          .order('at'),
      );
      return rows.flatMap(({ at, cpu_percent, ram_mb, uptime_secs }) =>
        at ? [{ at: Date.parse(at) / 1000, cpu: cpu_percent, ram: ram_mb, uptime: uptime_secs }] : [],
      );
    },
  });
}

/** The samples as columns, with a gap wherever nothing is known for longer than a step and a half. */
export function toColumns(samples: readonly Sample[], stepSecs: number): (number | null)[][] {
  const columns: [number[], (number | null)[], (number | null)[], (number | null)[]] = [[], [], [], []];
  let before: number | null = null;
  for (const { at, cpu, ram, uptime } of samples) {
    if (before !== null && at - before > stepSecs * 1.5) {
      columns[0].push(before + stepSecs);
      for (const column of columns.slice(1)) (column as (number | null)[]).push(null);
    }
    columns[0].push(at);
    columns[1].push(cpu);
    columns[2].push(ram);
    columns[3].push(uptime);
    before = at;
  }
  return columns;
}
