/** A line of an agent's log; `skipped` says of how many bytes nothing is known before it. */
export type LogRow = { seq: number; lines: string; skipped_bytes: number };

/** Colours and movements of a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be found
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be found
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** The lines of rows in any order, as plain text, no more than the newest. */
export function logLines(rows: readonly LogRow[], most: number): string[] {
  const ordered = [...rows].sort((a, b) => a.seq - b.seq);
  const lines = ordered.flatMap(({ lines: text, skipped_bytes }) => [
    ...(skipped_bytes > 0 ? [`… ${skipped_bytes} bytes are left away …`] : []),
    ...text.replace(/\n$/, '').replaceAll(ESCAPES, '').replaceAll(CONTROLS, '').split('\n'),
  ]);
  return lines.slice(-most);
}
