import type { Row } from '../supabase/client';

/** What an agent is called where nothing but its key is known. */
export function shortOfKey(key: string): string {
  return key.replace(/^agent:(.+):main$/, '$1');
}

/** What an agent is called in an address. */
export function slugOf({
  agent_key,
  agent_id_short,
}: Pick<Row<'agents'>, 'agent_key' | 'agent_id_short'>): string {
  return agent_id_short && agent_key === `agent:${agent_id_short}:main` ? agent_id_short : agent_key;
}
