import type { AgentView } from './agents';
import type { Group } from './describe';

/** What is shown of the agents; it is in the address, so that it can be sent to somebody. */
export type AgentFilter = { q?: string; show?: Group; host?: string };

export const GROUPS: { value: Group; label: string }[] = [
  { value: 'running', label: 'Running' },
  { value: 'busy', label: 'Under way' },
  { value: 'stopped', label: 'Stopped' },
  { value: 'attention', label: 'Needs attention' },
];

/** Reads a filter from an address, which anybody may have written. */
export function readFilter(search: Record<string, unknown>): AgentFilter {
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  const show = GROUPS.find(({ value }) => value === search.show)?.value;
  // A query that looks like a number is read as one.
  const q = text(typeof search.q === 'number' ? String(search.q) : search.q);
  const host = text(search.host);
  return { ...(q && { q }), ...(show && { show }), ...(host && { host }) };
}

/** The agents that fit, whatever their state. */
export function searchAgents(views: readonly AgentView[], { q, host }: AgentFilter): AgentView[] {
  const words = (q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return views.filter((view) => {
    if (host && view.agent.host_id !== host) return false;
    const text = [view.name, view.short, view.agent.role, view.host?.name].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** How many there are of each state. */
export function countGroups(views: readonly AgentView[]): Record<Group, number> {
  const counts: Record<Group, number> = { running: 0, busy: 0, stopped: 0, attention: 0 };
  for (const view of views) counts[view.state.group] += 1;
  return counts;
}
