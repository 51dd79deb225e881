-- What a host tells of itself beside its heartbeat: what of OpenClaw is there, and what happened.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Which agents are on a host: apart from the host's row, which all see whose project it serves. On somebody else's
-- machine nobody is told whose agents live beside his own.
create table public.host_rosters (
  host_id uuid primary key references public.hosts (id) on delete cascade,
  agents jsonb not null,
  constraint host_rosters_agents check (jsonb_typeof(agents) = 'array' and pg_column_size(agents) <= 262144)
);

comment on table public.host_rosters is
  'What a host reported last of the agents in its OpenClaw: [{id, name, emoji, workspace, creel}]. creel says whether '
  'the workspace carries a marker of ours. For the host''s owner only.';

alter table public.host_rosters enable row level security;

create policy host_rosters_select on public.host_rosters for select to authenticated
  using (host_id = any ((select creel.owned_hosts())::uuid[]));

revoke all on public.host_rosters from public, anon, authenticated, service_role;
grant select on public.host_rosters to authenticated, service_role;

-- How many events of a host are kept within an hour is counted by these.
create index events_of_hosts on public.events (host_id, at) where project_id is null;

-- creel_core::status::HostEventKind; a test compares the two.
create function creel.is_host_event(kind text) returns boolean
language sql immutable set search_path = '' as $$
  select kind in (
    'openclaw.config_restored', 'openclaw.config_unusable', 'gateway.started', 'gateway.failed', 'gateway.given_up')
$$;

-- A report that is malformed or too large costs the host nothing but that report: its leases hang on the same call.
create function creel.keep_host_report(host uuid, report jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  room constant int := 100 - (
    select count(*) from public.events e
    where e.host_id = host and e.project_id is null and e.at > now() - interval '1 hour');
  told constant jsonb := report -> 'events';
begin
  if jsonb_typeof(report -> 'runtime') = 'object' then
    if pg_column_size(report -> 'runtime') > 262144 then
      raise warning 'host % told too much of its runtime: % bytes', host, pg_column_size(report -> 'runtime');
    else
      update public.hosts h set runtime = (report -> 'runtime') - 'agents'
      where h.id = host and h.runtime is distinct from (report -> 'runtime') - 'agents';
      if jsonb_typeof(report #> '{runtime,agents}') = 'array' then
        insert into public.host_rosters as r (host_id, agents) values (host, report #> '{runtime,agents}')
        on conflict (host_id) do update set agents = excluded.agents where r.agents <> excluded.agents;
      end if;
    end if;
  end if;
  if jsonb_typeof(told) = 'array' then
    insert into public.events (kind, host_id, actor, detail)
    select t.e ->> 'kind', host, creel.actor(),
      case when jsonb_typeof(t.e -> 'payload') = 'object' and octet_length(t.e ->> 'payload') <= 8192
        then t.e -> 'payload' else '{}' end
    from jsonb_array_elements(told) with ordinality as t (e, position)
    where creel.is_host_event(t.e ->> 'kind')
    order by t.position limit greatest(least(room, 20), 0);
  end if;
end
$$;

comment on column public.hosts.runtime is
  'What the host reported last of its OpenClaw: {reported_at, openclaw: {version, driver, gateway: {state, ready, port} '
  'or null}, agent_count, models: [provider/model]}. Which agents it has is in host_rosters; agent_count is larger '
  'than that list where it was cut.';

revoke all on function creel.is_host_event(text), creel.keep_host_report(uuid, jsonb)
  from public, anon, authenticated, service_role;
