import type { HostView } from '../hosts/hosts';

const BACKENDS: Record<string, string> = {
  shared: 'The host’s one gateway',
  profile: 'A gateway of its own',
  docker: 'A container of its own',
  multipass: 'A virtual machine of its own',
};

/** Hosts that could take an agent that is made here: a rented one runs only what was paid for by a checkout. */
function usableHosts(hosts: readonly HostView[]): HostView[] {
  return hosts.filter(({ shownStatus, terms }) => shownStatus !== 'retired' && terms === 'own');
}

/** Hosts that may be chosen, and what is to be known of each. One that is off may be chosen too: the agent waits. */
export function hostChoices(hosts: readonly HostView[]) {
  const usable = usableHosts(hosts);
  return [
    { value: '', label: 'Any that has room' },
    ...usable.map(({ id, name, shownStatus }) => ({
      value: id,
      label: shownStatus === 'online' ? name : `${name} (${shownStatus})`,
    })),
  ];
}

/** How an agent can run: what the host can, or what any of the hosts can. */
export function backendChoices(hosts: readonly HostView[], hostId: string) {
  const asked = hostId ? hosts.filter(({ id }) => id === hostId) : usableHosts(hosts);
  const able = new Set(asked.flatMap(({ backends }) => backends));
  if (able.size === 0) able.add('shared');
  return Object.entries(BACKENDS)
    .filter(([value]) => able.has(value))
    .map(([value, label]) => ({ value, label }));
}

/** The one that was chosen where it is offered still, else the first. */
export function chosenBackend(offered: readonly { value: string }[], wanted: string): string {
  return offered.find(({ value }) => value === wanted)?.value ?? offered[0]?.value ?? wanted;
}

/** What a backend is called. */
export function backendWords(backend: string): string {
  return BACKENDS[backend] ?? backend;
}

/** The models that the host offers, or any of the hosts. */
export function modelChoices(hosts: readonly HostView[], hostId: string): string[] {
  const asked = hostId ? hosts.filter(({ id }) => id === hostId) : usableHosts(hosts);
  return [...new Set(asked.flatMap(({ models }) => models))].sort();
}

/** What a new agent would wait for, or null where a host takes it at once. */
export function waitingWords(hosts: readonly HostView[], hostId: string): string | null {
  const asked = usableHosts(hosts).filter(({ id }) => !hostId || id === hostId);
  if (asked.some(({ shownStatus }) => shownStatus === 'online')) return null;
  if (asked.length > 0) return 'No host is online at the moment. The agent is made when one is back.';
  return hosts.some(({ terms }) => terms === 'rented')
    ? 'The project has rented hosts only: rent a place for an agent on the page of the hosts.'
    : 'No host serves this project yet. The agent is made when one does.';
}
