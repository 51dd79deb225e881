-- What is notified is sent to hosts that listen by Realtime as well: the same hints, as lossy, and never trusted.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Sends an empty message to each topic, once a transaction. Nothing is sent where there is no Realtime, and nothing of
-- it can cost the write that it tells of.
create function creel.send_hints(topics text[], event text) returns void
language plpgsql set search_path = '' set lock_timeout = '200ms' as $$
declare
  -- What a savepoint takes back, it takes back here too. Whoever is in the transaction can read it: no topic is in it.
  sent text := coalesce(current_setting('creel.hints_sent', true), '');
  topic_before constant text := coalesce(current_setting('realtime.topic', true), '');
  topic text;
  hint text;
begin
  if to_regprocedure('realtime.send(jsonb,text,text,boolean)') is null then
    return;
  end if;
  foreach topic in array topics loop
    hint := md5(event || '/' || topic) || ' ';
    continue when strpos(sent, hint) > 0;
    sent := sent || hint;
    perform realtime.send('{}'::jsonb, event, topic, false);
  end loop;
  -- It says to whom it spoke last.
  perform set_config('realtime.topic', topic_before, true), set_config('creel.hints_sent', sent, true);
exception when others then
  raise warning 'hint by Realtime: %', sqlerrm;
end
$$;

-- A host that has not ticked for so long does not listen any more, whatever it said last.
create function creel.listening_since() returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return now() - greatest(60, 3 * (creel.knobs()).tick_secs) * interval '1 second';
end
$$;

create function creel.hint_hosts(host_ids uuid[], event text) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  since constant timestamptz := creel.listening_since();
  topics text[];
begin
  select array_agg(c.topic) into topics
  from creel.host_channels c join public.host_heartbeats b on b.host_id = c.host_id
  where c.host_id = any (host_ids) and b.listens and b.last_seen_at > since;
  if topics is not null then
    perform creel.send_hints(topics, event);
  end if;
end
$$;

