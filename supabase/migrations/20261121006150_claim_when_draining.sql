-- A host that is draining takes nothing new, and lets nothing run that is not to run any more; and is asked whether the
-- agents answer that it has.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- most below nothing: as many at most, and only what a host does for the agents that it has while it is draining. A change
-- of settings among them, as it may be before what stops an agent.
create or replace function creel.lease_lanes(
  host uuid, projects text[], session uuid, most int, lease interval,
  out lane_ids bigint[], out item_ids uuid[], out queues text[], out tokens uuid[], out attempts int[],
  out max_attempts int[], out project_ids text[], out agent_keys text[]
)
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin
  if most < 0 then
    with leased as (
      update creel.lanes u
      set token = (lpad(to_hex(u.id), 16, '0') || '-' || right(gen_random_uuid()::text, 17))::uuid,
          session_id = session, hopeless_since = null, expires_at = now() + lease, attempts = u.attempts + 1
      where u.id = any (array(
        select c.id from creel.lanes c
        where c.token is null and c.head is not null and c.host_id = host and c.not_before <= now()
          and (c.project_id = any (projects)) is true
          and (c.queue = 'agent_canaries' or c.queue = 'agent_commands' and exists (
            select from public.agent_commands k
            where k.id = c.item_id and k.type in ('stop', 'undeploy', 'update_config')))
        order by c.priority desc, c.head limit -most
        for no key update skip locked))
      returning u.id, u.head, u.item_id, u.queue, u.token, u.attempts, u.max_attempts, u.project_id, u.agent_key
    )
    select
      array_agg(l.id), array_agg(l.item_id), array_agg(l.queue), array_agg(l.token), array_agg(l.attempts),
      array_agg(l.max_attempts), array_agg(l.project_id), array_agg(l.agent_key)
    into lane_ids, item_ids, queues, tokens, attempts, max_attempts, project_ids, agent_keys
    from (select * from leased order by leased.head) l;
    return;
  end if;
  with leased as (
    update creel.lanes u
    set token = (lpad(to_hex(u.id), 16, '0') || '-' || right(gen_random_uuid()::text, 17))::uuid,
        session_id = session, hopeless_since = null, expires_at = now() + lease, attempts = u.attempts + 1
    where u.id = any (array(
      select c.id from creel.lanes c
      where c.token is null and c.head is not null and c.host_id = host and c.not_before <= now()
        and (c.project_id = any (projects)) is true
      order by c.priority desc, c.head limit most
      for no key update skip locked))
    returning u.id, u.head, u.item_id, u.queue, u.token, u.attempts, u.max_attempts, u.project_id, u.agent_key
  )
  select
    array_agg(l.id), array_agg(l.item_id), array_agg(l.queue), array_agg(l.token), array_agg(l.attempts),
    array_agg(l.max_attempts), array_agg(l.project_id), array_agg(l.agent_key)
  into lane_ids, item_ids, queues, tokens, attempts, max_attempts, project_ids, agent_keys
  from (select * from leased order by leased.head) l;
end
$$;

create or replace function public.claim(jsonb) returns json
language plpgsql security definer
set search_path = '' set enable_seqscan = off set jit = off set lock_timeout = '800ms'
set plan_cache_mode = force_generic_plan as $$
declare
  host constant uuid := creel.require_host();
  session constant uuid := ($1 ->> 'session')::uuid;
  most constant int := least(greatest(($1 ->> 'limit')::int, 0), 1000);
  woken constant text := $1 ->> 'woken_by';
  lease_ms int;
  min_api int;
  lease interval;
  projects text[];
  status text;
  claimed json[];
  more json[];
  part record;
  taken int;
begin
  select s.lease_secs * 1000, h.status,
    array(select p.project_id from public.project_hosts p where p.host_id = host), s.min_api
  into lease_ms, status, projects, min_api
  from creel.settings s cross join public.hosts h where h.id = host;
  -- What is right most of the time is seen without a call.
  if $1 -> 'api' is distinct from '1' or min_api > 1 or pg_column_size($1) > 8388608 then
    perform creel.require_api($1);
  end if;
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;
  lease := lease_ms * interval '1 millisecond';
  if most > 0 and status = 'draining' then
    claimed := (creel.claim_some(host, projects, session, -most, woken, lease)).items;
  elsif most > 0 and status <> 'retired' then
    part := creel.claim_some(host, projects, session, most, woken, lease);
    claimed := part.items;
    taken := part.taken;
    if coalesce(cardinality(claimed), 0) < taken then
      select c.items into more
      from creel.claim_some(host, projects, session, most - coalesce(cardinality(claimed), 0), woken, lease) c;
      claimed := claimed || more;
      taken := coalesce(cardinality(claimed), 0);
    end if;
    if taken < most and creel.place(host, projects, most - taken) > 0 then
      select c.items into more from creel.claim_some(host, projects, session, most - taken, woken, lease) c;
      claimed := claimed || more;
    end if;
  end if;
  return json_build_object('items', array_to_json(coalesce(claimed, '{}')), 'lease_ms', lease_ms);
end
$$;
