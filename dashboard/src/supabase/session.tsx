import type { Session } from '@supabase/supabase-js';
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import { type Db, useDb } from './client';

/** The session; `undefined` until it is known whether there is one. */
export function useSessionState(): Session | null | undefined {
  const db = useDb();
  const [session, setSession] = useState<Session | null | undefined>();
  useEffect(() => {
    const { data } = db.auth.onAuthStateChange((_event, next) => setSession(next));
    return () => data.subscription.unsubscribe();
  }, [db]);
  return session;
}

/** Ends the session of this browser, with or without the server. */
export async function signOut(db: Db): Promise<undefined> {
  const { error } = await db.auth.signOut({ scope: 'local' });
  if (error) throw error;
}

const SessionContext = createContext<Session | null>(null);

/** Hands the session to what is shown to signed-in people only. */
export function SessionProvider({ session, children }: { session: Session; children: ReactNode }) {
  return <SessionContext value={session}>{children}</SessionContext>;
}

/** Who is signed in. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('useSession is used where nobody is signed in');
  return session;
}
