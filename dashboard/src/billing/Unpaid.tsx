import { Button } from '@mantine/core';
import { useState } from 'react';
import { shortOfKey } from '../agents/names';
import { readPrice } from '../hosts/describe';
import { type FleetHost, useFleet } from '../hosts/fleet';
import { useCurrency } from '../hosts/offers';
import { LinkButton } from '../layout/LinkButton';
import { Card } from '../layout/Page';
import { Pill } from '../layout/Pill';
import { useProject } from '../project/project';
import type { Row } from '../supabase/client';
import classes from './Billing.module.css';
import { Checkout } from './Checkout';

/** Agents that are not paid for any more, or never were. */
export function Unpaid({ agents }: { agents: readonly Row<'agents'>[] }) {
  const project = useProject();
  const fleet = useFleet(project.id);
  const currency = useCurrency(project.id);
  const [paying, setPaying] = useState<{ agent: Row<'agents'>; view: FleetHost } | null>(null);
  if (agents.length === 0) return null;
  return (
    <div className={classes.section}>
      <Card title="Not paid for">
        <ul className={classes.plain}>
          {agents.map((agent) => {
            const view = fleet.data?.find(({ host }) => host.id === agent.host_id);
            const name = agent.name || shortOfKey(agent.agent_key);
            // Only what has gone from its host can go to another one.
            const isHomeless = fleet.data !== undefined && !view && agent.openclaw_id === null;
            return (
              <li key={agent.id} className={classes.row}>
                <div className={classes.who}>
                  <span className={classes.name}>
                    {agent.emoji && <span aria-hidden>{agent.emoji} </span>}
                    {name}
                  </span>
                  <span className={classes.sub}>
                    {view
                      ? `On ${view.host.name}. It can be neither deployed nor started.`
                      : isHomeless && 'It has no place on a host. Its documents are here still.'}
                  </span>
                </div>
                <div className={classes.price} />
                <div className={classes.state}>
                  <Pill tone="warn">Not paid</Pill>
                </div>
                {isHomeless && project.canEdit && (
                  <LinkButton
                    size="xs"
                    variant="default"
                    to="/p/$project/hosts"
                    params={{ project: project.id }}
                    search={{ view: 'rent', for: agent.agent_key }}
                    aria-label={`Choose a host for ${name}`}
                  >
                    Choose a host
                  </LinkButton>
                )}
                {view && currency && readPrice(view.host.price) && project.canEdit && (
                  <Button size="xs" onClick={() => setPaying({ agent, view })} aria-label={`Pay for ${name}`}>
                    Pay
                  </Button>
                )}
              </li>
            );
          })}
        </ul>
      </Card>
      {paying && currency && (
        <Checkout
          host={paying.view.host}
          currency={currency}
          agent={{
            key: paying.agent.agent_key,
            name: paying.agent.name || shortOfKey(paying.agent.agent_key),
          }}
          onClose={() => setPaying(null)}
        />
      )}
    </div>
  );
}
