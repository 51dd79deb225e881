-- An agent to be removed, in one call that says what became of it.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Runs as the person who asks: the table's own trigger makes a wish of the deletion.
create function public.request_removal(jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  project constant text := $1 ->> 'project_id';
  unwanted constant text := $1 ->> 'agent_key';
begin
  if project is null or unwanted is null then
    raise exception 'project_id or agent_key is missing' using errcode = '22023';
  end if;
  if not coalesce(project = any (creel.writable_projects()), false) then
    raise exception 'you may not write project %', project
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  delete from public.agents a where a.project_id = project and a.agent_key = unwanted;
  if found then
    return jsonb_build_object('removed', true);
  end if;
  if not exists (select from public.agents a where a.project_id = project and a.agent_key = unwanted) then
    raise exception 'there is no agent % in project %', unwanted, project
      using errcode = 'PT404', detail = 'unknown_agent', hint = 'Look at the agents of the project.';
  end if;
  return jsonb_build_object('removed', false);
end
$$;

comment on function public.request_removal(jsonb) is
  '{project_id, agent_key} -> {removed}. false: a host has begun to make the agent and removes it first; the row goes '
  'when it has. 404 for an agent that is not there.';

revoke all on function public.request_removal(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.request_removal(jsonb) to authenticated;
