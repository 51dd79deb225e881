import { useQuery } from '@tanstack/react-query';
import { type Db, type Row, useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { useSession } from '../supabase/session';

/** A host that the person may see. */
export type FleetHost = {
  host: Row<'hosts'>;
  /** Whether it is the person's own. */
  mine: boolean;
  /** On what terms it serves the project that is shown; null where it does not. */
  terms: 'own' | 'rented' | null;
  /** The projects that it serves, as far as the person may know. */
  projects: string[];
  /** enrolled, online, offline, draining or retired. */
  status: string;
  lastSeenAt: string | null;
  cpuPercent: number | null;
  ramMb: number | null;
  /** Whether a rented host hears of work by Realtime, as it said with its last tick. */
  listens: boolean;
  /** Hints that never came, though the host believed to hear. */
  lostHints: number;
};

export const fleetKey = (projectId: string) => ['live', projectId, 'fleet'] as const;

/** Heartbeats are no messages of Realtime, so that they are asked for: a host is offline after 30 s without one. */
const REFETCH_MS = 10_000;

/** The person's own hosts, and those that serve a project of theirs. */
export function useFleet(projectId: string) {
  const db = useDb();
  const { user } = useSession();
  return useQuery({
    queryKey: fleetKey(projectId),
    queryFn: () => fetchFleet(db, projectId, user.id),
    refetchInterval: REFETCH_MS,
  });
}

async function fetchFleet(db: Db, projectId: string, userId: string): Promise<FleetHost[]> {
  const [hosts, states] = await Promise.all([
    must(
      db
        .from('hosts')
        .select('*, project_hosts(project_id, terms), host_heartbeats(listens, lost_hints)')
        .order('name'),
    ),
    must(db.from('host_status').select('*')),
  ]);
  return viewFleet(hosts, states, projectId, userId);
}

type HostRow = Row<'hosts'> & {
  project_hosts: { project_id: string; terms: string }[];
  host_heartbeats: { listens: boolean; lost_hints: number } | null;
};
type StatusRow = {
  id: string | null;
  shown_status: string | null;
  last_seen_at: string | null;
  cpu_percent: number | null;
  ram_mb: number | null;
};

/** Brings together what the tables say of each host: those of the project first, retired ones last. */
export function viewFleet(
  hosts: readonly HostRow[],
  states: readonly StatusRow[],
  projectId: string,
  userId: string,
): FleetHost[] {
  const stateOf = new Map(states.map((state) => [state.id, state]));
  const views = hosts.map(({ project_hosts: serving, host_heartbeats: heard, ...host }): FleetHost => {
    const state = stateOf.get(host.id);
    const own = serving.find((each) => each.project_id === projectId);
    return {
      host,
      mine: host.owner_id === userId,
      terms: own ? (own.terms === 'rented' ? 'rented' : 'own') : null,
      projects: serving.map((each) => each.project_id).sort(),
      status: state?.shown_status ?? host.status,
      lastSeenAt: state?.last_seen_at ?? null,
      cpuPercent: state?.cpu_percent ?? null,
      ramMb: state?.ram_mb ?? null,
      listens: heard?.listens ?? false,
      lostHints: heard?.lost_hints ?? 0,
    };
  });
  const rank = ({ status }: FleetHost) => (status === 'retired' ? 1 : 0);
  return views.sort((a, b) => rank(a) - rank(b) || a.host.name.localeCompare(b.host.name));
}
