import { Link } from '@tanstack/react-router';
import { slugOf } from '../agents/names';
import { Card } from '../layout/Page';
import type { Row } from '../supabase/client';
import classes from './HostPage.module.css';

const STATUS: Record<string, string> = {
  pending_deploy: 'not deployed',
  deploying: 'deploying',
  running: 'running',
  stopped: 'stopped',
  error: 'error',
};

/** As many as are seen at a glance. */
const SHOWN = 12;

/** Who of this project lives on a host. */
export function AgentsThere({ agents, projectId }: { agents: readonly Row<'agents'>[]; projectId: string }) {
  const sorted = [...agents].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  return (
    <Card title="Agents of this project">
      {sorted.length === 0 && <p className={classes.none}>Nobody lives here yet.</p>}
      <ul className={classes.list}>
        {sorted.slice(0, SHOWN).map((agent) => (
          <li key={agent.id}>
            <span aria-hidden>{agent.emoji}</span>
            <span className={classes.grow}>
              <Link to="/p/$project/agents/$agent" params={{ project: projectId, agent: slugOf(agent) }}>
                {nameOf(agent)}
              </Link>
            </span>
            <span className={classes.quiet}>{STATUS[agent.status] ?? agent.status}</span>
          </li>
        ))}
      </ul>
      {sorted.length > SHOWN && <p className={classes.none}>and {sorted.length - SHOWN} more</p>}
    </Card>
  );
}

function nameOf({ name, agent_id_short, agent_key }: Row<'agents'>): string {
  return name || agent_id_short || agent_key;
}
