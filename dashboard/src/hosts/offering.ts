import { readMoney, typedMoney } from '../layout/money';
import type { Row } from '../supabase/client';
import { readPrice } from './describe';
import { readCount, readTags } from './enrol';

/** What a host offers, as it is typed. */
export type Offer = {
  name: string;
  capacity: string;
  tags: string;
  month: string;
  year: string;
  trusted: boolean;
};

type Host = Pick<Row<'hosts'>, 'name' | 'capacity' | 'tags' | 'price' | 'tenancy'>;

/** Stripe takes no less, and no more. */
const LEAST_MINOR = 50;
const MOST_MINOR = 99_999_999;

/** What a host offers; without a currency that is known nothing is said of prices, and so none is changed. */
export function offerOf(host: Host, currency: string | null): Offer {
  const price = readPrice(host.price);
  const typed = (minor: number | null | undefined) => (minor && currency ? typedMoney(minor, currency) : '');
  return {
    name: host.name,
    capacity: String(host.capacity),
    tags: host.tags.join(', '),
    month: typed(price?.month),
    year: typed(price?.year),
    trusted: host.tenancy === 'trusted',
  };
}

/** What is wrong, by the field. */
export function offerProblems(offer: Offer, currency: string | null): Partial<Record<keyof Offer, string>> {
  const problems: Partial<Record<keyof Offer, string>> = {};
  if (!offer.name.trim()) problems.name = 'It needs a name.';
  if (readCount(offer.capacity, 100_000) === null) problems.capacity = 'A whole number, such as 10.';
  for (const field of ['month', 'year'] as const) {
    if (!currency || !offer[field].trim()) continue;
    const minor = readMoney(offer[field], currency);
    if (minor === null) problems[field] = 'An amount, such as 9 or 9.50.';
    else if (minor < LEAST_MINOR) problems[field] = `${typedMoney(LEAST_MINOR, currency)} at least.`;
    else if (minor > MOST_MINOR) problems[field] = `${typedMoney(MOST_MINOR, currency)} at most.`;
  }
  return problems;
}

/** What is to be written: no more than what became another one. */
export function offerChange(offer: Offer, host: Host, currency: string | null) {
  const before = offerOf(host, currency);
  const priced = offer.month !== before.month || offer.year !== before.year;
  const month = currency && readMoney(offer.month, currency);
  const year = currency && readMoney(offer.year, currency);
  const kept = readPrice(host.price)?.currency;
  const price =
    month === null && year === null
      ? null
      : { ...(kept && { currency: kept }), ...(month !== null && { month }), ...(year !== null && { year }) };
  return {
    ...(offer.name.trim() !== host.name && { name: offer.name.trim() }),
    ...(offer.capacity !== before.capacity && { capacity: Number(offer.capacity) }),
    ...(offer.tags !== before.tags && { tags: readTags(offer.tags) }),
    ...(priced && { price }),
    ...(offer.trusted !== before.trusted && { tenancy: offer.trusted ? 'trusted' : 'single' }),
  };
}
