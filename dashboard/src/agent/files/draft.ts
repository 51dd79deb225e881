/** A text and the version that it is. */
export type Base = { version: number; content: string };

/** What a person has written, on what it is based, and what the document has become meanwhile. */
export type Draft = { base: Base; text: string; newer: Base | null };

export type DraftEvent =
  | { type: 'loaded'; now: Base }
  | { type: 'edited'; text: string }
  | { type: 'saved'; version: number; content: string }
  | { type: 'take_newer' }
  | { type: 'keep_mine' }
  | { type: 'discarded' };

/** A draft of what is there, or the one that was kept. */
export function beginDraft(now: Base, kept: { base: Base; text: string } | null): Draft {
  if (!kept || kept.text === now.content) return { base: now, text: now.content, newer: null };
  return { ...kept, newer: kept.base.version === now.version ? null : now };
}

export const isDirty = ({ base, text }: Draft) => text !== base.content;

/** Takes in what happened. No word of the person's is ever replaced but by the person. */
export function nextDraft(draft: Draft, event: DraftEvent): Draft {
  switch (event.type) {
    case 'loaded': {
      const { now } = event;
      if (now.version === draft.base.version) return draft;
      // An answer that was on its way when a newer one came.
      if (now.version < draft.base.version) return draft;
      if (!isDirty(draft) || now.content === draft.text) return { base: now, text: now.content, newer: null };
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

const keyOf = (parts: readonly string[]) => `creel.draft:${parts.join('/')}`;

/** The draft that was kept, so that neither a reload nor a lost network costs a word. */
export function readDraft(parts: readonly string[]): { base: Base; text: string } | null {
  try {
    const { base, text } = JSON.parse(localStorage.getItem(keyOf(parts)) ?? 'null') ?? {};
    const sound =
      typeof text === 'string' && typeof base?.version === 'number' && typeof base.content === 'string';
    return sound ? { base: { version: base.version, content: base.content }, text } : null;
  } catch {
    return null;
  }
}

/** Keeps a draft, or forgets it where there is nothing to keep. */
export function keepDraft(parts: readonly string[], draft: Draft): void {
  try {
    if (isDirty(draft)) {
      localStorage.setItem(keyOf(parts), JSON.stringify({ base: draft.base, text: draft.text }));
    } else localStorage.removeItem(keyOf(parts));
  } catch {
    // A browser that keeps nothing: the text is still in the editor.
  }
}
