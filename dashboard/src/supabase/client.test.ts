import { afterEach, expect, it, vi } from 'vitest';
import { connect, functionAddress } from './client';

afterEach(() => void vi.unstubAllGlobals());

const config = { supabaseUrl: 'https://x.supabase.co', publishableKey: 'k' };

it('the function of payments is where the configuration says', () => {
  const asked = 'https://x.supabase.co/functions/v1/checkout/sessions';
  expect(functionAddress(config, asked)).toBe(asked);
  const elsewhere = { ...config, checkoutUrl: 'https://y.on.aws' };
  expect(functionAddress(elsewhere, asked)).toBe('https://y.on.aws/checkout/sessions');
  const other = 'https://x.supabase.co/functions/v1/agents/runtime';
  expect(functionAddress(elsewhere, other)).toBe(other);
  expect(functionAddress(elsewhere, 'https://x.supabase.co/rest/v1/agents')).toBeNull();
});

it('that Stripe is away does not make the page offline', async () => {
  const asked: string[] = [];
  vi.stubGlobal('fetch', (address: string) => {
    asked.push(String(address));
    return Promise.resolve(new Response('{}', { status: 502 }));
  });
  const reached = vi.fn();
  const db = connect({ ...config, checkoutUrl: 'https://y.on.aws' }, { reached, heartbeat: () => {} });
  await db.functions.invoke('checkout/sessions', { body: {} });
  expect(asked).toEqual(['https://y.on.aws/checkout/sessions']);
  expect(reached).not.toHaveBeenCalled();
  await db.from('agents').select('id');
  expect(reached).toHaveBeenCalledWith(false);
});
