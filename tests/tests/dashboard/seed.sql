-- A project in which something of everything is to be seen, for pictures of the pages. Written past all triggers, as no
-- worker is there: states and reasons are as workers would have left them.
-- test.project and test.owner say whose it is.
set session_replication_role = replica;

insert into auth.users (id, email) values
  ('aaaaaaaa-0000-4000-8000-000000000001', 'mia@example.com'),
  ('aaaaaaaa-0000-4000-8000-000000000002', 'bo@example.com');
insert into project_members (project_id, user_id, role) values
  (current_setting('test.project'), 'aaaaaaaa-0000-4000-8000-000000000001', 'editor'),
  (current_setting('test.project'), 'aaaaaaaa-0000-4000-8000-000000000002', 'viewer');

insert into hosts (id, owner_id, name, platform, capacity, tags, price, status, worker_version, openclaw_version, backends, tenancy, runtime) values
  ('bbbbbbbb-0000-4000-8000-000000000001', current_setting('test.owner')::uuid, 'mac-mini', 'macos', 12, '{berlin}',
   '{"month": 900, "year": 9000}', 'online', '0.1.0', '2026.9.6', '{shared,profile}', 'trusted',
   '{"models": ["anthropic/claude-sonnet-4-6", "openai/gpt-5.4"], "openclaw": {"gateway": {"state": "ready", "ready": true}}}'),
  ('bbbbbbbb-0000-4000-8000-000000000002', current_setting('test.owner')::uuid, 'hetzner-2', 'linux', 20, '{}',
   null, 'draining', '0.1.0', '2026.9.6', '{shared,profile,docker}', 'trusted', '{}'),
  ('bbbbbbbb-0000-4000-8000-000000000003', current_setting('test.owner')::uuid, 'old-laptop', 'linux', 2, '{}',
   null, 'online', '0.0.9', '2026.8.1', '{shared}', 'single', '{}'),
  ('bbbbbbbb-0000-4000-8000-000000000004', 'aaaaaaaa-0000-4000-8000-000000000002', 'rented-mini', 'macos', 4, '{}',
   '{"month": 1200}', 'online', '0.1.0', '2026.9.6', '{profile}', 'single', '{}'),
  ('bbbbbbbb-0000-4000-8000-000000000005', 'aaaaaaaa-0000-4000-8000-000000000001', 'studio-in-the-harbour', 'linux', 8, '{gpu}',
   '{"month": 1900, "year": 19000}', 'online', '0.1.0', '2026.9.6', '{profile,docker}', 'single', '{}');
insert into project_hosts (project_id, host_id, terms)
select current_setting('test.project'), id, case when name = 'rented-mini' then 'rented' else 'own' end from hosts
where id::text like 'bbbbbbbb-%' and name not like 'studio%';
insert into host_heartbeats (host_id, last_seen_at, cpu_percent, ram_mb, quiet_secs)
select id, now() - case name when 'old-laptop' then interval '9 days' else interval '2 seconds' end, 34, 9200, 100000
from hosts where id::text like 'bbbbbbbb-%';

insert into agents (id, project_id, agent_key, agent_id_short, name, role, emoji, color, backend, host_id, host_pinned, status,
  desired_state, provisioned, openclaw_id, workspace_path, port, config, created_at)
select ('cccccccc-0000-4000-8000-' || lpad(row_number() over ()::text, 12, '0'))::uuid, current_setting('test.project'),
  'agent:' || short || ':main', short, name, role, emoji, color, backend,
  case when host = 0 then null else ('bbbbbbbb-0000-4000-8000-' || lpad(host::text, 12, '0'))::uuid end, false, status, desired,
  status in ('running', 'stopped'), case when status in ('running', 'stopped') then short end,
  case when status in ('running', 'stopped') then '/home/agents/workspaces/' || short end,
  case when backend = 'profile' then 19000 + host end,
  '{"model": "anthropic/claude-sonnet-4-6", "thinking": "low"}', now() - interval '20 days'
