import { describe, expect, it } from 'vitest';
import type { Db, Row } from '../supabase/client';
import { invoke, refusal } from '../supabase/invoke';
import { describePayouts } from './account';
import { currenciesOf, monthWords, type Statement, sumMonths, totalOf } from './months';
import { backendFor } from './pay';
import { readBilling } from './view';
import {
  describeService,
  intervalMs,
  sortSubscriptions,
  startWords,
  unpaidAgents,
  webAddress,
} from './words';

const statement = (month: string, net: number, fields: Partial<Statement> = {}): Statement => ({
  host_id: 'h',
  month,
  currency: 'usd',
  earned_minor: net,
  corrected_minor: 0,
  net_minor: net,
  ...fields,
});

describe('months of earnings', () => {
  const now = new Date('2026-02-15T00:00:00Z');

  it('are six at least, without gaps, up to this one', () => {
    const months = sumMonths([statement('2025-12', 765)], 'usd', now);
    expect(months.map(({ month, net }) => `${month} ${net}`)).toEqual([
      '2025-09 0',
      '2025-10 0',
      '2025-11 0',
      '2025-12 765',
      '2026-01 0',
      '2026-02 0',
    ]);
  });

  it('begin with the first in which something was earned, two years at most', () => {
    expect(sumMonths([statement('2025-05', 1)], 'usd', now)[0]?.month).toBe('2025-05');
    expect(sumMonths([statement('2020-01', 1)], 'usd', now)).toHaveLength(24);
  });

  it('take all hosts together, and each currency apart', () => {
    const rows = [
      statement('2026-02', 765, { corrected_minor: -100, earned_minor: 865 }),
      statement('2026-02', 500, { host_id: 'other' }),
      statement('2026-01', 300, { currency: 'eur' }),
    ];
    const months = sumMonths(rows, 'usd', now);
    expect(months.at(-1)).toEqual({ month: '2026-02', earned: 1365, corrected: -100, net: 1265 });
    expect(totalOf(months)).toBe(1265);
    expect(currenciesOf(rows)).toEqual(['usd', 'eur']);
    expect(monthWords('2026-02')).toBe('February 2026');
  });
});

describe('what is paid for', () => {
  const row = (service: string, fields: Partial<Row<'subscriptions'>> = {}) =>
    ({ service, cancel_at_period_end: false, created_at: '', ...fields }) as Row<'subscriptions'>;

  it('is said in a word, with the time that belongs to it', () => {
    const active = row('active', { current_period_end: 'end' });
    expect(describeService(active)).toMatchObject({ label: 'Paid', detail: 'Renews', at: 'end' });
    expect(describeService({ ...active, cancel_at_period_end: true })).toMatchObject({
      label: 'Ending',
      at: 'end',
    });
    expect(describeService(row('grace', { grace_until: 'soon' }))).toMatchObject({
      tone: 'warn',
      at: 'soon',
    });
    expect(describeService(row('something new')).label).toBe('something new');
  });

  it('has what asks for something first', () => {
    const rows = [row('removed'), row('active'), row('grace')];
    expect(sortSubscriptions(rows).map(({ service }) => service)).toEqual(['grace', 'active', 'removed']);
  });

  it('is asked for where nobody minds an agent that is not paid for', () => {
    const agent = (agent_key: string, billing = 'unpaid') => ({ agent_key, billing });
    const found = unpaidAgents(
      [agent('a'), agent('b'), agent('c'), agent('d'), agent('e', 'free')],
      [{ agent_key: 'a' }],
      [
        { agent_key: 'b', status: 'past_due' },
        { agent_key: 'c', status: 'canceled' },
      ],
    );
    expect(found.map(({ agent_key }) => agent_key)).toEqual(['c', 'd']);
  });
});

