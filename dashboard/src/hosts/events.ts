import { describeEvent } from '../agent/events';
import { shortOfKey } from '../agents/names';
import type { Row } from '../supabase/client';

type Event = Pick<Row<'events'>, 'kind' | 'agent_key' | 'detail'>;

/** What happens to a host itself; what happens to its agents is told as on their own pages. */
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
};

/** What happened, for a person; a kind that nobody has words for is told as it is. */
export function eventWords(event: Event): { text: string; detail: string | null } {
  const known = WORDS[event.kind];
  const { title, detail } = describeEvent(event);
  const text = known ?? title;
  return {
    text: event.agent_key ? `${shortOfKey(event.agent_key)}: ${lower(text)}` : sentence(text),
    detail: detail && sentence(detail),
  };
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
