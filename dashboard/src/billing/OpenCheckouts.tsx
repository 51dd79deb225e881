import { Button } from '@mantine/core';
import { Ago } from '../layout/Ago';
import { tellFailed } from '../layout/action';
import { money } from '../layout/money';
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
}: {
  intents: readonly Intent[];
  agents: ReadonlyMap<string, Row<'agents'>>;
}) {
  const project = useProject();
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
            const name =
              agents.get(intent.agent_key)?.name || intent.agent_key.replace(/^agent:(.+):main$/, '$1');
            const url = webAddress(intent.session_url);
            return (
              <li key={intent.id} className={classes.row}>
                <div className={classes.who}>
                  <span className={classes.name}>{name}</span>
                  <span className={classes.sub}>
                    {intent.awaits_payment ? (
                      'The bank takes its time.'
                    ) : (
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
                  <Pill tone={intent.awaits_payment ? 'busy' : 'warn'}>
                    {intent.awaits_payment ? 'Under way' : 'Not paid'}
                  </Pill>
                </div>
                {url && project.canEdit && !intent.awaits_payment && (
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
