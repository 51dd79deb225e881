import { expect, it } from 'vitest';
import { describeOutcome } from './outcome';

const key = 'agent:scout:main';
const agent = { agent_key: key, agent_id_short: 'scout', name: 'Scout', status: 'pending_deploy' };
const intent = { agent_key: key, awaits_payment: false };
const subscription = { id: 's', agent_key: key, status: 'active', service: 'active', created_at: '' };
const nothing = { intents: [], subscriptions: [], gaps: new Map<string, string>(), agents: [agent] };
const paid = { checkout: 'paid', agent: key } as const;
const said = (known: Partial<Parameters<typeof describeOutcome>[1]>, search = paid) =>
  describeOutcome(search, { ...nothing, ...known });

it('what is said of a payment follows from what is known of it, and not from the address', () => {
  expect(describeOutcome({}, nothing)).toBeNull();
  expect(said({})?.text).toContain('Nothing is known here of a payment for Scout');
  expect(said({ intents: [intent] })).toMatchObject({ tone: 'busy', slug: 'scout' });
  expect(said({ intents: [intent] })?.text).toContain('Stripe has not told');
  expect(said({ intents: [{ ...intent, awaits_payment: true }] })?.text).toContain('the bank');
  expect(said({ subscriptions: [{ ...subscription, service: 'awaiting' }] })?.text).toContain('the bank');
  const gaps = new Map([['s', 'its host is at it']]);
  expect(said({ subscriptions: [subscription], gaps })?.text).toBe('Scout is paid for. Its host is at it.');
  expect(said({ subscriptions: [subscription], agents: [{ ...agent, status: 'running' }] })).toMatchObject({
    tone: 'good',
    text: 'Scout is paid for, and runs.',
  });
});

it('an old subscription that has ended says nothing of a new payment', () => {
  const ended = { ...subscription, status: 'canceled', service: 'ended' };
  expect(said({ subscriptions: [ended], intents: [intent] })?.text).toContain('Stripe has not told');
});

it('who did not pay is told whether the place is kept', () => {
  const cancelled = { checkout: 'cancelled', agent: key } as const;
  expect(describeOutcome(cancelled, { ...nothing, intents: [intent] })?.text).toContain('kept for a while');
  expect(describeOutcome(cancelled, nothing)?.text).toBe('Nothing was paid.');
});
