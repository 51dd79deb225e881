import { Button } from '@mantine/core';
import { IconChevronRight, IconRefresh } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useId, useState } from 'react';
import { Ago } from '../layout/Ago';
import { useAction } from '../layout/action';
import { Pill } from '../layout/Pill';
import { useProject } from '../project/project';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { Details } from './Details';
import { deadWords, PHASES, type QueueItem } from './items';
import classes from './Queue.module.css';
import { useWhy } from './queue';
import { leaseWords, reasonWords, stillWaits } from './why';

/** One request or command: what it is, how long it is there, and why. */
export function QueueRow({ item, hostNames }: { item: QueueItem; hostNames: ReadonlyMap<string, string> }) {
  const project = useProject();
  const details = useId();
  const [open, setOpen] = useState(false);
  const isOpen = item.phase === 'waiting' || item.phase === 'working';
  const { data } = useWhy(project.id, item);
  const why = stillWaits(data);
  const phase = PHASES[item.phase];
  const lease = isOpen ? leaseWords(why) : null;
  return (
    <li className={classes.row} data-item={item.id} data-phase={item.phase}>
      <div className={classes.line}>
        <button
          type="button"
          className={classes.toggle}
          aria-expanded={open}
          aria-controls={details}
          aria-label={`${open ? 'Hide' : 'Show'} details of ${item.what} ${item.agentName}`}
          onClick={() => setOpen(!open)}
        >
          <IconChevronRight size={16} stroke={1.8} aria-hidden />
        </button>
        <div className={classes.what}>
          <span className={classes.type}>{item.what}</span>{' '}
          {item.agentSlug ? (
            <Link
              to="/p/$project/agents/$agent"
              params={{ project: project.id, agent: item.agentSlug }}
              className={classes.agent}
            >
              {item.agentEmoji && <span aria-hidden>{item.agentEmoji} </span>}
              {item.agentName}
            </Link>
          ) : (
            <span>{item.agentName}</span>
          )}
        </div>
        <div className={classes.reason} data-tone={item.phase === 'failed' ? 'bad' : undefined}>
          {reasonOf(item, why?.message)}
        </div>
        <div className={classes.state}>
          <Pill tone={phase.tone}>{phase.label}</Pill>
        </div>
        <div className={classes.when}>
          <Ago at={item.endedAt ?? item.askedAt} />
          {isOpen && why?.attempts !== undefined && why.attempts > 0 && (
            <span className={classes.sub}>attempt {why.attempts}</span>
          )}
          {lease && (
            <span className={classes.sub}>
              {lease.label.toLowerCase()} <Ago at={lease.until} />
            </span>
          )}
          {item.dead && item.dead.attempts > 0 && (
            <span className={classes.sub}>{item.dead.attempts} attempts</span>
          )}
        </div>
        {item.dead && project.canEdit && <Redrive item={item} />}
      </div>
      <div id={details} hidden={!open}>
        {open && (
          <Details
            item={item}
            why={isOpen ? why : undefined}
            host={hostNames.get(item.hostId ?? (isOpen ? why?.host_id : null) ?? '') ?? null}
          />
        )}
      </div>
    </li>
  );
}

/** Tries something again that is tried no more. */
function Redrive({ item }: { item: QueueItem }) {
  const db = useDb();
  const project = useProject();
  const queries = useQueryClient();
  const [redrive, busy] = useAction(async () => {
    await must(db.rpc('redrive', { id: item.id }));
    await queries.invalidateQueries({ queryKey: ['live', project.id] });
    return `${item.what} ${item.agentName}: tried again.`;
  });
  return (
    <Button
      variant="default"
      size="xs"
      leftSection={<IconRefresh size={15} stroke={1.6} />}
      loading={busy}
      onClick={() => void redrive()}
      aria-label={`Try again: ${item.what} ${item.agentName}`}
    >
      Try again
    </Button>
  );
}

function reasonOf(item: QueueItem, message: string | undefined): string | null {
  if (item.dead) return item.failure ? reasonWords(item.failure.message) : `${deadWords(item.dead)}.`;
  switch (item.phase) {
    case 'waiting':
    case 'working':
      return message ? reasonWords(message) : item.waitingFor ? reasonWords(item.waitingFor) : null;
    case 'failed':
      return item.failure ? reasonWords(item.failure.message) : 'It failed.';
    case 'superseded':
      return 'Something newer took its place.';
    default:
      return null;
  }
}
