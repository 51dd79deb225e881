import { Button } from '@mantine/core';
import { shortOfKey } from '../agents/names';
import { Ago } from '../layout/Ago';
import { tellFailed } from '../layout/action';
import { money } from '../layout/money';
import { useNow } from '../layout/now';
import { Card } from '../layout/Page';
import { Pill } from '../layout/Pill';
import { useProject } from '../project/project';
import type { Row } from '../supabase/client';
import classes from './Billing.module.css';
import { goTo } from './pay';
import { PLANS, webAddress } from './words';

type Intent = Pick<
  Row<'checkout_intents'>,
  'id' | 'agent_key' | 'plan' | 'amount_minor' | 'currency' | 'session_url' | 'awaits_payment' | 'expires_at'
>;

/** Places that are kept until they are paid for. */
export function OpenCheckouts({
  intents,
  agents,
  paidKey,
}: {
  intents: readonly Intent[];
  agents: ReadonlyMap<string, Row<'agents'>>;
  /** Of the agent that somebody comes back from paying for: Stripe has not told of it yet. */
  paidKey: string | undefined;
}) {
  const project = useProject();
  const now = useNow();
  if (intents.length === 0) return null;
  const proceed = (url: string) => {
    try {
      goTo(url);
    } catch (error) {
      tellFailed(error);
    }
  };
  return (
    <div className={classes.section}>
      <Card title="Waiting for a payment">
        <ul className={classes.plain}>
          {intents.map((intent) => {
            const name = agents.get(intent.agent_key)?.name || shortOfKey(intent.agent_key);
            const isOver = Date.parse(intent.expires_at) <= now;
            const isPaid = intent.awaits_payment || intent.agent_key === paidKey;
            const url = isPaid || isOver ? null : webAddress(intent.session_url);
            return (
              <li key={intent.id} className={classes.row}>
                <div className={classes.who}>
                  <span className={classes.name}>{name}</span>
                  <span className={classes.sub}>
                    {intent.awaits_payment && 'The bank takes its time.'}
                    {!intent.awaits_payment && isPaid && 'Stripe has not told of the payment yet.'}
                    {!isPaid && isOver && 'The place is about to be given back.'}
                    {!isPaid && !isOver && (
                      <>
                        The place is given back <Ago at={intent.expires_at} />
                      </>
                    )}
                  </span>
                </div>
                <div className={classes.price}>
                  {money(intent.amount_minor, intent.currency)}{' '}
                  <span className={classes.sub}>{PLANS[intent.plan]}</span>
                </div>
                <div className={classes.state}>
                  <Pill tone={isPaid ? 'busy' : 'warn'}>{isPaid ? 'Under way' : 'Not paid'}</Pill>
                </div>
                {url && project.canEdit && (
                  <Button size="xs" onClick={() => proceed(url)} aria-label={`Go on to pay for ${name}`}>
                    Pay
                  </Button>
                )}
              </li>
            );
          })}
        </ul>
      </Card>
    </div>
  );
}
