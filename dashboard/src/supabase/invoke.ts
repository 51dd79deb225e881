import type { Db } from './client';
import { Problem } from './problem';

/** Calls one of our functions by POST; what it refuses is a `Problem` in its own words. */
export async function invoke<T>(db: Db, path: string, body: Record<string, unknown>): Promise<T> {
  const { data, error, response } = await db.functions.invoke<T>(path, { body });
  if (!error) return data as T;
  // A browser says no more of a page that the function does not let read its answers.
  if (!response) {
    throw new Problem(
      'The payments cannot be reached.',
      'Check the connection, then try again. Where it stays so, ask whoever runs this page: the function checkout has to allow it.',
      'unreachable',
    );
  }
  const answer: unknown = await response.json().catch(() => null);
  throw (
    refusal(response.status, answer) ??
    new Problem('The payments do not answer as they should.', 'Try again in a moment.', null)
  );
}

/** What a function's answer says went wrong; null where it says nothing. */
export function refusal(status: number | undefined, answer: unknown): Problem | null {
  const at = (value: unknown, key: string): unknown =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  const text = (value: unknown) => (typeof value === 'string' && value ? value : null);
  const error = at(answer, 'error');
  const code = text(at(error, 'code'));
  // A stack without payments does not know the route.
  if (status === 404 && (code === null || code === 'not_found' || code === 'no_route')) {
    return new Problem(
      'Payments are not set up here.',
      'Whoever runs this project deploys the function checkout, or gives creel up a key of Stripe.',
      'no_payments',
    );
  }
  const message = text(at(error, 'message'));
  if (!message) return null;
  return new Problem(sentence(message), sentence(text(at(error, 'hint')) ?? '') || null, code);
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return first === '' || /[.!?…]$/.test(first) ? first : `${first}.`;
}
