// What people write who have no Creel: every ten seconds it asks for requests, takes three at a time, runs the two
// commands for each, and writes back what became of them.
//
// Environment: SUPABASE_URL, SUPABASE_SECRET_KEY, OPENCLAW, WORKSPACES, and what OpenClaw needs.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from '@supabase/supabase-js';

const { SUPABASE_URL, SUPABASE_SECRET_KEY, OPENCLAW, WORKSPACES } = process.env;
const POLL_MS = 10_000;
const AT_A_TIME = 3;

const db = createClient(SUPABASE_URL, SUPABASE_SECRET_KEY, { auth: { persistSession: false } });
const run = promisify(execFile);

async function write(id, values) {
  const { error } = await db.from('polled_requests').update(values).eq('id', id);
  if (error) throw new Error(error.message);
}

async function provision({ id, agent_id_short: short, display_name: name, emoji }) {
  await write(id, { status: 'running' });
  try {
    const workspace = join(WORKSPACES, short);
    await run(OPENCLAW, ['agents', 'add', short, '--workspace', workspace, '--non-interactive', '--json']);
    await run(OPENCLAW, ['agents', 'set-identity', '--agent', short, '--name', name, '--emoji', emoji, '--json']);
    await write(id, { status: 'done' });
  } catch (error) {
    await write(id, { status: 'error', error: String(error) });
  }
}

let busy = false;
async function poll() {
  if (busy) return;
  busy = true;
  try {
    const { data, error } = await db
      .from('polled_requests').select('*').eq('status', 'queued').order('requested_at').limit(AT_A_TIME);
    if (error) throw new Error(error.message);
    await Promise.all(data.map(provision));
  } catch (error) {
    console.error(error);
  } finally {
    busy = false;
  }
}

setInterval(poll, POLL_MS);
await poll();
console.log('polling');
