import { diffLines, diffWordsWithSpace } from 'diff';

/** A piece of a line; changed where the other side has something else. */
export type Piece = { text: string; changed: boolean };
export type Side = { number: number; pieces: Piece[] } | null;
/** Two lines beside each other. */
export type DiffRow = { kind: 'same' | 'changed'; left: Side; right: Side };
/** Rows, and how many that are the same on both sides are left away between them. */
export type DiffPart = DiffRow | { kind: 'skipped'; count: number };

/** Lines around a change that are shown, too. */
const CONTEXT_LINES = 3;
/** Texts that have little in common take long to compare: what is left then is shown beside each other as it is. */
const LIMIT_MS = 1_500;
/** Words of such long lines are not compared. */
const WORDS_MAX = 2_000;

/** Puts two texts beside each other, line by line. */
export function sideBySide(before: string, after: string): DiffRow[] {
  const end = performance.now() + LIMIT_MS;
  const changes = diffLines(before, after, { timeout: LIMIT_MS }) ?? [
    { value: before, removed: true, added: false },
    { value: after, removed: false, added: true },
  ];
  const rows: DiffRow[] = [];
  let [left, right] = [1, 1];
  for (let index = 0; index < changes.length; index += 1) {
    const change = changes[index];
    if (!change) continue;
    if (!change.added && !change.removed) {
      for (const text of linesOf(change.value)) {
        rows.push({ kind: 'same', left: whole(left++, text), right: whole(right++, text) });
      }
      continue;
    }
    const next = changes[index + 1];
    const removed = change.removed ? linesOf(change.value) : [];
    const added = change.added
      ? linesOf(change.value)
      : change.removed && next?.added
        ? linesOf(next.value)
        : [];
    if (change.removed && next?.added) index += 1;
    for (let line = 0; line < Math.max(removed.length, added.length); line += 1) {
      const [was, is] = [removed[line], added[line]];
      const [pieces, others] =
        was !== undefined && is !== undefined ? comparedWords(was, is, end) : [null, null];
      rows.push({
        kind: 'changed',
        left:
          was === undefined ? null : { number: left++, pieces: pieces ?? [{ text: was, changed: false }] },
        right:
          is === undefined ? null : { number: right++, pieces: others ?? [{ text: is, changed: false }] },
      });
    }
  }
  return rows;
}

/** Leaves away what is the same, but for some lines around the changes. */
export function foldSame(rows: readonly DiffRow[]): DiffPart[] {
  const near = new Set<number>();
  rows.forEach((row, index) => {
    if (row.kind === 'same') return;
    for (let other = index - CONTEXT_LINES; other <= index + CONTEXT_LINES; other += 1) near.add(other);
  });
  const parts: DiffPart[] = [];
  rows.forEach((row, index) => {
    if (near.has(index)) {
      parts.push(row);
      return;
    }
    const last = parts.at(-1);
    if (last?.kind === 'skipped') last.count += 1;
    else parts.push({ kind: 'skipped', count: 1 });
  });
  return parts;
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

const whole = (number: number, text: string) => ({ number, pieces: [{ text, changed: false }] });

function comparedWords(was: string, is: string, end: number): [Piece[], Piece[]] {
  if (was.length > WORDS_MAX || is.length > WORDS_MAX || performance.now() > end) {
    return [[{ text: was, changed: true }], [{ text: is, changed: true }]];
  }
  const words = diffWordsWithSpace(was, is);
  const piece = ({ value, added, removed }: (typeof words)[number]) => ({
    text: value,
    changed: added || removed,
  });
  return [words.filter(({ added }) => !added).map(piece), words.filter(({ removed }) => !removed).map(piece)];
}