from (values
  ('scout', 'Scout', 'keeps watch over the release', '🦞', '#c96f4a', 'profile', 1, 'running', 'running'),
  ('ada', 'Ada', 'answers letters', '🦉', '#5b7fb9', 'shared', 1, 'running', 'running'),
  ('wren', 'Wren', 'writes what happened', '🐦', null, 'shared', 1, 'stopped', 'stopped'),
  ('newcomer', 'Newcomer', 'learns the ropes', '🌱', null, 'shared', 1, 'pending_deploy', 'running'),
  ('broken', 'Broken', 'counts the nets', '🪝', null, 'profile', 1, 'error', 'running'),
  ('waiting', 'Waiting', 'waits for its host', '⏳', null, 'shared', 3, 'running', 'running'),
  ('adrift', 'Adrift', 'is on a host that is off', '🛟', null, 'shared', 3, 'running', 'running'),
  ('porter', 'Porter', 'carries things', '📦', null, 'profile', 4, 'running', 'running'),
  ('lodger', 'Lodger', 'pays late', '🎩', null, 'profile', 4, 'running', 'running'),
  ('guest', 'Guest', 'is about to be paid for', '🧳', null, 'profile', 4, 'pending_deploy', 'stopped'),
  ('former', 'Former', 'was paid for once', '🎈', null, 'profile', 4, 'stopped', 'stopped'),
  ('stray', 'Stray', 'has no place any more', '🐕', null, 'profile', 0, 'removed', 'removed')
) as a (short, name, role, emoji, color, backend, host, status, desired);
update agents set billing = 'paid' where agent_id_short in ('porter', 'lodger');
update agents set billing = 'unpaid' where agent_id_short in ('guest', 'former', 'stray');
create temp view seeded as select * from agents where project_id = current_setting('test.project');
insert into agent_status (project_id, agent_key, state, current_task, last_activity_at, last_heartbeat_at)
select project_id, agent_key, case agent_id_short when 'scout' then 'thinking' else 'idle' end,
  case agent_id_short when 'scout' then 'Reads the release notes of last night' end, now() - interval '3 minutes', now()
from seeded where status = 'running';

insert into agent_metrics (agent_id, cpu_percent, ram_mb, disk_mb, uptime_secs, sampled_at, restarts, pid)
select id, 12.5, 412, 88, 86400, now(), 1, 4711 from seeded where backend = 'profile' and status = 'running';
insert into agent_metric_slots (step_secs, slot, agent_id, at, samples, cpu_percent, cpu_percent_max, ram_mb, ram_mb_max, disk_mb, uptime_secs)
select step, n, id, date_trunc('minute', now()) - (n * step || ' s')::interval, 6,
  10 + 8 * sin(n / 3.0), 25 + 8 * sin(n / 3.0), 400 + 2 * n, 420 + 2 * n, 88, greatest(0, 86400 - n * step)
from seeded, (values (60), (300), (3600)) as steps (step), generate_series(0, 59) as n
where backend = 'profile' and status = 'running';

insert into agent_provision_requests (id, project_id, agent_key, agent_id_short, display_name, status, result, requested_at, picked_up_at, completed_at) values
  ('dddddddd-0000-4000-8000-000000000001', current_setting('test.project'), 'agent:newcomer:main', 'newcomer', 'Newcomer', 'running',
   '{"steps": [{"name": "validate", "ms": 3}, {"name": "workspace", "ms": 12}]}', now() - interval '20 seconds', now() - interval '18 seconds', null),
  ('dddddddd-0000-4000-8000-000000000002', current_setting('test.project'), 'agent:ada:main', 'ada', 'Ada', 'done',
   '{"ok": true, "steps": []}', now() - interval '2 days', now() - interval '2 days', now() - interval '2 days');
insert into agent_commands (id, project_id, agent_key, agent_id, host_id, type, status, error, result, created_at, sent_at, acked_at, waiting_for)
select c.id::uuid, a.project_id, a.agent_key, a.id, a.host_id, c.type, c.status, c.error, c.result::jsonb, now() - c.age::interval,
  case when c.status <> 'pending' then now() - c.age::interval end, case when c.status in ('acked', 'failed') then now() - c.age::interval end, c.waits
