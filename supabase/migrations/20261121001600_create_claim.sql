-- claim: what a host asks for when it has room.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- An unknown version of these functions' arguments is refused by name, so that an older worker says
-- "upgrade" and not "syntax error".
create function creel.require_api(args jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if args -> 'api' is distinct from '1'::jsonb then
    raise exception 'this database speaks version 1 of the host functions, not %', coalesce(args ->> 'api', 'none')
      using errcode = 'PT426', hint = 'Upgrade Creel on the host or in the database, so that both are of one version.';
  end if;
end
$$;

create function creel.projects_of_host(host uuid) returns text[]
language plpgsql stable set search_path = '' as $$
begin
  return array(select p.project_id from public.project_hosts p where p.host_id = host);
end
$$;

-- A token is the fence of one lease: 64 bits that say which lane it is about, so that no index on tokens is needed,
-- and 64 random ones.
create function creel.lane_of_token(token uuid) returns bigint
language plpgsql immutable set search_path = '' as $$
begin
  return ('x' || left(replace(token::text, '-', ''), 16))::bit(64)::bigint;
end
$$;

-- Gives unplaced agents to a host, as many as it has room for, and answers how many lanes became its own.
create function creel.place(host uuid, projects text[], most int) returns int
language plpgsql set search_path = '' as $$
declare
  room int;
  chosen bigint[];
begin
  if not exists (
    select from creel.lanes l
    where l.host_id is null and l.token is null and l.head is not null and l.project_id = any (projects)
  ) then
    return 0;
  end if;
  -- The host's row orders two claims of one host, so that neither capacity nor ids are given twice. What is counted
  -- is counted by a statement of its own, after the wait for that row.
  perform 1 from public.hosts h where h.id = host for no key update;
  select h.capacity - (select count(*) from public.agents a where a.host_id = host and a.status <> 'removed')
  into room from public.hosts h where h.id = host;
  chosen := array(
    select l.id from creel.lanes l join public.agents a using (project_id, agent_key)
    where l.host_id is null and l.token is null and l.head is not null and l.not_before <= now()
      and l.project_id = any (projects) and a.host_id is null
    order by l.priority desc, l.head limit greatest(least(most, room), 0)
    for no key update of l, a skip locked
  );
  -- Whatever it was on a host that is gone, here it is to be made anew.
  update public.agents a set host_id = host, openclaw_id = null, provisioned = false, workspace_path = null
  from creel.lanes l
  where l.id = any (chosen) and a.project_id = l.project_id and a.agent_key = l.agent_key;
  return cardinality(chosen);
end
$$;

-- The id that an agent gets in its host's OpenClaw: the short one, unless another agent has it there. Null when the
-- short id is none; the worker then says on the row what is wrong with it.
create function creel.choose_openclaw_id(agent public.agents) returns text
language sql volatile set search_path = '' as $$
  select c.id
  from (select coalesce(agent.agent_id_short, creel.short_of_key(agent.agent_key)) as wish) w
  cross join lateral (values
    (1, w.wish),
    (2, left(w.wish, 50) || '-' || substr(replace(agent.id::text, '-', ''), 1, 12)),
    (3, left(w.wish, 30) || '-' || replace(gen_random_uuid()::text, '-', ''))
  ) as c (rank, id)
  where creel.is_agent_id(w.wish) and not exists (
    select from public.agents o where o.host_id = agent.host_id and o.openclaw_id = c.id and o.id <> agent.id)
  order by c.rank limit 1
$$;

-- Answers whether an agent got an id.
create function creel.name_agents(host uuid, lane_ids bigint[]) returns boolean
language plpgsql set search_path = '' as $$
declare
  agent public.agents;
  chosen text;
  some_named boolean := false;
begin
  perform 1 from public.hosts h where h.id = host for no key update;
  for agent in
    select a.* from creel.lanes l join public.agents a using (project_id, agent_key)
    where l.id = any (lane_ids) and a.openclaw_id is null order by l.head
  loop
    chosen := creel.choose_openclaw_id(agent);
    if chosen is not null then
      update public.agents a set openclaw_id = chosen where a.id = agent.id;
      some_named := true;
    end if;
  end loop;
  return some_named;
end
$$;

-- Leases free lanes of this host, in order. Answers parallel arrays.
-- "is true" keeps the projects from being looked up by an index of their own: the lanes of this host in their order
-- are what is wanted, however old the statistics are.
create function creel.lease_lanes(
  host uuid, projects text[], session uuid, most int, lease interval,
  out lane_ids bigint[], out item_ids uuid[], out queues text[], out tokens uuid[], out attempts int[],
  out max_attempts int[], out project_ids text[], out agent_keys text[]
)
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin
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

-- The public rows of these items, marked as taken; null for one that somebody is deleting at this moment.
create function creel.take_all_rows(queues text[], item_ids uuid[], woken text) returns json[]
language plpgsql set search_path = '' as $$
declare
  only_queue constant text := queues[1];
  one_queue text;
  ids uuid[];
  places int[];
  own_docs json[];
  docs json[];
begin
  if only_queue = all (queues) then
    docs := creel.take_rows(only_queue, item_ids, woken);
    perform creel.after_taken(only_queue, creel.ids_with_row(item_ids, docs));
    return docs;
  end if;
  docs := array_fill(null::json, array[cardinality(queues)]);
  foreach one_queue in array array(select distinct q from unnest(queues) q order by q) loop
    places := array_positions(queues, one_queue);
    ids := array(select item_ids[o.place] from unnest(places) with ordinality as o (place, n) order by o.n);
    own_docs := creel.take_rows(one_queue, ids, woken);
    perform creel.after_taken(one_queue, creel.ids_with_row(ids, own_docs));
    for n in 1 .. cardinality(places) loop
      docs[places[n]] := own_docs[n];
    end loop;
  end loop;
  return docs;
end
$$;

create function creel.ids_with_row(ids uuid[], docs json[]) returns uuid[]
language plpgsql immutable set search_path = '' as $$
begin
  return array(select n.id from unnest(ids, docs) as n (id, doc) where n.doc is not null);
end
$$;

-- Leases what is there and reads what a worker needs of it. taken says how many lanes were leased, for whatever
-- became of them.
create function creel.claim_some(
  host uuid, projects text[], session uuid, most int, woken text, lease interval, out items json[], out taken int
)
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  leased record;
  docs json[];
  some_unnamed boolean;
begin
  leased := creel.lease_lanes(host, projects, session, most, lease);
  taken := coalesce(cardinality(leased.lane_ids), 0);
  if taken = 0 then
    return;
  end if;
  docs := creel.take_all_rows(leased.queues, leased.item_ids, woken);
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

-- Whoever waits for a lock longer than lock_timeout gives way before Postgres looks for a deadlock: a host can try
-- again, a person who deletes a row should not have to.
-- What enable_seqscan = off forbids and is done nevertheless counts as so dear that Postgres would compile it, which
-- takes a hundred times as long as to run it: hence jit = off in all that the hosts call.
create function public.claim(jsonb) returns json
language plpgsql security definer
set search_path = '' set enable_seqscan = off set jit = off set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  session constant uuid := ($1 ->> 'session')::uuid;
  most constant int := least(greatest(($1 ->> 'limit')::int, 0), 1000);
  woken constant text := $1 ->> 'woken_by';
  lease_ms constant int := (creel.knobs()).lease_secs * 1000;
  lease constant interval := lease_ms * interval '1 millisecond';
  projects constant text[] := creel.projects_of_host(host);
  claimed json[];
  more json[];
  taken int;
begin
  perform creel.require_api($1);
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;
  if most > 0 and (select h.status not in ('draining', 'retired') from public.hosts h where h.id = host) then
    select c.items, c.taken into claimed, taken from creel.claim_some(host, projects, session, most, woken, lease) c;
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

comment on function public.claim(jsonb) is
  'Host function: {api, session, limit, woken_by} -> {items[], lease_ms}. Each item has a token, the fence of every '
  'later write about it; its lease lasts lease_ms unless a tick renews it.';

revoke all on function creel.require_api(jsonb), creel.projects_of_host(uuid), creel.place(uuid, text[], int),
  creel.lane_of_token(uuid), creel.choose_openclaw_id(public.agents), creel.name_agents(uuid, bigint[]),
  creel.lease_lanes(uuid, text[], uuid, int, interval), creel.take_all_rows(text[], uuid[], text),
  creel.ids_with_row(uuid[], json[]), creel.claim_some(uuid, text[], uuid, int, text, interval), public.claim(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.claim(jsonb) to creel_host;
