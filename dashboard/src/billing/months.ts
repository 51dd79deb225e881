/** What a host earned in a month, as the view says it. */
export type Statement = {
  host_id: string | null;
  month: string | null;
  currency: string;
  earned_minor: number | null;
  corrected_minor: number | null;
  net_minor: number | null;
};

/** One month of a plot. */
export type MonthSum = { month: string; earned: number; corrected: number; net: number };

/** A plot of fewer months says little. */
const LEAST_MONTHS = 6;
const MOST_MONTHS = 24;

/** In which currencies something was earned, the one with the most months first. */
export function currenciesOf(rows: readonly Statement[]): string[] {
  const counts = new Map<string, number>();
  for (const { currency } of rows) counts.set(currency, (counts.get(currency) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || a.localeCompare(b)).map(([currency]) => currency);
}

/** Month by month, all hosts together, with months in which nothing was earned; the last one is that of `now`. */
export function sumMonths(rows: readonly Statement[], currency: string, now: Date): MonthSum[] {
  const sums = new Map<string, MonthSum>();
  for (const row of rows) {
    if (row.currency !== currency || !row.month) continue;
    const sum = sums.get(row.month) ?? { month: row.month, earned: 0, corrected: 0, net: 0 };
    sum.earned += row.earned_minor ?? 0;
    sum.corrected += row.corrected_minor ?? 0;
    sum.net += row.net_minor ?? 0;
    sums.set(row.month, sum);
  }
  const last = monthOf(now);
  const known = [...sums.keys()].sort();
  const first = known[0] && known[0] < last ? known[0] : last;
  const months: string[] = [];
  for (let month = last; months.length < MOST_MONTHS; month = monthBefore(month)) {
    if (month < first && months.length >= LEAST_MONTHS) break;
    months.unshift(month);
  }
  return months.map((month) => sums.get(month) ?? { month, earned: 0, corrected: 0, net: 0 });
}

function monthOf(at: Date): string {
  return at.toISOString().slice(0, 7);
}

function monthBefore(month: string): string {
  const [year = 0, number = 1] = month.split('-').map(Number);
  return number === 1 ? `${year - 1}-12` : `${year}-${String(number - 1).padStart(2, '0')}`;
}

/** A month as people say it. */
export function monthWords(month: string, style: 'short' | 'long' = 'long'): string {
  const at = new Date(`${month}-01T00:00:00Z`);
  if (Number.isNaN(at.getTime())) return month;
  const year = style === 'long' ? ({ year: 'numeric' } as const) : {};
  return new Intl.DateTimeFormat('en', { month: style, ...year, timeZone: 'UTC' }).format(at);
}

/** What was earned in all. */
export function totalOf(months: readonly MonthSum[]): number {
  return months.reduce((sum, { net }) => sum + net, 0);
}

const KINDS: Record<string, string> = {
  earning: 'Payment',
  refund: 'Refund',
  dispute: 'Dispute',
  dispute_won: 'Dispute won',
  outage: 'Outage',
  adjustment: 'Adjustment',
};

/** What a row of the ledger is. */
export function kindWords(kind: string): string {
  return KINDS[kind] ?? kind;
}
