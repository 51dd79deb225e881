-- Into the queue, and out of it when a row is deleted: by statement-level triggers.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Wakes the hosts that may take from these lanes. The payload is a hint which host is meant, empty for all.
create function creel.notify_lanes(lane_ids bigint[]) returns void
language sql set search_path = '' as $$
  select pg_notify('creel_work', coalesce(h.host_id::text, ''))
  from (select distinct l.host_id from creel.lanes l where l.id = any (lane_ids)) h
$$;

-- The lane of each of these, in their order; null where there is none yet. One look-up for each by construction, as a
-- plan may be older than most of the lanes.
create function creel.find_lanes(project_ids text[], agent_keys text[], lane_kind text) returns bigint[]
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  return (
    select array_agg(l.id order by n.position)
    from unnest(project_ids, agent_keys) with ordinality as n (project_id, agent_key, position)
    left join lateral (
      select l.id from creel.lanes l
      where l.project_id = n.project_id and l.agent_key = n.agent_key and l.kind = lane_kind limit 1) l on true);
end
$$;

create function creel.add_lanes(registered creel.queues, project_ids text[], agent_keys text[]) returns void
language plpgsql set search_path = '' as $$
begin
  -- A new lane has its agent's host: an agent that is being placed at this moment is waited for.
  perform 1 from public.agents a
  where (a.project_id, a.agent_key) in (select n.* from unnest(project_ids, agent_keys) n)
    and not exists (
      select from creel.lanes l
      where l.project_id = a.project_id and l.agent_key = a.agent_key and l.kind = registered.lane_kind)
  order by a.id for share of a;
  insert into creel.lanes (project_id, agent_key, kind, priority, host_id)
  select distinct a.project_id, a.agent_key, registered.lane_kind, registered.priority, a.host_id
  from unnest(project_ids, agent_keys) as n (project_id, agent_key)
  join public.agents a on a.project_id = n.project_id and a.agent_key = n.agent_key
  order by 1, 2
  on conflict do nothing;
end
$$;

create function creel.enqueue_items(
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
end
$$;

create function creel.enqueue() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  registered creel.queues;
  item_ids uuid[];
  project_ids text[];
  agent_keys text[];
  deadlines timestamptz[];
begin
  select * into strict registered from creel.queues q where q.tbl = tg_relid;
  select array_agg(n.id), array_agg(n.project_id), array_agg(n.agent_key), array_agg(n.deadline_at)
  into item_ids, project_ids, agent_keys, deadlines
  from new_rows n where n.status = registered.waiting;
  if item_ids is not null then
    perform creel.enqueue_items(registered, item_ids, project_ids, agent_keys, deadlines);
  end if;
  return null;
end
$$;

-- One look-up for each row by construction, as a session that once deleted many would keep the plan for many.
create function creel.dequeue() returns trigger
language plpgsql security definer
set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  lane_ids bigint[];
begin
  delete from creel.dead_letters d using old_rows o where d.item_id = o.id;
  select array_agg(distinct i.lane_id) into lane_ids from creel.items i join old_rows o on o.id = i.item_id;
  if lane_ids is null then
    return null;
  end if;
  perform 1 from creel.lanes l where l.id = any (lane_ids) order by l.id for no key update;
  delete from creel.items i using old_rows o where i.item_id = o.id;
  -- Whoever was at work on a deleted item has lost it.
  update creel.lanes l
  set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
      attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
        select i.seq, i.item_id, i.queue, i.max_attempts
        from creel.items i where i.lane_id = l.id order by i.seq limit 1)
  where l.id = any (lane_ids) and not exists (select from creel.items i where i.lane_id = l.id and i.seq = l.head);
  perform creel.notify_lanes(lane_ids);
  return null;
end
$$;

-- Joins a table to the queue once it is registered.
create function creel.join_queue(tbl regclass) returns void
language plpgsql set search_path = '' as $$
begin
  execute format(
    'create trigger queue_enqueue after insert on %s referencing new table as new_rows
       for each statement execute function creel.enqueue()', tbl);
  execute format(
    'create trigger queue_dequeue after delete on %s referencing old table as old_rows
       for each statement execute function creel.dequeue()', tbl);
end
$$;

-- The lanes go where the agent goes.
create function creel.place_lanes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update creel.lanes l set host_id = new.host_id
  where l.project_id = new.project_id and l.agent_key = new.agent_key and l.host_id is distinct from new.host_id;
  return null;
end
$$;

create trigger agents_place_lanes
  after update of host_id on public.agents for each row
  when (old.host_id is distinct from new.host_id) execute function creel.place_lanes();

revoke all on function creel.notify_lanes(bigint[]),
  creel.find_lanes(text[], text[], text), creel.add_lanes(creel.queues, text[], text[]),
  creel.enqueue_items(creel.queues, uuid[], text[], text[], timestamptz[]), creel.enqueue(), creel.dequeue(),
  creel.join_queue(regclass), creel.place_lanes()
  from public, anon, authenticated, service_role;
