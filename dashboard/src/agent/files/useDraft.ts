import { useEffect, useReducer, useRef } from 'react';
import { useSession } from '../../supabase/session';
import type { DocRef } from './docs';
import { type Base, beginDraft, draftKey, keepDraft, keptText, nextDraft, readDraft } from './draft';

/** So long after the last key what is typed is kept: each time the whole text is written. */
const KEEP_MS = 400;

/** What a person writes on a document: begun from what was kept, kept while it is written, told of what others write. */
export function useDraft(reference: DocRef, { version, content }: Base, canEdit: boolean) {
  const { user } = useSession();
  const key = draftKey(user.id, reference.agent_id, reference.doc_type);
  // Who may write no more sees the document, and not what he once began.
  const kept = useRef(canEdit ? keptText(key) : null);
  const [draft, tell] = useReducer(nextDraft, null, () =>
    beginDraft({ version, content }, readDraft(kept.current)),
  );
  const latest = useRef(draft);
  latest.current = draft;
  useEffect(() => tell({ type: 'loaded', now: { version, content } }), [version, content]);
  useEffect(() => {
    const keep = () => {
      if (canEdit) kept.current = keepDraft(key, latest.current, kept.current);
    };
    window.addEventListener('pagehide', keep);
    return () => {
      window.removeEventListener('pagehide', keep);
      keep();
    };
  }, [key, canEdit]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is kept when it has become another
  useEffect(() => {
    const timer = setTimeout(() => {
      if (canEdit) kept.current = keepDraft(key, latest.current, kept.current);
    }, KEEP_MS);
    return () => clearTimeout(timer);
  }, [draft, key, canEdit]);
  return [draft, tell] as const;
}
