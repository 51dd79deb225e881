/** What is shown of the billing, and what became of a checkout, for which agent. */
export type BillingSearch = { view?: 'earnings'; checkout?: 'paid' | 'cancelled'; agent?: string };

/** As long as a key of an agent can be. */
const KEY_MAX = 1_024;

/** Reads it from an address, which anybody may have written. */
export function readBilling(search: Record<string, unknown>): BillingSearch {
  const { view, checkout, agent } = search;
  return {
    ...(view === 'earnings' && { view }),
    ...((checkout === 'paid' || checkout === 'cancelled') && { checkout }),
    ...(typeof agent === 'string' && agent.length <= KEY_MAX && { agent }),
  };
}
