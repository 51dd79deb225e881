import { expect, it } from 'vitest';
import { functionAddress } from './client';

it('the function of payments is where the configuration says', () => {
  const config = { supabaseUrl: 'https://x.supabase.co', publishableKey: 'k' };
  const asked = 'https://x.supabase.co/functions/v1/checkout/sessions';
  expect(functionAddress(config, asked)).toBe(asked);
  const elsewhere = { ...config, checkoutUrl: 'https://y.on.aws' };
  expect(functionAddress(elsewhere, asked)).toBe('https://y.on.aws/checkout/sessions');
  const other = 'https://x.supabase.co/functions/v1/agents/runtime';
  expect(functionAddress(elsewhere, other)).toBe(other);
  expect(functionAddress(elsewhere, 'https://x.supabase.co/rest/v1/agents')).toBeNull();
});
