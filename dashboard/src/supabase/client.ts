import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { createContext, useContext } from 'react';
import type { Config } from '../config';
import type { Database } from '../database.types';

/** supabase-js that knows the schema. */
export type Db = SupabaseClient<Database>;

/** A row as it is read. */
export type Row<T extends keyof Database['public']['Tables']> = Database['public']['Tables'][T]['Row'];
/** A row of a view. */
export type ViewRow<T extends keyof Database['public']['Views']> = Database['public']['Views'][T]['Row'];

/** Who wants to know of the client's doings: whether the server is reached, and how Realtime's heart beats. */
export type Watcher = { reached: (ok: boolean) => void; heartbeat: (status: string) => void };

/** Often enough that a dead connection is noticed within seconds: a watchdog waits for two of them. */
const HEARTBEAT_MS = 4_000;
/** A call that has no answer by then is a network that swallows everything. */
const CALL_TIMEOUT_MS = 20_000;

/** Makes the one client of the page. */
export function connect(config: Config, watcher: Watcher): Db {
  return createClient<Database>(config.supabaseUrl, config.publishableKey, {
    auth: { persistSession: true, autoRefreshToken: true, detectSessionInUrl: true },
    realtime: {
      heartbeatIntervalMs: HEARTBEAT_MS,
      heartbeatCallback: watcher.heartbeat,
      reconnectAfterMs: (tries) => Math.min(500 * 2 ** tries, 8_000) * (0.7 + Math.random() * 0.6),
    },
    global: { fetch: (input, init) => watchedFetch(config, watcher, input, init) },
  });
}

/** Where a call goes that supabase-js makes: a function may be elsewhere than among the project's own. */
export function functionAddress(config: Config, address: string): string | null {
  const functions = `${config.supabaseUrl}/functions/v1/`;
  if (!address.startsWith(functions)) return null;
  const path = address.slice(functions.length);
  return config.checkoutUrl && path.startsWith('checkout/') ? `${config.checkoutUrl}/${path}` : address;
}

async function watchedFetch(
  config: Config,
  watcher: Watcher,
  input: RequestInfo | URL,
  init?: RequestInit,
): Promise<Response> {
  const limit = AbortSignal.timeout(CALL_TIMEOUT_MS);
  const asked = init?.signal;
  const signal = asked ? AbortSignal.any([asked, limit]) : limit;
  const elsewhere = input instanceof Request ? null : functionAddress(config, String(input));
  // Whether Stripe answers a function is no word of the project: what is shown is not old for that.
  if (elsewhere !== null) return fetch(elsewhere, { ...init, signal });
  try {
    const response = await fetch(input, { ...init, signal });
    // A proxy that finds nobody behind it answers so.
    watcher.reached(![502, 503, 504].includes(response.status));
    return response;
  } catch (error) {
    if (!asked?.aborted) watcher.reached(false);
    throw error;
  }
}

const DbContext = createContext<Db | null>(null);
export const DbProvider = DbContext.Provider;

/** The page's client. */
export function useDb(): Db {
  const db = useContext(DbContext);
  if (!db) throw new Error('useDb is used outside of DbProvider');
  return db;
}
