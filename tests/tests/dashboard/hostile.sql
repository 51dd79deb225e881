-- An agent and a host that write test.attack wherever they may write.
set session_replication_role = replica;
insert into hosts (id, owner_id, name, platform, capacity, tags, status, worker_version, openclaw_version, backends, runtime) values
  ('bbbbbbbb-0000-4000-8000-00000000000e', current_setting('test.owner')::uuid, left(current_setting('test.attack'), 200), 'linux', 9,
   array[current_setting('test.attack')], 'online', '<b>0</b>', '<b>1</b>', '{shared,profile}',
   jsonb_build_object('models', jsonb_build_array(current_setting('test.attack'))));
insert into project_hosts (project_id, host_id) values (current_setting('test.project'), 'bbbbbbbb-0000-4000-8000-00000000000e');
insert into host_heartbeats (host_id, last_seen_at, quiet_secs) values ('bbbbbbbb-0000-4000-8000-00000000000e', now(), 100000);
insert into agents (id, project_id, agent_key, agent_id_short, name, role, emoji, color, backend, host_id, status, desired_state,
  provisioned, openclaw_id, workspace_path, config) values
  ('cccccccc-0000-4000-8000-00000000000e', current_setting('test.project'), 'agent:mallory:main', 'mallory', current_setting('test.attack'),
   current_setting('test.attack'), '<b>', 'red;background:url(https://example.com/)', 'profile', 'bbbbbbbb-0000-4000-8000-00000000000e', 'error',
   'running', true, 'mallory', current_setting('test.attack'),
   jsonb_build_object('model', current_setting('test.attack'), 'skills', jsonb_build_array(current_setting('test.attack'))));
insert into agent_status (project_id, agent_key, state, note, current_task, last_activity_at) values
  (current_setting('test.project'), 'agent:mallory:main', 'error', current_setting('test.attack'), current_setting('test.attack'), now());
insert into agent_commands (project_id, agent_key, agent_id, host_id, type, status, error, result, created_at, sent_at, acked_at) values
  (current_setting('test.project'), 'agent:mallory:main', 'cccccccc-0000-4000-8000-00000000000e', 'bbbbbbbb-0000-4000-8000-00000000000e',
   'start', 'failed', current_setting('test.attack'),
   jsonb_build_object('ok', false, 'error', jsonb_build_object('code', 'x', 'message', current_setting('test.attack'), 'hint', current_setting('test.attack')),
     'steps', jsonb_build_array(jsonb_build_object('name', current_setting('test.attack'), 'ms', 1))), now(), now(), now());
insert into agent_provision_requests (project_id, agent_key, display_name, status, result, waiting_for) values
  (current_setting('test.project'), 'agent:mallory:main', current_setting('test.attack'), 'queued',
   jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('name', current_setting('test.attack'), 'ms', 1))), current_setting('test.attack'));
insert into events (kind, project_id, agent_key, host_id, actor, detail) values
  ('agent.crashed', current_setting('test.project'), 'agent:mallory:main', 'bbbbbbbb-0000-4000-8000-00000000000e', 'host',
   jsonb_build_object('note', current_setting('test.attack'), 'message', current_setting('test.attack'))),
  (left(current_setting('test.attack'), 100), current_setting('test.project'), 'agent:mallory:main', null, left(current_setting('test.attack'), 200), '{}');
insert into agent_logs (agent_id, seq, project_id, agent_key, lines, skipped_bytes) values
  ('cccccccc-0000-4000-8000-00000000000e', 1, current_setting('test.project'), 'agent:mallory:main', current_setting('test.attack'), 0);
set session_replication_role = origin;
insert into brain_docs (project_id, agent_key, doc_type, content, updated_by)
select current_setting('test.project'), 'agent:mallory:main', kind, current_setting('test.attack') || E'\n\n' || current_setting('test.attack'), current_setting('test.attack')
from unnest(array['soul', 'memory_long']) kind;
