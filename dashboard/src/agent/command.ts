import type { Json } from '../database.types';
import type { Db } from '../supabase/client';
import { must } from '../supabase/problem';

/** What a host can be told to do with an agent. */
export type CommandType = 'deploy' | 'start' | 'stop' | 'restart' | 'undeploy' | 'update_config';

/** Tells an agent's host what to do. It is a wish too: the newest one counts. */
export async function sendCommand(
  db: Db,
  agent: { project_id: string; agent_key: string; id: string },
  type: CommandType,
  payload: Record<string, Json> = {},
): Promise<void> {
  const { project_id, agent_key, id } = agent;
  await must(db.from('agent_commands').insert({ project_id, agent_key, agent_id: id, type, payload }));
}

/** What a person may tell an agent to do, as it stands; `isUnderWay` where it is being made or told something. */
export function offeredCommands(
  agent: { status: string; desired_state: string; deleting_since: string | null; billing: string },
  isUnderWay: boolean,
) {
  const gone =
    agent.deleting_since !== null || agent.status === 'removed' || agent.desired_state === 'removed';
  const wantsRun = agent.desired_state === 'running';
  const isNew = !gone && agent.status === 'pending_deploy';
  // It is deployed by itself once it is paid for; until then it is refused.
  const isPaid = agent.billing !== 'unpaid';
  return {
    deploy: isPaid && isNew && !isUnderWay,
    start: isPaid && !isNew && (gone || !wantsRun || agent.status === 'stopped' || agent.status === 'error'),
    // Whoever is wished to run can be stopped, whatever it is doing: that is what stop is for.
    stop: !gone && wantsRun,
    restart: isPaid && !gone && wantsRun && agent.status === 'running',
    remove: agent.deleting_since === null,
  };
}
