import { SegmentedControl } from '@mantine/core';
import { Suspense, useMemo, useState } from 'react';
import type { AgentView } from '../agents/agents';
import { Ago } from '../layout/Ago';
import { useNow } from '../layout/now';
import { Card } from '../layout/Page';
import { part } from '../layout/part';
import { Failed, Loading } from '../layout/states';
import { duration } from '../layout/time';
import { RANGES, toColumns, useHistory, useMetrics } from './metrics';
import classes from './Overview.module.css';

const Plot = part(() => import('./Plot'));

const percent = (value: number) =>
  `${value > 0 && value < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value)} %`;
const megabytes = (value: number) =>
  value < 1_000 ? `${Math.round(value)} MB` : `${(value / 1_000).toFixed(1)} GB`;
const seconds = (value: number) => duration(value * 1_000);

/** What an agent uses, now and before. */
export function Usage({ view }: { view: AgentView }) {
  const { id, project_id, backend } = view.agent;
  const [chosen, setChosen] = useState<string>('hour');
  const range = RANGES.find(({ value }) => value === chosen) ?? RANGES[0];
  const now = useMetrics(project_id, id);
  const history = useHistory(project_id, id, range);
  const columns = useMemo(() => toColumns(history.data ?? [], range.stepSecs), [history.data, range]);
  // The edge moves on by the minute: a plot is drawn anew no more often than that.
  const to = (Math.floor(useNow() / 60_000) + 1) * 60;
  const [times = [], cpu = [], ram = [], uptime = []] = columns;
  const plot = { times, from: to - range.spanSecs, to };
  const choice = (
    <SegmentedControl
      size="xs"
      aria-label="How far back"
      value={chosen}
      onChange={setChosen}
      data={RANGES.map(({ value, label }) => ({ value, label }))}
    />
  );
  if (history.isError && !history.data) {
    return (
      <Card title="Usage">
        <Failed
          error={history.error}
          retry={() => void history.refetch()}
          title="What it uses could not be loaded"
        />
      </Card>
    );
  }
  if (history.data?.length === 0 && !now.data) {
    return (
      <Card title="Usage" actions={choice}>
        <div className={classes.note}>
          {backend === 'shared'
            ? 'An agent in the host’s one gateway has no processes of its own: what it uses cannot be told from what the others use.'
            : 'Nothing was measured in this time. Its host measures while it runs.'}
        </div>
      </Card>
    );
  }
  return (
    <Card title="Usage" actions={choice}>
      {history.isPending && <Loading rows={2} height={150} />}
      {now.data && <Current metrics={now.data} />}
      {history.data && (
        <Suspense fallback={<Loading rows={2} height={150} />}>
          <Plot {...plot} label="CPU, of one core" values={cpu} format={percent} color="--busy" />
          <Plot {...plot} label="Memory" values={ram} format={megabytes} color="--good" />
          <Plot {...plot} label="Uptime" values={uptime} format={seconds} color="--warn" />
        </Suspense>
      )}
    </Card>
  );
}

type Metrics = NonNullable<ReturnType<typeof useMetrics>['data']>;

function Current({ metrics }: { metrics: Metrics }) {
  const { cpu_percent, ram_mb, disk_mb, uptime_secs, restarts, sampled_at } = metrics;
  const known: [string, string | null][] = [
    ['CPU', cpu_percent === null ? null : percent(cpu_percent)],
    ['Memory', ram_mb === null ? null : megabytes(ram_mb)],
    ['Disk', disk_mb === null ? null : megabytes(disk_mb)],
    ['Up for', uptime_secs === null ? null : seconds(uptime_secs)],
    ['Restarts', restarts === null ? null : String(restarts)],
  ];
  return (
    <>
      <dl className={classes.current}>
        {known.map(
          ([name, value]) =>
            value !== null && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      <div className={classes.note}>
        Measured <Ago at={sampled_at} />
      </div>
    </>
  );
}
