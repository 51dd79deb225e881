-- How an item ends, or goes back: the one place where a lease is given up.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function creel.knobs() returns creel.settings
language sql stable set search_path = '' as $$ select * from creel.settings $$;

create function creel.backoff(attempts int) returns interval
language sql stable set search_path = '' as $$
  select least(
    s.backoff_base_secs * power(2, least(greatest(attempts, 1) - 1, 20)), s.backoff_max_secs) * interval '1 second'
  from creel.settings s
$$;

-- How often an item may be given back at no attempt: a host that claims and gives back for ever comes to an end.
create function creel.max_given_back() returns int
language sql immutable set search_path = '' as $$ select 20 $$;

-- What is to become of one item. disposition: done, back (another attempt, charged), given_back (another attempt,
-- not charged) or dead. reason: of the death, see dead_letters. wait: pause before the next attempt; null for the
-- usual backoff.
create type creel.settlement as (
  seq bigint, disposition text, reason text, result jsonb, wait interval
);

-- The caller has locked the lanes of these items. A charged item whose attempts are used up dies.
create function creel.settle(settlements creel.settlement[]) returns void
language plpgsql set search_path = '' as $$
declare
  lane_ids bigint[];
  registered creel.queues;
  ids uuid[];
  statuses text[];
  results jsonb[];
begin
  if coalesce(cardinality(settlements), 0) = 0 then
    return;
  end if;

  settlements := array(
    select (
      s.seq,
      case when s.disposition = 'given_back' and i.given_back >= creel.max_given_back() then 'back' else s.disposition end,
      s.reason, s.result, s.wait)::creel.settlement
    from unnest(settlements) s join creel.items i on i.seq = s.seq
  );
  settlements := array(
    select (
      s.seq,
      case when s.disposition = 'back' and i.attempts >= i.max_attempts then 'dead' else s.disposition end,
      case when s.disposition = 'back' then 'attempts' else s.reason end,
      s.result,
      case
        when s.disposition = 'back' and i.attempts < i.max_attempts then coalesce(s.wait, creel.backoff(i.attempts))
        when s.disposition = 'given_back' then coalesce(s.wait, interval '0')
      end
    )::creel.settlement
    from unnest(settlements) s join creel.items i on i.seq = s.seq
  );

  for registered in
    select distinct q.* from unnest(settlements) s
    join creel.items i on i.seq = s.seq join creel.queues q on q.queue = i.queue
  loop
    select
      array_agg(i.item_id), array_agg(s.result),
      array_agg(case s.disposition when 'done' then registered.done when 'dead' then registered.dead
        else registered.waiting end)
    into ids, results, statuses
    from unnest(settlements) s join creel.items i on i.seq = s.seq where i.queue = registered.queue;

    execute format(
      'update %s t set status = n.status, result = coalesce(n.result, t.result), waiting_for = null,
         %I = case when n.status in (%L, %L) then now() end
       from unnest($1, $2, $3) as n (id, status, result) where t.id = n.id',
      registered.tbl, registered.done_at, registered.done, registered.dead)
    using ids, statuses, results;
    if registered.on_settled is not null then
      execute format('select creel.%I($1)', registered.on_settled) using ids;
    end if;
  end loop;

  insert into creel.dead_letters (item_id, queue, project_id, agent_key, attempts, reason)
  select i.item_id, i.queue, l.project_id, l.agent_key, i.attempts, s.reason
  from unnest(settlements) s join creel.items i on i.seq = s.seq join creel.lanes l on l.id = i.lane_id
  where s.disposition = 'dead';

  update creel.items i set attempts = greatest(i.attempts - 1, 0), given_back = i.given_back + 1
  from unnest(settlements) s where s.seq = i.seq and s.disposition = 'given_back';

  update creel.lanes l
  set token = null, session_id = null, expires_at = null,
      not_before = case when s.wait is null then '-infinity' else now() + s.wait end
  from unnest(settlements) s join creel.items i on i.seq = s.seq
  where l.id = i.lane_id and l.head = s.seq;

  with gone as (
    delete from creel.items i using unnest(settlements) s
    where s.seq = i.seq and s.disposition in ('done', 'dead')
    returning i.lane_id
  )
  select array_agg(distinct g.lane_id) into lane_ids from gone g;
  -- A statement of its own, so that it sees what was enqueued until the lanes were locked.
  update creel.lanes l
  set hopeless_since = null, head = (select i.seq from creel.items i where i.lane_id = l.id order by i.seq limit 1)
  where l.id = any (lane_ids);
end
$$;

revoke all on function creel.knobs(), creel.backoff(int), creel.max_given_back(), creel.settle(creel.settlement[])
  from public, anon, authenticated, service_role;
revoke all on type creel.settlement from public;
