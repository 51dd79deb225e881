import { describe, expect, it } from 'vitest';
import { foldSame, sideBySide } from './diff';

const text = (side: { pieces: { text: string }[] } | null) =>
  side?.pieces.map((piece) => piece.text).join('') ?? null;

describe('two texts side by side', () => {
  it('have their changed lines beside each other', () => {
    const rows = sideBySide('a\nb\nc\n', 'a\nB\nc\nd\n');
    expect(rows.map(({ kind, left, right }) => [kind, text(left), text(right)])).toEqual([
      ['same', 'a', 'a'],
      ['changed', 'b', 'B'],
      ['same', 'c', 'c'],
      ['changed', null, 'd'],
    ]);
    expect(rows.map(({ right }) => right?.number)).toEqual([1, 2, 3, 4]);
  });

  it('mark the words that differ', () => {
    const [row] = sideBySide('I am kind.', 'I am very kind.');
    expect(row?.right?.pieces.filter(({ changed }) => changed).map((piece) => piece.text)).toEqual(['very ']);
  });

  it('keep markup as the text that it is', () => {
    const [row] = sideBySide('', '<script>alert(1)</script>');
    expect(text(row?.right ?? null)).toBe('<script>alert(1)</script>');
  });

  it('leave away what is the same', () => {
    const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`);
    const changed = lines.with(50, 'another');
    const parts = foldSame(sideBySide(lines.join('\n'), changed.join('\n')));
    expect(parts.length).toBe(9);
    expect(parts[0]).toEqual({ kind: 'skipped', count: 47 });
  });

  it('are no change where they are equal', () => {
    expect(foldSame(sideBySide('a\nb', 'a\nb'))).toEqual([{ kind: 'skipped', count: 2 }]);
  });
});
