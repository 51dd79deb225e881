import { describe, expect, it } from 'vitest';
import { checkConfig, isSecretKey } from './config';

const token = (claims: object) => `e30.${btoa(JSON.stringify(claims)).replaceAll('=', '')}.c2ln`;

describe('the configuration', () => {
  it('may be relative to the page', () => {
    const config = checkConfig(
      { supabaseUrl: '/', publishableKey: 'sb_publishable_x' },
      'http://h:1/p/x/agents',
    );
    expect(config.supabaseUrl).toBe('http://h:1');
  });

  it('may have the payments elsewhere', () => {
    const known = { supabaseUrl: 'https://x.supabase.co', publishableKey: 'sb_publishable_x' };
    expect(checkConfig({ ...known, checkoutUrl: 'https://y.on.aws/' }, 'http://h/').checkoutUrl).toBe(
      'https://y.on.aws',
    );
    expect(checkConfig(known, 'http://h/')).not.toHaveProperty('checkoutUrl');
    expect(() => checkConfig({ ...known, checkoutUrl: 7 }, 'http://h/')).toThrow(/checkoutUrl is no address/);
  });

  it('refuses keys that pass by row security', () => {
    for (const key of [`sb_secret_${'x'}`, token({ role: 'service_role' })]) {
      expect(() => checkConfig({ supabaseUrl: '/', publishableKey: key }, 'http://h/')).toThrow(/secret key/);
    }
    expect(isSecretKey(token({ role: 'anon' }))).toBe(false);
    expect(isSecretKey('sb_publishable_x')).toBe(false);
  });

  it('says what is missing', () => {
    expect(() => checkConfig({}, 'http://h/')).toThrow(/lacks supabaseUrl/);
    expect(() => checkConfig([], 'http://h/')).toThrow();
    expect(() => checkConfig(null, 'http://h/')).toThrow(/no JSON object/);
  });
});
