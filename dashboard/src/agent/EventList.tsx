import type { HostView } from '../hosts/hosts';
import { Ago } from '../layout/Ago';
import type { Row } from '../supabase/client';
import { useSession } from '../supabase/session';
import classes from './Activity.module.css';
import { actorWords, describeEvent } from './events';

type Props = { rows: readonly Row<'events'>[]; hosts: readonly HostView[] };

/** Events, newest first. */
export function EventList({ rows, hosts }: Props) {
  const { user } = useSession();
  const hostName = (id: string) => hosts.find((host) => host.id === id)?.name;
  return (
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
  );
}
