/** A loaded machine. */
const LIMIT_MS = 120_000;
const EVERY_MS = 100;

/** Asks until the answer is no longer undefined or false. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = LIMIT_MS,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`not within ${limitMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

export function check(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(`it does not hold that ${what}`);
}
