import { Link } from '@tanstack/react-router';
import type { AgentView } from '../agents/agents';
import { backendWords } from '../agents/choices';
import { Ago } from '../layout/Ago';
import { Card } from '../layout/Page';
import { Pill } from '../layout/Pill';
import classes from './Overview.module.css';
import { Usage } from './Usage';

/** An agent at a glance. */
export function Overview({ view }: { view: AgentView }) {
  return (
    <div className={classes.columns}>
      <Usage view={view} />
      <div className={classes.stack}>
        <Facts view={view} />
      </div>
    </div>
  );
}

function Facts({ view }: { view: AgentView }) {
  const { agent, activity, host } = view;
  const config = agent.config as Record<string, unknown>;
  const text = (value: unknown) => (typeof value === 'string' && value ? value : null);
  return (
    <Card title="About">
      <dl className={classes.facts}>
        <dt>Host</dt>
        <dd>
          {host ? (
            <>
              <Link to="/p/$project/hosts" params={{ project: agent.project_id }}>
                {host.name}
              </Link>{' '}
              {host.shownStatus !== 'online' && (
                <Pill tone={host.shownStatus === 'offline' ? 'warn' : 'idle'}>{host.shownStatus}</Pill>
              )}
            </>
          ) : (
            'None yet'
          )}
        </dd>
        <dt>Runs in</dt>
        <dd>{backendWords(agent.backend)}</dd>
        <dt>Model</dt>
        <dd>{text(config.model) ?? 'The usual one of its host'}</dd>
        <dt>Thinking</dt>
        <dd>{text(config.thinking) ?? 'As its host has it'}</dd>
        <dt>Last active</dt>
        <dd>
          <Ago at={activity?.last_activity_at} />
        </dd>
        <dt>Made</dt>
        <dd>
          <Ago at={agent.created_at} />
        </dd>
        {agent.port && (
          <>
            <dt>Port</dt>
            <dd>{agent.port}</dd>
          </>
        )}
        {agent.workspace_path && (
          <>
            <dt>Workspace</dt>
            <dd>
              <code>{agent.workspace_path}</code>
            </dd>
          </>
        )}
        <dt>Key</dt>
        <dd>
          <code>{agent.agent_key}</code>
        </dd>
      </dl>
    </Card>
  );
}
