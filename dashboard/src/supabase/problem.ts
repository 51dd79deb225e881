/** What went wrong, in words for a person, and what to do about it. */
export class Problem extends Error {
  constructor(
    message: string,
    readonly hint: string | null,
    readonly code: string | null,
  ) {
    super(message);
    this.name = 'Problem';
  }
}

type Answer = { data: unknown; error: { message: string } | null };

/** The data of an answer of supabase-js, or a `Problem`. */
export async function must<A extends Answer>(
  answer: PromiseLike<A>,
): Promise<Extract<A, { error: null }>['data']> {
  const { data, error } = await answer;
  if (error) throw toProblem(error);
  return data;
}

/** Makes a `Problem` of whatever was thrown. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const fields = typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {};
  const text = (name: string) => (typeof fields[name] === 'string' && fields[name] ? fields[name] : null);
  const code = text('code');
  const message = text('message') ?? String(error);
  // What has a code is the answer of a server.
  if (!code && /failed to fetch|networkerror|load failed|timed out|aborted/i.test(message)) {
    return new Problem(
      'The server cannot be reached.',
      'Check the connection. What you typed is kept.',
      'unreachable',
    );
  }
  const known = code ? WORDS[code] : undefined;
  if (known) return new Problem(known[0], (code === REFUSED && text('hint')) || known[1], code);
  return new Problem(sentence(message), text('hint'), code);
}

const OLDER: [string, string] = [
  'The project has an older Creel than this page.',
  'Apply its migrations, then load the page again.',
];

const REFUSED = '42501';

/** Codes whose own words say little to a person. */
const WORDS: Record<string, [message: string, hint: string]> = {
  [REFUSED]: ['You may not do this.', 'Ask an owner of the project for the role of an editor.'],
  '42P01': OLDER,
  PGRST202: OLDER,
  PGRST205: OLDER,
  PGRST301: ['Your session has ended.', 'Sign in again.'],
  PGRST303: ['Your session has ended.', 'Sign in again.'],
  invalid_credentials: [
    'E-mail address or password is wrong.',
    'On a stack of your own, creel up prints both when it starts.',
  ],
};

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
