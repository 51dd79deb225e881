import type { Tone } from '../layout/Pill';
import { duration } from '../layout/time';
import type { Row } from '../supabase/client';

type Subscription = Row<'subscriptions'>;

/** How a subscription stands, in words. */
export type ServiceState = { tone: Tone; label: string; detail: string | null; at: string | null };

/** What follows from a subscription for its agent. `at` is the time that belongs to the detail. */
export function describeService(row: Subscription): ServiceState {
  switch (row.service) {
    case 'active':
      return row.cancel_at_period_end
        ? { tone: 'warn', label: 'Ending', detail: 'Cancelled, ends', at: row.current_period_end }
        : { tone: 'good', label: 'Paid', detail: 'Renews', at: row.current_period_end };
    case 'awaiting':
      return { tone: 'busy', label: 'Payment under way', detail: 'The bank takes its time', at: null };
    case 'grace':
      return { tone: 'warn', label: 'Payment failed', detail: 'Stops', at: row.grace_until };
    case 'suspended':
      return { tone: 'bad', label: 'Stopped', detail: 'Not paid; starts again when it is', at: null };
    case 'ended':
      return { tone: 'idle', label: 'Ended', detail: 'Its files go', at: row.remove_at };
    case 'removed':
      return { tone: 'idle', label: 'Removed', detail: 'Ended', at: row.ended_at };
    default:
      return { tone: 'idle', label: row.service, detail: null, at: null };
  }
}

/** Those that ask for something first, those that are over last. */
export function sortSubscriptions(rows: readonly Subscription[]): Subscription[] {
  const order = ['grace', 'suspended', 'awaiting', 'active', 'ended', 'removed'];
  return [...rows].sort(
    (a, b) => order.indexOf(a.service) - order.indexOf(b.service) || b.created_at.localeCompare(a.created_at),
  );
}

/** A length of time as Postgres writes it, in milliseconds. */
export function intervalMs(interval: string | null): number | null {
  const match = /^(?:(-?\d+) days? ?)?(?:(-?)(\d+):(\d\d):(\d\d(?:\.\d+)?))?$/.exec(interval ?? '');
  if (!interval || !match) return null;
  const [, days = '0', sign, hours = '0', minutes = '0', seconds = '0'] = match;
  const time = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000;
  return Number(days) * 86_400_000 + (sign === '-' ? -time : time);
}

/** How long it took from the payment to an agent that runs, or why there is none yet. */
export function startWords(row: {
  service: string;
  asked_at: string | null;
  received_to_running: string | null;
  gap: string | null;
}): string | null {
  const took = intervalMs(row.received_to_running);
  if (took !== null) return took < 1_000 ? 'Ran at once' : `Ran ${duration(took)} after the payment`;
  // What was never asked of a host, or is over, has no start to wait for.
  if (row.asked_at === null || row.service === 'ended' || row.service === 'removed') return null;
  return row.gap ? row.gap.charAt(0).toUpperCase() + row.gap.slice(1) : null;
}

/** An address to which a person may be sent: a page of the web, whoever wrote it. */
export function webAddress(url: string | null | undefined): string | null {
  if (!url || !URL.canParse(url)) return null;
  return /^https?:$/.test(new URL(url).protocol) ? url : null;
}

export const PLANS: Record<string, string> = { month: 'a month', year: 'a year' };

/** Agents that nobody pays for at the moment, and that no checkout and no subscription takes care of. */
export function unpaidAgents<A extends { agent_key: string; billing: string }>(
  agents: readonly A[],
  intents: readonly { agent_key: string }[],
  subscriptions: readonly { agent_key: string; status: string }[],
): A[] {
  const over = ['canceled', 'incomplete_expired'];
  const minded = new Set([
    ...intents.map(({ agent_key }) => agent_key),
    ...subscriptions.filter(({ status }) => !over.includes(status)).map(({ agent_key }) => agent_key),
  ]);
  return agents.filter(({ billing, agent_key }) => billing === 'unpaid' && !minded.has(agent_key));
}
