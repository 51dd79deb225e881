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
  /** What the browser says of its network. */
  online: boolean;
  /** When calls began to fail. */
  failingSince: number | null;
};

export type Signal =
  | { type: 'joined'; at: number }
  | { type: 'left' }
  | { type: 'heard'; at: number }
  | { type: 'reached'; ok: boolean; at: number }
  | { type: 'online'; online: boolean };

/** Two heartbeats and a margin: a connection that is silent for longer is taken for dead. */
export const SILENT_MS = 10_000;
/** A page that has just been opened is connecting, and not yet without Realtime. */
export const CONNECTING_MS = 4_000;

export function initialFacts(now: number, online: boolean): Facts {
  return { startedAt: now, joinedAt: null, heardAt: null, reached: true, online, failingSince: null };
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
      if (signal.ok) return facts.reached ? facts : { ...facts, reached: true, failingSince: null };
      return { ...facts, reached: false, failingSince: facts.failingSince ?? signal.at };
    case 'online':
      return { ...facts, online: signal.online };
  }
}

/** How the page learns of changes, by what is known now. */
export function decideMode(facts: Facts, now: number): LiveMode {
  if (!facts.online) return 'offline';
  const heard = facts.heardAt !== null && now - facts.heardAt <= SILENT_MS;
  if (facts.joinedAt !== null && heard && facts.reached) return 'live';
  if (!facts.reached) return 'offline';
  if (facts.joinedAt === null && now - facts.startedAt < CONNECTING_MS) return 'connecting';
  return 'polling';
}
