import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useThrottled } from '../layout/throttle';
import { useLiveChanges } from '../live/LiveProvider';
import { useRows } from '../live/rows';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { type QueueItem, splitItems, viewItems } from './items';
import type { Why } from './why';

const deadKey = (projectId: string) => ['live', projectId, 'dead-letters'] as const;

/** Dead letters are no messages of Realtime; the rows that they are of are. */
const REFETCH_MS = 30_000;
/** A burst of changes is one look. */
const LOOK_MS = 1_000;
/** While a host is at it, its lease moves on; what waits changes seldom, and says so by its row. */
const WHY_MS = { working: 5_000, waiting: 15_000 };
/** As many as anybody will go through by hand. */
const DEAD_ROWS = 500;

/** Everything that is asked of hosts in this project, kept up to date. */
export function useQueue(projectId: string) {
  const db = useDb();
  const queries = useQueryClient();
  const requests = useRows(projectId, 'agent_provision_requests');
  const commands = useRows(projectId, 'agent_commands');
  const agents = useRows(projectId, 'agents');
  const dead = useQuery({
    queryKey: deadKey(projectId),
    queryFn: () =>
      must(
        db
          .from('dead_letters')
          .select('*')
          .eq('project_id', projectId)
          .order('died_at', { ascending: false })
          .limit(DEAD_ROWS),
      ),
    refetchInterval: REFETCH_MS,
  });
  // What dies, or comes back, says so by a change of its row.
  const look = useThrottled(() => void queries.invalidateQueries({ queryKey: deadKey(projectId) }), LOOK_MS);
  useLiveChanges('agent_provision_requests', look);
  useLiveChanges('agent_commands', look);
  const views = useMemo(
    () =>
      // Without one of them it would be said that nothing is dead, or that what is dead has merely ended.
      requests.data && commands.data && dead.data
        ? splitItems(viewItems(requests.data, commands.data, dead.data, agents.data ?? []))
        : null,
    [requests.data, commands.data, dead.data, agents.data],
  );
  const all = [requests, commands, dead];
  return {
    views,
    isPending: all.some((query) => query.isPending && !query.isError),
    error: all.find((query) => query.isError && query.data === undefined)?.error ?? null,
    retry: () => {
      for (const query of all) if (query.isError) void query.refetch();
    },
  };
}

/** What an open item waits for, who has it and until when. */
export function useWhy(projectId: string, { id, phase, waitingFor }: QueueItem) {
  const db = useDb();
  return useQuery({
    queryKey: ['live', projectId, 'why', id, phase, waitingFor],
    queryFn: async () => (await must(db.rpc('why_pending', { id }))) as unknown as Why,
    refetchInterval: phase === 'working' ? WHY_MS.working : WHY_MS.waiting,
    placeholderData: (before) => before,
    enabled: phase === 'working' || phase === 'waiting',
  });
}
