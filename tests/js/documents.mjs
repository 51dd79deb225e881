// What a page does with documents, by the published supabase-js. Prints one JSON object: what each step came to.
//
// Environment: SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, PROJECT, AGENT_KEY; TOKEN is the person's own, none for anon.
import { createClient } from '@supabase/supabase-js';

const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, TOKEN, PROJECT, AGENT_KEY } = process.env;
const options = { auth: { persistSession: false } };
if (TOKEN) options.accessToken = async () => TOKEN;
const db = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, options);

const key = { project_id: PROJECT, agent_key: AGENT_KEY };
const doc = { ...key, doc_type: 'soul' };
const steps = {};

/** Calls a function of the database. */
async function rpc(name, args) {
  const { data, error } = await db.rpc(name, { ...doc, ...args });
  return error ? { error: error.code, hint: error.hint } : data;
}

/** Writes a row as pages do that know of no versions, or with the version that they know. */
async function upsert(row) {
  const { error } = await db.from('brain_docs').upsert({ ...doc, ...row }, { onConflict: 'project_id,agent_key,doc_type' });
  return error ? { error: error.code, hint: error.hint } : { ok: true };
}

/** Calls the function `agents`. */
async function invoke(method, path, body, headers) {
  const address = `agents/${encodeURIComponent(AGENT_KEY)}/files/${path}?projectId=${encodeURIComponent(PROJECT)}`;
  const { data, error, response } = await db.functions.invoke(address, { method, body, headers });
  const said = error ? await error.context.json() : data;
  return { status: (response ?? error.context).status, said };
}

await db.from('agents').upsert({ ...key, name: 'Scout' }, { onConflict: 'project_id,agent_key' });
steps.first = await upsert({ content: 'one\ntwo\n' });
steps.second = await upsert({ content: 'one\n2\n', updated_by: 'an older page' });
const seen = await rpc('read_doc');
steps.read = seen;
steps.saved = await rpc('write_doc', { content: 'one\n2\nthree\n', base_version: seen.version });
steps.stale = await rpc('write_doc', { content: 'uno\n2\n', base_version: seen.version });
steps.staleRow = await upsert({ content: 'uno\n2\n', base_version: seen.version });
steps.history = await rpc('list_doc_versions');
steps.restored = await rpc('restore_doc', { version: 1 });
const { data: states, error: noStates } = await db.from('brain_doc_states').select('*');
steps.states = states ?? noStates.code;
steps.got = await invoke('GET', 'soul');
steps.conflict = await invoke('POST', 'soul', { content: 'mine\n', baseVersion: seen.version });
steps.posted = await invoke('POST', 'soul', { content: 'mine\n', baseVersion: steps.got.said?.version });
steps.unknown = await invoke('GET', 'heartbeat');
console.log(JSON.stringify(steps));
