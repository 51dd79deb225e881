-- How an item ends, or goes back: the one place where a lease is given up.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function creel.knobs() returns creel.settings
language plpgsql stable set search_path = '' as $$
declare
  knobs creel.settings;
begin
  select * into strict knobs from creel.settings;
  return knobs;
end
$$;

create function creel.backoff(attempts int, knobs creel.settings) returns interval
language plpgsql immutable set search_path = '' as $$
begin
  return least(
    knobs.backoff_base_secs * power(2, least(greatest(attempts, 1) - 1, 20)),
    knobs.backoff_max_secs) * interval '1 second';
end
$$;

-- How often an item may be given back at no attempt: a host that claims and gives back for ever comes to an end.
create function creel.max_given_back() returns int
language sql immutable set search_path = '' as $$ select 20 $$;

-- What is to become of one item. disposition: done, back (another attempt, charged), given_back (another attempt,
-- not charged) or dead. reason: of the death, see dead_letters. pause: whether the usual backoff comes before the
-- next attempt. token: where the caller wants to know what became of it.
create type creel.settlement as (
  lane_id bigint, seq bigint, item_id uuid, queue text, attempts int, max_attempts int, given_back int, token uuid,
  disposition text, reason text, result jsonb, pause boolean
);

-- The caller has locked the lanes of these items. A charged item whose attempts are used up dies. Answers the
-- status of each, in its queue's own words, by its token.
create function creel.settle(settlements creel.settlement[]) returns jsonb
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
      join creel.lanes l on l.id = d.lane_id;
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

revoke all on function creel.knobs(), creel.backoff(int, creel.settings), creel.max_given_back(),
  creel.settle(creel.settlement[])
  from public, anon, authenticated, service_role;
revoke all on type creel.settlement from public;
