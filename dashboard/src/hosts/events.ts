import { shortOfKey } from '../agents/names';

type Event = { kind: string; agent_key: string | null; detail: unknown };

const WORDS: Record<string, string> = {
  'host.enrolled': 'Enrolled',
  'host.key_rotated': 'Its key was replaced',
  'host.revoked': 'Its access was revoked',
  'host.upgrade_needed': 'Its Creel is too old',
  'host.offline': 'Went silent',
  'host.online': 'Came back',
  'gateway.started': 'Its gateway is ready',
  'gateway.failed': 'Its gateway ended by itself',
  'gateway.given_up': 'Its gateway failed too often',
  'openclaw.config_restored': 'OpenClaw’s configuration was put back',
  'openclaw.config_unusable': 'OpenClaw’s configuration cannot be used',
  'agent.started': 'started',
  'agent.stopped': 'was stopped',
  'agent.crashed': 'ended by itself',
  'agent.restarted': 'runs again',
  'agent.given_up': 'ended too often',
  'agent.limit_exceeded': 'used more than it may',
  'item.claimed': 'was taken up',
  'item.done': 'was done',
  'item.failed': 'failed',
  'item.dead': 'is tried no more',
  'item.redriven': 'is tried again',
  'lease.expired': 'was given up: its lease ended',
};

/** What happened, for a person; a kind that nobody has words for is told as it is. */
export function eventWords({ kind, agent_key, detail }: Event): { text: string; detail: string | null } {
  const words = WORDS[kind] ?? kind.replaceAll(/[._]/g, ' ');
  const short = agent_key && shortOfKey(agent_key);
  return { text: short ? `${short} ${lower(words)}` : sentence(words), detail: reasonOf(detail) };
}

function reasonOf(detail: unknown): string | null {
  if (typeof detail !== 'object' || detail === null) return null;
  const fields = detail as Record<string, unknown>;
  const error = fields.error;
  const inner =
    typeof error === 'object' && error !== null ? (error as Record<string, unknown>).message : error;
  for (const value of [fields.note, fields.reason, fields.message, inner]) {
    if (typeof value === 'string' && value) return sentence(value);
  }
  return null;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
