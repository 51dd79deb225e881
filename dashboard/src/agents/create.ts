import type { Db } from '../supabase/client';
import { must, Problem, toProblem } from '../supabase/problem';

/** There is such a row. */
const DUPLICATE = '23505';

/** What a person wants of a new agent. */
export type Wish = {
  short: string;
  name: string;
  emoji: string;
  role: string;
  soul: string | null;
  model: string | null;
  backend: string;
  hostId: string | null;
};

/**
 * Writes the rows of a new agent: itself, its state, its soul, the request that its host answers. Works while every
 * host is off. Done again after a break it completes what is missing: `ours` keeps the ids that earlier tries may have
 * made, as the agent of somebody else is never written over.
 */
export async function createAgent(db: Db, projectId: string, wish: Wish, ours: Set<string>): Promise<void> {
  const key = { project_id: projectId, agent_key: `agent:${wish.short}:main` };
  const row = {
    ...key,
    name: wish.name,
    role: wish.role,
    emoji: wish.emoji,
    agent_id_short: wish.short,
    provisioned: false,
    backend: wish.backend,
    ...(wish.hostId && { host_id: wish.hostId }),
    ...(wish.model && { config: { model: wish.model } }),
  };
  const agents = db.from('agents');
  const made = ours.has(wish.short)
    ? must(agents.upsert(row, { onConflict: 'project_id,agent_key' }))
    : must(agents.insert(row));
  await made.catch((error: unknown) => {
    const problem = toProblem(error);
    if (problem.code === DUPLICATE)
      throw new Problem('There is an agent with this id already.', 'Choose another id.', problem.code);
    // Nobody knows whether it was written.
    if (problem.code === 'unreachable') ours.add(wish.short);
    throw problem;
  });
  ours.add(wish.short);
  await must(
    db
      .from('agent_status')
      .upsert(
        { ...key, state: 'idle', note: 'Provisioning…', last_activity_at: new Date().toISOString() },
        { onConflict: 'project_id,agent_key' },
      ),
  );
  if (wish.soul) {
    await must(
      db
        .from('brain_docs')
        .upsert(
          { ...key, doc_type: 'soul', content: wish.soul, updated_by: 'dashboard' },
          { onConflict: 'project_id,agent_key,doc_type' },
        ),
    );
  }
  const asked = must(
    db.from('agent_provision_requests').insert({
      ...key,
      agent_id_short: wish.short,
      display_name: wish.name,
      emoji: wish.emoji,
      role_short: wish.role,
      status: 'queued',
    }),
  );
  await asked.catch((error: unknown) => {
    const problem = toProblem(error);
    if (problem.code !== DUPLICATE) throw problem;
    throw new Problem(
      'A request for this agent is open already.',
      'See the queue for what it waits for.',
      problem.code,
    );
  });
}