from (values
  ('eeeeeeee-0000-4000-8000-000000000001', 'broken', 'deploy', 'failed', 'the port 19001 is taken by another program',
   '{"ok": false, "error": {"code": "port_taken", "message": "the port 19001 is taken by another program", "hint": "stop it, or give the agent another port"}}', '9 minutes', null),
  ('eeeeeeee-0000-4000-8000-000000000002', 'waiting', 'restart', 'pending', null, null, '2 hours', 'its host is offline'),
  ('eeeeeeee-0000-4000-8000-000000000003', 'scout', 'restart', 'acked', null, '{"ok": true, "state": "running"}', '1 day', null),
  ('eeeeeeee-0000-4000-8000-000000000004', 'ada', 'update_config', 'acked', null, '{"ok": true}', '3 days', null)
) as c (id, short, type, status, error, result, age, waits) join seeded a on a.agent_id_short = c.short;
insert into creel.dead_letters (item_id, queue, project_id, agent_key, attempts, reason, died_at)
select id, 'agent_commands', project_id, agent_key, 5, 'attempts', now() - interval '8 minutes' from agent_commands where id = 'eeeeeeee-0000-4000-8000-000000000001';

insert into events (at, kind, project_id, agent_key, host_id, actor, detail) 
select now() - e.age::interval, e.kind, current_setting('test.project'), 'agent:scout:main', 'bbbbbbbb-0000-4000-8000-000000000001', e.actor, e.detail::jsonb
from (values
  ('2 minutes', 'agent.started', 'host:bbbbbbbb-0000-4000-8000-000000000001', '{}'),
  ('1 day', 'agent.crashed', 'host:bbbbbbbb-0000-4000-8000-000000000001', '{"note": "it ended with exit code 1"}'),
  ('2 days', 'agent.provisioned', 'host:bbbbbbbb-0000-4000-8000-000000000001', '{}')
) as e (age, kind, actor, detail);
insert into agent_logs (agent_id, seq, project_id, agent_key, lines, skipped_bytes)
select id, n, project_id, agent_key, string_agg(format('2026-11-21T10:%s:%s.000Z [gateway] line %s of what it printed', lpad(n::text, 2, '0'), lpad(l::text, 2, '0'), l), E'\n'), 0
from seeded, generate_series(1, 4) n, generate_series(1, 15) l where agent_id_short = 'scout' group by id, n, project_id, agent_key;

insert into stripe_accounts (owner_id, account_id, transfers_active, charges_enabled, payouts_enabled, livemode, as_of)
values (current_setting('test.owner')::uuid, 'acct_1', true, true, true, false, now()),
  ('aaaaaaaa-0000-4000-8000-000000000001', 'acct_2', true, true, true, false, now()),
  ('aaaaaaaa-0000-4000-8000-000000000002', 'acct_3', true, true, true, false, now());
insert into host_earnings (host_id, owner_id, subscription_id, kind, amount_minor, currency, gross_minor, fee_minor, invoice_id, period_start, period_end, source, paid_at, created_at)
select 'bbbbbbbb-0000-4000-8000-000000000001', current_setting('test.owner')::uuid, 'sub_' || n, 'earning', 765, 'usd', 900, 135,
  'in_' || m || '_' || n, at, at + interval '1 month', 'evt_' || m || '_' || n, at, at
from generate_series(0, 9) m, generate_series(1, 3) n, lateral (select now() - m * interval '30 days' as at) x;
insert into subscriptions (id, project_id, agent_id, agent_key, host_id, customer_id, plan, amount_minor, currency, status, service, current_period_end, paid_at, received_at, first_paid_at, as_of)
select 'sub_porter', project_id, id, agent_key, host_id, 'cus_1', 'month', 1200, 'usd', 'active', 'active', now() + interval '12 days',
  now() - interval '18 days', now() - interval '18 days', now() - interval '18 days', now() from seeded where agent_id_short = 'porter';
