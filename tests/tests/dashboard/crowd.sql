-- A thousand agents that run, as workers would have left them.
set session_replication_role = replica;
insert into agents (project_id, agent_key, agent_id_short, name, role, emoji, status, desired_state, provisioned, openclaw_id, workspace_path)
select current_setting('test.project'), format('agent:a%s:main', n), 'a' || n, 'Agent ' || n, 'one of a thousand', '🦞',
  'running', 'running', true, 'a' || n, '/home/agents/workspaces/a' || n
from generate_series(1, 1000) n;
set session_replication_role = origin;
