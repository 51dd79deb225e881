import { Button } from '@mantine/core';
import { IconMoodCheck, IconStack2 } from '@tabler/icons-react';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useHosts } from '../hosts/hosts';
import { Page } from '../layout/Page';
import { Segments } from '../layout/Segments';
import { Empty, Failed, Loading } from '../layout/states';
import { useProject } from '../project/project';
import type { View } from './items';
import classes from './Queue.module.css';
import { QueueRow } from './QueueRow';
import { useQueue } from './queue';

/** Each open row asks what it waits for: as many as are read, and the rest on demand. */
const PAGE_ROWS = 25;

/** What is asked of hosts, what they are at, and what is tried no more. */
export default function QueuePage() {
  const project = useProject();
  const { views, isPending, error, retry } = useQueue(project.id);
  const { view = 'open' } = useSearch({ from: '/p/$project/queue' });
  const navigate = useNavigate({ from: '/p/$project/queue' });
  const [shown, setShown] = useState(PAGE_ROWS);
  const choose = (next: View) => {
    setShown(PAGE_ROWS);
    void navigate({ search: next === 'open' ? {} : { view: next }, replace: true });
  };
  const hosts = useHosts(project.id);
  const hostNames = useMemo(
    () => new Map((hosts.data ?? []).map((host) => [host.id, host.name])),
    [hosts.data],
  );
  const items = views?.[view] ?? [];
  return (
    <Page title="Queue" subtitle="What hosts are asked to do, as it happens">
      {error !== null && <Failed error={error} retry={retry} title="The queue could not be loaded" />}
      {error === null && !views && isPending && <Loading rows={4} height={52} />}
      {views && (
        <>
          <Segments
            label="What is shown"
            value={view}
            onChange={choose}
            options={[
              { value: 'open', label: 'Open', count: views.open.length },
              { value: 'dead', label: 'Dead letters', count: views.dead.length },
              { value: 'ended', label: 'Ended' },
            ]}
          />
          {items.length === 0 && <Nothing view={view} />}
          {items.length > 0 && (
            <ul className={classes.list} aria-label={LABELS[view]}>
              {items.slice(0, shown).map((item) => (
                <QueueRow key={item.id} item={item} hostNames={hostNames} />
              ))}
            </ul>
          )}
          {items.length > shown && (
            <div className={classes.more}>
              <Button variant="default" onClick={() => setShown(shown + PAGE_ROWS)}>
                Show more of {items.length}
              </Button>
            </div>
          )}
        </>
      )}
    </Page>
  );
}

const LABELS: Record<View, string> = {
  open: 'What is open',
  dead: 'Dead letters',
  ended: 'What has ended',
};

function Nothing({ view }: { view: View }) {
  if (view === 'open') {
    return (
      <Empty icon={<IconMoodCheck size={22} />} title="Nothing waits">
        Whatever is asked of an agent is here until its host has done it.
      </Empty>
    );
  }
  if (view === 'dead') {
    return (
      <Empty icon={<IconMoodCheck size={22} />} title="No dead letters">
        What could not be done in all its attempts comes here, to be tried again when the reason is mended.
      </Empty>
    );
  }
  return <Empty icon={<IconStack2 size={22} />} title="Nothing has ended yet" />;
}
