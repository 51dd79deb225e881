import { money } from '../layout/money';
import type { Tone } from '../layout/Pill';
import { relativeTime } from '../layout/time';
import type { Row } from '../supabase/client';

/** How a host stands, in words. */
export type HostState = { tone: Tone; label: string; detail: string | null; hint: string | null };

/** What is known of a host's health. */
export type HostFacts = {
  status: string;
  lastSeenAt: string | null;
  outdatedSince: string | null;
  /** Whether its owner lets it take nothing new, be it there or not. */
  drains?: boolean;
};

/** Says how a host stands. */
export function describeHost(
  { status, lastSeenAt, outdatedSince, drains }: HostFacts,
  now: number,
): HostState {
  if (outdatedSince && status !== 'retired') {
    return {
      tone: 'bad',
      label: 'Too old',
      detail: 'Its Creel is too old for this database, and takes no work.',
      hint: 'Upgrade Creel on the host, and start its worker again.',
    };
  }
  switch (status) {
    case 'online':
      return { tone: 'good', label: 'Online', detail: null, hint: null };
    case 'draining':
      return {
        tone: 'warn',
        label: 'Draining',
        detail: 'It finishes what it has and takes nothing new. Its agents go on running.',
        hint: null,
      };
    case 'enrolled':
      return {
        tone: 'busy',
        label: 'Enrolled',
        detail: 'It has its key. Its worker has not been started yet.',
        hint: 'On the machine: creel worker install.',
      };
    case 'retired':
      return { tone: 'idle', label: 'Retired', detail: 'It is out of service for good.', hint: null };
    default:
      return {
        tone: 'bad',
        label: 'Offline',
        detail: lastSeenAt
          ? `Last heard of ${relativeTime(Date.parse(lastSeenAt), now)}. What is asked of it waits until it is back.`
          : 'It has never been heard of.',
        hint: `${drains ? 'It drains, too: it takes nothing new when it is back. ' : ''}On the machine, creel worker status says what is wrong.`,
      };
  }
}

/** Whether a host answers, so that what it said last of itself is so still. */
export function isThere(status: string): boolean {
  return status === 'online' || status === 'draining';
}

/** What a place on a host costs. */
export type Price = { currency: string | null; month: number | null; year: number | null };

/** Reads a price, which is what its owner wrote. */
export function readPrice(price: unknown): Price | null {
  if (typeof price !== 'object' || price === null) return null;
  const { currency, month, year } = price as Record<string, unknown>;
  const amount = (value: unknown) => (typeof value === 'number' && value > 0 ? value : null);
  const read = {
    currency: typeof currency === 'string' ? currency : null,
    month: amount(month),
    year: amount(year),
  };
  return read.month === null && read.year === null ? null : read;
}

/** A price in a few words; `currency` is that of prices without one of their own, where it is known. */
export function priceWords(price: Price | null, currency: string | null): string | null {
  const unit = price?.currency ?? currency;
  if (!price || !unit) return null;
  if (price.month !== null) return `${money(price.month, unit)} a month`;
  return price.year === null ? null : `${money(price.year, unit)} a year`;
}

/** How full a host is, as a tone. */
export function fullness(used: number, capacity: number): Tone {
  if (used >= capacity) return 'bad';
  return used >= capacity * 0.8 ? 'warn' : 'good';
}

/** Megabytes as people say them. */
export function memoryWords(mb: number): string {
  return mb < 1024 ? `${Math.round(mb)} MB` : `${(mb / 1024).toFixed(mb < 10_240 ? 1 : 0)} GB`;
}

const PLATFORMS: Record<string, string> = { linux: 'Linux', macos: 'macOS' };

export function platformWords(platform: string | null): string | null {
  return platform ? (PLATFORMS[platform] ?? platform) : null;
}

const BACKENDS: Record<string, string> = {
  shared: 'shared gateway',
  profile: 'own gateway',
  docker: 'container',
  multipass: 'virtual machine',
};

/** How agents can run on a host. */
export function backendsWords(backends: Row<'hosts'>['backends']): string {
  return backends.map((backend) => BACKENDS[backend] ?? backend).join(', ');
}
