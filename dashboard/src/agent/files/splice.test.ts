import { expect, it } from 'vitest';
import { splice } from './splice';

it('replaces no more than what is another, so that a reader keeps their place', () => {
  const become = (before: string, after: string) => {
    const { from, to, insert } = splice(before, after);
    expect(before.slice(0, from) + insert + before.slice(to)).toBe(after);
    return { from, to, insert };
  };
  expect(become('one\ntwo\n', 'one\ntwo\nthree\n')).toEqual({ from: 8, to: 8, insert: 'three\n' });
  expect(become('a b c', 'a x c')).toEqual({ from: 2, to: 3, insert: 'x' });
  expect(become('aaa', 'aa')).toEqual({ from: 2, to: 3, insert: '' });
  become('', 'new');
  become('old', '');
  become('abab', 'ab');
});
