-- An agent with a gateway of its own has a port, also when a provision request made it.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create or replace function creel.provision_settled(ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  perform 1 from public.agents a join public.agent_provision_requests r using (project_id, agent_key)
  where r.id = any (ids) order by a.id for no key update of a;
  update public.agents a set
    provisioned = true,
    workspace_path = r.result ->> 'workspace',
    port = coalesce(creel.whole_number(r.result -> 'port', 1, 65535), a.port),
    agent_id_short = coalesce(a.agent_id_short, r.agent_id_short),
    status = case when r.result ->> 'served' = 'true' then 'running' else 'stopped' end
  from public.agent_provision_requests r
  where r.id = any (ids) and r.status = 'done' and r.result ->> 'workspace' is not null and a.openclaw_id is not null
    and a.project_id = r.project_id and a.agent_key = r.agent_key;

  -- What somebody took back is no failure.
  update public.agents a set status = case
    when r.status = 'error' and r.result #>> '{error,code}' is distinct from 'superseded' then 'error'
    else 'pending_deploy' end
  from public.agent_provision_requests r
  where r.id = any (ids) and r.status in ('error', 'queued') and not a.provisioned
    and a.project_id = r.project_id and a.agent_key = r.agent_key;

  insert into public.agent_status as s (project_id, agent_key, state, note, last_heartbeat_at)
  select r.project_id, r.agent_key, case r.status when 'done' then 'idle' else 'error' end,
    left(r.result #>> '{error,message}', 4000), now()
  from public.agent_provision_requests r
  join public.agents a on a.project_id = r.project_id and a.agent_key = r.agent_key
  where r.id = any (ids) and (
    r.status = 'done'
    or r.status = 'error' and not a.provisioned and r.result #>> '{error,code}' is distinct from 'superseded')
  on conflict (project_id, agent_key) do update set
    state = excluded.state, note = excluded.note, last_heartbeat_at = excluded.last_heartbeat_at;

  perform creel.log_event(
    case when r.status = 'done' then 'agent.provisioned' when r.status <> 'error' then 'agent.provision_retried'
      when r.result #>> '{error,code}' = 'superseded' then 'agent.provision_superseded'
      else 'agent.provision_failed' end,
    r.project_id, r.agent_key, a.host_id, r.id,
    jsonb_strip_nulls(jsonb_build_object('error', r.result -> 'error', 'steps', r.result -> 'steps')))
  from public.agent_provision_requests r
  join public.agents a on a.project_id = r.project_id and a.agent_key = r.agent_key
  -- What a host only gives back is nothing that happened to the agent.
  where r.id = any (ids) and (r.status <> 'queued' or r.result ? 'error');
end
$$;
