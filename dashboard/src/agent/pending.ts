import { useQuery } from '@tanstack/react-query';
import type { Why } from '../queue/why';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';

/** What is waited for changes with time, and not only with rows. */
const ASK_AGAIN_MS = 15_000;

/** Why an item waits; asked for again whenever its row says something else. */
export function useWhyPending(projectId: string, id: string, known: string) {
  const db = useDb();
  return useQuery({
    queryKey: ['live', projectId, 'why', id, known],
    refetchInterval: ASK_AGAIN_MS,
    placeholderData: (before, query) => (query?.queryKey[3] === id ? before : undefined),
    queryFn: async () => (await must(db.rpc('why_pending', { id }))) as unknown as Why,
  });
}
