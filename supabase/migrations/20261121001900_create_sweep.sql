-- sweep: what time alone brings about. It runs in every tick, in pg_cron, and in the local stack.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- When it was done last. The row's lock lets one sweep at a time.
create table creel.sweep_state (
  id boolean primary key default true,
  swept_at timestamptz not null default '-infinity',
  reasoned_at timestamptz not null default '-infinity',
  constraint sweep_state_one_row check (id)
);

insert into creel.sweep_state default values;
revoke all on creel.sweep_state from public, anon, authenticated, service_role;

create function creel.failure(code text, message text, hint text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('ok', false, 'error', jsonb_build_object('code', code, 'message', message, 'hint', hint))
$$;

-- A lease that ran out: another attempt, or the end. An agent that was never made, and whose host is silent,
-- may be made by another host.
-- Silent is a host before its lease would say so: its last tick may be younger than the claim whose answer it
-- never got to hear.
create function creel.sweep_leases() returns int
language plpgsql set search_path = '' as $$
declare
  lane_ids bigint[];
  settlements creel.settlement[];
begin
  lane_ids := array(
    select l.id from creel.lanes l where l.token is not null and l.expires_at <= now()
    order by l.expires_at limit 500 for no key update skip locked);
  if lane_ids = '{}' then
    return 0;
  end if;
  settlements := array(
    select (
      l.id, l.head, l.item_id, l.queue, l.attempts, l.max_attempts, l.given_back, null, 'back', null,
      creel.failure('lease_expired',
      format('host %s stopped answering while it worked on this', h.name),
      'Look at the log of creel worker on that host.'), true)::creel.settlement
    from creel.lanes l left join public.hosts h on h.id = l.host_id where l.id = any (lane_ids));
  perform creel.log_event('lease.expired', l.project_id, l.agent_key, l.host_id, l.item_id,
    jsonb_build_object('attempt', l.attempts))
  from creel.lanes l where l.id = any (lane_ids);
  perform creel.settle(settlements);
  update public.agents a set host_id = null, openclaw_id = null
  from creel.lanes l, creel.settings s
  where l.id = any (lane_ids) and a.project_id = l.project_id and a.agent_key = l.agent_key
    and not a.provisioned and not a.host_pinned
    and not exists (
      select from public.host_heartbeats b
      where b.host_id = a.host_id and b.last_seen_at > now() - (s.lease_secs - s.tick_secs) * interval '1 second');
  perform creel.notify_lanes(lane_ids);
  return cardinality(lane_ids);
end
$$;

-- Whether a host may work on a project's items, be it there at the moment or not.
create function creel.may_serve(host uuid, project text) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = project and p.host_id = host and h.status <> 'retired')
$$;

-- An agent that was placed and never made may go elsewhere: at once when its host may not have it any more, and when
-- its host is silent or draining as soon as another one is there.
create function creel.sweep_placements() returns int
language plpgsql set search_path = '' as $$
declare
  silent_since constant timestamptz := now() - (creel.knobs()).offline_after_secs * interval '1 second';
  candidates bigint[];
  lane_ids bigint[];
begin
  -- Begun with the agents that were placed and not made: most of the time there are none.
  candidates := array(
    select l.id from public.agents a
    join creel.lanes l on l.project_id = a.project_id and l.agent_key = a.agent_key
    where a.host_id is not null and not a.provisioned and not a.host_pinned
      and l.host_id is not null and l.token is null and l.head is not null
      and (
        not exists (
          select from public.project_hosts p join public.hosts h on h.id = p.host_id
          where p.project_id = l.project_id and p.host_id = l.host_id and h.status not in ('retired', 'draining'))
        or not exists (
          select from public.host_heartbeats b where b.host_id = l.host_id and b.last_seen_at >= silent_since)));
  if candidates = '{}' then
    return 0;
  end if;
  lane_ids := array(
    with roomy as materialized (
      select h.id from public.hosts h
      join public.host_heartbeats o on o.host_id = h.id and o.last_seen_at > silent_since
      where h.status not in ('draining', 'retired')
        and h.capacity > (select count(*) from public.agents x where x.host_id = h.id and x.status <> 'removed')
    )
    select l.id from creel.lanes l
    join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
    where l.id = any (candidates)
      and l.host_id is not null and l.token is null and l.head is not null
      and not a.provisioned and not a.host_pinned
      and (
        not creel.may_serve(l.host_id, l.project_id)
        or exists (
          select from public.project_hosts p join roomy r on r.id = p.host_id
          where p.project_id = l.project_id and p.host_id <> l.host_id))
    order by l.id limit 500 for no key update of l, a skip locked);
  update public.agents a set host_id = null, openclaw_id = null from creel.lanes l
  where l.id = any (lane_ids) and a.project_id = l.project_id and a.agent_key = l.agent_key;
  perform creel.notify_lanes(lane_ids);
  return cardinality(lane_ids);
