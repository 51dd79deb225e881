/** Which hosts are shown. */
export type HostsSearch = { view?: 'rent' };

/** Reads it from an address, which anybody may have written. */
export function readHosts(search: Record<string, unknown>): HostsSearch {
  return search.view === 'rent' ? { view: 'rent' } : {};
}
