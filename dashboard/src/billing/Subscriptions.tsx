import { Button } from '@mantine/core';
import { IconCreditCard, IconExternalLink } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { shortOfKey, slugOf } from '../agents/names';
import { Ago } from '../layout/Ago';
import { useAction } from '../layout/action';
import { LinkButton } from '../layout/LinkButton';
import { money } from '../layout/money';
import { Pill } from '../layout/Pill';
import { Empty, Failed, Loading } from '../layout/states';
import { useRows } from '../live/rows';
import { useProject } from '../project/project';
import { type Row, useDb } from '../supabase/client';
import classes from './Billing.module.css';
import { useBilling } from './data';
import { OpenCheckouts } from './OpenCheckouts';
import { goToPortal } from './pay';
import { Unpaid } from './Unpaid';
import { describeService, PLANS, sortSubscriptions, startWords, unpaidAgents } from './words';

/** What the project pays for. `paidKey`: of the agent that somebody comes back from paying for. */
export function Subscriptions({ paidKey }: { paidKey?: string | undefined }) {
  const project = useProject();
  const billing = useBilling(project.id);
  const agents = useRows(project.id, 'agents');
  if (billing.isPending) return <Loading rows={3} height={64} />;
  if (!billing.data) return <Failed error={billing.error} retry={() => void billing.refetch()} />;
  const { subscriptions, intents, starts } = billing.data;
  const agentOf = new Map((agents.data ?? []).map((agent) => [agent.agent_key, agent]));
  const unpaid = unpaidAgents(agents.data ?? [], intents, subscriptions);
  const nothing = subscriptions.length + intents.length + unpaid.length === 0;
  return (
    <>
      <OpenCheckouts intents={intents} agents={agentOf} paidKey={paidKey} />
      <Unpaid agents={unpaid} />
      {nothing && (
        <Empty
          icon={<IconCreditCard size={22} />}
          title="Nothing is paid for"
          action={
            <LinkButton
              to="/p/$project/hosts"
              params={{ project: project.id }}
              search={{ view: 'rent' }}
              variant="default"
            >
              See hosts for rent
            </LinkButton>
          }
        >
          Agents on hosts of your own are free. A place on somebody else's host is rented by the month or the
          year.
        </Empty>
      )}
      {subscriptions.length > 0 && (
        <ul className={classes.list} aria-label="Subscriptions">
          {sortSubscriptions(subscriptions).map((row) => {
            const start = starts.get(row.id);
            return (
              <Subscription
                key={row.id}
                row={row}
                agent={agentOf.get(row.agent_key)}
                start={start ? startWords(start) : null}
              />
            );
          })}
        </ul>
      )}
    </>
  );
}

type Props = { row: Row<'subscriptions'>; agent: Row<'agents'> | undefined; start: string | null };

function Subscription({ row, agent, start }: Props) {
  const db = useDb();
  const project = useProject();
  const state = describeService(row);
  const short = agent?.agent_id_short || shortOfKey(row.agent_key);
  const [manage, busy] = useAction(async () => {
    await goToPortal(db, project.id, row.id);
    return undefined;
  });
  return (
    <li className={classes.row}>
      <div className={classes.who}>
        {agent ? (
          <Link
            to="/p/$project/agents/$agent"
            params={{ project: project.id, agent: slugOf(agent) }}
            className={classes.name}
          >
            {agent.emoji && <span aria-hidden>{agent.emoji} </span>}
            {agent.name || short}
          </Link>
        ) : (
          <span className={classes.name}>{short}</span>
        )}
        <span className={classes.sub}>{start}</span>
      </div>
      <div className={classes.price}>
        {money(row.amount_minor, row.currency)} <span className={classes.sub}>{PLANS[row.plan]}</span>
      </div>
      <div className={classes.state}>
        <Pill tone={state.tone}>{state.label}</Pill>
        {state.detail && (
          <span className={classes.sub}>
            {state.detail} {state.at && <Ago at={state.at} />}
          </span>
        )}
      </div>
      {project.canEdit && row.customer_id && (
        <Button
          variant="default"
          size="xs"
          rightSection={<IconExternalLink size={14} stroke={1.6} />}
          loading={busy}
          onClick={() => void manage()}
          aria-label={`Manage the payments for ${agent?.name || short} at Stripe`}
        >
          Manage
        </Button>
      )}
    </li>
  );
}
