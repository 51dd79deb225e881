-- A command that was tried as often as it may be, as a worker would have left it, of an agent on the one host that is there.
set session_replication_role = replica;
insert into agents (id, project_id, agent_key, agent_id_short, name, backend, host_id, status, desired_state, provisioned, openclaw_id, workspace_path)
select 'cccccccc-0000-4000-8000-0000000000aa', current_setting('test.project'), 'agent:scout:main', 'scout', 'Scout', 'shared', host_id,
  'running', 'running', true, 'scout', '/home/agents/scout'
from project_hosts p join hosts h on h.id = p.host_id where p.project_id = current_setting('test.project') and h.status <> 'retired' limit 1;
insert into agent_commands (id, project_id, agent_key, agent_id, host_id, type, status, error, created_at, sent_at, acked_at)
select 'eeeeeeee-0000-4000-8000-0000000000aa', project_id, agent_key, id, host_id, 'restart', 'failed', 'openclaw is missing', now(), now(), now()
from agents where id = 'cccccccc-0000-4000-8000-0000000000aa';
insert into creel.dead_letters (item_id, queue, project_id, agent_key, attempts, reason, died_at)
select id, 'agent_commands', project_id, agent_key, 5, 'attempts', now() from agent_commands where id = 'eeeeeeee-0000-4000-8000-0000000000aa';
set session_replication_role = origin;
