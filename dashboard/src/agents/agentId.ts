/** What a host can make: the same rule as everywhere else. */
const FORM = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** Makes an id of a name; empty where nothing of it can be one. */
export function idFromName(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '');
}

/** What is wrong with an id, or null. */
export function idProblem(id: string, taken: ReadonlySet<string>): string | null {
  if (id === '') return 'An agent needs an id.';
  if (id === 'main') return 'main is OpenClaw’s own agent. Choose another id.';
  if (!FORM.test(id)) return 'An id has a–z, 0–9, _ and -, and begins with a letter or a digit.';
  if (taken.has(id)) return 'There is an agent with this id already.';
  return null;
}
