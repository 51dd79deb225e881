import { Button } from '@mantine/core';
import { IconHistory } from '@tabler/icons-react';
import type { AgentView } from '../agents/agents';
import type { HostView } from '../hosts/hosts';
import { Card } from '../layout/Page';
import { Empty, Failed, Loading } from '../layout/states';
import classes from './Activity.module.css';
import { EventList } from './EventList';
import { useEvents } from './events';

/** What happened to an agent, to whom, by whom and when. */
export default function Activity({ view, hosts }: { view: AgentView; hosts: readonly HostView[] }) {
  const { project_id, agent_key } = view.agent;
  const events = useEvents(project_id, agent_key);
  if (events.isPending) return <Loading rows={5} height={48} />;
  if (!events.data)
    return (
      <Failed
        error={events.error}
        retry={() => void events.refetch()}
        title="The events could not be loaded"
      />
    );
  const rows = events.data.pages.flat();
  if (rows.length === 0) {
    return (
      <Empty icon={<IconHistory size={22} />} title="Nothing has happened yet">
        What is done to this agent, and what it does to itself, is written down here.
      </Empty>
    );
  }
  return (
    <Card title="Events">
      <EventList rows={rows} hosts={hosts} />
      {events.hasNextPage && (
        <Button
          className={classes.more}
          variant="default"
          size="xs"
          loading={events.isFetchingNextPage}
          onClick={() => void events.fetchNextPage()}
        >
          Show older ones
        </Button>
      )}
    </Card>
  );
}
