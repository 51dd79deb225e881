import { useQuery } from '@tanstack/react-query';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';

/** Why something waits, as `why_pending` says it. */
export type Why = {
  code: string;
  message: string;
  hint: string | null;
  attempts: number;
  hosts: { host_id: string; name: string; code: string }[];
};

/** What is waited for changes with time, and not only with rows. */
const ASK_AGAIN_MS = 15_000;

/** Why an item waits; asked for again whenever its row says something else. */
export function useWhyPending(projectId: string, id: string | null, known: string) {
  const db = useDb();
  return useQuery({
    queryKey: ['live', projectId, 'why', id, known],
    enabled: id !== null,
    refetchInterval: ASK_AGAIN_MS,
    placeholderData: (before, query) => (query?.queryKey[3] === id ? before : undefined),
    queryFn: async (): Promise<Why> => readWhy(await must(db.rpc('why_pending', { id: id ?? '' }))),
  });
}

/** Reads the answer, which the schema knows as JSON only. */
export function readWhy(answer: unknown): Why {
  const fields = typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
  const text = (value: unknown) => (typeof value === 'string' ? value : null);
  const hosts = (Array.isArray(fields.hosts) ? fields.hosts : []).flatMap((each: Record<string, unknown>) => {
    const name = text(each?.name);
    return name ? [{ host_id: text(each.host_id) ?? name, name, code: text(each.code) ?? 'ready' }] : [];
  });
  return {
    code: text(fields.code) ?? 'unknown',
    message: text(fields.message) ?? 'Nobody knows.',
    hint: text(fields.hint),
    attempts: typeof fields.attempts === 'number' ? fields.attempts : 0,
    hosts,
  };
}
