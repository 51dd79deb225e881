import { describe, expect, it } from 'vitest';
import { backendsWords, describeHost, fullness, memoryWords, priceWords, readPrice } from './describe';

const facts = { status: 'online', lastSeenAt: '2026-10-01T12:00:00Z', outdatedSince: null };
const now = Date.parse('2026-10-01T15:00:00Z');

describe('how a host stands', () => {
  it('is said in a word, with what to do where something is to be done', () => {
    const label = (status: string) => describeHost({ ...facts, status }, now).label;
    expect(['online', 'offline', 'draining', 'enrolled', 'retired'].map(label)).toEqual([
      'Online',
      'Offline',
      'Draining',
      'Enrolled',
      'Retired',
    ]);
    const offline = describeHost({ ...facts, status: 'offline' }, now);
    expect(offline.detail).toContain('3 h ago');
    expect(offline.hint).toContain('creel worker status');
    expect(describeHost({ ...facts, status: 'offline', lastSeenAt: null }, now).detail).toContain('never');
  });

  it('is too old before anything else, but for a retired one', () => {
    const old = { ...facts, outdatedSince: '2026-09-01T00:00:00Z' };
    expect(describeHost({ ...old, status: 'offline' }, now).label).toBe('Too old');
    expect(describeHost({ ...old, status: 'retired' }, now).label).toBe('Retired');
  });
});

describe('what a host costs', () => {
  it('is read whatever is written there', () => {
    expect(readPrice({ month: 900, year: 9000, currency: 'eur' })).toEqual({
      month: 900,
      year: 9000,
      currency: 'eur',
    });
    expect(readPrice({ month: 900 })).toEqual({ month: 900, year: null, currency: null });
    for (const none of [null, {}, 'x', { month: 'nine' }, { month: -1 }, []]) {
      expect(readPrice(none)).toBeNull();
    }
  });

  it('is told by the month where it is let so', () => {
    expect(priceWords(readPrice({ month: 900, year: 9000 }), 'usd')).toBe('$9.00 a month');
    expect(priceWords(readPrice({ year: 9000, currency: 'eur' }), 'usd')).toBe('€90.00 a year');
    expect(priceWords(null, 'usd')).toBeNull();
    // Nine dollars are not nine yen: nothing is said before it is known.
    expect(priceWords(readPrice({ month: 900 }), null)).toBeNull();
  });
});

describe('words of a host', () => {
  it('are those of people', () => {
    expect([memoryWords(900), memoryWords(2_048), memoryWords(16_384)]).toEqual([
      '900 MB',
      '2.0 GB',
      '16 GB',
    ]);
    expect([fullness(1, 10), fullness(8, 10), fullness(10, 10), fullness(0, 0)]).toEqual([
      'good',
      'warn',
      'bad',
      'bad',
    ]);
    expect(backendsWords(['profile', 'docker', 'other'])).toBe('own gateway, container, other');
  });
});
