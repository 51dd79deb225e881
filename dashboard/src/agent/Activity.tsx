import { Button } from '@mantine/core';
import { IconHistory } from '@tabler/icons-react';
import type { AgentView } from '../agents/agents';
import type { HostView } from '../hosts/hosts';
import { Ago } from '../layout/Ago';
import { Card } from '../layout/Page';
import { Empty, Failed, Loading } from '../layout/states';
import { useSession } from '../supabase/session';
import classes from './Activity.module.css';
import { actorWords, describeEvent, useEvents } from './events';

/** What happened to an agent, to whom, by whom and when. */
export default function Activity({ view, hosts }: { view: AgentView; hosts: readonly HostView[] }) {
  const { project_id, agent_key } = view.agent;
  const { user } = useSession();
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
  const hostName = (id: string) => hosts.find((host) => host.id === id)?.name;
  return (
    <Card title="Events">
      <ol className={classes.list} aria-label="Events, newest first">
        {rows.map((row) => {
          const { tone, title, detail } = describeEvent(row);
          return (
            <li key={row.id} className={classes.event}>
              <span className={classes.dot} data-tone={tone} aria-hidden />
              <span className={classes.title}>{title}</span>
              <span className={classes.when}>
                <Ago at={row.at} />
              </span>
              <span className={classes.detail}>
                {detail ? `${detail} · ` : ''}by {actorWords(row.actor, user.id, hostName)}
              </span>
            </li>
          );
        })}
      </ol>
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