end
$$;

-- Since when no host may take a lane: hosts come and go, and what has waited for long must not end in the moment
-- between two of them.
create function creel.sweep_hope() returns int
language plpgsql set search_path = '' as $$
declare
  changed int;
begin
  with serving as materialized (
    select p.project_id, p.host_id from public.project_hosts p join public.hosts h on h.id = p.host_id
    where h.status <> 'retired'
  ),
  served as materialized (select distinct s.project_id from serving s),
  looked as (
    select l.id, l.hopeless_since, case when l.host_id is null then d.project_id is null
      else s.project_id is null end as hopeless
    from creel.lanes l
    left join serving s on s.host_id = l.host_id and s.project_id = l.project_id
    left join served d on d.project_id = l.project_id
    where l.head is not null and l.token is null
  ),
  changing as (
    select l.id, k.hopeless from creel.lanes l join looked k on k.id = l.id
    where l.id = any (array(
        select c.id from looked c where c.hopeless <> (c.hopeless_since is not null) limit 1000))
      and k.hopeless <> (l.hopeless_since is not null)
    for no key update of l skip locked
  )
  update creel.lanes l set hopeless_since = case when c.hopeless then now() end
  from changing c where c.id = l.id;
  get diagnostics changed = row_count;
  return changed;
end
$$;

-- What no longer makes sense to wait for: the item's own deadline, or no host for queue_ttl.
create function creel.sweep_hopeless() returns int
language plpgsql set search_path = '' as $$
declare
  patience constant timestamptz := now() - (creel.knobs()).queue_ttl_secs * interval '1 second';
  lane_ids bigint[];
  settlements creel.settlement[];
begin
  lane_ids := array(
    select l.id from creel.lanes l
    where l.id = any (array(
        (select i.lane_id from creel.items i where i.deadline_at <= now() order by i.deadline_at limit 500)
        union
        (select o.id from creel.lanes o
         where o.head is not null and o.token is null and o.hopeless_since <= patience
           and exists (
             select from creel.items i
             where i.lane_id = o.id and i.seq = o.head and i.enqueued_at <= patience)
         order by o.hopeless_since limit 500)))
    order by l.id for no key update skip locked);
  if lane_ids = '{}' then
    return 0;
  end if;
  settlements := array(
    select (
      i.lane_id, i.seq, i.item_id, i.queue, case when i.seq = l.head then l.attempts else 0 end, i.max_attempts, 0,
      null, 'dead',
      case when i.deadline_at <= now() then 'deadline' else 'no_host' end,
      case when i.deadline_at <= now()
        then creel.failure('deadline_passed', format('not done by its deadline, %s', i.deadline_at),
          'Write a new request with a later deadline, or redrive it.')
        else creel.failure('no_host', w.reason ->> 'message', w.reason ->> 'hint') end,
      false)::creel.settlement
    from creel.items i
    join creel.lanes l on l.id = i.lane_id
    left join lateral (
      select creel.waiting_reason(i) as reason where i.seq = l.head and l.token is null) w on true
    where l.id = any (lane_ids)
      and (i.deadline_at <= now()
        or w.reason ->> 'code' = 'no_host'
          and l.hopeless_since <= patience and i.enqueued_at <= patience));
  perform creel.settle(settlements);
  return cardinality(settlements);
