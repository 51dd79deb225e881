import { useQuery } from '@tanstack/react-query';
import { call } from '../supabase/call';
import { useDb } from '../supabase/client';

/** A place on somebody else's host. */
export type HostOffer = {
  id: string;
  name: string;
  platform: string | null;
  tags: string[];
  backends: string[];
  capacity: number;
  room: number;
  month: number | null;
  year: number | null;
  currency: string;
  online: boolean;
  last_seen_at: string;
  /** Of agents that were paid for, within 30 days. */
  outages: number;
  openclaw_version: string | null;
  created_at: string;
};

const REFETCH_MS = 30_000;

/** The hosts of other people that can be rented, and in which currency prices are. */
export function useOffers(projectId: string) {
  const db = useDb();
  return useQuery({
    queryKey: ['live', projectId, 'offers'],
    queryFn: () =>
      call<{ currency: string; hosts: HostOffer[] }>(db, 'list_hosts_for_rent', { project_id: projectId }),
    refetchInterval: REFETCH_MS,
  });
}

/** In which currency a host without one of its own is let; null until it is known. */
export function useCurrency(projectId: string): string | null {
  return useOffers(projectId).data?.currency ?? null;
}

export type Order = 'price' | 'room' | 'health';

export const ORDERS: { value: Order; label: string }[] = [
  { value: 'price', label: 'Cheapest first' },
  { value: 'room', label: 'Most room first' },
  { value: 'health', label: 'Most reliable first' },
];

/** What a month costs, whichever way it is let. */
export function monthly({ month, year }: Pick<HostOffer, 'month' | 'year'>): number {
  return month ?? (year ?? 0) / 12;
}

/** Whether a place can be had now: who is full or silent comes last, whatever it costs. */
export function sortOffers(offers: readonly HostOffer[], order: Order): HostOffer[] {
  const ready = ({ online, room }: HostOffer) => (online && room > 0 ? 0 : 1);
  const by: Record<Order, (a: HostOffer, b: HostOffer) => number> = {
    price: (a, b) => monthly(a) - monthly(b),
    room: (a, b) => b.room - a.room,
    health: (a, b) => a.outages - b.outages || a.created_at.localeCompare(b.created_at),
  };
  return [...offers].sort(
    (a, b) =>
      ready(a) - ready(b) || by[order](a, b) || monthly(a) - monthly(b) || a.name.localeCompare(b.name),
  );
}

/** How reliable a host was. */
export function healthWords({ outages }: Pick<HostOffer, 'outages'>): string {
  if (outages === 0) return 'No outage in 30 days';
  return outages === 1 ? 'One outage in 30 days' : `${outages} outages in 30 days`;
}
