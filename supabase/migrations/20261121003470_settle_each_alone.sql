-- A sweep ends what belongs to everybody: an item that cannot be settled must not keep the others from it.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- The caller has locked the lanes of these items. A charged item whose attempts are used up dies. Answers the
-- status of each, in its queue's own words, by its token.
create or replace function creel.settle(settlements creel.settlement[]) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  knobs creel.settings;
  fated record;
  status text;
  statuses jsonb := '{}'::jsonb;
begin
  if coalesce(cardinality(settlements), 0) = 0 then
    return statuses;
  end if;

  -- One round for all of one queue that end alike; nearly always there is but one.
  for fated in
    select
      s.queue, f.fate, array_agg(s.lane_id) as lane_ids, array_agg(s.seq) as seqs, array_agg(s.item_id) as item_ids,
      array_agg(s.result) as results, array_agg(s.token::text) as tokens, array_agg(s.attempts) as attempts,
      array_agg(case when s.disposition in ('back', 'given_back') then 'attempts' else s.reason end) as reasons,
      array_agg(s.lane_id) filter (
        where s.disposition = 'given_back' and s.given_back < creel.max_given_back()) as uncharged,
      array_agg(s.lane_id) filter (where s.pause) as pausing
    from unnest(settlements) s
    cross join lateral (
      select case
        when s.disposition in ('done', 'dead') then s.disposition
        when (s.disposition = 'back' or s.given_back >= creel.max_given_back()) and s.attempts >= s.max_attempts
          then 'dead'
        else 'waiting' end as fate) f
    group by s.queue, f.fate
  loop
    status := creel.settle_rows(fated.queue, fated.item_ids, fated.fate, fated.results);
    perform creel.after_settled(fated.queue, fated.item_ids);
    statuses := statuses || jsonb_object(
      array_remove(fated.tokens, null),
      array_fill(status, array[cardinality(array_remove(fated.tokens, null))]));

    if fated.fate = 'waiting' then
      knobs := creel.knobs();
      update creel.lanes l
      set token = null, session_id = null, expires_at = null,
          not_before = case when l.id = any (fated.pausing)
            then now() + creel.backoff(l.attempts, knobs) else '-infinity' end,
          attempts = case when l.id = any (fated.uncharged) then greatest(l.attempts - 1, 0) else l.attempts end,
          given_back = case when l.id = any (fated.uncharged) then l.given_back + 1 else l.given_back end
      where l.id = any (fated.lane_ids) and l.head = any (fated.seqs);
      continue;
    end if;

    if fated.fate = 'dead' then
      insert into creel.dead_letters (item_id, queue, project_id, agent_key, attempts, reason)
      select d.item_id, fated.queue, l.project_id, l.agent_key, d.attempts, d.reason
      from unnest(fated.item_ids, fated.lane_ids, fated.attempts, fated.reasons)
        as d (item_id, lane_id, attempts, reason)
      join creel.lanes l on l.id = d.lane_id
      on conflict (item_id) do update set
        queue = excluded.queue, project_id = excluded.project_id, agent_key = excluded.agent_key,
        attempts = excluded.attempts, reason = excluded.reason, died_at = now();
    end if;
    -- The lanes are locked, so that what was enqueued until then is seen here.
    with gone as (delete from creel.items i where i.item_id = any (fated.item_ids))
    update creel.lanes l
    set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
        attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
          select i.seq, i.item_id, i.queue, i.max_attempts
          from creel.items i where i.lane_id = l.id and i.seq <> all (fated.seqs) order by i.seq limit 1)
    where l.id = any (fated.lane_ids) and l.head = any (fated.seqs);
  end loop;
  return statuses;
end
$$;

-- One item that could not be settled with the others. Somebody who holds a row of it is not waited for long.
create function creel.settle_alone(settlement creel.settlement) returns boolean
language plpgsql set search_path = '' set lock_timeout = '50ms' as $$
begin
  perform creel.settle(array[settlement]);
  return true;
exception when others then
  raise warning 'settle item % of %: %', settlement.item_id, settlement.queue, sqlerrm;
  return false;
end
$$;

-- Settles these together, and where that fails, each alone. Answers what failed; after twenty of them the rest is left
-- to the next time.
create function creel.settle_each(settlements creel.settlement[]) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  settlement creel.settlement;
  failed uuid[] := array[]::uuid[];
begin
  begin
    perform creel.settle(settlements);
    return failed;
  exception when others then
    raise warning 'settle % items: %', cardinality(settlements), sqlerrm;
  end;
  foreach settlement in array settlements loop
    exit when cardinality(failed) >= 20;
    if not creel.settle_alone(settlement) then
      failed := failed || settlement.item_id;
    end if;
  end loop;
  return failed;
end
$$;

-- What no longer makes sense to wait for: the item's own deadline, or no host for queue_ttl.
create or replace function creel.sweep_hopeless() returns int
language plpgsql set search_path = '' as $$
declare
  patience constant timestamptz := now() - (creel.knobs()).queue_ttl_secs * interval '1 second';
  lane_ids bigint[];
  settlements creel.settlement[];
  failed uuid[];
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
  failed := creel.settle_each(settlements);
  -- So that they are not in the way of the others, these are looked at again in a while.
  if failed <> '{}' then
    update creel.items i set deadline_at = now() + interval '10 seconds'
    where i.item_id = any (failed) and i.deadline_at <= now();
    update creel.lanes l set hopeless_since = now()
    where l.id = any (lane_ids) and l.item_id = any (failed) and l.hopeless_since is not null;
  end if;
  return cardinality(settlements) - cardinality(failed);
end
$$;

revoke all on function creel.settle_alone(creel.settlement), creel.settle_each(creel.settlement[])
  from public, anon, authenticated, service_role;
