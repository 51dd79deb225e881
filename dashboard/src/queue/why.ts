/** What `why_pending` answers. */
export type Why = {
  code: string;
  message: string;
  hint?: string;
  attempts?: number;
  until?: string;
  since?: string;
  host_id?: string;
  /** Of each host of the project, why it does not take the agent in. */
  hosts?: { host_id: string; name: string; code: string }[];
};

/** An answer, unless what was asked about is over by now: then its row says how it ended. */
export function stillWaits(why: Why | undefined): Why | undefined {
  return why?.code === 'not_waiting' ? undefined : why;
}

const VERDICTS: Record<string, string> = {
  ready: 'takes it as soon as it has room',
  retired: 'is retired',
  draining: 'is draining',
  offline: 'is offline',
  outdated: 'has a Creel that is too old',
  backend: 'cannot run agents in this way',
  tags: 'lacks a tag that the agent asks for',
  isolation: 'runs agents of another project',
  capacity: 'is full',
  rented: 'is rented, and runs only what is paid for',
  unpaid: 'waits for the payment',
};

/** Why a host does not take an agent in. */
export function verdictWords(code: string): string {
  return VERDICTS[code] ?? code;
}

/** What the lease of an item is: until when its host holds it, or when it is tried again. */
export function leaseWords(why: Why | undefined): { label: string; until: string } | null {
  if (!why?.until) return null;
  if (why.code === 'leased' || why.code === 'cancelling') return { label: 'Lease ends', until: why.until };
  if (why.code === 'backoff') return { label: 'Next attempt', until: why.until };
  return null;
}

/** The reason as a sentence. */
export function reasonWords(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
