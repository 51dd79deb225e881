import { Ago } from '../layout/Ago';
import { Facts } from '../layout/Facts';
import { duration } from '../layout/time';
import { deadWords, type QueueItem } from './items';
import classes from './Queue.module.css';
import { verdictWords, type Why } from './why';

/** All that is known of an item. */
export function Details({ item, why, host }: { item: QueueItem; why: Why | undefined; host: string | null }) {
  const hint = why?.hint ?? item.failure?.hint;
  const took = item.takenAt && item.endedAt ? Date.parse(item.endedAt) - Date.parse(item.takenAt) : null;
  return (
    <div className={classes.details}>
      {hint && <p className={classes.hint}>{hint}</p>}
      {why?.hosts && (
        <ul className={classes.verdicts} aria-label="Hosts of the project">
          {why.hosts.map((host) => (
            <li key={host.host_id}>
              <b>{host.name}</b> {verdictWords(host.code)}
            </li>
          ))}
        </ul>
      )}
      <Facts
        facts={[
          ['Host', host],
          ['Asked', <Ago key="asked" at={item.askedAt} />],
          ['Taken up', item.takenAt && <Ago key="taken" at={item.takenAt} />],
          ['Ended', item.endedAt && <Ago key="ended" at={item.endedAt} />],
          ['Took', took !== null && took >= 0 ? (took < 1000 ? `${took} ms` : duration(took)) : null],
          ['Its host heard of it', wokenWords(item.wokenBy)],
          ['Tried no more', item.dead && deadWords(item.dead)],
        ]}
      />
      <p className={classes.id}>
        Id <code>{item.id}</code>
      </p>
    </div>
  );
}

function wokenWords(wokenBy: string | null): string | null {
  if (wokenBy === 'push') return 'at once, by a hint';
  return wokenBy === 'poll' ? 'when it asked' : null;
}
