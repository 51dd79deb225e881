import { Suspense, useCallback, useMemo } from 'react';
import { money } from '../layout/money';
import { useNow } from '../layout/now';
import { part } from '../layout/part';
import classes from './Billing.module.css';
import { monthWords, type Statement, sumMonths, totalOf } from './months';
import { Scroll } from './Scroll';

const Bars = part(() => import('./Bars'));

type Props = {
  statements: readonly Statement[];
  currency: string;
  /** Names of hosts, where the figures of several are told one by one. */
  names?: ReadonlyMap<string, string>;
};

/** Month by month what was earned: the sum, a plot, and the figures in a table. */
export function EarningsPlot({ statements, currency, names }: Props) {
  const today = Math.floor(useNow() / 86_400_000) * 86_400_000;
  const months = useMemo(
    () => sumMonths(statements, currency, new Date(today)),
    [statements, currency, today],
  );
  const labels = useMemo(() => months.map(({ month }) => monthWords(month, 'short')), [months]);
  const nets = useMemo(() => months.map(({ net }) => net), [months]);
  const format = useCallback((minor: number) => money(minor, currency), [currency]);
  const current = months.at(-1);
  const rows = statements.filter((row) => row.currency === currency && row.month);
  return (
    <>
      <div className={classes.sums}>
        <div>
          <div className={classes.sum}>{format(current?.net ?? 0)}</div>
          <div className={classes.sub}>this month</div>
        </div>
        <div>
          <div className={classes.sum}>{format(totalOf(months))}</div>
          <div className={classes.sub}>in {months.length} months</div>
        </div>
      </div>
      <Suspense fallback={<div className={classes.plotSpace} />}>
        <Bars
          label={`Earned month by month: ${months.map(({ month, net }) => `${monthWords(month)} ${format(net)}`).join(', ')}`}
          names={labels}
          values={nets}
          format={format}
        />
      </Suspense>
      <details className={classes.figures}>
        <summary>The figures</summary>
        <Scroll label="Earned by month and host">
          <table className={classes.table}>
            <thead>
              <tr>
                <th scope="col">Month</th>
                {names && <th scope="col">Host</th>}
                <th scope="col">Earned</th>
                <th scope="col">Corrected</th>
                <th scope="col">Net</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={`${row.month} ${row.host_id}`}>
                  <th scope="row">{monthWords(row.month ?? '')}</th>
                  {names && <td>{(row.host_id && names.get(row.host_id)) || 'a host of before'}</td>}
                  <td>{format(row.earned_minor ?? 0)}</td>
                  <td>{row.corrected_minor ? format(row.corrected_minor) : '–'}</td>
                  <td>{format(row.net_minor ?? 0)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </details>
    </>
  );
}
