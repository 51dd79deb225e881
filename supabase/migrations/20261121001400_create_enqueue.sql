-- Into the queue, and out of it when a row is deleted: by statement-level triggers.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Wakes the hosts that may take from these lanes. The payload is a hint which host is meant, empty for all.
create function creel.notify_lanes(lane_ids bigint[]) returns void
language sql set search_path = '' as $$
  select pg_notify('creel_work', coalesce(h.host_id::text, ''))
  from (select distinct l.host_id from creel.lanes l where l.id = any (lane_ids)) h
$$;

create function creel.enqueue_items(
  to_queue text, item_ids uuid[], project_ids text[], agent_keys text[], deadlines timestamptz[]
) returns void
language plpgsql set search_path = '' as $$
declare
  registered creel.queues;
  lane_ids bigint[];
begin
  select * into strict registered from creel.queues q where q.queue = to_queue;

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

  with added as (
    insert into creel.items (item_id, queue, lane_id, max_attempts, deadline_at)
    select n.item_id, to_queue, l.id, registered.max_attempts, n.deadline_at
    from unnest(item_ids, project_ids, agent_keys, deadlines)
      with ordinality as n (item_id, project_id, agent_key, deadline_at, position)
    join creel.lanes l
      on l.project_id = n.project_id and l.agent_key = n.agent_key and l.kind = registered.lane_kind
    order by n.position
    returning lane_id
  )
  select array_agg(distinct a.lane_id) into lane_ids from added a;

  -- Locked in one order, so that two of these do not wait for each other; and locked at all, so that a finish
  -- that is under way sees these items or is seen by this.
  perform 1 from creel.lanes l where l.id = any (lane_ids) order by l.id for update;
  update creel.lanes l
  set hopeless_since = null, head = (select i.seq from creel.items i where i.lane_id = l.id order by i.seq limit 1)
  where l.id = any (lane_ids) and l.head is null;
  perform creel.notify_lanes(lane_ids);
end
$$;

create function creel.enqueue() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  registered creel.queues;
begin
  select * into strict registered from creel.queues q where q.tbl = tg_relid;
  perform creel.enqueue_items(
    registered.queue, array_agg(n.id), array_agg(n.project_id), array_agg(n.agent_key), array_agg(n.deadline_at))
  from new_rows n where n.status = registered.waiting
  having count(*) > 0;
  return null;
end
$$;

create function creel.dequeue() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  lane_ids bigint[];
begin
  delete from creel.dead_letters d using old_rows o where d.item_id = o.id;
  select array_agg(distinct i.lane_id) into lane_ids from creel.items i join old_rows o on o.id = i.item_id;
  if lane_ids is null then
    return null;
  end if;
  perform 1 from creel.lanes l where l.id = any (lane_ids) order by l.id for update;
  delete from creel.items i using old_rows o where i.item_id = o.id;
  -- Whoever was at work on a deleted item has lost it.
  update creel.lanes l
  set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
      head = (select i.seq from creel.items i where i.lane_id = l.id order by i.seq limit 1)
  where l.id = any (lane_ids) and not exists (select from creel.items i where i.seq = l.head);
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
  creel.enqueue_items(text, uuid[], text[], text[], timestamptz[]), creel.enqueue(), creel.dequeue(),
  creel.join_queue(regclass), creel.place_lanes()
  from public, anon, authenticated, service_role;
