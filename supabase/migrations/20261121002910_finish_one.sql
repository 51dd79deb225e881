-- One item that is done, as most are: in as few statements as there are locks to take.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Beside what creel.write_queue_functions() writes for many items of a queue.
create function creel.write_one_item_functions() returns void
language plpgsql set search_path = '' as $write$
declare
  unknown constant text := $part$
  raise exception 'queue % is not registered', for_queue using errcode = '22023';
end
$$
$part$;
begin
  -- Answers the row; null if somebody is deleting it.
  execute $part$
create or replace function creel.take_row(for_queue text, row_id uuid, woken text) returns json
language plpgsql set search_path = '' as $$
#variable_conflict use_variable
declare
  doc json;
begin
$part$ || creel.queue_branches($part$    update %1$s t set status = %3$L, %6$I = now(), waiting_for = null, woken_by = woken
    where t.id = (select f.id from %1$s f where f.id = row_id for no key update skip locked)
    returning row_to_json(t.*) into doc;
    if doc is not null then
      perform creel.after_taken(for_queue, array[row_id]);
    end if;
    return doc;$part$) || unknown;

  -- An item that is done: its row, itself and its lane, which the caller has locked. Answers what the queue calls that.
  execute $part$
create or replace function creel.settle_done(
  for_queue text, settled_lane bigint, settled_seq bigint, row_id uuid, new_result jsonb) returns text
language plpgsql set search_path = '' as $$
#variable_conflict use_variable
begin
$part$ || creel.queue_branches($part$    with settled as (
      update %1$s t set status = %4$L, result = coalesce(new_result, t.result), waiting_for = null, %7$I = now()
      where t.id = row_id),
    gone as (delete from creel.items i where i.lane_id = settled_lane and i.seq = settled_seq)
    update creel.lanes l
    set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
        attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
          select i.seq, i.item_id, i.queue, i.max_attempts
          from creel.items i where i.lane_id = settled_lane and i.seq > settled_seq order by i.seq limit 1)
    where l.id = settled_lane;
    perform creel.after_settled(for_queue, array[row_id]);
    return %4$L;$part$) || unknown;
end
$write$;

create or replace function creel.queues_written() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform creel.write_queue_functions();
  perform creel.write_one_item_functions();
  return null;
end
$$;

select creel.write_one_item_functions();

-- The answer of finish for one item that is done. Two statements, as the second has to see what was enqueued until the
-- first had the lane.
create function creel.finish_one(host uuid, projects text[], finished jsonb) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  held_token constant uuid := (finished ->> 'token')::uuid;
  lane_id constant bigint := creel.lane_of_token(held_token);
  lane record;
  status text;
begin
  select l.queue, l.head, l.item_id into lane from creel.lanes l
  where l.id = lane_id and (
    l.token = held_token and l.host_id = host and l.expires_at > now() and l.project_id = any (projects)) is true
  for no key update;
  if found then
    status := creel.settle_done(lane.queue, lane_id, lane.head, lane.item_id, finished -> 'result');
  end if;
  return jsonb_build_object(
    'items', jsonb_build_array(
      jsonb_build_object('token', finished -> 'token', 'applied', status is not null, 'status', status)),
    'work', creel.has_work(host, projects));
end
$$;

create or replace function public.finish(jsonb) returns jsonb
language plpgsql security definer
set search_path = '' set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan
set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  projects constant text[] := creel.projects_of_host(host);
  given constant jsonb := coalesce($1 -> 'items', '[]');
  by_token jsonb;
  lane_ids bigint[];
  settlements creel.settlement[];
  statuses jsonb;
  items jsonb;
begin
  perform creel.require_api($1);
  if jsonb_array_length(given) = 1 and given #>> '{0,outcome}' = 'done' and given #>> '{0,token}' is not null then
    return creel.finish_one(host, projects, given -> 0);
  end if;
  if jsonb_array_length(given) > 1000 then
    raise exception 'too many items in one call: the limit is 1000' using errcode = '22023';
  end if;
  select jsonb_object_agg(e.token, e.g), array_agg(creel.lane_of_token(e.token)) into by_token, lane_ids
  from (select (g ->> 'token')::uuid as token, g from jsonb_array_elements(given) g) e where e.token is not null;

  -- The fence: what is not held any more is not among these. Found by their lanes alone, for a plan that is as good
  -- for one as for many.
  select array_agg((
    l.id, l.head, l.item_id, l.queue, l.attempts, l.max_attempts, l.given_back, l.token,
    case g.e ->> 'outcome' when 'done' then 'done' when 'retry' then 'back' when 'failed' then 'dead' end,
    'failed', g.e -> 'result', true)::creel.settlement)
  into settlements
  from (
    select * from creel.lanes k
    where k.id = any (lane_ids) and (
      by_token ? k.token::text and k.host_id = host and k.expires_at > now() and k.project_id = any (projects)) is true
    order by k.id for no key update) l
  cross join lateral (select by_token -> l.token::text as e) g;

  if exists (select from unnest(settlements) s where s.disposition is null) then
    raise exception 'outcome must be done, retry or failed' using errcode = '22023';
  end if;
  statuses := creel.settle(settlements);

  select jsonb_agg(jsonb_build_object('token', e.g -> 'token', 'applied', s.status is not null, 'status', s.status)
    order by e.position)
  into items
  from jsonb_array_elements(given) with ordinality as e (g, position)
  cross join lateral (select statuses ->> (e.g ->> 'token')::uuid::text as status) s;
  return jsonb_build_object('items', coalesce(items, '[]'), 'work', creel.has_work(host, projects));
end
$$;

revoke all on function creel.write_one_item_functions(), creel.take_row(text, uuid, text),
  creel.settle_done(text, bigint, bigint, uuid, jsonb), creel.finish_one(uuid, text[], jsonb)
  from public, anon, authenticated, service_role;
