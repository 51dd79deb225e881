-- What an item waits for says which host lacks what; and hosts that speak but once a minute are not offline in between.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table public.host_heartbeats add column quiet_secs int not null default 0;

comment on column public.host_heartbeats.quiet_secs is
  'For how much longer than others this host may be silent: a daemon that polls once a minute is there all the same.';

alter table public.hosts add column outdated_since timestamptz;

comment on column public.hosts.outdated_since is
  'Since when its worker is refused because it is too old for this database.';

-- Since when nothing was heard is compared with this moment.
create function creel.heard_until(beat public.host_heartbeats) returns timestamptz
language sql immutable set search_path = '' as $$
  select beat.last_seen_at + beat.quiet_secs * interval '1 second'
$$;

create or replace view public.host_status with (security_invoker = true) as
select
  h.id, h.name, h.status, b.last_seen_at,
  case
    when h.status in ('retired', 'enrolled') then h.status
    when b.last_seen_at is null
      or b.last_seen_at + b.quiet_secs * interval '1 second' < now() - interval '30 seconds' then 'offline'
    else h.status
  end as shown_status,
  b.cpu_percent, b.ram_mb
from public.hosts h left join public.host_heartbeats b on b.host_id = h.id;

-- Whether a host is there and takes new work.
create function creel.takes_work(host public.hosts) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return host.status not in ('retired', 'draining') and exists (
    select from public.host_heartbeats b
    where b.host_id = host.id
      and creel.heard_until(b) >= now() - (creel.knobs()).offline_after_secs * interval '1 second');
end
$$;

-- A lease that ran out: another attempt, or the end. An agent that was never made, and whose host is silent,
-- may be made by another host.
-- Silent is a host before its lease would say so: its last tick may be younger than the claim whose answer it
-- never got to hear.
create or replace function creel.sweep_leases() returns int
language plpgsql set search_path = '' as $$
declare
  lane_ids bigint[];
  settlements creel.settlement[];
  failed uuid[];
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
  failed := creel.settle_each(settlements);
  -- What cannot be settled is nobody's, and looked at again in a while.
  if failed <> '{}' then
    update creel.lanes l
    set expires_at = now() + interval '10 seconds', session_id = gen_random_uuid(),
        token = (lpad(to_hex(l.id), 16, '0') || '-' || right(gen_random_uuid()::text, 17))::uuid
    where l.id = any (lane_ids) and l.token is not null and l.item_id = any (failed);
  end if;
  lane_ids := array(select l.id from creel.lanes l where l.id = any (lane_ids) and l.token is null);
  update public.agents a set host_id = null, openclaw_id = null
  from creel.lanes l, creel.settings s
  where l.id = any (lane_ids) and a.project_id = l.project_id and a.agent_key = l.agent_key
    and not a.provisioned and not a.host_pinned
    and not exists (
      select from public.host_heartbeats b
      where b.host_id = a.host_id
        and creel.heard_until(b) > now() - (s.lease_secs - s.tick_secs) * interval '1 second');
  perform creel.notify_lanes(lane_ids);
  return cardinality(lane_ids);
end
$$;

-- An agent that was placed and never made may go elsewhere: at once when its host may not have it any more, and when
-- its host is silent or draining as soon as another one that could take it is there.
create or replace function creel.sweep_placements() returns int
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
          select from public.host_heartbeats b
          where b.host_id = l.host_id and creel.heard_until(b) >= silent_since))
    -- Any of them, so that those which nobody can take are not in the way of the others for ever.
    order by random() limit 500);
  if candidates = '{}' then
    return 0;
  end if;
  -- What is the same for all of them is asked once for each host. unconfined: see creel.placeable.
  lane_ids := array(
    with roomy as materialized (
      select h.id, h.backends, h.tenancy, h as host, t.tenants, t.unconfined
      from public.hosts h
      join public.host_heartbeats o on o.host_id = h.id and creel.heard_until(o) > silent_since
      cross join lateral (
        select count(*) as agent_count, coalesce(array_agg(distinct x.project_id), '{}') as tenants,
          coalesce(
            array_agg(distinct x.project_id) filter (where not creel.is_confined(x.backend)), '{}') as unconfined
        from public.agents x where x.host_id = h.id and x.status <> 'removed') t
      where h.status not in ('draining', 'retired') and h.capacity > t.agent_count
        and h.id in (
          select p.host_id from creel.lanes c join public.project_hosts p on p.project_id = c.project_id
          where c.id = any (candidates))
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
          where p.project_id = l.project_id and p.host_id <> l.host_id
            and a.backend = any (r.backends) and creel.has_tags(r.host, a.config)
            and (r.tenancy = 'trusted'
              or case when creel.is_confined(a.backend) then r.unconfined else r.tenants end <@ array[a.project_id])))
    order by l.id for no key update of l, a skip locked);
  update public.agents a set host_id = null, openclaw_id = null from creel.lanes l
  where l.id = any (lane_ids) and a.project_id = l.project_id and a.agent_key = l.agent_key;
  perform creel.notify_lanes(lane_ids);
  return cardinality(lane_ids);
