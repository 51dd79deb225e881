/** Where Stripe's minor unit is another one than that of ISO 4217. */
const STRIPE_DIGITS: Record<string, number> = { isk: 2, ugx: 2, mga: 0 };

/** How many digits of an amount are behind the point. */
export function minorDigits(currency: string): number {
  const known = STRIPE_DIGITS[currency.toLowerCase()];
  if (known !== undefined) return known;
  try {
    const format = new Intl.NumberFormat('en', { style: 'currency', currency });
    return format.resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    return 2;
  }
}

/** An amount in the currency's smallest unit, as people write it. */
export function money(minor: number, currency: string): string {
  const digits = minorDigits(currency);
  const value = minor / 10 ** digits;
  try {
    return new Intl.NumberFormat('en', {
      style: 'currency',
      currency,
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }).format(value);
  } catch {
    return `${value.toFixed(digits)} ${currency.toUpperCase()}`;
  }
}

/** What a person typed as an amount, in the smallest unit; null where it is none. */
export function readMoney(text: string, currency: string): number | null {
  const match = /^(\d{1,8})(?:[.,](\d{1,3}))?$/.exec(text.trim().replaceAll(' ', ''));
  if (!match) return null;
  const digits = minorDigits(currency);
  const fraction = match[2] ?? '';
  if (fraction.length > digits) return null;
  return Number(match[1]) * 10 ** digits + Number(fraction.padEnd(digits, '0') || '0');
}

/** An amount as it is typed. */
export function typedMoney(minor: number, currency: string): string {
  return (minor / 10 ** minorDigits(currency)).toFixed(minorDigits(currency)).replace(/\.0+$/, '');
}
