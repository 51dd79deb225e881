import { useQuery } from '@tanstack/react-query';
import { Ago } from '../layout/Ago';
import { Card } from '../layout/Page';
import { Pill } from '../layout/Pill';
import { Failed, Loading } from '../layout/states';
import { useProject } from '../project/project';
import { call } from '../supabase/call';
import { useDb } from '../supabase/client';
import classes from './HostPage.module.css';
import { type HostAccess, ways } from './ways';

/** Keys are replaced by themselves, and codes end. */
const REFETCH_MS = 30_000;

/** By what a host comes in; no secret is shown, as nobody has it but the host. */
export function Access({ hostId }: { hostId: string }) {
  const db = useDb();
  const project = useProject();
  const access = useQuery({
    queryKey: ['live', project.id, 'host-access', hostId],
    queryFn: () => call<HostAccess>(db, 'list_host_access', { host_id: hostId }),
    refetchInterval: REFETCH_MS,
  });
  const shown = access.data ? ways(access.data) : [];
  return (
    <Card title="Access">
      {access.isPending && <Loading rows={1} height={38} />}
      {access.isError && !access.data && <Failed error={access.error} retry={() => void access.refetch()} />}
      {access.data && shown.length === 0 && <p className={classes.none}>It has no key and no login.</p>}
      <ul className={classes.list}>
        {shown.map((way) => (
          <li key={way.id}>
            <span className={classes.grow}>
              {way.label}
              <span className={classes.sub}>
                <Ago at={way.since} prefix="since" />
                {way.until && (
                  <>
                    , <Ago at={way.until} prefix={way.good ? 'ends' : 'ended'} />
                  </>
                )}
              </span>
            </span>
            <Pill tone={way.good ? 'good' : 'idle'}>{way.word}</Pill>
          </li>
        ))}
      </ul>
    </Card>
  );
}
