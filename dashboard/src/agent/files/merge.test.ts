import { describe, expect, it } from 'vitest';
import { mergeTexts } from './merge';

describe('merging', () => {
  it('takes the words of both', () => {
    expect(mergeTexts('a\nb\nc\nmine', 'a\nb\nc', 'theirs\na\nb\nc')).toBe('theirs\na\nb\nc\nmine');
    expect(mergeTexts('a\nb', 'a', 'a\nb')).toBe('a\nb');
  });

  it('does not guess where both changed the same place', () => {
    expect(mergeTexts('mine', 'a', 'theirs')).toBeNull();
  });
});
