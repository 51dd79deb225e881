// A page that listens, by the published supabase-js. Prints one JSON object a line: what it hears. Reads commands,
// one JSON object a line: {do: 'token', token}, {do: 'send', event, payload}, {do: 'leave'}, {do: 'end'}, and others below.
//
// Environment: SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY; TOKEN is the person's own, none for anon; TOPIC is the channel's
// name, CONFIG its configuration, CHANGES a list of subscriptions, BROADCASTS a list of events, VSN the form.
import { createInterface } from 'node:readline';

import { createClient } from '@supabase/supabase-js';

const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, TOKEN, TOPIC, CONFIG, CHANGES, BROADCASTS, VSN } = process.env;
let token = TOKEN;
const options = { auth: { persistSession: false } };
if (TOKEN) options.accessToken = async () => token;
if (VSN) options.realtime = { vsn: VSN };
const db = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, options);
const say = (said) => console.log(JSON.stringify(said));

const channel = db.channel(TOPIC ?? 'room', { config: JSON.parse(CONFIG ?? '{}') });
for (const change of JSON.parse(CHANGES ?? '[]')) {
  channel.on('postgres_changes', change, (payload) => say({ change: payload }));
}
for (const event of JSON.parse(BROADCASTS ?? '[]')) {
  channel.on('broadcast', { event }, ({ event: name, payload, meta }) => say({ broadcast: name, payload, meta }));
}
channel.on('system', {}, ({ extension, status, message }) => say({ system: message, extension, status }));
if (TOKEN) await db.realtime.setAuth();
channel.subscribe((status, error) => say({ status, error: error?.message }));

const commands = {
  token: async ({ token: given }) => {
    token = given;
    await db.realtime.setAuth();
  },
  send: async ({ event, payload }) => say({ sent: await channel.send({ type: 'broadcast', event, payload }) }),
  http: async ({ event, payload }) => say({ posted: await channel.httpSend(event, payload) }),
  track: async ({ payload }) => say({ tracked: await channel.track(payload) }),
  heartbeat: async () => db.realtime.socketAdapter.getSocket().sendHeartbeat(),
  early: async ({ event, payload }) => {
    const closed = db.channel('closed');
    say({ early: await closed.send({ type: 'broadcast', event, payload }) });
  },
  leave: async () => say({ left: await db.removeChannel(channel) }),
  end: async () => {
    await db.removeAllChannels();
    process.exit(0);
  },
};
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  await commands[command.do](command).catch((error) => say({ error: error.message }));
}
process.exit(0);
