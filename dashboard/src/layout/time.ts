const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, or in how long, as people say it. Clocks differ: some seconds ahead are now. */
export function relativeTime(at: number, now: number): string {
  const passed = now - at;
  if (passed < -10_000) return `in ${duration(-passed)}`;
  if (passed < 10_000) return 'just now';
  return `${duration(passed)} ago`;
}

/** A length of time in its two largest units, short. */
export function duration(ms: number): string {
  if (ms < MINUTE) return `${Math.max(0, Math.round(ms / 1000))} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return two(Math.floor(ms / HOUR), 'h', Math.floor((ms % HOUR) / MINUTE), 'min');
  return two(Math.floor(ms / DAY), 'd', Math.floor((ms % DAY) / HOUR), 'h');
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small && large < 10 ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });

/** Day and time with the zone. */
export function exactTime(at: Date): string {
  return EXACT.format(at);
}
