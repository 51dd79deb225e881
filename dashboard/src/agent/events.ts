import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import type { Tone } from '../layout/Pill';
import { useThrottled } from '../layout/throttle';
import { useLiveChanges } from '../live/LiveProvider';
import type { Change } from '../live/tables';
import { type Row, useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { DOC_TYPES, DOC_WORDS } from './files/types';

const PAGE_ROWS = 50;
/** A burst of changes is one look: all pages that are shown are asked for again. */
const LOOK_MS = 1_000;

/** What happened to an agent, newest first. */
export function useEvents(projectId: string, agentKey: string) {
  const db = useDb();
  const queries = useQueryClient();
  const key = ['live', projectId, 'events', agentKey];
  const look = useThrottled(() => void queries.invalidateQueries({ queryKey: key }), LOOK_MS);
  // Events are no messages of their own: they are written with what they tell of, in the same transaction.
  const heard = useCallback(
    (changes: Change<'agents' | 'agent_commands' | 'agent_provision_requests' | 'brain_doc_states'>[]) => {
      if (changes.some((change) => change.type === 'DELETE' || change.row.agent_key === agentKey)) look();
    },
    [look, agentKey],
  );
  useLiveChanges('agents', heard);
  useLiveChanges('agent_commands', heard);
  useLiveChanges('agent_provision_requests', heard);
  useLiveChanges('brain_doc_states', heard);
  return useInfiniteQuery({
    queryKey: key,
    initialPageParam: null as number | null,
    queryFn: ({ pageParam }) => {
      const newest = db.from('events').select('*').eq('project_id', projectId).eq('agent_key', agentKey);
      const page = pageParam === null ? newest : newest.lt('id', pageParam);
      return must(page.order('id', { ascending: false }).limit(PAGE_ROWS));
    },
    getNextPageParam: (last) => (last.length < PAGE_ROWS ? undefined : last.at(-1)?.id),
  });
}

/** An event in words. */
export type EventWords = { tone: Tone; title: string; detail: string | null };

const WORDS: Record<string, [tone: Tone, title: string]> = {
  'agent.provisioned': ['good', 'Made on its host'],
  'agent.provision_failed': ['bad', 'Could not be made'],
  'agent.provision_retried': ['warn', 'Making it failed; it is tried again'],
  'agent.provision_superseded': ['idle', 'The request was overtaken by something newer'],
  'agent.commanded': ['busy', 'Told'],
  'agent.command_done': ['good', 'Done'],
  'agent.command_failed': ['bad', 'Failed'],
  'agent.command_retried': ['warn', 'Failed; it is tried again'],
  'agent.command_superseded': ['idle', 'Overtaken by something newer'],
  'agent.started': ['good', 'Started'],
  'agent.stopped': ['idle', 'Stopped'],
  'agent.removed': ['idle', 'Removed from its host'],
  'agent.restarted': ['warn', 'Started again by its host'],
  'agent.crashed': ['bad', 'Ended by itself'],
  'agent.down': ['bad', 'Down'],
  'agent.given_up': ['bad', 'Given up after several failures'],
  'agent.limit_exceeded': ['bad', 'Stopped: it was over its limit'],
  'doc.conflict': ['warn', 'Changed on both sides'],
  'doc.held': ['warn', 'Held back: the disk says less'],
  'doc.blocked': ['warn', 'A file cannot be written'],
  'doc.resolved': ['good', 'Resolved'],
  'doc.erased': ['idle', 'Erased'],
  'item.redriven': ['busy', 'Tried again'],
  'lease.expired': ['warn', 'Its host was silent; it is begun again'],
  'billing.reserved': ['idle', 'A place is kept for it'],
  'billing.released': ['idle', 'Its place was given back'],
  'billing.removed': ['idle', 'Taken off, as its subscription ended'],
  'billing.mismatch': ['warn', 'Payment and agent do not fit'],
  'outage.began': ['bad', 'Does not answer'],
  'outage.ended': ['good', 'Answers again'],
};

/** What commands are called in a sentence. */
const COMMANDS: Record<string, string> = {
  deploy: 'deploy',
  start: 'start',
  stop: 'stop',
  restart: 'restart',
  undeploy: 'remove',
  update_config: 'change the configuration',
};

function docName(type: string | null): string | null {
  const known = DOC_TYPES.find((each) => each === type);
  return known ? DOC_WORDS[known].file : type;
}

/** Says what an event is; one of a kind that is not known is shown as it is. */
export function describeEvent({ kind, detail }: Pick<Row<'events'>, 'kind' | 'detail'>): EventWords {
  const fields = typeof detail === 'object' && detail !== null && !Array.isArray(detail) ? detail : {};
  const text = (value: unknown) => (typeof value === 'string' && value ? value : null);
  const [tone, title] = WORDS[kind] ?? ['idle', kind.replaceAll(/[._]/g, ' ')];
  const command = text(fields.type);
  const error =
    typeof fields.error === 'object' && fields.error !== null && 'message' in fields.error
      ? fields.error
      : null;
  const about = [
    command && (COMMANDS[command] ?? command),
    docName(text(fields.doc_type)),
    text(error?.message) ??
      text(fields.message) ??
      text(fields.reason) ??
      text(fields.note) ??
      text(fields.error),
  ].filter(Boolean);
  return { tone, title, detail: about.length > 0 ? about.join(' · ') : null };
}

/** Who did it. */
export function actorWords(
  actor: string,
  self: string,
  hostName: (id: string) => string | undefined,
): string {
  const [kind, id = ''] = actor.split(':');
  if (kind === 'user') return id === self ? 'you' : 'a member';
  if (kind === 'host') return hostName(id) ?? 'a host';
  return actor;
}
