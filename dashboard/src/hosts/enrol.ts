import type { Config } from '../config';

/** What is wished for of a host that is to be. */
export type HostWish = {
  name: string;
  capacity: string;
  tags: string;
  keyDays: string;
};

/** A code as it is answered, the only time that it is shown. */
export type Code = { code: string; expires_at: string };

/** A code that nobody has used yet. */
export type OpenCode = {
  id: string;
  name: string | null;
  host_id: string | null;
  created_at: string;
  expires_at: string;
  project_ids: string[];
};

/** What is wrong with a wish, by the field; empty where nothing is. */
export function wishProblems(wish: HostWish): Partial<Record<keyof HostWish, string>> {
  const problems: Partial<Record<keyof HostWish, string>> = {};
  if (readCount(wish.capacity, 100_000) === null) problems.capacity = 'A whole number, such as 10.';
  if (wish.keyDays.trim() && !readCount(wish.keyDays, 3_650))
    problems.keyDays = 'Days from 1 to 3650, or nothing.';
  if (readTags(wish.tags).length > 50) problems.tags = 'At most 50 tags.';
  return problems;
}

/** What `create_enrolment_code` takes. */
export function wishArgument(wish: HostWish, projectIds: readonly string[]): Record<string, unknown> {
  return {
    ...(wish.name.trim() && { name: wish.name.trim() }),
    capacity: readCount(wish.capacity, 100_000),
    tags: readTags(wish.tags),
    project_ids: projectIds,
    ...(wish.keyDays.trim() && { key_days: readCount(wish.keyDays, 3_650) }),
  };
}

/** A whole number that is not negative, as it was typed. */
export function readCount(text: string, max: number): number | null {
  const value = /^\d{1,6}$/.test(text.trim()) ? Number(text) : null;
  return value !== null && value <= max ? value : null;
}

/** Tags, separated by commas: one may be of several words. */
export function readTags(text: string): string[] {
  const tags = text.split(',').map((tag) => tag.trim());
  return [...new Set(tags.filter(Boolean))];
}

/** What makes a machine a host, as it is typed there. */
export function enrolCommand(code: string, config: Config): string {
  return `creel host enroll --code ${code} --url ${config.supabaseUrl} --key ${config.publishableKey}`;
}

/** Clocks differ: a code that is gone so shortly before its end has ended. */
const CLOCK_MS = 60_000;

/** What becomes of a code that is shown: it waits, is used, or ends. */
export type CodeState = 'open' | 'used' | 'ended';

/** What became of it since the last look: what was used is no longer open, and does not end later on. */
export function codeState(
  shown: Code,
  open: readonly OpenCode[] | undefined,
  now: number,
  before: CodeState = 'open',
): CodeState {
  if (before !== 'open') return before;
  if (open?.some((code) => Date.parse(code.expires_at) === Date.parse(shown.expires_at))) return 'open';
  if (now >= Date.parse(shown.expires_at) - CLOCK_MS) return 'ended';
  return open ? 'used' : 'open';
}

/** Whether an address means whichever machine asks. */
export function isLoopback(url: string): boolean {
  return URL.canParse(url) && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}