insert into subscriptions (id, project_id, agent_id, agent_key, host_id, customer_id, plan, amount_minor, currency, status, service, grace_until, ended_at,
  remove_at, first_paid_at, as_of)
select 'sub_' || agent_id_short, project_id, id, agent_key, host_id, 'cus_1', 'year', 12000, 'usd', s.status, s.service, s.grace_until, s.ended_at, s.remove_at,
  now() - interval '1 year', now()
from seeded join (values
  ('lodger', 'past_due', 'grace', now() + interval '3 days', null, null),
  ('former', 'canceled', 'ended', null, now() - interval '4 days', now() + interval '26 days'),
  ('stray', 'canceled', 'removed', null, now() - interval '90 days', null)
) as s (short, status, service, grace_until, ended_at, remove_at) on s.short = agent_id_short;
insert into checkout_intents (project_id, agent_key, agent_id, host_id, plan, amount_minor, currency, fee_bp, destination, agent, session_id, session_url, expires_at)
select project_id, agent_key, id, host_id, 'month', 1200, 'usd', 1500, 'acct_3', '{}', 'cs_1', 'https://checkout.stripe.com/c/pay/cs_1', now() + interval '25 minutes'
from seeded where agent_id_short = 'guest';
insert into webhooks (project_id, url, events) values (current_setting('test.project'), 'https://hooks.example.com/creel', '{agent.down,host.offline}');
insert into notifications (project_id, webhook_id, kind, payload, status, attempts, last_error, created_at)
select w.project_id, w.id, n.kind, jsonb_build_object('summary', n.summary), n.status, n.attempts, n.error, now() - n.age::interval
from webhooks w, (values
  ('agent.down', 'Agent Scout ended by itself.', 'failed', 8, 'the receiver answered 500', '1 day'),
  ('host.offline', 'Host old-laptop went silent.', 'delivered', 1, null, '9 days')
) as n (kind, summary, status, attempts, error, age) where w.project_id = current_setting('test.project');

set session_replication_role = origin;

-- Documents go the usual way, as their texts are kept elsewhere; then what only a host could have done to them.
insert into brain_docs (project_id, agent_key, doc_type, content, updated_by) values
  (current_setting('test.project'), 'agent:scout:main', 'soul', E'# Scout\n\nYou keep watch.\n\nYou are the Scout of the page.\n', 'template'),
  (current_setting('test.project'), 'agent:scout:main', 'user', E'# User\n\nMia, who likes short answers.\n\nShe is up early.\n', 'template'),
  (current_setting('test.project'), 'agent:scout:main', 'agents', E'# Agents\n\n- Read first.\n', 'template'),
  (current_setting('test.project'), 'agent:scout:main', 'memory_long', E'# Memory\n\n- The tide turns at six.\n', 'template');
update brain_docs set content = E'# Scout\n\nYou keep watch.\n\nYou are the Scout of the disk, and `careful`.\n' where project_id = current_setting('test.project') and doc_type = 'soul';
update brain_docs set content = content || E'- The release is on **Tuesdays**.\n' where project_id = current_setting('test.project') and doc_type = 'memory_long';
update brain_docs set content = content || E'- Ada answers letters; see [her notes](https://example.com).\n' where project_id = current_setting('test.project') and doc_type = 'memory_long';
update brain_docs set content = E'# User\n' where project_id = current_setting('test.project') and doc_type = 'user';
set session_replication_role = replica;
update brain_docs set conflict_version = 1 where project_id = current_setting('test.project') and doc_type = 'soul';
update brain_docs set content = (select content from brain_doc_contents c where c.project_id = v.project_id and c.sha256 = v.sha256), held_version = 2, version = 1, sha256 = v.sha256, sync_state = 'held'
from brain_doc_versions v where brain_docs.project_id = current_setting('test.project') and brain_docs.doc_type = 'user' and v.doc_id = brain_docs.id and v.version = 1;
set session_replication_role = origin;
