// The dashboard's writes, by the published supabase-js. Prints one JSON object: what each write came to.
//
// Environment: SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, PROJECT, AGENT_KEY; TOKEN is the person's own, none for anon.
import { createClient } from '@supabase/supabase-js';

const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, TOKEN, PROJECT, AGENT_KEY } = process.env;
const options = { auth: { persistSession: false } };
if (TOKEN) options.accessToken = async () => TOKEN;
const db = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, options);

const key = { project_id: PROJECT, agent_key: AGENT_KEY };
const name = `O'Neil "the 🦞" שלום`;
const writes = {
  agents: () =>
    db.from('agents').upsert(
      { ...key, name, role: 'scout', emoji: '🦞', color: '#c33', agent_id_short: null, provisioned: false },
      { onConflict: 'project_id,agent_key' },
    ),
  agent_status: () =>
    db.from('agent_status').upsert(
      { ...key, state: 'idle', note: 'Provisioning…', last_activity_at: new Date().toISOString() },
      { onConflict: 'project_id,agent_key' },
    ),
  brain_docs: () =>
    db.from('brain_docs').insert({ ...key, doc_type: 'soul', content: `# ${name}\n`, updated_by: 'dashboard' }),
  agent_provision_requests: () =>
    db.from('agent_provision_requests').insert({
      ...key, agent_id_short: null, display_name: name, emoji: '🦞', role_short: 'scout', status: 'queued',
    }),
};

const results = {};
for (const [table, write] of Object.entries(writes)) {
  const { error, status } = await write();
  results[table] = { status, code: error?.code ?? null };
}
for (const table of [...Object.keys(writes), 'projects', 'project_members', 'hosts', 'events', 'dead_letters']) {
  const { data, error } = await db.from(table).select('*');
  results[`read ${table}`] = error ? error.code : data.length;
}
console.log(JSON.stringify(results));
