import { IconCoins } from '@tabler/icons-react';
import { useMemo } from 'react';
import { useFleet } from '../hosts/fleet';
import { Card } from '../layout/Page';
import { Empty, Failed, Loading } from '../layout/states';
import { useProject } from '../project/project';
import classes from './Billing.module.css';
import { useStatements } from './data';
import { EarningsPlot } from './EarningsPlot';
import { Ledger } from './Ledger';
import { currenciesOf } from './months';
import { Payouts } from './Payouts';

/** What the person's hosts earn, in all their projects. */
export function Earnings() {
  const project = useProject();
  const fleet = useFleet(project.id);
  const statements = useStatements(null);
  const names = useMemo(
    () => new Map((fleet.data ?? []).map(({ host }) => [host.id, host.name])),
    [fleet.data],
  );
  const ownsHost = fleet.data?.some(({ mine }) => mine) ?? false;
  if (statements.isPending) return <Loading rows={2} height={150} />;
  if (!statements.data) return <Failed error={statements.error} retry={() => void statements.refetch()} />;
  const currencies = currenciesOf(statements.data);
  return (
    <div className={classes.stack}>
      <Payouts ownsHost={ownsHost} />
      {currencies.length === 0 ? (
        <Empty icon={<IconCoins size={22} />} title="Your hosts have earned nothing yet">
          Give a host a price, and whoever rents a place on it pays you by the month or the year.
        </Empty>
      ) : (
        currencies.map((currency) => (
          <Card
            key={currency}
            title={currencies.length > 1 ? `Earned in ${currency.toUpperCase()}` : 'Earned'}
          >
            <EarningsPlot statements={statements.data} currency={currency} names={names} />
          </Card>
        ))
      )}
      {currencies.length > 0 && <Ledger names={names} />}
    </div>
  );
}
