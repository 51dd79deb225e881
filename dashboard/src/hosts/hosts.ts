import { useQuery } from '@tanstack/react-query';
import { type Db, type Row, useDb } from '../supabase/client';
import { must } from '../supabase/problem';

/** A host that serves the project. */
export type HostView = Row<'hosts'> & {
  /** Whether it is the project's own or rented. */
  terms: string;
  /** enrolled, online, offline, draining or retired. */
  shownStatus: string;
  lastSeenAt: string | null;
  cpuPercent: number | null;
  ramMb: number | null;
  /** What its OpenClaw offers. */
  models: string[];
};

export const hostsKey = (projectId: string) => ['live', projectId, 'hosts'] as const;

/** Heartbeats are no messages of Realtime: whether a host is there is asked for now and then. */
const REFETCH_MS = 30_000;

/** The hosts that serve the project. */
export function useHosts(projectId: string) {
  const db = useDb();
  return useQuery({
    queryKey: hostsKey(projectId),
    queryFn: () => fetchHosts(db, projectId),
    refetchInterval: REFETCH_MS,
  });
}

async function fetchHosts(db: Db, projectId: string): Promise<HostView[]> {
  const serving = await must(db.from('project_hosts').select('terms, hosts(*)').eq('project_id', projectId));
  const ids = serving.flatMap(({ hosts }) => (hosts ? [hosts.id] : []));
  if (ids.length === 0) return [];
  const states = await must(db.from('host_status').select('*').in('id', ids));
  const stateOf = new Map(states.map((state) => [state.id, state]));
  const views = serving.flatMap(({ terms, hosts: host }) => {
    if (!host) return [];
    const state = stateOf.get(host.id);
    return {
      ...host,
      terms,
      shownStatus: state?.shown_status ?? host.status,
      lastSeenAt: state?.last_seen_at ?? null,
      cpuPercent: state?.cpu_percent ?? null,
      ramMb: state?.ram_mb ?? null,
      models: modelsOf(host.runtime),
    };
  });
  return views.sort((a, b) => a.name.localeCompare(b.name));
}

function modelsOf(runtime: unknown): string[] {
  if (typeof runtime !== 'object' || runtime === null || !('models' in runtime)) return [];
  const { models } = runtime;
  return Array.isArray(models) ? models.filter((model): model is string => typeof model === 'string') : [];
}
