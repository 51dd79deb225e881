import { useQuery } from '@tanstack/react-query';
import { Ago } from '../layout/Ago';
import { Card } from '../layout/Page';
import { Failed, Loading } from '../layout/states';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { eventWords } from './events';
import classes from './HostPage.module.css';

const SHOWN = 15;
const REFETCH_MS = 15_000;

/** What happened on a host, newest first. */
export function HostEvents({ hostId, projectId }: { hostId: string; projectId: string }) {
  const db = useDb();
  const events = useQuery({
    queryKey: ['live', projectId, 'host-events', hostId],
    queryFn: () =>
      must(
        db
          .from('events')
          .select('id, kind, at, agent_key, detail')
          .eq('host_id', hostId)
          .order('id', { ascending: false })
          .limit(SHOWN),
      ),
    refetchInterval: REFETCH_MS,
  });
  return (
    <Card title="What happened">
      {events.isPending && <Loading rows={2} height={32} />}
      {events.isError && !events.data && <Failed error={events.error} retry={() => void events.refetch()} />}
      {events.data?.length === 0 && <p className={classes.none}>Nothing yet.</p>}
      <ul className={classes.list}>
        {(events.data ?? []).map((event) => {
          const { text, detail } = eventWords(event);
          return (
            <li key={event.id}>
              <span className={classes.grow}>
                {text}
                {detail && <span className={classes.sub}>{detail}</span>}
              </span>
              <span className={classes.quiet}>
                <Ago at={event.at} />
              </span>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
