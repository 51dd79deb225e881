/** Which hosts are shown; `for`: the key of an agent that is to be paid for again. */
export type HostsSearch = { view?: 'rent'; for?: string };

/** Reads it from an address, which anybody may have written. */
export function readHosts(search: Record<string, unknown>): HostsSearch {
  if (search.view !== 'rent') return {};
  return { view: 'rent', ...(typeof search.for === 'string' && { for: search.for }) };
}
