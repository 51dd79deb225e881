-- What a host tells of its agents by its tick, and what it is told that it should have.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table public.agent_metrics
  add column restarts int,
  add column pid int,
  add column note text
    constraint agent_metrics_note_size check (octet_length(note) <= 16384);

comment on table public.agent_metrics is
  'The newest sample of each agent, upserted by the tick; not published. pid and restarts are those of its own gateway, '
  'note what its host said of it last while it ran; agent_status has it with the time when it was first said.';

-- creel_core::status::HostEventKind; a test compares the two.
create or replace function creel.is_host_event(kind text) returns boolean
language sql immutable set search_path = '' as $$
  select kind in (
    'openclaw.config_restored', 'openclaw.config_unusable', 'gateway.started', 'gateway.failed', 'gateway.given_up',
    'agent.started', 'agent.stopped', 'agent.crashed', 'agent.restarted', 'agent.given_up', 'agent.limit_exceeded',
    'host.upgrade_needed')
$$;

-- events is long where Creel has been for a while: two indexes on it may take minutes.
set local statement_timeout = '15min';

-- How many events of its agents a host has told within an hour is counted by these.
create index events_of_host_agents on public.events (host_id, at)
  where project_id is not null and creel.is_host_event(kind);

-- A host that did not hear that it was heard tells the same again.
alter table public.events add column told_id uuid;

comment on column public.events.told_id is
  'By which the host knows the event that it told, so that it is written once; null where nobody told it.';

create unique index events_told_once on public.events (host_id, told_id) where told_id is not null;

set local statement_timeout = '60s';

-- A text that is a uuid, or null.
create function creel.uuid_of(value jsonb) returns uuid
language sql immutable set search_path = '' as $$
  select case when value #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (value #>> '{}')::uuid end
$$;

