/** What `list_host_access` answers. */
export type HostAccess = {
  keys: {
    id: string;
    label: string | null;
    created_at: string;
    expires_at: string | null;
    replaced_at: string | null;
    revoked_at: string | null;
    good: boolean;
  }[];
  logins: { role: string; created_at: string; revoked_at: string | null; good: boolean }[];
  open_codes: { created_at: string; expires_at: string }[];
};

/** One way in. */
export type Way = {
  id: string;
  label: string;
  since: string;
  until: string | null;
  good: boolean;
  word: string;
};

/** Ended ones are shown as far as they may still be of interest. */
const ENDED_SHOWN = 3;

/** By what a host comes in or came in: what is good first, then what ended last. */
export function ways({ keys, logins, open_codes }: HostAccess): Way[] {
  const all: Way[] = [
    ...open_codes.map((code) => ({
      id: `code ${code.created_at}`,
      label: 'Code for another key',
      since: code.created_at,
      until: code.expires_at,
      good: true,
      word: 'Unused',
    })),
    ...keys.map((key) => ({
      id: key.id,
      label: key.label || 'Key over HTTPS',
      since: key.created_at,
      until: key.revoked_at ?? key.expires_at,
      good: key.good,
      word: key.revoked_at ? 'Revoked' : key.good ? (key.replaced_at ? 'Being replaced' : 'Good') : 'Ended',
    })),
    ...logins.map((login) => ({
      id: login.role,
      label: 'Login of the database',
      since: login.created_at,
      until: login.revoked_at,
      good: login.good,
      word: login.good ? 'Good' : 'Revoked',
    })),
  ];
  const ended = all.filter(({ good }) => !good).sort((a, b) => b.since.localeCompare(a.since));
  return [...all.filter(({ good }) => good), ...ended.slice(0, ENDED_SHOWN)];
}
