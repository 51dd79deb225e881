import { IconServer2 } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { memo } from 'react';
import { Ago } from '../layout/Ago';
import { Pill } from '../layout/Pill';
import classes from './AgentCard.module.css';
import { Avatar } from './Avatar';
import type { AgentView } from './agents';
import { StepBar } from './StepBar';

type Props = { view: AgentView; projectId: string };

/** One agent at a glance. */
export const AgentCard = memo(function AgentCard({ view, projectId }: Props) {
  const { agent, activity, host, name, short, state } = view;
  return (
    <Link
      to="/p/$project/agents/$agent"
      params={{ project: projectId, agent: view.slug }}
      className={classes.card}
      data-agent={agent.agent_key}
      data-group={state.group}
      data-steps={state.steps.length > 0}
    >
      <div className={classes.head}>
        <Avatar emoji={agent.emoji} color={agent.color} name={name} />
        <div className={classes.names}>
          <div className={classes.name}>{name}</div>
          <div className={classes.role}>{agent.role || short}</div>
        </div>
        <Pill tone={state.tone}>{state.label}</Pill>
      </div>
      <div className={classes.detail} data-tone={state.tone} title={state.detail ?? undefined}>
        {state.detail}
      </div>
      {state.steps.length > 0 && <StepBar steps={state.steps} />}
      <div className={classes.foot}>
        <span className={`${classes.host} ${host?.shownStatus === 'offline' ? classes.offline : ''}`}>
          <IconServer2 size={14} stroke={1.6} aria-hidden />
          <span>{host ? host.name : agent.host_id ? 'a host of before' : 'no host yet'}</span>
        </span>
        {activity?.last_activity_at && (
          <span className={classes.when}>
            <Ago at={activity.last_activity_at} />
          </span>
        )}
      </div>
    </Link>
  );
}, sameView);

/** Views are made anew with each change of any agent: a card is drawn anew only with a change of its own. */
function sameView(before: Props, after: Props): boolean {
  const [a, b] = [before.view, after.view];
  return (
    before.projectId === after.projectId &&
    a.agent === b.agent &&
    a.activity === b.activity &&
    a.host?.shownStatus === b.host?.shownStatus &&
    a.host?.name === b.host?.name &&
    JSON.stringify(a.state) === JSON.stringify(b.state)
  );
}
