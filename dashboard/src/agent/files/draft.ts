/** A text and the version that it is. */
export type Base = { version: number; content: string };

/** What a person has written, on what it is based, and what the document has become meanwhile. */
export type Draft = { base: Base; text: string; newer: Base | null };

export type DraftEvent =
  | { type: 'loaded'; now: Base }
  | { type: 'edited'; text: string }
  | { type: 'refused'; now: Base }
  | { type: 'saved'; version: number; content: string }
  | { type: 'take_newer' }
  | { type: 'keep_mine' }
  | { type: 'discarded' };

/** A draft of what is there, or the one that was kept. What is there may come from memory, and be of before the draft. */
export function beginDraft(now: Base, kept: { base: Base; text: string } | null): Draft {
  if (!kept || kept.text === now.content) return { base: now, text: now.content, newer: null };
  return { ...kept, newer: kept.base.version < now.version ? now : null };
}

export const isDirty = ({ base, text }: Draft) => text !== base.content;

/** Takes in what happened. No word of the person's is ever replaced but by the person. */
export function nextDraft(draft: Draft, event: DraftEvent): Draft {
  switch (event.type) {
    case 'loaded': {
      const { now } = event;
      if (now.version === draft.base.version) return draft.newer ? { ...draft, newer: null } : draft;
      // An answer that was on its way when a newer one came.
      if (now.version < draft.base.version) return draft;
      if (!isDirty(draft) || now.content === draft.text) return { base: now, text: now.content, newer: null };
      if (now.content === draft.base.content) return { ...draft, base: now, newer: null };
      return { ...draft, newer: now };
    }
    case 'refused': {
      // The server knows what it has, also where the document has begun anew with a lower version.
      const { now } = event;
      if (now.content === draft.text) return { base: now, text: now.content, newer: null };
      if (now.content === draft.base.content) return { ...draft, base: now, newer: null };
      return { ...draft, newer: now };
    }
    case 'edited':
      return { ...draft, text: event.text };
    case 'saved':
      // What was typed while the answer was on its way stays a change.
      return { ...draft, base: { version: event.version, content: event.content }, newer: null };
    case 'take_newer':
      return draft.newer ? { base: draft.newer, text: draft.newer.content, newer: null } : draft;
    case 'keep_mine':
      return draft.newer ? { ...draft, base: draft.newer, newer: null } : draft;
    case 'discarded': {
      const base = draft.newer ?? draft.base;
      return { base, text: base.content, newer: null };
    }
  }
}

/** By what a draft is kept: whose it is, as others use the browser too, and of which agent, as another one may get its id. */
export const draftKey = (userId: string, agentId: string, docType: string) =>
  `creel.draft:${userId}/${agentId}/${docType}`;

/** What is kept by this key, as it is. */
export function keptText(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** The draft that was kept, so that neither a reload nor a lost network costs a word. */
export function readDraft(kept: string | null): { base: Base; text: string } | null {
  try {
    const { base, text } = JSON.parse(kept ?? 'null') ?? {};
    const sound =
      typeof text === 'string' && typeof base?.version === 'number' && typeof base.content === 'string';
    return sound ? { base: { version: base.version, content: base.content }, text } : null;
  } catch {
    return null;
  }
}

/**
 * Keeps a draft, or forgets what was kept `before` where there is nothing to keep; what another tab has kept since stays.
 * Answers what is kept now.
 */
export function keepDraft(key: string, draft: Draft, before: string | null): string | null {
  try {
    if (isDirty(draft)) {
      const kept = JSON.stringify({ base: draft.base, text: draft.text });
      if (kept !== before) localStorage.setItem(key, kept);
      return kept;
    }
    if (before !== null && localStorage.getItem(key) === before) localStorage.removeItem(key);
  } catch {
    // A browser that keeps nothing: the text is still in the editor.
  }
  return null;
}
