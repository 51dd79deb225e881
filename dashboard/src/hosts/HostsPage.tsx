import { Button } from '@mantine/core';
import { IconPlus, IconServer2 } from '@tabler/icons-react';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Suspense, useMemo, useState } from 'react';
import { Page } from '../layout/Page';
import { part } from '../layout/part';
import { Segments } from '../layout/Segments';
import { Empty, Failed, Loading } from '../layout/states';
import { useRows } from '../live/rows';
import { useProject } from '../project/project';
import { ForRent } from './ForRent';
import { type FleetHost, useFleet } from './fleet';
import { HostCard } from './HostCard';
import classes from './HostCard.module.css';
import { useOffers } from './offers';

const AddHost = part(() => import('./AddHost'));

/** The machines on which agents live. */
export default function HostsPage() {
  const project = useProject();
  const fleet = useFleet(project.id);
  const agents = useRows(project.id, 'agents');
  const offers = useOffers(project.id);
  const { view = 'serving', for: agentKey } = useSearch({ from: '/p/$project/hosts' });
  const navigate = useNavigate({ from: '/p/$project/hosts' });
  const [adding, setAdding] = useState(false);
  const agentCounts = useMemo(() => countByHost(agents.data ?? []), [agents.data]);
  const serving = (fleet.data ?? []).filter(({ terms }) => terms !== null);
  const others = (fleet.data ?? []).filter(({ terms, mine }) => terms === null && mine);
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
      Add a host
    </Button>
  );
  const grid = (views: readonly FleetHost[], label: string) => (
    <ul className={classes.grid} aria-label={label}>
      {views.map((view) => (
        <li key={view.host.id}>
          <HostCard
            view={view}
            projectId={project.id}
            agentCount={agentCounts.get(view.host.id) ?? 0}
            currency={offers.data?.currency ?? null}
          />
        </li>
      ))}
    </ul>
  );
  return (
    <Page title="Hosts" subtitle={fleet.data ? summary(serving) : null} actions={add}>
      <Segments
        label="Which hosts"
        value={view}
        onChange={(next) => void navigate({ search: next === 'rent' ? { view: next } : {}, replace: true })}
        options={[
          { value: 'serving', label: 'This project' },
          { value: 'rent', label: 'For rent', count: offers.data?.hosts.length },
        ]}
      />
      {view === 'rent' ? (
        <ForRent agentKey={agentKey} />
      ) : (
        <>
          {fleet.isError && !fleet.data && (
            <Failed
              error={fleet.error}
              retry={() => void fleet.refetch()}
              title="The hosts could not be loaded"
            />
          )}
          {fleet.isPending && <Loading rows={2} height={180} />}
          {fleet.data && serving.length === 0 && (
            <Empty icon={<IconServer2 size={22} />} title="No host serves this project yet" action={add}>
              A host is a machine on which agents run: a Mac mini on your desk, a server, or somebody else's
              that you rent.
            </Empty>
          )}
          {serving.length > 0 && grid(serving, 'Hosts of this project')}
          {others.length > 0 && (
            <>
              <h2 className={classes.section}>Your other hosts</h2>
              {grid(others, 'Your other hosts')}
            </>
          )}
        </>
      )}
      {adding && (
        <Suspense>
          <AddHost onClose={() => setAdding(false)} />
        </Suspense>
      )}
    </Page>
  );
}

function countByHost(agents: readonly { host_id: string | null; status: string }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { host_id, status } of agents) {
    if (host_id && status !== 'removed') counts.set(host_id, (counts.get(host_id) ?? 0) + 1);
  }
  return counts;
}

function summary(hosts: readonly FleetHost[]): string | null {
  const alive = hosts.filter(({ status }) => status !== 'retired');
  if (alive.length === 0) return null;
  const online = alive.filter(({ status }) => status === 'online').length;
  return `${online} of ${alive.length} online`;
}