end
$$;

-- Says on the rows what they wait for, once that has lasted for more than a moment, and only when it changes. Rows
-- that say nothing yet come first.
create function creel.sweep_reasons() returns int
language plpgsql set search_path = '' as $$
declare
  registered creel.queues;
  changed int;
  total int := 0;
begin
  for registered in
    select q.* from creel.queues q
    where exists (select from creel.lanes l where l.token is null and l.head is not null and l.queue = q.queue)
  loop
    -- Chosen first and reasoned about afterwards: a reason costs more than all the rest of it.
    execute format(
      'with chosen as materialized (
         select t.id, i as item
         from creel.lanes l join creel.items i on i.lane_id = l.id and i.seq = l.head join %1$s t on t.id = i.item_id
         where l.token is null and l.head is not null and l.queue = $1 and t.status = $2
           and i.enqueued_at < now() - interval ''5 seconds''
         order by t.waiting_for is not null, random() limit 200),
       waiting as materialized (select c.id, creel.waiting_reason(c.item) ->> ''message'' as message from chosen c),
       free as (
         select t.id, w.message from %1$s t join waiting w on w.id = t.id
         where t.status = $2 and t.waiting_for is distinct from w.message
         for no key update of t skip locked)
       update %1$s t set waiting_for = f.message from free f where t.id = f.id',
      registered.tbl)
    using registered.queue, registered.waiting;
    get diagnostics changed = row_count;
    total := total + changed;
  end loop;
  return total;
end
$$;

create function creel.sweep_old_events() returns int
language plpgsql set search_path = '' as $$
declare
  gone int;
begin
  delete from public.events e where e.id in (
    select o.id from public.events o, creel.settings s
    where o.at < now() - s.event_retention_days * interval '1 day' order by o.at limit 1000
    for update of o skip locked);
  get diagnostics gone = row_count;
  return gone;
end
$$;

-- Answers null when somebody did it within min_age: a thousand hosts that tick need not sweep a hundred times a
-- second. One that takes too long, or does not end its transaction, is not waited for: what all of them do to one row,
-- they do under its lock.
create function creel.sweep_once(min_age interval) returns jsonb
language plpgsql set search_path = '' as $$
declare
  reason_count int;
begin
  perform 1 from creel.sweep_state w where w.swept_at <= clock_timestamp() - min_age for update skip locked;
  if found then
    update creel.sweep_state w set swept_at = clock_timestamp() where w.id;
  elsif exists (
    select from creel.sweep_state w
    where w.swept_at > clock_timestamp() - greatest(min_age, interval '15 seconds')) then
    return null;
  end if;
  -- What people read may be some seconds old, and looks at all that waits.
  update creel.sweep_state w set reasoned_at = clock_timestamp()
  where w.id and w.reasoned_at <= clock_timestamp() - 5 * min_age;
  if found then
    reason_count := creel.sweep_reasons();
  end if;
  return jsonb_build_object(
    'leases', creel.sweep_leases(), 'placements', creel.sweep_placements(), 'hope', creel.sweep_hope(),
    'hopeless', creel.sweep_hopeless(), 'reasons', coalesce(reason_count, 0), 'events', creel.sweep_old_events());
end
$$;

create function public.sweep(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set jit = off set lock_timeout = '800ms' as $$
begin
  perform creel.require_api($1);
  -- A host asks as often as it likes; it is swept no more often than by ticks.
  return coalesce(
    creel.sweep_once(case when creel.current_host_id() is null then interval '0' else interval '1 second' end),
    jsonb_build_object('busy', true));
end
$$;

comment on function public.sweep(jsonb) is
  '{api} -> counts. Ends leases that ran out, fails what is past its deadline or has no host, says what waits for what.';

revoke all on function creel.failure(text, text, text), creel.sweep_leases(), creel.sweep_hopeless(),
  creel.sweep_reasons(), creel.may_serve(uuid, text), creel.sweep_placements(), creel.sweep_hope(),
  creel.sweep_old_events(), creel.sweep_once(interval), public.sweep(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.sweep(jsonb) to creel_host, service_role;
