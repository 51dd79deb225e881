import { diff3Merge } from 'node-diff3';

/** To compare so many lines with as many others takes a moment; a file of nothing but empty lines would take for ever. */
const LINES_MAX = 4_000;

/** Brings together two texts that come from one, line by line; null where both changed the same place, or in so much. */
export function mergeTexts(mine: string, base: string, theirs: string): string | null {
  const texts = [mine, base, theirs].map((text) => text.split('\n'));
  const shortest = Math.min(...texts.map((lines) => lines.length));
  const isSame = (at: number) => texts.every((lines) => lines.at(at) === texts[0]?.at(at));
  // What is the same in all of them at both ends need not be compared.
  let first = 0;
  while (first < shortest && isSame(first)) first += 1;
  let last = 0;
  while (last < shortest - first && isSame(-1 - last)) last += 1;
  const [ours = [], common = [], others = []] = texts.map((lines) => lines.slice(first, lines.length - last));
  if (Math.max(ours.length, common.length, others.length) > LINES_MAX) return null;
  const lines = texts[0]?.slice(0, first) ?? [];
  for (const { ok } of diff3Merge(ours, common, others)) {
    if (!ok) return null;
    lines.push(...ok);
  }
  lines.push(...(last > 0 ? (texts[0]?.slice(-last) ?? []) : []));
  return lines.join('\n');
}
