import { Problem } from '../supabase/problem';

/** The page's server answers within this time, or not at all. */
const ANSWER_MS = 10_000;
/** A page that is loaded again no more often than this is not in a circle. */
const RELOAD_MS = 60_000;
const RELOADED_AT = 'creel.reloaded-at';
/** The code of what only loading the whole page again mends. */
const RELOAD = 'reload';

/** Loads a part of the page. What keeps it from that is a `Problem`: nobody answers, or an update took the part away. */
export async function loadPart<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch {
    if (await isServed()) {
      throw new Problem(
        'This part of the page is there no more.',
        'Creel was updated meanwhile. Load the page again.',
        RELOAD,
      );
    }
    throw new Problem(
      'The server cannot be reached.',
      'Check the connection, then try again.',
      'unreachable',
    );
  }
}

async function isServed(): Promise<boolean> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  return fetch(import.meta.env.BASE_URL, {
    cache: 'no-store',
    headers: { accept: 'text/html' },
    signal,
  }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** What a test does not let happen. */
export const browser = { reload: () => window.location.reload() };

/** Loads the whole page again where that mends it and was not done a moment ago; answers whether it does. */
export function reloadOnce(error: unknown): boolean {
  if (!(error instanceof Problem) || error.code !== RELOAD) return false;
  try {
    if (Date.now() - Number(sessionStorage.getItem(RELOADED_AT)) < RELOAD_MS) return false;
    sessionStorage.setItem(RELOADED_AT, String(Date.now()));
  } catch {
    // Nothing is remembered here: a circle could not be noticed.
    return false;
  }
  browser.reload();
  return true;
}
