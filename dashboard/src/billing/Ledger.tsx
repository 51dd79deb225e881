import { Ago } from '../layout/Ago';
import { money } from '../layout/money';
import { Card } from '../layout/Page';
import { Failed, Loading } from '../layout/states';
import classes from './Billing.module.css';
import { useLedger } from './data';
import { kindWords } from './months';
import { Scroll } from './Scroll';

const SHOWN = 20;

/** Row by row what was earned and corrected, newest first. */
export function Ledger({ names }: { names: ReadonlyMap<string, string> }) {
  const ledger = useLedger(SHOWN);
  const day = (at: string) =>
    new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'short', timeZone: 'UTC' });
  return (
    <Card title="The ledger">
      {ledger.isPending && <Loading rows={2} height={36} />}
      {ledger.isError && !ledger.data && <Failed error={ledger.error} retry={() => void ledger.refetch()} />}
      {ledger.data && (
        <Scroll label="Rows of the ledger">
          <table className={classes.table}>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">What</th>
                <th scope="col" className={classes.wide}>
                  Host
                </th>
                <th scope="col" className={classes.wide}>
                  Period
                </th>
                <th scope="col" className={classes.wide}>
                  Fee
                </th>
                <th scope="col">Amount</th>
              </tr>
            </thead>
            <tbody>
              {ledger.data.map((row) => (
                <tr key={row.id}>
                  <th scope="row">
                    <Ago at={row.created_at} />
                  </th>
                  <td>{kindWords(row.kind)}</td>
                  <td className={classes.wide}>
                    {(row.host_id && names.get(row.host_id)) || 'a host of before'}
                  </td>
                  <td className={classes.wide}>
                    {day(row.period_start)} – {day(row.period_end)}
                  </td>
                  <td className={classes.wide}>{row.fee_minor ? money(row.fee_minor, row.currency) : '–'}</td>
                  <td>{money(row.amount_minor, row.currency)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  );
}
