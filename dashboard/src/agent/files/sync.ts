import type { Doc } from './docs';

/** Where a document stands with the disk, in words. */
export function syncWords(doc: Doc): string {
  if (doc.version === 0) return 'There is no such file yet';
  switch (doc.sync_state) {
    case 'synced':
      return 'On the disk';
    case 'waiting':
      return doc.host_online === false
        ? 'The disk gets it when the host is back'
        : doc.host_online === null
          ? 'The disk gets it when the agent has a host'
          : 'On its way to the disk…';
    case 'held':
      return 'Held back: the disk has another text';
    case 'blocked':
      return doc.sync_note ? `The file is left alone: ${doc.sync_note}` : 'The file cannot be written';
    default:
      return '';
  }
}

/** Why a version is there, in words. */
const REASONS: Record<string, string> = {
  merged: 'merged',
  conflict: 'in conflict',
  held: 'held back',
  went_back: 'went back',
  restored: 'restored',
  day: 'a new day',
  earlier_day: 'of an earlier day',
  merge_side: 'before a merge',
  accepted: 'accepted from the disk',
};

export function reasonWords(reason: string | null): string | null {
  return reason && (REASONS[reason] ?? reason);
}
