import { shortOfKey, slugOf } from '../agents/names';
import type { Tone } from '../layout/Pill';
import type { Row } from '../supabase/client';
import type { BillingSearch } from './view';

/** What a visit at Stripe came to, as far as it is known here. */
export type Outcome = {
  tone: Tone;
  text: string /** Of the agent, where there is one to be looked at. */;
  slug: string | null;
};

type Known = {
  intents: readonly Pick<Row<'checkout_intents'>, 'agent_key' | 'awaits_payment'>[];
  subscriptions: readonly Pick<
    Row<'subscriptions'>,
    'id' | 'agent_key' | 'status' | 'service' | 'created_at'
  >[];
  /** Why an agent that is paid for does not run yet, by its subscription. */
  gaps: ReadonlyMap<string, string | null>;
  agents: readonly Pick<Row<'agents'>, 'agent_key' | 'agent_id_short' | 'name' | 'status'>[];
};

const OVER = ['canceled', 'incomplete_expired'];

/** Says how it stands with what somebody went to pay: by the rows, as anybody may have written the address. */
export function describeOutcome({ checkout, agent: key }: BillingSearch, known: Known): Outcome | null {
  if (!checkout) return null;
  const agent = known.agents.find(({ agent_key }) => agent_key === key);
  const name = agent?.name || (key ? shortOfKey(key) : 'the agent');
  const intent = known.intents.find(({ agent_key }) => agent_key === key);
  const [subscription] = known.subscriptions
    .filter(({ agent_key, status }) => agent_key === key && !OVER.includes(status))
    .sort((a, b) => b.created_at.localeCompare(a.created_at));
  const plain = (tone: Tone, text: string): Outcome => ({ tone, text, slug: agent ? slugOf(agent) : null });
  if (subscription && subscription.service !== 'awaiting') {
    if (agent?.status === 'running') return plain('good', `${name} is paid for, and runs.`);
    const gap = known.gaps.get(subscription.id);
    return plain('busy', `${name} is paid for. ${gap ? sentence(gap) : 'It is about to start.'}`);
  }
  if (subscription || intent?.awaits_payment) {
    return plain(
      'busy',
      `The payment for ${name} is under way. It starts when the bank has paid, which may take days.`,
    );
  }
  if (checkout === 'cancelled') {
    return intent
      ? plain('idle', `Nothing was paid. The place for ${name} is kept for a while, so that you can go on.`)
      : plain('idle', 'Nothing was paid.');
  }
  if (intent) {
    return plain('busy', `Thank you. Stripe has not told of the payment yet; when it has, ${name} starts.`);
  }
  return plain('warn', `Nothing is known here of a payment for ${name}. Stripe may tell of it yet.`);
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
