import { Link } from '@tanstack/react-router';
import type { AgentView } from '../agents/agents';
import { backendWords } from '../agents/choices';
import type { HostView } from '../hosts/hosts';
import { Ago } from '../layout/Ago';
import { Card } from '../layout/Page';
import { Pill } from '../layout/Pill';
import { EventList } from './EventList';
import { useEvents } from './events';
import classes from './Overview.module.css';
import { Usage } from './Usage';

/** An agent at a glance. */
export function Overview({ view, hosts }: { view: AgentView; hosts: readonly HostView[] }) {
  return (
    <div className={classes.columns}>
      <Usage view={view} />
      <div className={classes.stack}>
        <Facts view={view} />
        <Recent view={view} hosts={hosts} />
      </div>
    </div>
  );
}

/** So many of the newest events are enough for a glance. */
const RECENT_EVENTS = 5;

function Recent({ view, hosts }: { view: AgentView; hosts: readonly HostView[] }) {
  const events = useEvents(view.agent.project_id, view.agent.agent_key);
  const rows = events.data?.pages[0]?.slice(0, RECENT_EVENTS) ?? [];
  if (rows.length === 0) return null;
  return (
    <Card title="Recently">
      <EventList rows={rows} hosts={hosts} />
    </Card>
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
              <Link to="/p/$project/hosts/$host" params={{ project: agent.project_id, host: host.id }}>
                {host.name}
              </Link>{' '}
              {host.shownStatus !== 'online' && (
                <Pill tone={host.shownStatus === 'offline' ? 'warn' : 'idle'}>{host.shownStatus}</Pill>
              )}
            </>
          ) : (
            (agent.host_id && 'One that serves the project no more') || 'None yet'
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
