-- What a host says about the items that it holds. Every write carries the token as its fence, and a host that no
-- longer serves the project holds nothing.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- The head of the lane that this token holds, if it is this host's and still in force. It locks the lane.
create function creel.held_item(host uuid, held_token uuid) returns creel.items
language plpgsql set search_path = '' as $$
declare
  lane_id constant bigint := creel.lane_of_token(held_token);
  projects constant text[] := creel.projects_of_host(host);
  held creel.items;
  lane creel.lanes;
begin
  select * into lane from creel.lanes l
  where l.id = lane_id and (
    l.token = held_token and l.host_id = host and l.expires_at > now() and l.project_id = any (projects)) is true
  for no key update;
  select * into held from creel.items i where i.lane_id = lane.id and i.seq = lane.head;
  return held;
end
$$;

create function public.progress(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  held creel.items;
begin
  held := creel.held_item(creel.require_host(), ($1 ->> 'token')::uuid);
  perform creel.require_api($1);
  if held.seq is null then
    return jsonb_build_object('held', false);
  end if;
  perform creel.show_result(held.queue, held.item_id, $1 -> 'result');
  return jsonb_build_object('held', true);
end
$$;

comment on function public.progress(jsonb) is
  'Host function: {api, token, result} -> {held}. Shows result on the row while it is at work.';

create function public.finish(jsonb) returns jsonb
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

comment on function public.finish(jsonb) is
  'Host function: {api, items: [{token, outcome: done|retry|failed, result}]} -> {items: [{token, applied, status}], '
  'work}. A token that is no longer in force changes nothing: applied is false.';

-- Whether a claim of this host would find something.
create function creel.has_work(host uuid, projects text[]) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin
  if exists (
    select from creel.lanes l
    where l.host_id = host and l.token is null and l.head is not null and l.not_before <= now()
      and (l.project_id = any (projects)) is true) then
    return true;
  end if;
  return exists (
    select from creel.lanes l
    where l.host_id is null and l.token is null and l.head is not null and l.not_before <= now()
      and l.project_id = any (projects))
  and (select h.capacity from public.hosts h where h.id = host)
    > (select count(*) from public.agents a where a.host_id = host and a.status <> 'removed');
end
$$;

create function public.release(jsonb) returns jsonb
language plpgsql security definer
set search_path = '' set enable_seqscan = off set jit = off set lock_timeout = '800ms' as $$
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
  select
    array_agg((
      l.id, l.head, l.item_id, l.queue, l.attempts, l.max_attempts, l.given_back, l.token,
      case when l.session_id = session then 'given_back' else 'back' end, null, null, false
    )::creel.settlement),
    array_agg(l.id)
  into settlements, lane_ids
  from (
    select * from creel.lanes k
    where k.host_id = host and k.token is not null
      and case when k.session_id = session
        then k.token in (select t::uuid from jsonb_array_elements_text(coalesce($1 -> 'tokens', '[]')) t)
        else others end
    order by k.id for no key update) l;
  perform creel.settle(settlements);
  perform creel.notify_lanes(lane_ids);
  return jsonb_build_object('released', coalesce(cardinality(settlements), 0));
end
$$;

comment on function public.release(jsonb) is
  'Host function: {api, session, tokens[], others} -> {released}. Gives back what this session holds, at no attempt; '
  'with others also what dead sessions of this host held, whose attempts stay charged.';

revoke all on function creel.held_item(uuid, uuid), creel.has_work(uuid, text[]),
  public.progress(jsonb), public.finish(jsonb), public.release(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.progress(jsonb), public.finish(jsonb), public.release(jsonb) to creel_host;