-- A report that is malformed or too large costs the host nothing but that report: its leases hang on the same call.
create or replace function creel.keep_host_report(host uuid, report jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  told constant jsonb := report -> 'events';
  room int;
  agent_room int;
begin
  if jsonb_typeof(report -> 'runtime') = 'object' then
    if pg_column_size(report -> 'runtime') > 262144 then
      raise warning 'host % told too much of its runtime: % bytes', host, pg_column_size(report -> 'runtime');
    elsif not creel.spend(
      host, 'report_bytes', pg_column_size(report -> 'runtime'), (creel.knobs()).max_report_bytes_per_hour, '1 hour') then
      raise warning 'host % tells of its runtime too often', host;
    else
      update public.hosts h set runtime = (report -> 'runtime') - 'agents'
      where h.id = host and h.runtime is distinct from (report -> 'runtime') - 'agents';
      if jsonb_typeof(report #> '{runtime,agents}') = 'array' then
        insert into public.host_rosters as r (host_id, agents) values (host, report #> '{runtime,agents}')
        on conflict (host_id) do update set agents = excluded.agents where r.agents <> excluded.agents;
      end if;
    end if;
  end if;
  if report ? 'backends' then
    perform creel.keep_backends(host, report -> 'backends');
  end if;
  if jsonb_typeof(told) = 'array' and jsonb_array_length(told) > 0 then
    room := 100 - (
      select count(*) from public.events e
      where e.host_id = host and e.project_id is null and e.at > now() - interval '1 hour');
    agent_room := 1000 - (
      select count(*) from public.events e
      where e.host_id = host and e.project_id is not null and creel.is_host_event(e.kind)
        and e.at > now() - interval '1 hour');
    -- An event that names an agent is told to the agent's project; it must be one of this host.
    insert into public.events (kind, host_id, project_id, agent_key, actor, detail, told_id)
    select n.kind, host, n.project_id, n.agent_key, creel.actor(), n.payload, n.told_id
    from (
      select t.e ->> 'kind' as kind, t.position, a.project_id, a.agent_key, creel.uuid_of(t.e -> 'id') as told_id,
        row_number() over (partition by a.id is null order by t.position) as place,
        case when jsonb_typeof(t.e -> 'payload') = 'object' and octet_length(t.e ->> 'payload') <= 8192
          then t.e -> 'payload' else '{}' end as payload
      from (
        select e, position from jsonb_array_elements(told) with ordinality as t (e, position)
        where creel.is_host_event(e ->> 'kind') order by position limit 20) t
      left join public.agents a on a.id = creel.uuid_of(t.e -> 'agent_id') and a.host_id = host
      where coalesce(t.e -> 'agent_id', 'null') = 'null'
        or a.project_id = any (creel.projects_of_host(host))) n
    where n.place <= case when n.project_id is null then room else agent_room end
    order by n.position
    on conflict (host_id, told_id) where told_id is not null do nothing;
  end if;
end
$$;

create function creel.said_since(note text) returns text
language sql stable set search_path = '' as $$
  select format('%s (since %s UTC)', note, to_char(now() at time zone 'utc', 'YYYY-MM-DD HH24:MI'))
$$;

-- The states of agents as their host observes them, told when they change. Answers what of it could not be taken.
create function creel.keep_agent_states(host uuid, told jsonb) returns text[]
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  warnings text[] := array[]::text[];
  projects constant text[] := creel.projects_of_host(host);
  one jsonb;
  agent public.agents;
  observed text;
  told_note text;
  warned text;
  warning text;
begin
  if jsonb_typeof(told) <> 'array' or jsonb_array_length(told) > 1000 then
    return array['agents must be an array of at most 1000'];
  elsif not creel.may_tell_states(host, jsonb_array_length(told)) then
    return array['the states of agents change too often to be written; tell them again in a minute'];
  end if;
  -- In the order of the agents, as everywhere.
  for one in select e from jsonb_array_elements(told) e order by e ->> 'agent_id' loop
    observed := one ->> 'state';
    if jsonb_typeof(one) <> 'object' or creel.uuid_of(one -> 'agent_id') is null then
      warnings := warnings || 'each of agents is an object with agent_id, a uuid'::text;
      continue;
    elsif observed is null or observed not in ('running', 'stopped', 'starting', 'error') then
      warnings := warnings || format(
        'agent %s: state must be running, stopped, starting or error', one ->> 'agent_id');
      continue;
    end if;
    told_note := left(one ->> 'note', 4000);
    select * into agent from public.agents a
    where a.id = creel.uuid_of(one -> 'agent_id') and a.host_id = host and a.project_id = any (projects)
      and a.openclaw_id is not null and a.status <> 'removed'
    for no key update;
    if not found then
      warnings := warnings || format('agent %s is not on this host', one ->> 'agent_id');
      continue;
    end if;
    update public.agents a set status = observed
    where a.id = agent.id and a.status <> observed and observed <> 'starting'
      -- Before it was made, only what makes it says how that goes.
      and a.provisioned;
    -- What an agent that runs is warned of is said with since when, and once.
    warned := (select m.note from public.agent_metrics m where m.agent_id = agent.id);
    warning := case when observed = 'running' then told_note end;
    insert into public.agent_status as s (project_id, agent_key, state, note, last_heartbeat_at)
    values (
      agent.project_id, agent.agent_key,
      case observed when 'running' then 'idle' when 'error' then 'error' else 'offline' end,
      case when warning is not null then creel.said_since(warning) when observed <> 'running'
        then coalesce(told_note, observed) end, now())
    on conflict (project_id, agent_key) do update set
      -- One that runs may be at work; what it does then is told by others, except for what it is warned of.
      state = case when excluded.state = 'idle' and s.state not in ('offline', 'error') then s.state else excluded.state end,
      note = excluded.note, last_heartbeat_at = excluded.last_heartbeat_at
    where case when excluded.state = 'idle' and s.state not in ('offline', 'error')
      then case when warning is null then warned is not null and starts_with(s.note, warned) else warning is distinct from warned end
      else (s.state, s.note) is distinct from (excluded.state, excluded.note) end;
    insert into public.agent_metrics as m (agent_id, restarts, pid, note, sampled_at)
    values (
      agent.id, creel.whole_number(one -> 'restarts', 0, 2147483647), creel.whole_number(one -> 'pid', 1, 2147483647),
      warning, now())
    on conflict (agent_id) do update set restarts = excluded.restarts, pid = excluded.pid, note = excluded.note;
  end loop;
  return warnings[1:20];
end
$$;

create or replace function public.tick(jsonb) returns jsonb
language plpgsql security definer
set search_path = '' set enable_seqscan = off set jit = off set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  session constant uuid := ($1 ->> 'session')::uuid;
  tokens constant uuid[] := array(
    select t::uuid from jsonb_array_elements_text(coalesce($1 -> 'tokens', '[]')) t);
  report constant jsonb := coalesce($1 -> 'host', '{}');
  knobs constant creel.settings := creel.knobs();
  lease constant interval := knobs.lease_secs * interval '1 second';
  tick constant interval := knobs.tick_secs * interval '1 second';
  lane_ids constant bigint[] := array(select creel.lane_of_token(t) from unnest(tokens) t);
  projects constant text[] := creel.projects_of_host(host);
  held uuid[];
  forgotten creel.settlement[];
  next_at timestamptz;
  warnings text[] := array[]::text[];
begin
  perform creel.require_api($1);
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;

  insert into public.host_heartbeats as b (host_id, last_seen_at, session_id, cpu_percent, ram_mb)
  values (host, now(), session, (report ->> 'cpu_percent')::real, (report ->> 'ram_mb')::bigint)
  on conflict (host_id) do update set
    last_seen_at = excluded.last_seen_at, session_id = excluded.session_id,
    cpu_percent = excluded.cpu_percent, ram_mb = excluded.ram_mb;
  update public.hosts h set
    status = case h.status when 'enrolled' then 'online' else h.status end,
    platform = coalesce(report ->> 'platform', h.platform),
    worker_version = coalesce(report ->> 'worker_version', h.worker_version),
    openclaw_version = coalesce(report ->> 'openclaw_version', h.openclaw_version)
  where h.id = host and (
    h.status = 'enrolled'
    or h.platform is distinct from coalesce(report ->> 'platform', h.platform)
    or h.worker_version is distinct from coalesce(report ->> 'worker_version', h.worker_version)
    or h.openclaw_version is distinct from coalesce(report ->> 'openclaw_version', h.openclaw_version));
  -- Everything else that a host tells of itself.
  if report - array['platform', 'worker_version', 'openclaw_version', 'cpu_percent', 'ram_mb'] <> '{}' then
    perform creel.keep_host_report(host, report);
  end if;

  with renewed as (
    update creel.lanes l set expires_at = now() + lease
    where l.id = any (array(
      select c.id from creel.lanes c
      where c.id = any (lane_ids)
        and c.host_id = host and c.session_id = session and c.token = any (tokens) and c.expires_at > now()
        and c.project_id = any (projects)
      order by c.id for no key update))
    returning l.token
  )
  select coalesce(array_agg(r.token), '{}') into held from renewed r;

  -- What this session holds and does not know of, because the answer to its claim was lost. A claim whose answer is
  -- on its way right now is younger. What ran out is left to the sweep, which charges the attempt: it may have been
  -- worked on.
  select array_agg((
    u.id, u.head, u.item_id, u.queue, u.attempts, u.max_attempts, u.given_back, u.token, 'given_back', null, null,
    false)::creel.settlement)
  into forgotten
  from (
    select * from creel.lanes c
    where c.host_id = host and c.token is not null and c.session_id = session and c.token <> all (tokens)
      and c.expires_at < now() + lease - interval '5 seconds' and c.expires_at > now()
    order by c.id for no key update) u;
  perform creel.settle(forgotten);

  insert into public.agent_metrics as m (agent_id, cpu_percent, ram_mb, disk_mb, uptime_secs, sampled_at)
  select distinct on (a.id) a.id, s.cpu_percent, s.ram_mb, s.disk_mb, s.uptime_secs, now()
  from jsonb_to_recordset(coalesce($1 -> 'metrics', '[]'))
    as s (agent_id uuid, cpu_percent real, ram_mb real, disk_mb real, uptime_secs bigint)
  join public.agents a on a.id = s.agent_id and a.host_id = host
  order by a.id
  on conflict (agent_id) do update set
    cpu_percent = excluded.cpu_percent, ram_mb = excluded.ram_mb, disk_mb = excluded.disk_mb,
    uptime_secs = excluded.uptime_secs, sampled_at = excluded.sampled_at;

  if coalesce($1 -> 'agents', 'null') not in ('null', '[]') then
    warnings := creel.keep_agent_states(host, $1 -> 'agents');
  end if;

  -- What keeps a sweep from ending must not cost this host its heartbeat and its leases.
  begin
    perform creel.sweep_once(interval '1 second');
  exception when query_canceled or others then
    raise warning 'sweep within a tick: %', sqlerrm;
  end;

  -- Looked ahead until a tick after the next one: what comes later, that one will tell. A lease that is renewed ends
  -- later.
  select min(w.at) into next_at from (
    select l.not_before as at from creel.lanes l
    where l.token is null and l.head is not null and l.not_before > now() and l.not_before < now() + 2 * tick
      and (l.project_id = any (projects)) is true and (l.host_id = host or l.host_id is null)
    union all
    select l.expires_at from creel.lanes l
    where l.token is not null and l.expires_at < now() + 1.5 * tick and (l.project_id = any (projects)) is true
      and (l.host_id <> host or l.session_id <> session)
  ) w;

  return jsonb_build_object(
    'host_id', host,
    'lease_ms', knobs.lease_secs * 1000,
    'tick_ms', knobs.tick_secs * 1000,
    'lost', to_jsonb(array(select t from unnest(tokens) t where t <> all (held))),
    'cancel', to_jsonb(array(
      select l.token from creel.lanes l join creel.items i on i.lane_id = l.id and i.seq = l.head
      where l.id = any (lane_ids) and l.token = any (held) and i.cancel)),
    'work', creel.has_work(host, projects),
    'warnings', to_jsonb(warnings),
    'wake_in_ms', case when next_at is not null
      then greatest(ceil(extract(epoch from next_at - now()) * 1000), 0)::bigint end);
end
$$;

comment on function public.tick(jsonb) is
  'Host function: {api, session, tokens[], metrics[], agents[], host{}} -> {host_id, lease_ms, tick_ms, lost[], '
  'cancel[], work, warnings[], wake_in_ms}. Renews the leases of these tokens, stores metrics and the states of agents '
  '({agent_id, state: running|stopped|starting|error, note, restarts, pid}, when they change), sweeps, and says what to '
  'stop, whether there is work, and what of the report could not be taken.';

create function public.list_agents(jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  host constant uuid := creel.require_host();
  projects constant text[] := creel.projects_of_host(host);
begin
  perform creel.require_api($1);
  return jsonb_build_object('agents', coalesce((
    select jsonb_agg(jsonb_build_object(
      'id', a.id, 'project_id', a.project_id, 'agent_key', a.agent_key, 'openclaw_id', a.openclaw_id,
      'backend', a.backend, 'desired_state', a.desired_state, 'generation', a.generation, 'status', a.status,
      'provisioned', a.provisioned, 'workspace_path', a.workspace_path, 'port', a.port, 'config', a.config,
      'limits', a.limits, 'name', a.name, 'role', a.role, 'emoji', a.emoji,
      'open_command', exists (
        select from creel.lanes l
        where l.project_id = a.project_id and l.agent_key = a.agent_key and l.kind = 'control' and l.head is not null))
      order by a.id)
    from public.agents a
    where a.host_id = host and a.openclaw_id is not null and a.status <> 'removed'
      and (a.project_id = any (projects)) is true), '[]'));
end
$$;

comment on function public.list_agents(jsonb) is
  'Host function: {api, session} -> {agents[]}: the agents that this host has or is to have, as their rows say it. '
  'open_command: something about it waits or is at work, and will say what is to be done.';

revoke all on function creel.uuid_of(jsonb), creel.said_since(text), creel.keep_agent_states(uuid, jsonb), public.list_agents(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.list_agents(jsonb) to creel_host;
