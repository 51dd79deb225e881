import type { View } from './items';

/** Reads from an address which part of the queue is shown; anybody may have written it. */
export function readView(search: Record<string, unknown>): { view?: View } {
  return search.view === 'dead' || search.view === 'ended' ? { view: search.view } : {};
}