end
$$;

-- Why a host that serves the project does not take this agent in, in one word; ready if it will.
create function creel.why_not_placed(host public.hosts, agent public.agents) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case
    when host.status in ('retired', 'draining') then host.status
    when not creel.takes_work(host) then case when host.outdated_since is null then 'offline' else 'outdated' end
    when not agent.backend = any (host.backends) then 'backend'
    when not creel.has_tags(host, agent.config) then 'tags'
    when not creel.may_neighbour(host, agent.project_id, agent.backend) then 'isolation'
    when not creel.has_room(host) then 'capacity'
    else 'ready' end;
end
$$;

-- What an agent that lives nowhere waits for. Asked step by step, so that one host that is ready ends the search.
create function creel.placement_reason(agent public.agents) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  wanted_tags text;
begin
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and creel.takes_work(h)) then
    if exists (
      select from public.project_hosts p join public.hosts h on h.id = p.host_id
      where p.project_id = agent.project_id and h.outdated_since is not null
        and h.status not in ('retired', 'draining')) then
      return jsonb_build_object('code', 'outdated',
        'message', 'every host that serves the project is offline, or has a Creel that is too old',
        'hint', 'Upgrade Creel on a host of the project, and start creel worker again.');
    end if;
    return jsonb_build_object('code', 'offline',
      'message', 'every host that serves the project is offline or draining',
      'hint', 'Start creel worker on a host of the project; the item waits for it.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends) and creel.takes_work(h)) then
    return jsonb_build_object('code', 'backend',
      'message', format('no host of the project that is there can run agents by %s', agent.backend),
      'hint', 'Choose another backend for the agent, or prepare a host for this one; hosts.backends says what each can.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends)
      and creel.has_tags(h, agent.config) and creel.takes_work(h)) then
    wanted_tags := left(case jsonb_typeof(agent.config -> 'tags')
      when 'array' then (select string_agg(t, ', ') from jsonb_array_elements_text(agent.config -> 'tags') t)
      else agent.config ->> 'tags' end, 200);
    return jsonb_build_object('code', 'tags',
      'message', format('no host of the project that is there has the tags that the agent asks for: %s', wanted_tags),
      'hint', 'Give a host these tags, or the agent others in its config.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends)
      and creel.has_tags(h, agent.config) and creel.takes_work(h)
      and creel.may_neighbour(h, agent.project_id, agent.backend)) then
    return jsonb_build_object('code', 'isolation',
      'message', 'every host that could take it runs agents of another project, whose files it could read there',
      'hint', 'Enrol a host for this project alone, choose docker or multipass as backend, or trust the projects '
        'with each other: hosts.tenancy.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and creel.takes_work(h) and creel.could_take(h, agent)) then
    return jsonb_build_object('code', 'capacity',
      'message', 'every host that serves the project is full',
      'hint', 'Raise a host''s capacity, remove agents, or enrol another host.');
  end if;
  return jsonb_build_object('code', 'ready',
    'message', 'the next host with room takes it',
    'hint', 'Raise the worker''s permits if this lasts.');
end
$$;

create or replace function creel.waiting_reason(item creel.items) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  lane creel.lanes;
  agent public.agents;
  agent_host public.hosts;
  beat public.host_heartbeats;
  ahead creel.items;
begin
  select * into lane from creel.lanes l where l.id = item.lane_id;
  if lane.head <> item.seq then
    select * into ahead from creel.items i where i.lane_id = lane.id and i.seq = lane.head;
    return jsonb_build_object('code', 'behind', 'item', ahead.item_id,
      'message', format('waits behind %s %s of the same agent', ahead.queue, ahead.item_id),
      'hint', 'Items of one agent are worked on in order.');
  end if;
  if lane.token is not null then
    return jsonb_build_object('code', 'leased', 'host_id', lane.host_id, 'until', lane.expires_at,
      'message', format('is being worked on by host %s', (select h.name from public.hosts h where h.id = lane.host_id)),
      'hint', 'If the host dies, the item goes back when its lease ends.');
  end if;
  if lane.host_id is not null then
    select * into agent_host from public.hosts h where h.id = lane.host_id;
    if not exists (
      select from public.project_hosts p where p.project_id = lane.project_id and p.host_id = lane.host_id) then
      return jsonb_build_object('code', 'no_host', 'host_id', lane.host_id,
        'message', format('host %s, on which the agent lives, no longer serves the project', agent_host.name),
        'hint', 'Add the host to project_hosts again, or remove the agent.');
    end if;
    if agent_host.status = 'retired' then
      return jsonb_build_object('code', 'no_host', 'host_id', lane.host_id,
        'message', format('host %s, on which the agent lives, is retired', agent_host.name),
        'hint', 'Remove the agent and make it anew on another host.');
    end if;
  elsif not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = lane.project_id and h.status <> 'retired') then
    return jsonb_build_object('code', 'no_host',
      'message', 'no host serves the project',
      'hint', 'Enrol one with creel host enroll --project ' || lane.project_id || ', and start creel worker on it.');
  end if;
  if lane.not_before > now() then
    return jsonb_build_object('code', 'backoff', 'until', lane.not_before,
      'message', format('attempt %s of %s failed; the next one comes later', lane.attempts, lane.max_attempts),
      'hint', 'The row''s result has the reason of the last attempt.');
  end if;
  if lane.host_id is not null then
    select * into beat from public.host_heartbeats b where b.host_id = lane.host_id;
    if agent_host.status = 'draining' then
      return jsonb_build_object('code', 'draining', 'host_id', lane.host_id,
        'message', format('host %s is draining and takes nothing new', agent_host.name),
        'hint', 'Set its status to online to let it take work again.');
    end if;
    if beat.host_id is null or creel.heard_until(beat) < now() - knobs.offline_after_secs * interval '1 second' then
      if agent_host.outdated_since is not null then
        return jsonb_build_object('code', 'outdated', 'host_id', lane.host_id, 'since', agent_host.outdated_since,
          'message', format('host %s has a Creel that is too old for this database', agent_host.name),
          'hint', 'Upgrade Creel on the host, and start creel worker again; the item waits for it.');
      end if;
      return jsonb_build_object('code', 'offline', 'host_id', lane.host_id, 'since', beat.last_seen_at,
        'message', format('host %s is offline', agent_host.name),
        'hint', 'Start creel worker on the host; the item waits for it.');
    end if;
    return jsonb_build_object('code', 'ready', 'host_id', lane.host_id,
      'message', format('host %s takes it as soon as it has room', agent_host.name),
      'hint', 'Raise the worker''s permits if this lasts.');
  end if;
  select * into agent from public.agents a where a.project_id = lane.project_id and a.agent_key = lane.agent_key;
  return creel.placement_reason(agent);
end
$$;

-- Of each host of the project, why it does not take the item's agent in; null when the agent lives somewhere.
create function creel.placement_verdicts(item creel.items) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_agg(v.verdict order by v.name, v.id) from (
      select h.id, h.name,
        jsonb_build_object('host_id', h.id, 'name', h.name, 'code', creel.why_not_placed(h, a)) as verdict
      from creel.lanes l
      join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
      join public.project_hosts p on p.project_id = l.project_id
      join public.hosts h on h.id = p.host_id
      where l.id = item.lane_id and l.host_id is null
      order by h.name, h.id limit 50) v);
