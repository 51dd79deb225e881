import { beforeEach, describe, expect, it } from 'vitest';
import {
  beginDraft,
  type DraftEvent,
  draftKey,
  isDirty,
  keepDraft,
  keptText,
  nextDraft,
  readDraft,
} from './draft';

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

  it('takes what the server refuses for what is there, also where the document has begun anew', () => {
    const kept = { base: at(7, 'of the one before'), text: 'mine' };
    const draft = nextDraft(beginDraft(at(7, 'of the one before'), kept), {
      type: 'refused',
      now: at(1, 'new'),
    });
    expect(draft.newer).toEqual(at(1, 'new'));
    expect(nextDraft(draft, { type: 'keep_mine' })).toEqual({
      base: at(1, 'new'),
      text: 'mine',
      newer: null,
    });
    expect(nextDraft(beginDraft(at(7, 'a'), null), { type: 'refused', now: at(1, 'a') }).base).toEqual(
      at(1, 'a'),
    );
  });

  it('takes nothing from memory for news', () => {
    const kept = { base: at(5, 'five'), text: 'mine' };
    const draft = beginDraft(at(2, 'two'), kept);
    expect(draft.newer).toBeNull();
    expect(nextDraft(draft, { type: 'loaded', now: at(6, 'six') }).newer).toEqual(at(6, 'six'));
  });
});

describe('a draft that is kept', () => {
  const key = draftKey('u', 'a', 'soul');
  const dirty = (text: string) => ({ base: at(1, 'one'), text, newer: null });
  const clean = { base: at(2, 'two'), text: 'two', newer: null };
  beforeEach(() => localStorage.clear());

  it('is there after a reload, for the same person and the same agent', () => {
    keepDraft(key, dirty('mine'), null);
    expect(readDraft(keptText(key))).toEqual({ base: at(1, 'one'), text: 'mine' });
    expect(keptText(draftKey('another', 'a', 'soul'))).toBeNull();
    expect(keptText(draftKey('u', 'made-anew', 'soul'))).toBeNull();
    expect(readDraft('{"base": 1}')).toBeNull();
  });

  it('goes when it is saved, and never with what another tab has saved', () => {
    const mine = keepDraft(key, dirty('mine'), null);
    keepDraft(key, clean, null);
    expect(keptText(key)).not.toBeNull();
    const others = keepDraft(key, dirty('of the other tab'), null);
    keepDraft(key, clean, mine);
    expect(keptText(key)).toBe(others);
    keepDraft(key, clean, others);
    expect(keptText(key)).toBeNull();
  });
});
