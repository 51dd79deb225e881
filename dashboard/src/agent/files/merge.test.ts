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

  it('keeps what is the same at both ends once', () => {
    expect(mergeTexts('a\nx\nb\n', 'a\nb\n', 'a\nb\n')).toBe('a\nx\nb\n');
    expect(mergeTexts('a\na\n', 'a\n', 'a\na\n')).toBe('a\na\n');
    expect(mergeTexts('', 'a', 'a')).toBe('');
  });

  it('is left to the person where it would take for ever', () => {
    const empty = '\n'.repeat(200_000);
    expect(mergeTexts(`mine${empty}mine`, `base${empty}base`, `theirs${empty}x`)).toBeNull();
    expect(mergeTexts(`mine\n${empty}`, `base\n${empty}`, `base\n${empty}theirs`)).toBeNull();
    expect(mergeTexts(`${empty}mine`, empty, empty)).toBe(`${empty}mine`);
  });
});
