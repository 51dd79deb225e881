// The test that runs this program has the stack in its hands: it is asked by a line of JSON, and answers by one.
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the test to do something outside the browser; answers what came of it. */
export async function ask<T = unknown>(what: string, given: Record<string, unknown> = {}): Promise<T> {
  process.stdout.write(`${JSON.stringify({ ask: what, ...given })}\n`);
  const line = await lines.next();
  if (line.done) throw new Error(`nobody answers ${what}`);
  const answer = JSON.parse(line.value) as { ok?: T; error?: string };
  if (answer.error !== undefined) throw new Error(`${what}: ${answer.error}`);
  return answer.ok as T;
}

/** Says how far it has come, with the seconds since the last time. */
export function say(what: string): void {
  const now = performance.now();
  process.stderr.write(`${((now - before) / 1_000).toFixed(1).padStart(6)} s  ${what}\n`);
  before = now;
}
let before = performance.now();
