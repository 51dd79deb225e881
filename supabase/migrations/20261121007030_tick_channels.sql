-- A tick tells a host that asks for it by which channel it hears of work at once, and once a minute keeps what agents
-- used.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

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
  -- What is not smaller is of a cluster that this one was restored from.
  next_xact constant xid8 := pg_snapshot_xmax(pg_current_snapshot());
  channel constant jsonb := $1 -> 'channel';
  topic text;
  docs_since constant xid8 := case
    when $1 ->> 'docs_since' ~ '^[0-9]{1,19}$' then ($1 ->> 'docs_since')::xid8 end;
begin
  perform creel.require_api($1);
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;

  insert into public.host_heartbeats as b (host_id, last_seen_at, session_id, cpu_percent, ram_mb, listens, lost_hints)
  values (
    host, now(), session, (report ->> 'cpu_percent')::real, (report ->> 'ram_mb')::bigint,
    coalesce((channel ->> 'live')::boolean, false),
    -- A host that lies says what is wrong of itself alone.
    least(greatest(coalesce((channel ->> 'lost')::bigint, 0), 0), 1000))
  on conflict (host_id) do update set
    last_seen_at = excluded.last_seen_at, session_id = excluded.session_id,
    cpu_percent = excluded.cpu_percent, ram_mb = excluded.ram_mb, listens = excluded.listens,
    lost_hints = b.lost_hints + excluded.lost_hints;
  if channel is not null then
    topic := nullif(creel.host_topic(host), channel ->> 'topic');
  end if;
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

  -- Once a minute somebody's tick keeps what the agents used, or the ticks of several do, of some agents each.
  if exists (
    select from creel.metric_clock k
    where k.kept_until <= now() - k.step_secs * interval '1 second') then
    begin
      perform creel.keep_metrics_history(now());
    exception when query_canceled or others then
      raise warning 'metrics within a tick: %', sqlerrm;
    end;
  end if;

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
    'docs', docs_since is not null and (docs_since > next_xact or exists (
      select from public.brain_docs d
      join public.agents a on a.project_id = d.project_id and a.agent_key = d.agent_key
      where d.changed >= docs_since and d.changed < next_xact and a.host_id = host and a.status <> 'removed')),
    'warnings', to_jsonb(warnings),
    'topic', topic,
    'wake_in_ms', case when next_at is not null
      then greatest(ceil(extract(epoch from next_at - now()) * 1000), 0)::bigint end);
end
$$;

comment on function public.tick(jsonb) is
  'Host function: {api, session, tokens[], metrics[], agents[], docs_since, channel, host{}} -> {host_id, lease_ms, '
  'tick_ms, lost[], cancel[], work, docs, warnings[], topic, wake_in_ms}. Renews the leases of these tokens, '
  'stores metrics and the states of agents ({agent_id, state: running|stopped|starting|error, note, restarts, pid}, when they change), sweeps, and says what to '
  'stop, whether there is work, whether somebody else has changed documents since docs_since, and what of the report '
  'could not be taken. With channel ({topic, live, lost}: the topic that the host knows, whether it hears it, how many '
  'hints were lost since the last tick) it answers with the topic of its Realtime channel, if that is another one.';
