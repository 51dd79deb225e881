/** Where the project is, and by which key a page may speak to it. */
export type Config = {
  supabaseUrl: string;
  publishableKey: string;
  /** Where the function `checkout` is, if it is not among the project's own functions. */
  checkoutUrl?: string;
};

/** What is wrong with the configuration, and what to do. */
export class ConfigError extends Error {
  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

const HINT =
  'Put a config.json beside index.html: {"supabaseUrl": "…", "publishableKey": "sb_publishable_…"}.';

/** Reads `config.json` beside the page. */
export async function readConfig(): Promise<Config> {
  const response = await fetch(`${import.meta.env.BASE_URL}config.json`, { cache: 'no-cache' }).catch(
    () => null,
  );
  if (!response)
    throw new ConfigError('The page cannot reach its server.', 'Check the connection, then load again.');
  if (!response.ok) throw new ConfigError('There is no config.json.', HINT);
  const value: unknown = await response.json().catch(() => null);
  return checkConfig(value, window.location.href);
}

/** A configuration that a page may use. The address may be relative: `creel up` serves page and project on one port. */
export function checkConfig(value: unknown, pageUrl: string): Config {
  if (typeof value !== 'object' || value === null)
    throw new ConfigError('config.json is no JSON object.', HINT);
  const { supabaseUrl, publishableKey, checkoutUrl } = value as Record<string, unknown>;
  if (typeof supabaseUrl !== 'string' || typeof publishableKey !== 'string' || !publishableKey) {
    throw new ConfigError('config.json lacks supabaseUrl or publishableKey.', HINT);
  }
  if (isSecretKey(publishableKey)) {
    throw new ConfigError(
      'config.json has a secret key, which passes by all row security.',
      'Take the publishable key instead, and replace the secret one: it has been served to browsers.',
    );
  }
  const checkout = checkoutUrl === undefined ? null : readAddress('checkoutUrl', checkoutUrl, pageUrl);
  return {
    supabaseUrl: readAddress('supabaseUrl', supabaseUrl, pageUrl),
    publishableKey,
    ...(checkout && { checkoutUrl: checkout }),
  };
}

function readAddress(name: string, address: unknown, pageUrl: string): string {
  if (typeof address !== 'string' || !URL.canParse(address, pageUrl))
    throw new ConfigError(`${name} is no address.`, HINT);
  return new URL(address, pageUrl).href.replace(/\/+$/, '');
}

/** Whether a key is one that must never be in a browser: a secret one, or a token of any role but anon. */
export function isSecretKey(key: string): boolean {
  if (key.startsWith('sb_secret_')) return true;
  const payload = key.split('.')[1];
  if (!payload) return false;
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    return typeof claims === 'object' && claims !== null && 'role' in claims && claims.role !== 'anon';
  } catch {
    return false;
  }
}
