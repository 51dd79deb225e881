import { useQuery } from '@tanstack/react-query';
import type { Tone } from '../layout/Pill';
import { type Row, useDb } from '../supabase/client';
import { must } from '../supabase/problem';

/** What an address can be told of. */
export const EVENTS: { value: string; label: string }[] = [
  { value: 'agent.down', label: 'An agent is down' },
  { value: 'limit.exceeded', label: 'An agent used more than it may' },
  { value: 'host.offline', label: 'A host went silent' },
  { value: 'host.online', label: 'A host came back' },
];

export const hooksKey = (projectId: string) => ['live', projectId, 'webhooks'] as const;
const DELIVERIES = 12;
const REFETCH_MS = 15_000;

/** The addresses that are told, and what they were told lately. */
export function useHooks(projectId: string) {
  const db = useDb();
  return useQuery({
    queryKey: hooksKey(projectId),
    refetchInterval: REFETCH_MS,
    queryFn: async () => {
      const [webhooks, deliveries] = await Promise.all([
        must(db.from('webhooks').select('*').eq('project_id', projectId).order('created_at')),
        must(
          db
            .from('notifications')
            .select('id, webhook_id, kind, status, attempts, last_error, payload, created_at, delivered_at')
            .eq('project_id', projectId)
            .order('created_at', { ascending: false })
            .limit(DELIVERIES),
        ),
      ]);
      return { webhooks, deliveries };
    },
  });
}

/** What is wrong with an address, or null. The database knows better; this is what can be seen at once. */
export function urlProblem(url: string): string | null {
  if (!URL.canParse(url.trim())) return 'An address, such as https://example.com/creel.';
  const { protocol, hostname } = new URL(url.trim());
  if (protocol === 'https:') return null;
  const loopback = hostname === 'localhost' || hostname === '127.0.0.1';
  return protocol === 'http:' && loopback ? null : 'It must begin with https://.';
}

/** How a webhook stands. */
export function hookState({ enabled, disabled_reason }: Row<'webhooks'>): { tone: Tone; label: string } {
  if (enabled) return { tone: 'good', label: 'Enabled' };
  return disabled_reason ? { tone: 'bad', label: 'Disabled' } : { tone: 'idle', label: 'Paused' };
}

const STATUS: Record<string, { tone: Tone; label: string }> = {
  pending: { tone: 'busy', label: 'Waiting' },
  sent: { tone: 'busy', label: 'Being sent' },
  delivered: { tone: 'good', label: 'Delivered' },
  failed: { tone: 'bad', label: 'Failed' },
};

export function deliveryState(status: string): { tone: Tone; label: string } {
  return STATUS[status] ?? { tone: 'idle', label: status };
}

/** What a delivery said, in one line. */
export function summaryOf({ payload, kind }: { payload: unknown; kind: string }): string {
  const summary =
    typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>).summary : null;
  if (typeof summary === 'string' && summary) return summary;
  return EVENTS.find(({ value }) => value === kind)?.label ?? kind;
}
