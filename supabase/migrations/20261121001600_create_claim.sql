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
language sql stable set search_path = '' as $$
  select coalesce(array_agg(p.project_id), '{}') from public.project_hosts p where p.host_id = host
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

create function creel.name_agents(host uuid, lane_ids bigint[]) returns void
language plpgsql set search_path = '' as $$
declare
  agent public.agents;
  chosen text;
begin
  if not exists (
    select from creel.lanes l join public.agents a using (project_id, agent_key)
    where l.id = any (lane_ids) and a.openclaw_id is null
  ) then
    return;
  end if;
  perform 1 from public.hosts h where h.id = host for no key update;
  for agent in
    select a.* from creel.lanes l join public.agents a using (project_id, agent_key)
    where l.id = any (lane_ids) and a.openclaw_id is null order by l.head
  loop
    chosen := creel.choose_openclaw_id(agent);
    if chosen is not null then
      update public.agents a set openclaw_id = chosen where a.id = agent.id;
    end if;
  end loop;
end
$$;

-- Undoes the lease of items that cannot be had after all; answers the lanes that are left.
create function creel.unlease(lane_ids bigint[], item_ids uuid[]) returns bigint[]
language plpgsql set search_path = '' as $$
begin
  if item_ids = '{}' then
    return lane_ids;
  end if;
  update creel.items i set attempts = i.attempts - 1 where i.item_id = any (item_ids);
  update creel.lanes l set token = null, session_id = null, expires_at = null
  from creel.items i where i.item_id = any (item_ids) and l.id = i.lane_id and l.head = i.seq;
  return array(
    select id from unnest(lane_ids) id
    where not exists (select from creel.items i where i.lane_id = id and i.item_id = any (item_ids)));
end
$$;

-- Whoever waits for a lock longer than lock_timeout gives way before Postgres looks for a deadlock: a host can try
-- again, a person who deletes a row should not have to.
create function public.claim(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  session constant uuid := ($1 ->> 'session')::uuid;
  most int := least(greatest(($1 ->> 'limit')::int, 0), 1000);
  woken constant text := $1 ->> 'woken_by';
  lease_ms constant int := (creel.knobs()).lease_secs * 1000;
  projects constant text[] := creel.projects_of_host(host);
  lane_ids bigint[];
  seqs bigint[];
  registered creel.queues;
  ids uuid[];
  public_rows jsonb := '{}'::jsonb;
  updated jsonb;
  taken uuid[];
  items jsonb;
begin
  perform creel.require_api($1);
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;
  if most > 0 and (select h.status not in ('draining', 'retired') from public.hosts h where h.id = host) then
    if most > (
      select count(*) from (
        select from creel.lanes c
        where c.token is null and c.head is not null and c.host_id = host and c.not_before <= now()
          and c.project_id = any (projects)
        limit most) own
    ) then
      perform creel.place(host, projects, most);
    end if;

    with leased as (
      update creel.lanes u
      set token = gen_random_uuid(), session_id = session, hopeless_since = null,
          expires_at = now() + lease_ms * interval '1 millisecond'
      where u.id = any (array(
        select c.id from creel.lanes c
        where c.token is null and c.head is not null and c.host_id = host and c.not_before <= now()
          and c.project_id = any (projects)
        order by c.priority desc, c.head limit most
        for update skip locked))
      returning u.id, u.head
    )
    select array_agg(l.id), array_agg(l.head) into lane_ids, seqs from leased l;
  end if;
  if lane_ids is null then
    return jsonb_build_object('items', '[]'::jsonb, 'lease_ms', lease_ms);
  end if;

  perform creel.name_agents(host, lane_ids);
  update creel.items i set attempts = i.attempts + 1 where i.seq = any (seqs);

  for registered in
    select q.* from creel.queues q where q.queue in (select i.queue from creel.items i where i.seq = any (seqs))
  loop
    ids := array(select i.item_id from creel.items i where i.seq = any (seqs) and i.queue = registered.queue);
    execute format(
      'with free as (select t.id from %1$s t where t.id = any ($1) for update skip locked),
       t as (
         update %1$s t set status = %2$L, %3$I = now(), waiting_for = null, woken_by = $2 from free
         where t.id = free.id returning t.*)
       select coalesce(jsonb_object_agg(t.id, to_jsonb(t.*)), ''{}''), coalesce(array_agg(t.id), ''{}'') from t',
      registered.tbl, registered.taken, registered.taken_at)
    into updated, taken using ids, woken;
    public_rows := public_rows || updated;
    -- Somebody is deleting the others at this moment.
    lane_ids := creel.unlease(lane_ids, array(select i from unnest(ids) i where i <> all (taken)));
    ids := taken;
    if registered.on_taken is not null then
      execute format('select creel.%I($1)', registered.on_taken) using ids;
    end if;
  end loop;

  select jsonb_agg(jsonb_build_object(
    'id', i.item_id, 'queue', i.queue, 'token', l.token, 'attempt', i.attempts, 'max_attempts', i.max_attempts,
    'row', public_rows -> i.item_id::text, 'agent', to_jsonb(a.*)) order by i.seq)
  into items
  from creel.lanes l
  join creel.items i on i.seq = l.head
  join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
  where l.id = any (lane_ids);
  return jsonb_build_object('items', coalesce(items, '[]'), 'lease_ms', lease_ms);
end
$$;

comment on function public.claim(jsonb) is
  'Host function: {api, session, limit, woken_by} -> {items[], lease_ms}. Each item has a token, the fence of every '
  'later write about it; its lease lasts lease_ms unless a tick renews it.';

revoke all on function creel.require_api(jsonb), creel.projects_of_host(uuid), creel.place(uuid, text[], int),
  creel.choose_openclaw_id(public.agents), creel.name_agents(uuid, bigint[]),
  creel.unlease(bigint[], uuid[]), public.claim(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.claim(jsonb) to creel_host;
