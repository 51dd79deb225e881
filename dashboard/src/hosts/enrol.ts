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

/** Tags, separated by commas or spaces. */
export function readTags(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))];
}

/** What makes a machine a host, as it is typed there. */
export function enrolCommand(code: string, config: Config): string {
  return `creel host enroll --code ${code} --url ${config.supabaseUrl} --key ${config.publishableKey}`;
}

/** What became of a code that was shown: it waits, was used, or has ended. */
export function codeState(
  shown: Code,
  open: readonly OpenCode[] | undefined,
  now: number,
): 'open' | 'used' | 'ended' {
  if (open?.some((code) => Date.parse(code.expires_at) === Date.parse(shown.expires_at))) return 'open';
  if (now >= Date.parse(shown.expires_at)) return 'ended';
  return open ? 'used' : 'open';
}

/** Whether an address means whichever machine asks. */
export function isLoopback(url: string): boolean {
  return URL.canParse(url) && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}
