-- Whoever deletes an agent's row wishes it away: also who may do everything, by an editor of tables for instance. Its host
-- would keep the agent for ever, and nobody could use its id there.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Deleting an agent that a host has, or may have begun to make, is a wish: the row goes when the host has undeployed
-- it. Until then nobody else gets its id there.
create or replace function creel.wish_removal() returns trigger
language plpgsql set search_path = '' as $$
declare
  is_operator constant boolean := current_user not in ('anon', 'authenticated', 'service_role');
begin
  if old.openclaw_id is null or old.host_id is null then
    return old;
  end if;
  -- A row does not outlive its project.
  if is_operator and not exists (select from public.projects p where p.id = old.project_id) then
    return old;
  end if;
  -- What ends an undeployment deletes the row as its owner. So does an operator where it failed.
  if is_operator and old.deleting_since is not null then
    if exists (
      select from public.agent_commands c
      where c.agent_id = old.id and c.type = 'undeploy' and c.status in ('pending', 'sent')) then
      return null;
    end if;
    return old;
  end if;
  if old.deleting_since is null or not creel.has_open_items(old.id) then
    insert into public.agent_commands (agent_id, type, payload) values (old.id, 'undeploy', '{"delete_row": true}');
  end if;
  return null;
end
$$;
