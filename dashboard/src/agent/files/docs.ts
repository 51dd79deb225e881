import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { useLiveChanges } from '../../live/LiveProvider';
import type { Change } from '../../live/tables';
import { call } from '../../supabase/call';
import { type Db, useDb } from '../../supabase/client';
import type { DocType } from './types';

export { DOC_TYPES, DOC_WORDS, type DocType } from './types';

/** As many versions as anybody goes through by hand; the server gives no more than 500. */
const VERSIONS = 500;

/** A document as `list_docs_of` and `read_doc` show it. */
export type Doc = {
  doc_type: DocType;
  version: number;
  sha256: string;
  size_bytes: number;
  doc_date: string | null;
  sync_state: 'waiting' | 'synced' | 'held' | 'blocked';
  sync_note: string | null;
  held_version: number | null;
  conflict_version: number | null;
  disk_version: number;
  disk_at: string | null;
  warning: string | null;
  host_online: boolean | null;
  updated_by: string | null;
  updated_at: string | null;
};
export type DocText = Doc & { content: string };

/** A version as `list_doc_versions` shows it. */
export type Version = {
  version: number;
  base_version: number | null;
  sha256: string;
  author_kind: string;
  author_id: string | null;
  updated_by: string | null;
  reason: string | null;
  side: boolean;
  pinned: boolean;
  created_at: string;
  size_bytes: number;
};

/** What writing came to. */
export type Written =
  | { ok: true; version: number; sync_state: string; warning: string | null; host_online: boolean | null }
  | {
      ok: false;
      error: 'conflict';
      current: { version: number; content: string };
      base: { version: number; content: string } | null;
    };

/** Which agent is meant. Another one may get its key: what is remembered goes by the id. */
export type AgentRef = { project_id: string; agent_key: string; agent_id: string };
/** Which document is meant. */
export type DocRef = AgentRef & { doc_type: DocType };

const docsKey = ({ project_id, agent_id }: AgentRef) => ['live', project_id, 'docs', agent_id] as const;
const argumentOf = ({ project_id, agent_key, doc_type }: DocRef) => ({ project_id, agent_key, doc_type });

/** The documents of an agent, without their texts. */
export function useDocs(agent: AgentRef) {
  const db = useDb();
  const queries = useQueryClient();
  const { project_id, agent_key } = agent;
  // Texts are not sent by Realtime: it tells that there is another version.
  const heard = useCallback(
    (changes: Change<'brain_doc_states'>[]) => {
      const ours = changes.some(
        (change) => change.type === 'DELETE' || change.row.agent_key === agent.agent_key,
      );
      if (ours) void queries.invalidateQueries({ queryKey: docsKey(agent) });
    },
    [queries, agent],
  );
  useLiveChanges('brain_doc_states', heard);
  return useQuery({
    queryKey: [...docsKey(agent), 'list'],
    queryFn: async () => (await call<{ docs: Doc[] }>(db, 'list_docs_of', { project_id, agent_key })).docs,
  });
}

/** The text of a document, now or of a version. */
export function useDocText(ref: DocRef, version?: number | null) {
  const db = useDb();
  return useQuery({
    queryKey: [...docsKey(ref), ref.doc_type, 'text', version ?? 'now'],
    // The text of a version never changes.
    staleTime: version ? Number.POSITIVE_INFINITY : undefined,
    queryFn: () => call<DocText>(db, 'read_doc', { ...argumentOf(ref), ...(version && { version }) }),
  });
}

/** The history of a document, newest first. */
export function useVersions(ref: DocRef) {
  const db = useDb();
  return useQuery({
    queryKey: [...docsKey(ref), ref.doc_type, 'versions'],
    queryFn: async () =>
      (await call<{ versions: Version[] }>(db, 'list_doc_versions', { ...argumentOf(ref), limit: VERSIONS }))
        .versions,
  });
}

/** Asks for everything of the agent's documents again: what a person does is shown at once. */
export function useRefreshDocs(ref: DocRef) {
  const queries = useQueryClient();
  return useCallback(() => queries.invalidateQueries({ queryKey: docsKey(ref) }), [queries, ref]);
}

export const writeDoc = (db: Db, ref: DocRef, content: string, baseVersion: number) =>
  call<Written>(db, 'write_doc', { ...argumentOf(ref), content, base_version: baseVersion });

export const restoreDoc = (db: Db, ref: DocRef, version: number, baseVersion: number) =>
  call<Written>(db, 'restore_doc', { ...argumentOf(ref), version, base_version: baseVersion });

export const resolveDoc = (db: Db, ref: DocRef, take: 'disk' | 'page') =>
  call<Written>(db, 'resolve_doc', { ...argumentOf(ref), take });

export const eraseDoc = (db: Db, ref: DocRef, version?: number) =>
  call<{ ok: true; erased: number }>(db, 'erase_doc', { ...argumentOf(ref), ...(version && { version }) });