end
$$;

create or replace function public.why_pending(id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  item creel.items;
  lane creel.lanes;
  dead creel.dead_letters;
  readable constant text[] := creel.readable_projects();
begin
  select * into item from creel.items i where i.item_id = why_pending.id;
  select * into lane from creel.lanes l where l.id = item.lane_id;
  if lane.project_id = any (readable) then
    if item.cancel and lane.token is not null and lane.head = item.seq then
      return jsonb_build_object('code', 'cancelling', 'host_id', lane.host_id, 'until', lane.expires_at,
        'message', 'something newer took its place, and its host is told to stop',
        'hint', 'If the host does not answer, it ends with its lease.');
    end if;
    return creel.waiting_reason(item)
      || jsonb_build_object(
        'attempts', case when lane.head = item.seq then lane.attempts else 0 end, 'enqueued_at', item.enqueued_at)
      || jsonb_strip_nulls(jsonb_build_object('hosts', creel.placement_verdicts(item)));
  end if;
  select * into dead from creel.dead_letters d where d.item_id = why_pending.id and d.project_id = any (readable);
  if found then
    return jsonb_build_object('code', 'dead', 'reason', dead.reason, 'attempts', dead.attempts, 'since', dead.died_at,
      'message', case dead.reason
        when 'attempts' then format('all %s attempts failed', dead.attempts)
        when 'failed' then 'the host said that it cannot be done as it is'
        when 'deadline' then 'its deadline passed'
        when 'no_host' then 'no host could take it' end,
      'hint', 'The row''s result has the reason. When that is mended, redrive it.');
  end if;
  if exists (
    select from public.agent_commands c
    where c.id = why_pending.id and c.project_id = any (readable) and c.result #>> '{error,code}' = 'superseded') then
    return jsonb_build_object('code', 'superseded',
      'message', 'it is not to be done any more: something newer took its place',
      'hint', 'Look at the newer commands of the agent.');
  end if;
  return jsonb_build_object('code', 'not_waiting',
    'message', 'nothing with this id waits in a project of yours', 'hint', 'Its row says how it ended.');
end
$$;

comment on function public.why_pending(uuid) is
  'For any item of the asker''s projects, the first thing that it waits for: {code, message, hint, ...}. While its agent '
  'lives nowhere, hosts says of each host of the project why it does not take it in.';

revoke all on function creel.heard_until(public.host_heartbeats), creel.takes_work(public.hosts),
  creel.why_not_placed(public.hosts, public.agents), creel.placement_reason(public.agents),
  creel.placement_verdicts(creel.items)
  from public, anon, authenticated, service_role;
