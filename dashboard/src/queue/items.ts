import { shortOfKey, slugOf } from '../agents/names';
import { failureOf, isSuperseded } from '../agents/result';
import type { Tone } from '../layout/Pill';
import type { Row, ViewRow } from '../supabase/client';

type Request = Row<'agent_provision_requests'>;
type Command = Row<'agent_commands'>;
type DeadLetter = ViewRow<'dead_letters'>;
type Agent = Pick<Row<'agents'>, 'agent_key' | 'agent_id_short' | 'name' | 'emoji'>;

/** Where an item stands: it waits, a host is at it, or it is over. */
export type Phase = 'waiting' | 'working' | 'done' | 'failed' | 'superseded';

/** A request or a command, as the queue shows it. */
export type QueueItem = {
  id: string;
  what: string;
  agentKey: string;
  agentName: string;
  agentEmoji: string | null;
  /** What the agent is called in an address; null where its row is gone. */
  agentSlug: string | null;
  phase: Phase;
  askedAt: string;
  takenAt: string | null;
  endedAt: string | null;
  /** What it waits for, as the last look of the database found. */
  waitingFor: string | null;
  failure: { message: string; hint: string | null } | null;
  wokenBy: string | null;
  hostId: string | null;
  /** Of what is tried no more: why, and how often it was tried. */
  dead: { reason: string; attempts: number; diedAt: string } | null;
};

type About = Pick<QueueItem, 'id' | 'agentKey' | 'agentName' | 'agentEmoji' | 'agentSlug' | 'dead'>;

const COMMANDS: Record<string, string> = {
  deploy: 'Deploy',
  start: 'Start',
  stop: 'Stop',
  restart: 'Restart',
  undeploy: 'Remove',
  update_config: 'Update',
  provision: 'Provision',
};

const REQUEST_PHASES: Record<string, Phase> = {
  queued: 'waiting',
  running: 'working',
  done: 'done',
  error: 'failed',
};
const COMMAND_PHASES: Record<string, Phase> = {
  pending: 'waiting',
  sent: 'working',
  acked: 'done',
  failed: 'failed',
};

export const PHASES: Record<Phase, { tone: Tone; label: string }> = {
  waiting: { tone: 'idle', label: 'Waiting' },
  working: { tone: 'busy', label: 'At work' },
  done: { tone: 'good', label: 'Done' },
  failed: { tone: 'bad', label: 'Failed' },
  superseded: { tone: 'idle', label: 'Superseded' },
};

/** All requests and commands as items, the newest first; dead ones also where their row is too old to be at hand. */
export function viewItems(
  requests: readonly Request[],
  commands: readonly Command[],
  dead: readonly DeadLetter[],
  agents: readonly Agent[],
): QueueItem[] {
  const agentOf = new Map(agents.map((agent) => [agent.agent_key, agent]));
  const deadOf = new Map(dead.map((letter) => [letter.id, letter]));
  const about = (key: string, id: string): About => {
    const agent = agentOf.get(key);
    const short = agent?.agent_id_short || shortOfKey(key);
    const letter = deadOf.get(id);
    return {
      id,
      agentKey: key,
      agentName: agent?.name || short,
      agentEmoji: agent?.emoji ?? null,
      agentSlug: agent ? slugOf(agent) : null,
      dead: letter ? { reason: letter.reason, attempts: letter.attempts, diedAt: letter.died_at } : null,
    };
  };
  const items = [
    ...requests.map(
      (row): QueueItem => ({
        ...about(row.agent_key, row.id),
        what: row.adopt ? 'Adopt' : 'Provision',
        phase: over(REQUEST_PHASES[row.status] ?? 'waiting', row.result),
        askedAt: row.requested_at,
        takenAt: row.picked_up_at,
        endedAt: row.completed_at,
        waitingFor: row.waiting_for,
        failure: failureOf(row.result),
        wokenBy: row.woken_by,
        hostId: null,
      }),
    ),
    ...commands.map(
      (row): QueueItem => ({
        ...about(row.agent_key, row.id),
        what: COMMANDS[row.type] ?? row.type,
        phase: over(COMMAND_PHASES[row.status] ?? 'waiting', row.result),
        askedAt: row.created_at,
        takenAt: row.sent_at,
        endedAt: row.acked_at,
        waitingFor: row.waiting_for,
        failure: failureOf(row.result) ?? (row.error ? { message: row.error, hint: null } : null),
        wokenBy: row.woken_by,
        hostId: row.host_id,
      }),
    ),
  ];
  // What is tried again is open, though its letter may be on the list still.
  for (const item of items) if (item.phase === 'waiting' || item.phase === 'working') item.dead = null;
  const known = new Set(items.map(({ id }) => id));
  for (const letter of dead) if (!known.has(letter.id)) items.push(ofLetter(letter, about));
  return items.sort((a, b) => b.askedAt.localeCompare(a.askedAt));
}

/** What is left to be told of an item whose row is not at hand. */
function ofLetter(letter: DeadLetter, about: (key: string, id: string) => About): QueueItem {
  return {
    ...about(letter.agent_key, letter.id),
    what: COMMANDS[letter.type ?? 'provision'] ?? letter.type ?? 'Provision',
    phase: 'failed',
    askedAt: letter.died_at,
    takenAt: null,
    endedAt: letter.died_at,
    waitingFor: null,
    failure: failureOf({ error: letter.error }),
    wokenBy: null,
    hostId: null,
  };
}

function over(phase: Phase, result: unknown): Phase {
  return phase === 'failed' && isSuperseded(result) ? 'superseded' : phase;
}

/** What is shown of the queue. */
export type View = 'open' | 'dead' | 'ended';

/** Sorts items into views: what is open, the longest waiting last come to be worked on first shown at work. */
export function splitItems(items: readonly QueueItem[]): Record<View, QueueItem[]> {
  const open = items.filter(({ phase }) => phase === 'waiting' || phase === 'working');
  const rank = ({ phase }: QueueItem) => (phase === 'working' ? 0 : 1);
  return {
    // What a host is at first, then what has waited longest.
    open: open.sort((a, b) => rank(a) - rank(b) || a.askedAt.localeCompare(b.askedAt)),
    dead: items.filter(({ dead }) => dead !== null),
    ended: items.filter(({ phase, dead }) => phase !== 'waiting' && phase !== 'working' && dead === null),
  };
}

const REASONS: Record<string, string> = {
  attempts: 'All its attempts failed',
  failed: 'Its host says that it cannot be done as it is',
  deadline: 'Its deadline passed',
  no_host: 'No host could take it',
};

/** Why something is tried no more. */
export function deadWords({ reason, attempts }: { reason: string; attempts: number }): string {
  if (reason === 'attempts')
    return attempts === 1 ? 'Its one attempt failed' : `All ${attempts} attempts failed`;
  return REASONS[reason] ?? reason;
}
