-- A claim that finds one item, as most do on a host that waits for work: without a detour by arrays.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Leases what is there and reads what a worker needs of it. taken says how many lanes were leased, for whatever
-- became of them.
create or replace function creel.claim_some(
  host uuid, projects text[], session uuid, most int, woken text, lease interval, out items json[], out taken int
)
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  leased record;
  docs json[];
  doc json;
  agent json;
  agent_is_named boolean;
  some_unnamed boolean;
begin
  leased := creel.lease_lanes(host, projects, session, most, lease);
  taken := coalesce(cardinality(leased.lane_ids), 0);
  if taken = 0 then
    return;
  end if;
  if taken = 1 then
    doc := creel.take_row(leased.queues[1], leased.item_ids[1], woken);
    if doc is not null then
      select row_to_json(a.*), a.openclaw_id is not null into agent, agent_is_named
      from public.agents a where a.project_id = leased.project_ids[1] and a.agent_key = leased.agent_keys[1];
      if agent_is_named then
        items := array[json_build_object(
          'id', leased.item_ids[1], 'queue', leased.queues[1], 'token', leased.tokens[1],
          'attempt', leased.attempts[1], 'max_attempts', leased.max_attempts[1], 'row', doc, 'agent', agent)];
        return;
      end if;
    end if;
    docs := array[doc];
  else
    docs := creel.take_all_rows(leased.queues, leased.item_ids, woken);
  end if;
  if cardinality(creel.ids_with_row(leased.item_ids, docs)) < taken then
    -- Somebody is deleting these: their lease is undone. For a second they are not in the way of the others.
    update creel.lanes l
    set token = null, session_id = null, expires_at = null, attempts = l.attempts - 1,
        not_before = now() + interval '1 second'
    where l.id = any (array(
      select n.lane_id from unnest(leased.lane_ids, docs) as n (lane_id, doc) where n.doc is null));
  end if;
  loop
    select
      array_agg(json_build_object(
        'id', n.item_id, 'queue', n.queue, 'token', n.token, 'attempt', n.attempts, 'max_attempts', n.max_attempts,
        'row', n.doc, 'agent', a.doc)),
      bool_or(a.openclaw_id is null)
    into items, some_unnamed
    from unnest(
      leased.item_ids, leased.queues, leased.tokens, leased.attempts, leased.max_attempts, leased.project_ids,
      leased.agent_keys, docs)
      as n (item_id, queue, token, attempts, max_attempts, project_id, agent_key, doc)
    cross join lateral (
      select row_to_json(g.*) as doc, g.openclaw_id
      from public.agents g where g.project_id = n.project_id and g.agent_key = n.agent_key limit 1) a
    where n.doc is not null;
    exit when not coalesce(some_unnamed, false) or not creel.name_agents(host, leased.lane_ids);
  end loop;
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
  lease interval;
  projects text[];
  may_take boolean;
  claimed json[];
  more json[];
  part record;
  taken int;
begin
  if $1 -> 'api' is distinct from '1' then
    perform creel.require_api($1);
  end if;
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;
  select s.lease_secs * 1000, h.status not in ('draining', 'retired'),
    array(select p.project_id from public.project_hosts p where p.host_id = host)
  into lease_ms, may_take, projects
  from creel.settings s cross join public.hosts h where h.id = host;
  lease := lease_ms * interval '1 millisecond';
  if most > 0 and may_take then
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
