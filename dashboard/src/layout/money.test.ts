import { describe, expect, it } from 'vitest';
import { minorDigits, money, readMoney, typedMoney } from './money';

describe('money', () => {
  it('has as many digits as its currency', () => {
    expect(['usd', 'jpy', 'kwd', 'isk', 'mga'].map(minorDigits)).toEqual([2, 0, 3, 2, 0]);
    expect(money(900, 'usd')).toMatch(/9\.00/);
    expect(money(900, 'jpy')).toMatch(/900/);
    expect(money(-150, 'eur')).toMatch(/1\.50/);
    expect(money(900, 'no currency')).toBe('9.00 NO CURRENCY');
  });

  it('is read as it is typed', () => {
    expect(readMoney('9', 'usd')).toBe(900);
    expect(readMoney('9.5', 'usd')).toBe(950);
    expect(readMoney('9,05', 'eur')).toBe(905);
    expect(readMoney('900', 'jpy')).toBe(900);
    for (const wrong of ['', '-1', '9.999', '1e3', 'nine']) expect(readMoney(wrong, 'usd')).toBeNull();
    expect(readMoney('9.5', 'jpy')).toBeNull();
    expect([typedMoney(900, 'usd'), typedMoney(950, 'usd'), typedMoney(900, 'jpy')]).toEqual([
      '9',
      '9.50',
      '900',
    ]);
  });
});
