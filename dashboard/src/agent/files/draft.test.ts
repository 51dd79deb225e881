import { describe, expect, it } from 'vitest';
import { beginDraft, type DraftEvent, isDirty, nextDraft } from './draft';

const at = (version: number, content: string) => ({ version, content });
const draftAfter = (...events: DraftEvent[]) => events.reduce(nextDraft, beginDraft(at(1, 'one'), null));

describe('a draft', () => {
  it('follows the document while nobody writes', () => {
    expect(draftAfter({ type: 'loaded', now: at(2, 'two') })).toEqual({
      base: at(2, 'two'),
      text: 'two',
      newer: null,
    });
  });

  it('is never replaced by what somebody else wrote', () => {
    const draft = draftAfter({ type: 'edited', text: 'mine' }, { type: 'loaded', now: at(2, 'two') });
    expect(draft).toEqual({ base: at(1, 'one'), text: 'mine', newer: at(2, 'two') });
    expect(nextDraft(draft, { type: 'keep_mine' })).toEqual({
      base: at(2, 'two'),
      text: 'mine',
      newer: null,
    });
    expect(nextDraft(draft, { type: 'take_newer' }).text).toBe('two');
  });

  it('is based on what was saved, and what was typed meanwhile is a change still', () => {
    const draft = draftAfter(
      { type: 'edited', text: 'mine' },
      { type: 'edited', text: 'mine, more' },
      { type: 'saved', version: 2, content: 'mine' },
    );
    expect(draft.base).toEqual(at(2, 'mine'));
    expect(isDirty(draft)).toBe(true);
  });

  it('takes no older answer for news', () => {
    const draft = draftAfter({ type: 'loaded', now: at(3, 'three') }, { type: 'loaded', now: at(2, 'two') });
    expect(draft.text).toBe('three');
  });

  it('is taken up again after a reload, with what changed meanwhile beside it', () => {
    const kept = { base: at(1, 'one'), text: 'mine' };
    expect(beginDraft(at(1, 'one'), kept)).toEqual({ ...kept, newer: null });
    expect(beginDraft(at(2, 'two'), kept)).toEqual({ ...kept, newer: at(2, 'two') });
    expect(beginDraft(at(2, 'mine'), kept)).toEqual({ base: at(2, 'mine'), text: 'mine', newer: null });
  });
});
