/** What is shown of the billing, and what became of a checkout. */
export type BillingSearch = { view?: 'earnings'; checkout?: 'paid' | 'cancelled' };

/** Reads it from an address, which anybody may have written. */
export function readBilling(search: Record<string, unknown>): BillingSearch {
  const { view, checkout } = search;
  return {
    ...(view === 'earnings' && { view }),
    ...((checkout === 'paid' || checkout === 'cancelled') && { checkout }),
  };
}
