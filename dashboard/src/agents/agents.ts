import { useMemo } from 'react';
import { type HostView, useHosts } from '../hosts/hosts';
import { useNow } from '../layout/now';
import { useRows } from '../live/rows';
import type { Row } from '../supabase/client';
import { type AgentState, describeAgent } from './describe';
import { shortOfKey, slugOf } from './names';

/** An agent as it is shown. */
export type AgentView = {
  agent: Row<'agents'>;
  activity: Row<'agent_status'> | null;
  requests: readonly Row<'agent_provision_requests'>[];
  commands: readonly Row<'agent_commands'>[];
  host: HostView | null;
  name: string;
  short: string;
  /** What the agent is called in an address. */
  slug: string;
  state: AgentState;
};

/** All agents of the project, by name, kept up to date. */
export function useAgents(projectId: string) {
  const agents = useRows(projectId, 'agents');
  const activities = useRows(projectId, 'agent_status');
  const requests = useRows(projectId, 'agent_provision_requests');
  const commands = useRows(projectId, 'agent_commands');
  const hosts = useHosts(projectId);
  // Relative times in a state are rough: it need not be thought about anew every five seconds.
  const minute = Math.floor(useNow() / 60_000) * 60_000;
  const queries = [agents, activities, requests, commands, hosts];
  // A part alone would say what is not so: that an agent has no host, or that nothing is under way.
  const complete = queries.every((query) => query.data !== undefined || query.isError);
  const views = useMemo(
    () =>
      complete && agents.data
        ? viewAgents(
            agents.data,
            activities.data ?? [],
            requests.data ?? [],
            commands.data ?? [],
            hosts.data ?? [],
            minute,
          )
        : undefined,
    [complete, agents.data, activities.data, requests.data, commands.data, hosts.data, minute],
  );
  return {
    views,
    hosts: hosts.data ?? [],
    isPending: queries.some((query) => query.isPending && !query.isError),
    /** What could not be loaded and is nowhere to be seen; what is shown but old the connection tells of. */
    error: queries.find((query) => query.isError && query.data === undefined)?.error ?? null,
    retry: () => {
      for (const query of queries) if (query.isError) void query.refetch();
    },
  };
}

const NAMES = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** Brings together what the tables say of each agent. */
export function viewAgents(
  agents: readonly Row<'agents'>[],
  activities: readonly Row<'agent_status'>[],
  requests: readonly Row<'agent_provision_requests'>[],
  commands: readonly Row<'agent_commands'>[],
  hosts: readonly HostView[],
  now: number,
): AgentView[] {
  const activityOf = new Map(activities.map((row) => [row.agent_key, row]));
  const requestsOf = Map.groupBy(requests, (row) => row.agent_key);
  const commandsOf = Map.groupBy(commands, (row) => row.agent_id);
  const hostOf = new Map(hosts.map((host) => [host.id, host]));
  return agents
    .map((agent) => {
      const facts = {
        agent,
        activity: activityOf.get(agent.agent_key) ?? null,
        requests: requestsOf.get(agent.agent_key) ?? [],
        commands: commandsOf.get(agent.id) ?? [],
        host: (agent.host_id && hostOf.get(agent.host_id)) || null,
      };
      const short = agent.agent_id_short || shortOfKey(agent.agent_key);
      return {
        ...facts,
        short,
        slug: slugOf(agent),
        name: agent.name || short,
        state: describeAgent(facts, now),
      };
    })
    .sort((a, b) => NAMES.compare(a.name, b.name) || NAMES.compare(a.short, b.short));
}
