import { useStatements } from '../billing/data';
import { EarningsPlot } from '../billing/EarningsPlot';
import { currenciesOf } from '../billing/months';
import { Card } from '../layout/Page';
import { Failed, Loading } from '../layout/states';
import classes from './HostPage.module.css';

/** What a host earned, for its owner. */
export function Earned({ hostId }: { hostId: string }) {
  const statements = useStatements(hostId);
  const currencies = currenciesOf(statements.data ?? []);
  return (
    <Card title="Earned">
      {statements.isPending && <Loading rows={1} height={120} />}
      {statements.isError && !statements.data && (
        <Failed error={statements.error} retry={() => void statements.refetch()} />
      )}
      {statements.data && currencies.length === 0 && (
        <p className={classes.none}>Nothing yet. With a price it can be rented.</p>
      )}
      {statements.data &&
        currencies.map((currency) => (
          <EarningsPlot key={currency} statements={statements.data} currency={currency} />
        ))}
    </Card>
  );
}
