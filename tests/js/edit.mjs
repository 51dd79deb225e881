// What a page does when a person adds a line to MEMORY.md, by the published supabase-js. Prints what came of it.
//
// Environment: SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, TOKEN, PROJECT, AGENT_KEY; LINE is what is added.
import { createClient } from '@supabase/supabase-js';

const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, TOKEN, PROJECT, AGENT_KEY, LINE } = process.env;
const db = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, {
  auth: { persistSession: false },
  accessToken: async () => TOKEN,
});

const doc = { project_id: PROJECT, agent_key: AGENT_KEY, doc_type: 'memory_long' };
const { data: seen, error: unread } = await db.rpc('read_doc', doc);
if (unread) throw unread;
const content = `${seen.content}${LINE}\n`;
const began = Date.now();
const { data: saved, error: unsaved } = await db.rpc('write_doc', { ...doc, content, base_version: seen.version });
if (unsaved) throw unsaved;
console.log(JSON.stringify({ ...saved, content, began }));
