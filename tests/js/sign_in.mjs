// Sign-in by password, by the published supabase-js. Prints one JSON object: what each step came to.
//
// Environment: SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, EMAIL, PASSWORD.
import { createClient } from '@supabase/supabase-js';

const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, EMAIL, PASSWORD } = process.env;
const options = { auth: { persistSession: false, autoRefreshToken: false } };
const db = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, options);

const wrong = await db.auth.signInWithPassword({ email: EMAIL, password: 'not-the-password' });
const before = await db.from('projects').select('id');
const signedIn = await db.auth.signInWithPassword({ email: EMAIL, password: PASSWORD });
const user = await db.auth.getUser();
const during = await db.from('projects').select('id');
const oldToken = signedIn.data.session?.refresh_token;
const refreshed = await db.auth.refreshSession();
const again = await db.from('projects').select('id');
const signedOut = await db.auth.signOut();
const after = await db.auth.refreshSession({ refresh_token: refreshed.data.session?.refresh_token ?? '' });

console.log(
  JSON.stringify({
    wrong: wrong.error?.code ?? null,
    before: before.status,
    signed_in: signedIn.error?.message ?? signedIn.data.user.id,
    user: user.error?.message ?? user.data.user.email,
    during: during.data,
    refreshed: refreshed.error?.message ?? refreshed.data.session.refresh_token !== oldToken,
    again: again.data,
    signed_out: signedOut.error?.message ?? null,
    after: after.error?.code ?? null,
  }),
);
