import type { Db } from '../supabase/client';
import { invoke } from '../supabase/invoke';
import { Problem } from '../supabase/problem';
import type { BillingSearch } from './view';
import { webAddress } from './words';

/** What is to be paid for. */
export type CheckoutWish = {
  projectId: string;
  agentKey: string;
  hostId: string;
  plan: 'month' | 'year';
  agent?: Record<string, unknown>;
};

/** How a rented agent runs: with a gateway of its own where its host can. */
export function backendFor(backends: readonly string[]): string {
  return (
    ['profile', 'docker', 'multipass', 'shared'].find((backend) => backends.includes(backend)) ?? 'profile'
  );
}

/** Where Stripe sends a person back to, and what the page is to be told there. */
export function billingUrl(projectId: string, search: BillingSearch): string {
  const path = `${import.meta.env.BASE_URL}p/${encodeURIComponent(projectId)}/billing`;
  const url = new URL(path, window.location.origin);
  for (const [name, value] of Object.entries(search)) url.searchParams.set(name, value);
  return url.href;
}

/** Keeps a place on a host and goes to the page where it is paid for. */
export async function goToCheckout(db: Db, wish: CheckoutWish): Promise<void> {
  const { url } = await invoke<{ url: string }>(db, 'checkout/sessions', {
    ...wish,
    successUrl: billingUrl(wish.projectId, { checkout: 'paid', agent: wish.agentKey }),
    cancelUrl: billingUrl(wish.projectId, { checkout: 'cancelled', agent: wish.agentKey }),
  });
  goTo(url);
}

/** Goes to the page on which payments are seen, changed and ended. */
export async function goToPortal(db: Db, projectId: string, subscriptionId?: string): Promise<void> {
  const { url } = await invoke<{ url: string }>(db, 'checkout/portal', {
    projectId,
    ...(subscriptionId && { subscriptionId }),
    returnUrl: billingUrl(projectId, {}),
  });
  goTo(url);
}

/** Goes to the pages on which the owner of hosts says where the money goes. */
export async function goToOnboarding(db: Db, projectId: string): Promise<void> {
  const back = billingUrl(projectId, { view: 'earnings' });
  const { url } = await invoke<{ url: string }>(db, 'checkout/onboarding', {
    returnUrl: back,
    refreshUrl: back,
  });
  goTo(url);
}

/** Leaves for a page of Stripe's. */
export function goTo(url: string): void {
  const address = webAddress(url);
  if (!address) throw new Problem('Stripe gave no page to go to.', 'Try again.', null);
  window.location.assign(address);
}
