/** How the page learns of changes. */
export type LiveMode = 'connecting' | 'live' | 'polling' | 'offline';

/** What is known of the connection; `decideMode` makes a mode of it. */
export type Facts = {
  startedAt: number;
  /** When the channel was joined; null while it is not. */
  joinedAt: number | null;
  /** When Realtime last gave a sign of life. */
  heardAt: number | null;
  /** Whether the last call of the Data API got through. */
  reached: boolean;
};

export type Signal =
  | { type: 'joined'; at: number }
  | { type: 'left' }
  | { type: 'heard'; at: number }
  | { type: 'reached'; ok: boolean };

/** Two heartbeats and a margin: a connection that is silent for longer is taken for dead. */
export const SILENT_MS = 10_000;
/** A page that has just been opened is connecting, and not yet without Realtime. */
export const CONNECTING_MS = 4_000;

export function initialFacts(now: number): Facts {
  return { startedAt: now, joinedAt: null, heardAt: null, reached: true };
}

/** Takes in what happened. */
export function nextFacts(facts: Facts, signal: Signal): Facts {
  switch (signal.type) {
    case 'joined':
      return { ...facts, joinedAt: signal.at, heardAt: signal.at };
    case 'left':
      return facts.joinedAt === null ? facts : { ...facts, joinedAt: null };
    case 'heard':
      return { ...facts, heardAt: signal.at };
    case 'reached':
      return facts.reached === signal.ok ? facts : { ...facts, reached: signal.ok };
  }
}

/** How the page learns of changes, by what is known now. */
export function decideMode(facts: Facts, now: number): LiveMode {
  if (!facts.reached) return 'offline';
  const heard = facts.heardAt !== null && now - facts.heardAt <= SILENT_MS;
  if (facts.joinedAt !== null && heard) return 'live';
  if (facts.joinedAt === null && now - facts.startedAt < CONNECTING_MS) return 'connecting';
  return 'polling';
}
