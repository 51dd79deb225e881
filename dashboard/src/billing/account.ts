import type { Tone } from '../layout/Pill';
import type { Row } from '../supabase/client';

type Account = Pick<
  Row<'stripe_accounts'>,
  'transfers_active' | 'payouts_enabled' | 'payout_failed' | 'requirements' | 'livemode'
>;

/** How payouts stand, and what the owner can do. */
export type PayoutState = { tone: Tone; label: string; detail: string; act: string | null };

/** Says whether the owner of hosts can be paid. */
export function describePayouts(account: Account | null): PayoutState {
  if (!account) {
    return {
      tone: 'idle',
      label: 'Not set up',
      detail: 'Tell Stripe where your earnings go. Until then nobody can rent a place on your hosts.',
      act: 'Set up payouts',
    };
  }
  if (account.payout_failed) {
    return {
      tone: 'bad',
      label: 'Failed',
      detail: `Stripe could not pay you: ${account.payout_failed}`,
      act: 'Mend it',
    };
  }
  const due = dueCount(account.requirements);
  if (!account.transfers_active) {
    return {
      tone: 'warn',
      label: 'Not ready',
      detail:
        due > 0 ? `Stripe wants to know ${things(due)} about you.` : 'Stripe is looking at what you told.',
      act: 'Go on at Stripe',
    };
  }
  if (due > 0) {
    return {
      tone: 'warn',
      label: 'Wanted',
      detail: `Stripe wants to know ${things(due)} about you, or payouts will end.`,
      act: 'Go on at Stripe',
    };
  }
  if (!account.payouts_enabled) {
    return {
      tone: 'warn',
      label: 'Held',
      detail: 'You earn, and Stripe does not pay out yet.',
      act: 'Go on at Stripe',
    };
  }
  const test = account.livemode === false ? ' This is a test account: no real money.' : '';
  return {
    tone: 'good',
    label: 'Ready',
    detail: `What your hosts earn goes to your bank.${test}`,
    act: null,
  };
}

function things(count: number): string {
  return count === 1 ? 'one more thing' : `${count} more things`;
}

function dueCount(requirements: unknown): number {
  if (typeof requirements !== 'object' || requirements === null) return 0;
  const { currently_due, past_due } = requirements as Record<string, unknown>;
  const list = (value: unknown) => (Array.isArray(value) ? value : []);
  return new Set([...list(currently_due), ...list(past_due)]).size;
}