-- The hosts that may take from these lanes: their own, or, of those that have none yet, all that serve the project. Of
-- these a hundred at most that listen: the others find by their tick what is left.
create function creel.hint_lanes(lane_ids bigint[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  since timestamptz;
  host_ids uuid[];
  unplaced text[];
begin
  if not exists (select from creel.host_channels) then
    return;
  end if;
  select
    array_agg(distinct l.host_id) filter (where l.host_id is not null),
    array_agg(distinct l.project_id) filter (where l.host_id is null)
  into host_ids, unplaced
  from creel.lanes l where l.id = any (lane_ids);
  if unplaced is not null then
    since := creel.listening_since();
    host_ids := coalesce(host_ids, '{}') || array(
      select distinct p.host_id from public.project_hosts p
      join creel.host_channels c on c.host_id = p.host_id
      join public.host_heartbeats b on b.host_id = p.host_id
      where p.project_id = any (unplaced) and b.listens and b.last_seen_at > since
      limit 100);
  end if;
  if host_ids <> '{}' then
    perform creel.hint_hosts(host_ids, 'work');
  end if;
end
$$;

create or replace function creel.notify_lanes(lane_ids bigint[]) returns void
language plpgsql set search_path = '' as $$
begin
  if coalesce(cardinality(lane_ids), 0) = 0 then
    return;
  end if;
  perform pg_notify('creel_work', coalesce(h.host_id::text, ''))
  from (select distinct l.host_id from creel.lanes l where l.id = any (lane_ids)) h;
  perform creel.hint_lanes(lane_ids);
end
$$;

-- As creel.enqueue_items was, and creel.supersede_commands below: with a hint beside each notification.
create or replace function creel.enqueue_items(
  registered creel.queues, item_ids uuid[], project_ids text[], agent_keys text[], deadlines timestamptz[]
) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  lane_of bigint[] := creel.find_lanes(project_ids, agent_keys, registered.lane_kind);
  lane_ids bigint[];
  hosts text[];
  some_idle boolean;
  host text;
begin
  if array_position(lane_of, null) is not null then
    perform creel.add_lanes(registered, project_ids, agent_keys);
    lane_of := creel.find_lanes(project_ids, agent_keys, registered.lane_kind);
  end if;

  insert into creel.items (item_id, queue, lane_id, max_attempts, deadline_at)
  select n.item_id, registered.queue, n.lane_id, registered.max_attempts, n.deadline_at
  from unnest(item_ids, lane_of, deadlines) with ordinality as n (item_id, lane_id, deadline_at, position)
  where n.lane_id is not null
  order by n.position;

  -- Locked in one order, so that two of these do not wait for each other; and locked at all, so that a finish
  -- that is under way sees these items or is seen by this.
  select array_agg(l.id), array_agg(distinct coalesce(l.host_id::text, '')), bool_or(l.head is null)
  into lane_ids, hosts, some_idle
  from (
    select k.id, k.host_id, k.head from creel.lanes k where k.id = any (lane_of) order by k.id for no key update) l;
  if lane_ids is null then
    return;
  end if;
  if some_idle then
    update creel.lanes l
    set hopeless_since = null, attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
      select i.seq, i.item_id, i.queue, i.max_attempts
      from creel.items i where i.lane_id = l.id order by i.seq limit 1)
    where l.id = any (lane_ids) and l.head is null;
  end if;
  -- The payload is a hint which host is meant, empty for all.
  foreach host in array hosts loop
    perform pg_notify('creel_work', host);
  end loop;
  perform creel.hint_lanes(lane_ids);
end
$$;

create or replace function creel.supersede_commands(command_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  lane_ids constant bigint[] := array(
    select distinct i.lane_id from creel.items i where i.item_id = any (command_ids));
  needless creel.settlement[];
  host uuid;
begin
  perform 1 from creel.lanes l where l.id = any (lane_ids) order by l.id for no key update;

  needless := array(
    select (
      o.lane_id, o.seq, o.item_id, o.queue, case when o.seq = l.head then l.attempts else 0 end, o.max_attempts, 0,
      null, 'dead', 'failed', creel.superseded(n.type), false)::creel.settlement
    from creel.lanes l join creel.items o on o.lane_id = l.id and not (l.token is not null and o.seq = l.head)
    left join public.agent_commands c on c.id = o.item_id
    cross join lateral (
      select k.type from creel.items i join public.agent_commands k on k.id = i.item_id
      where i.lane_id = l.id and i.seq > o.seq and i.item_id = any (command_ids)
        and case o.queue
          when 'agent_commands' then creel.supersedes(k.type, c.type)
          when 'agent_provision_requests' then k.type = 'undeploy'
          else false end
      order by i.seq desc limit 1) n
    where l.id = any (lane_ids));
  -- Where the agent is now does not change by that nobody moved it.
  update public.agent_commands k
  set payload = case when o.previous = to_jsonb(a.backend) then k.payload - 'previous_backend'
    else k.payload || jsonb_build_object('previous_backend', o.previous) end
  from (
    select distinct on (i.item_id) i.item_id, c.payload -> 'previous_backend' as previous
    from unnest(needless) s
    join public.agent_commands c on c.id = s.item_id and c.type = 'deploy' and c.payload ? 'previous_backend'
    join creel.items i on i.lane_id = s.lane_id and i.seq > s.seq and i.item_id = any (command_ids)
    order by i.item_id, s.seq) o, public.agents a
  where k.id = o.item_id and k.type = 'deploy' and a.id = k.agent_id;
  perform creel.settle_superseded(needless);

  for host in
    with cancelled as (
      update creel.items o set cancel = true
      from creel.lanes l
      where l.id = any (lane_ids) and l.token is not null and o.lane_id = l.id and o.seq = l.head and not o.cancel
        and exists (
          select from creel.items i join public.agent_commands k on k.id = i.item_id
          left join public.agent_commands c on c.id = o.item_id and o.queue = 'agent_commands'
          where i.lane_id = l.id and i.seq > o.seq and i.item_id = any (command_ids)
            and creel.cancels(k.type, coalesce(c.type, o.queue)))
      returning l.host_id
    )
    select distinct c.host_id from cancelled c where c.host_id is not null
  loop
    -- The host then asks at once what it is to stop.
    perform pg_notify('creel_work', host || ' cancel');
    perform creel.hint_hosts(array[host], 'cancel');
  end loop;

  -- What once failed and was wished for again is nothing that a person must look at.
  delete from creel.dead_letters d using public.agent_commands c, public.agent_commands k
  where k.id = any (command_ids) and c.agent_id = k.agent_id and c.status = 'failed' and c.id <> k.id
    and d.item_id = c.id and creel.supersedes(k.type, c.type);
end
$$;

create or replace function creel.notify_docs() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  host_ids uuid[];
begin
  if creel.current_host_id() is null then
    select array_agg(distinct a.host_id) into host_ids from new_rows n
    join public.agents a on a.project_id = n.project_id and a.agent_key = n.agent_key
    where n.changed = pg_current_xact_id() and a.host_id is not null and a.status <> 'removed';
    perform pg_notify('creel_work', h.host_id || ' docs') from unnest(host_ids) as h (host_id);
    if host_ids is not null then
      perform creel.hint_hosts(host_ids, 'docs');
    end if;
  end if;
  return null;
end
$$;

revoke all on function creel.send_hints(text[], text), creel.listening_since(), creel.hint_hosts(uuid[], text),
  creel.hint_lanes(bigint[])
  from public, anon, authenticated, service_role;
