-- What the hosts of a project last reported, in one call.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Of a project's hosts the agents that the asking person may know of: all on an own host, elsewhere the project's.
create function creel.reported_agents(of_project text)
returns table (host_id uuid, place bigint, agent jsonb, agent_key text)
language sql stable security definer set search_path = '' as $$
  select r.host_id, l.place, l.agent, a.agent_key
  from public.project_hosts p
  join public.hosts h on h.id = p.host_id
  join public.host_rosters r on r.host_id = h.id
  cross join lateral jsonb_array_elements(r.agents) with ordinality as l (agent, place)
  left join public.agents a
    on a.project_id = of_project and a.host_id = h.id and a.openclaw_id = l.agent ->> 'id'
  where p.project_id = of_project and of_project = any (creel.readable_projects())
    and jsonb_typeof(l.agent) = 'object' and (h.owner_id = auth.uid() or a.id is not null)
$$;

revoke all on function creel.reported_agents(text) from public, anon, authenticated, service_role;
grant execute on function creel.reported_agents(text) to authenticated;

-- Runs as the person who asks.
create function public.read_runtime(jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  project constant text := $1 ->> 'project_id';
begin
  if not coalesce(project = any (creel.readable_projects()), false) then
    raise exception 'you are no member of project %', project
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  return (
    with serving as (
      select h.id, h.name, s.shown_status, s.last_seen_at, h.platform, h.worker_version, h.openclaw_version,
        case when jsonb_typeof(h.runtime) = 'object' then h.runtime else '{}' end as runtime
      from public.project_hosts p join public.hosts h on h.id = p.host_id join public.host_status s on s.id = h.id
      where p.project_id = project
    )
    select jsonb_build_object(
      'agents', coalesce((
        select jsonb_agg(
          l.agent || jsonb_build_object('agentKey', l.agent_key, 'hostId', l.host_id)
          order by s.name, s.id, l.place)
        from creel.reported_agents(project) l join serving s on s.id = l.host_id), '[]'),
      'hosts', coalesce((
        select jsonb_agg(
          jsonb_build_object(
            'id', s.id, 'name', s.name, 'status', s.shown_status, 'lastSeenAt', s.last_seen_at,
            'platform', s.platform, 'workerVersion', s.worker_version, 'openclawVersion', s.openclaw_version,
            'runtime', s.runtime)
          order by s.name, s.id)
        from serving s), '[]'))
  );
end
$$;

comment on function public.read_runtime(jsonb) is
  '{project_id} -> {agents[], hosts[]}: what is in OpenClaw on the hosts that serve the project, as they last '
  'reported it, each agent with agentKey where it is one of the project.';

revoke all on function public.read_runtime(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.read_runtime(jsonb) to authenticated;
