import { diff3Merge } from 'node-diff3';

/** Brings together two texts that come from one, line by line; null where both changed the same place. */
export function mergeTexts(mine: string, base: string, theirs: string): string | null {
  const regions = diff3Merge(mine.split('\n'), base.split('\n'), theirs.split('\n'));
  const lines: string[] = [];
  for (const { ok } of regions) {
    if (!ok) return null;
    lines.push(...ok);
  }
  return lines.join('\n');
}
