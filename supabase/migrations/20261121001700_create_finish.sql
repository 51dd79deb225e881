-- What a host says about the items that it holds. Every write carries the token as its fence, and a host that no
-- longer serves the project holds nothing.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- The head of the lane that this token holds, if it is this host's and still in force. It locks the lane.
create function creel.held_item(host uuid, held_token uuid) returns creel.items
language plpgsql set search_path = '' as $$
declare
  held creel.items;
  head bigint;
begin
  select l.head into head from creel.lanes l
  where l.token = held_token and l.host_id = host and l.expires_at > now()
    and l.project_id = any (creel.projects_of_host(host)) for update;
  select * into held from creel.items i where i.seq = head;
  return held;
end
$$;

create function public.progress(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  held creel.items;
  registered creel.queues;
begin
  held := creel.held_item(creel.require_host(), ($1 ->> 'token')::uuid);
  perform creel.require_api($1);
  if held.seq is null then
    return jsonb_build_object('held', false);
  end if;
  select * into strict registered from creel.queues q where q.queue = held.queue;
  execute format('update %s t set result = $2 where t.id = $1', registered.tbl) using held.item_id, $1 -> 'result';
  return jsonb_build_object('held', true);
end
$$;

comment on function public.progress(jsonb) is
  'Host function: {api, token, result} -> {held}. Shows result on the row while it is at work.';

create function public.finish(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  given constant jsonb := coalesce($1 -> 'items', '[]');
  settlements creel.settlement[];
  applied uuid[];
  items jsonb;
begin
  perform creel.require_api($1);
  if jsonb_array_length(given) > 1000 then
    raise exception 'too many items in one call: the limit is 1000' using errcode = '22023';
  end if;
  with held as (
    select l.token, l.head, l.id from creel.lanes l
    where l.token in (select (g ->> 'token')::uuid from jsonb_array_elements(given) g)
      and l.host_id = host and l.expires_at > now() and l.project_id = any (creel.projects_of_host(host))
    order by l.id for update
  )
  select
    array_agg((
      h.head,
      case once.g ->> 'outcome' when 'done' then 'done' when 'retry' then 'back' when 'failed' then 'dead' end,
      'failed', once.g -> 'result', null)::creel.settlement),
    array_agg(h.token)
  into settlements, applied
  from held h
  cross join lateral (
    select e.g from jsonb_array_elements(given) e (g) where (e.g ->> 'token')::uuid = h.token limit 1) once;

  if exists (select from unnest(settlements) s where s.disposition is null) then
    raise exception 'outcome must be done, retry or failed' using errcode = '22023';
  end if;

  -- Read before they are settled: afterwards there is no item to be found by the token.
  select jsonb_agg(jsonb_build_object(
    'token', g ->> 'token',
    'applied', coalesce((g ->> 'token')::uuid = any (applied), false),
    'status', case
      when not coalesce((g ->> 'token')::uuid = any (applied), false) then null
      when g ->> 'outcome' = 'done' then q.done
      when g ->> 'outcome' = 'failed' or i.attempts >= i.max_attempts then q.dead
      else q.waiting end) order by position)
  into items
  from jsonb_array_elements(given) with ordinality as e (g, position)
  left join creel.lanes l on l.token = (g ->> 'token')::uuid
  left join creel.items i on i.seq = l.head
  left join creel.queues q on q.queue = i.queue;

  perform creel.settle(settlements);
  return jsonb_build_object('items', coalesce(items, '[]'), 'work', creel.has_work(host));
end
$$;

comment on function public.finish(jsonb) is
  'Host function: {api, items: [{token, outcome: done|retry|failed, result}]} -> {items: [{token, applied, status}], '
  'work}. A token that is no longer in force changes nothing: applied is false.';

-- Whether a claim of this host would find something.
create function creel.has_work(host uuid) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from creel.lanes l
    where l.host_id = host and l.token is null and l.head is not null and l.not_before <= now()
      and l.project_id = any (creel.projects_of_host(host)))
  or exists (
    select from creel.lanes l
    where l.host_id is null and l.token is null and l.head is not null and l.not_before <= now()
      and l.project_id = any (creel.projects_of_host(host))
      and (select h.capacity from public.hosts h where h.id = host)
        > (select count(*) from public.agents a where a.host_id = host and a.status <> 'removed'))
$$;

create function public.release(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  session constant uuid := ($1 ->> 'session')::uuid;
  others constant boolean := coalesce(($1 ->> 'others')::boolean, false);
  settlements creel.settlement[];
  lane_ids bigint[];
begin
  perform creel.require_api($1);
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;
  with held as (
    select l.id, l.head, l.session_id from creel.lanes l
    where l.host_id = host and l.token is not null
      and case when l.session_id = session
        then l.token in (select t::uuid from jsonb_array_elements_text(coalesce($1 -> 'tokens', '[]')) t)
        else others end
    order by l.id for update
  )
  select
    array_agg((
      h.head, case when h.session_id = session then 'given_back' else 'back' end, null, null, interval '0'
    )::creel.settlement),
    array_agg(h.id)
  into settlements, lane_ids from held h;
  perform creel.settle(settlements);
  perform creel.notify_lanes(lane_ids);
  return jsonb_build_object('released', coalesce(cardinality(settlements), 0));
end
$$;

comment on function public.release(jsonb) is
  'Host function: {api, session, tokens[], others} -> {released}. Gives back what this session holds, at no attempt; '
  'with others also what dead sessions of this host held, whose attempts stay charged.';

revoke all on function creel.held_item(uuid, uuid), creel.has_work(uuid),
  public.progress(jsonb), public.finish(jsonb), public.release(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.progress(jsonb), public.finish(jsonb), public.release(jsonb) to creel_host;
