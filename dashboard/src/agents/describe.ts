import type { HostView } from '../hosts/hosts';
import type { Tone } from '../layout/Pill';
import { relativeTime } from '../layout/time';
import type { Row } from '../supabase/client';
import { failureOf, isSuperseded, PROVISION_STEPS, type Step, shownSteps } from './result';

type Agent = Row<'agents'>;
type Request = Row<'agent_provision_requests'>;
type Command = Row<'agent_commands'>;

/** What people filter by. */
export type Group = 'running' | 'busy' | 'stopped' | 'attention';

/** How an agent stands, in words. */
export type AgentState = {
  group: Group;
  tone: Tone;
  label: string;
  /** What it is doing, what it waits for, or what went wrong. */
  detail: string | null;
  /** What a person can do about it. */
  hint: string | null;
  /** The steps so far, while something is under way. */
  steps: Step[];
  /** What is under way: `why_pending` explains it. */
  pendingId: string | null;
  /** The failed request or command that can be tried again. */
  failedId: string | null;
};

/** All that is known of an agent. */
export type AgentFacts = {
  agent: Agent;
  activity: Row<'agent_status'> | null;
  requests: readonly Request[];
  commands: readonly Command[];
  host: HostView | null;
};

const COMMAND_WORDS: Record<string, string> = {
  deploy: 'Deploying…',
  start: 'Starting…',
  stop: 'Stopping…',
  restart: 'Restarting…',
  undeploy: 'Removing…',
  update_config: 'Updating…',
};

/** What an agent that runs is doing, where that is worth a word. */
const ACTIVITY_WORDS: Record<string, string> = {
  processing: 'Working',
  thinking: 'Thinking',
  executing: 'Working',
  cooldown: 'Resting',
};

/** What fails without a trace in the agent's own state: it is as it was. */
const LEFT_AS_IT_WAS: Record<string, string> = {
  stop: 'It could not be stopped',
  undeploy: 'It could not be removed',
  update_config: 'Its configuration could not be changed',
};

const PLAIN = { detail: null, hint: null, steps: [], pendingId: null, failedId: null };

/** Says how an agent stands: what is under way first, then what went wrong, then what its host saw. */
export function describeAgent(
  { agent, activity, requests, commands, host }: AgentFacts,
  now: number,
): AgentState {
  const request = requests.find(({ status }) => status === 'queued' || status === 'running');
  if (request) {
    const expected = agent.backend === 'shared' ? PROVISION_STEPS : [];
    return underWay(request, request.status === 'running', 'Provisioning…', expected);
  }
  // Of several the first is at work or is what the others wait for.
  const [command] = commands
    .filter(({ status }) => status === 'pending' || status === 'sent')
    .sort((a, b) => a.created_at.localeCompare(b.created_at));
  if (command) return underWay(command, command.status === 'sent', COMMAND_WORDS[command.type] ?? 'Working…');
  const failure = lastFailure(requests, commands);
  if (agent.deleting_since && failure?.type !== 'undeploy') {
    return {
      ...PLAIN,
      group: 'busy',
      tone: 'busy',
      label: 'Removing…',
      detail: 'Its host takes it off and keeps an archive.',
    };
  }
  if (agent.billing === 'unpaid') {
    return {
      ...PLAIN,
      group: 'attention',
      tone: 'warn',
      label: 'Not paid',
      hint: 'Pay for it by a checkout; then it is deployed by itself.',
    };
  }
  if (agent.status === 'error' || (agent.status === 'pending_deploy' && failure)) {
    return {
      ...PLAIN,
      group: 'attention',
      tone: 'bad',
      label: 'Error',
      detail: failure
        ? sentence(failure.message)
        : activity?.note || 'Its host reported an error and gave no reason.',
      hint: failure?.hint ?? 'Its events and log say more.',
      failedId: failure?.id ?? null,
    };
  }
  if (agent.status === 'running' && host?.shownStatus === 'offline') {
    const seen = host.lastSeenAt
      ? ` It was last seen ${relativeTime(Date.parse(host.lastSeenAt), now)}.`
      : '';
    return {
      ...PLAIN,
      group: 'attention',
      tone: 'warn',
      label: 'Host offline',
      detail: `${host.name} does not answer.${seen}`,
      hint: 'Start creel worker on the host.',
    };
  }
  const refused = failure?.type && LEFT_AS_IT_WAS[failure.type];
  if (failure && refused) {
    return {
      ...atRest(agent, activity),
      group: 'attention',
      tone: 'warn',
      detail: `${refused}: ${failure.message}`,
      hint: failure.hint ?? 'Its events and log say more.',
      failedId: failure.id,
    };
  }
  // Its request is written right after itself.
  if (agent.status === 'pending_deploy' && Date.parse(agent.created_at) > now - 60_000) {
    return { ...PLAIN, group: 'busy', tone: 'busy', label: 'Provisioning…' };
  }
  return atRest(agent, activity);
}

function atRest(agent: Agent, activity: Row<'agent_status'> | null): AgentState {
  const told = activity?.current_task || activity?.note || null;
  // That it is stopped is said already.
  const note = told === agent.status ? null : told;
  switch (agent.status) {
    case 'running':
      if (activity?.state === 'error')
        return { ...PLAIN, group: 'attention', tone: 'bad', label: 'Error', detail: note };
      return {
        ...PLAIN,
        group: 'running',
        tone: 'good',
        label: ACTIVITY_WORDS[activity?.state ?? ''] ?? 'Running',
        detail: note,
      };
    case 'deploying':
      return { ...PLAIN, group: 'busy', tone: 'busy', label: 'Deploying…', detail: note };
    case 'stopped':
      return { ...PLAIN, group: 'stopped', tone: 'idle', label: 'Stopped', detail: activity?.note ?? null };
    case 'removed':
      return {
        ...PLAIN,
        group: 'stopped',
        tone: 'idle',
        label: 'Removed',
        detail: 'Start it to bring it back.',
      };
    default:
      return { ...PLAIN, group: 'busy', tone: 'idle', label: 'Not deployed', detail: note };
  }
}

function underWay(
  item: Request | Command,
  atWork: boolean,
  label: string,
  expected: readonly string[] = [],
): AgentState {
  const steps = shownSteps(item.result, expected);
  const current = steps.find(({ done }) => !done);
  const failure = failureOf(item.result);
  const waits =
    item.waiting_for ?? (failure ? `The last attempt failed: ${failure.message}` : 'Waiting for a host');
  return {
    ...PLAIN,
    group: 'busy',
    tone: atWork ? 'busy' : 'idle',
    label,
    detail: atWork ? (current?.label ?? 'Its host is at work') : sentence(waits),
    steps: atWork ? steps : [],
    pendingId: item.id,
  };
}

/** The reason of the newest attempt at anything, if that failed. */
function lastFailure(requests: readonly Request[], commands: readonly Command[]) {
  const ended = [
    ...requests.map((item) => ({ item, at: item.completed_at, failed: item.status === 'error' })),
    ...commands
      .filter((item) => !isSuperseded(item.result))
      .map((item) => ({ item, at: item.acked_at, failed: item.status === 'failed' })),
  ].filter(({ at }) => at !== null);
  ended.sort((a, b) => (b.at ?? '').localeCompare(a.at ?? ''));
  const newest = ended[0];
  if (!newest?.failed) return null;
  const failure = failureOf(newest.item.result);
  const message = failure?.message ?? ('error' in newest.item ? newest.item.error : null) ?? 'It failed.';
  const type = 'type' in newest.item ? newest.item.type : null;
  return { id: newest.item.id, type, message, hint: failure?.hint ?? null };
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