describe('from the payment to an agent that runs', () => {
  const start = { service: 'active', asked_at: 't', received_to_running: null, gap: null };

  it('is told as a length of time, or by what is in its way', () => {
    expect(intervalMs('00:00:42.5')).toBe(42_500);
    expect(intervalMs('1 day 02:00:00')).toBe(93_600_000);
    expect([intervalMs('3 days'), intervalMs('-00:00:01'), intervalMs(null), intervalMs('soon')]).toEqual([
      259_200_000,
      -1_000,
      null,
      null,
    ]);
    expect(startWords({ ...start, received_to_running: '00:00:42' })).toBe('Ran 42 s after the payment');
    expect(startWords({ ...start, gap: 'waits for its host' })).toBe('Waits for its host');
    expect(startWords({ ...start, gap: 'x', asked_at: null })).toBeNull();
  });
});

describe('payouts', () => {
  const account = {
    transfers_active: true,
    payouts_enabled: true,
    payout_failed: null,
    requirements: {},
    livemode: true,
  };

  it('are ready, or say what is missing', () => {
    expect(describePayouts(null)).toMatchObject({ label: 'Not set up', act: 'Set up payouts' });
    expect(describePayouts(account)).toMatchObject({ tone: 'good', act: null });
    expect(describePayouts({ ...account, livemode: false }).detail).toContain('test');
    expect(describePayouts({ ...account, payout_failed: 'no such bank' }).detail).toContain('no such bank');
    const due = { currently_due: ['a', 'b'], past_due: ['b'] };
    expect(describePayouts({ ...account, requirements: due }).detail).toContain('2 more');
    expect(describePayouts({ ...account, transfers_active: false, requirements: due }).label).toBe(
      'Not ready',
    );
    expect(describePayouts({ ...account, payouts_enabled: false }).label).toBe('Held');
  });
});

describe('the way to Stripe and back', () => {
  it('goes to pages of the web alone', () => {
    expect(webAddress('https://checkout.stripe.com/c/pay/cs_1')).toBe(
      'https://checkout.stripe.com/c/pay/cs_1',
    );
    for (const other of ['javascript:alert(1)', 'data:text/html,x', 'no address', '', null]) {
      expect(webAddress(other)).toBeNull();
    }
  });

  it('chooses how the agent runs by what its host can', () => {
    expect(backendFor(['shared', 'profile'])).toBe('profile');
    expect(backendFor(['docker'])).toBe('docker');
    expect(backendFor([])).toBe('profile');
  });

  it('is read from an address that anybody may have written', () => {
    expect(readBilling({ view: 'earnings', checkout: 'paid' })).toEqual({
      view: 'earnings',
      checkout: 'paid',
    });
    expect(readBilling({ checkout: 'paid', agent: 'agent:scout:main' })).toHaveProperty('agent');
    expect(readBilling({ view: 'x', checkout: '<b>', agent: 7 })).toEqual({});
  });
});

describe('what a function refuses', () => {
  it('is told in its own words', () => {
    const problem = refusal(409, {
      ok: false,
      error: { code: 'capacity', message: 'the host is full', hint: 'choose another host' },
    });
    expect(problem).toMatchObject({
      message: 'The host is full.',
      hint: 'Choose another host.',
      code: 'capacity',
    });
  });

  it('says what to do where no answer comes', async () => {
    const answer = { data: null, error: new Error('Failed to send a request to the Edge Function') };
    const db = { functions: { invoke: () => Promise.resolve(answer) } } as unknown as Db;
    await expect(invoke(db, 'checkout/portal', {})).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('says so where there are no payments, and nothing where it does not know', () => {
    expect(refusal(404, { error: { code: 'no_route', message: 'x' } })?.code).toBe('no_payments');
    expect(refusal(404, null)?.code).toBe('no_payments');
    expect(refusal(404, { error: { code: 'no_customer', message: 'nobody has paid' } })?.code).toBe(
      'no_customer',
    );
    expect(refusal(undefined, null)).toBeNull();
    expect(refusal(502, '<html>')).toBeNull();
  });
});
