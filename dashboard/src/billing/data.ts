import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useThrottled } from '../layout/throttle';
import { useLiveChanges } from '../live/LiveProvider';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { useSession } from '../supabase/session';

/** What Stripe tells is no message of Realtime; what it does to agents is. */
const REFETCH_MS = 15_000;
/** A burst of changes is one look. */
const LOOK_MS = 2_000;

/** What the project pays for, what is about to be paid, and how fast it ran. */
export function useBilling(projectId: string) {
  const db = useDb();
  const queries = useQueryClient();
  const queryKey = ['live', projectId, 'billing'] as const;
  const look = useThrottled(() => void queries.invalidateQueries({ queryKey }), LOOK_MS);
  useLiveChanges('agents', look);
  return useQuery({
    queryKey,
    refetchInterval: REFETCH_MS,
    queryFn: async () => {
      const [subscriptions, intents, starts] = await Promise.all([
        must(db.from('subscriptions').select('*').eq('project_id', projectId)),
        must(
          db
            .from('checkout_intents')
            .select(
              'id, agent_key, host_id, plan, amount_minor, currency, session_url, awaits_payment, expires_at, created_at',
            )
            .eq('project_id', projectId)
            .eq('status', 'open')
            .order('created_at'),
        ),
        must(db.from('paid_to_running').select('*').eq('project_id', projectId)),
      ]);
      return {
        subscriptions,
        intents,
        starts: new Map(starts.map((start) => [start.subscription_id, start])),
      };
    },
  });
}

/** What the person's hosts earned, month by month; of one host, or of all that ever were theirs. */
export function useStatements(hostId: string | null) {
  const db = useDb();
  const { user } = useSession();
  return useQuery({
    queryKey: ['earnings', user.id, hostId ?? 'all'],
    refetchInterval: REFETCH_MS * 4,
    queryFn: () => {
      const rows = db.from('host_statements').select('*').order('month', { ascending: false });
      return must(hostId ? rows.eq('host_id', hostId) : rows);
    },
  });
}

/** The newest rows of the ledger. */
export function useLedger(limit: number) {
  const db = useDb();
  const { user } = useSession();
  return useQuery({
    queryKey: ['earnings', user.id, 'ledger', limit],
    refetchInterval: REFETCH_MS * 4,
    queryFn: () =>
      must(
        db
          .from('host_earnings')
          .select(
            'id, host_id, kind, amount_minor, gross_minor, fee_minor, currency, period_start, period_end, created_at, corrects',
          )
          .order('id', { ascending: false })
          .limit(limit),
      ),
  });
}

/** Where the person's earnings go; null where nothing was set up. */
export function usePayouts() {
  const db = useDb();
  const { user } = useSession();
  return useQuery({
    queryKey: ['earnings', user.id, 'account'],
    // Who comes back from Stripe's pages waits for it.
    refetchInterval: REFETCH_MS,
    queryFn: () => must(db.from('stripe_accounts').select('*').eq('owner_id', user.id).maybeSingle()),
  });
}
