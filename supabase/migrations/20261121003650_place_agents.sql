-- Which host an agent may live on: one that serves its project, has room, the tags that are asked for and the backend,
-- and where it may live beside those that are there.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table public.hosts
  add column backends text[] not null default '{shared}'
    constraint hosts_backends check (backends <@ array['shared', 'profile', 'docker', 'multipass']),
  add column tenancy text not null default 'single'
    constraint hosts_tenancy check (tenancy in ('single', 'trusted'));

update public.hosts h set tenancy = 'trusted' where exists (select from creel.host_logins l where l.host_id = h.id);

comment on column public.hosts.backends is
  'What its worker can run agents by, as it told with its last tick.';
comment on column public.hosts.tenancy is
  'trusted: agents of several projects may run as one user of this machine, and could read each other''s files. '
  'single: agents without a container or virtual machine of their own are of one project. A host with a login begins '
  'as trusted, one with a key as single.';

-- Whoever lets projects share a machine answers for all of them.
create function creel.check_tenancy() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if current_setting('role', true) = 'authenticated' and exists (
    select from public.project_hosts p
    where p.host_id = new.id and p.project_id <> all (creel.owned_projects())) then
    raise exception 'host % serves a project that is not yours', new.id
      using errcode = '42501', hint = 'Only where all its projects are yours may they share a machine.';
  end if;
  return new;
end
$$;

create trigger hosts_tenancy_trusted
  before update of tenancy on public.hosts for each row
  when (new.tenancy = 'trusted' and old.tenancy <> 'trusted') execute function creel.check_tenancy();

grant update (tenancy) on public.hosts to authenticated;

-- Whether an agent is kept from the files of the others on its machine.
create function creel.is_confined(backend text) returns boolean
language sql immutable set search_path = '' as $$
  select backend in ('docker', 'multipass')
$$;

-- Whether an agent may live beside those that a host has.
create function creel.may_neighbour(host public.hosts, project text, backend text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return host.tenancy = 'trusted' or not exists (
    select from public.agents o
    where o.host_id = host.id and o.status <> 'removed' and o.project_id <> project
      and not (creel.is_confined(o.backend) and creel.is_confined(may_neighbour.backend)));
end
$$;

-- agents.config.tags: one text or several, all of which the host must have.
create function creel.has_tags(host public.hosts, config jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(nullif(config -> 'tags', 'null'), '[]') <@ to_jsonb(host.tags)
$$;

create function creel.has_room(host public.hosts) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return host.capacity > (select count(*) from public.agents a where a.host_id = host.id and a.status <> 'removed');
end
$$;

-- The first lanes that wait for a host and that this one may take, as far as capacity is not asked; of the first
-- considered ones, if that is not null.
create function creel.placeable(host public.hosts, projects text[], most int, considered int) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
  tenants text[];
  unconfined text[];
  lane_ids bigint[];
begin
  if host.tenancy = 'single' then
    select coalesce(array_agg(distinct a.project_id), '{}'),
      coalesce(array_agg(distinct a.project_id) filter (where not creel.is_confined(a.backend)), '{}')
    into tenants, unconfined
    from public.agents a where a.host_id = host.id and a.status <> 'removed';
  end if;
  select array_agg(f.id order by f.priority desc, f.head)
    -- What comes first decides what may come beside it.
    filter (
      where host.tenancy = 'trusted'
        or case when f.first_confined then creel.is_confined(f.backend) else f.project_id = f.first_project end)
  into lane_ids
  from (
    select c.*, first_value(c.project_id) over w as first_project,
      first_value(creel.is_confined(c.backend)) over w as first_confined
    from (
      select l.id, l.priority, l.head, a.project_id, a.backend
      from (
        select f.id, f.priority, f.head, f.project_id, f.agent_key from creel.lanes f
        where f.host_id is null and f.token is null and f.head is not null and f.not_before <= now()
          and f.project_id = any (projects)
          -- What needs no host brings no agent to one: see creel.settle_without_host.
          and not (f.queue = 'agent_commands' and exists (
            select from public.agent_commands c
            where c.id = f.item_id and c.type in ('stop', 'undeploy', 'update_config')))
        order by f.priority desc, f.head limit considered) l
      join public.agents a using (project_id, agent_key)
      where a.host_id is null
        and a.backend = any (host.backends) and creel.has_tags(host, a.config)
        and (host.tenancy = 'trusted'
          or case when creel.is_confined(a.backend) then unconfined else tenants end <@ array[a.project_id])
      order by l.priority desc, l.head limit greatest(most, 0)) c
    window w as (order by c.priority desc, c.head)) f;
  return coalesce(lane_ids, '{}');
end
$$;

-- Gives unplaced agents to a host, as many as it has room for, and answers how many lanes became its own.
create or replace function creel.place(host uuid, projects text[], most int) returns int
language plpgsql set search_path = '' as $$
declare
  whole public.hosts;
  room int;
  chosen bigint[];
begin
  if not exists (
    select from creel.lanes l
    where l.host_id is null and l.token is null and l.head is not null and l.project_id = any (projects)
  ) then
    return 0;
  end if;
  -- The host's row orders two claims of one host, so that neither capacity nor ids are given twice, and no two projects
  -- come to where one may be. What is there is looked at by statements of their own, after the wait for that row.
  perform 1 from public.hosts h where h.id = host for no key update;
  select * into whole from public.hosts h where h.id = host;
  room := whole.capacity - (select count(*) from public.agents a where a.host_id = host and a.status <> 'removed');
  chosen := creel.placeable(whole, projects, least(most, room), null);
  -- Asked again of what is locked: somebody may have changed it in between.
  chosen := array(
    select l.id from creel.lanes l join public.agents a using (project_id, agent_key)
    where l.id = any (chosen) and l.host_id is null and l.token is null and l.head is not null
      and a.host_id is null and a.backend = any (whole.backends)
    order by l.priority desc, l.head
    for no key update of l, a skip locked
  );
  -- Whatever it was on a host that is gone, here it is to be made anew.
  update public.agents a set host_id = host, openclaw_id = null, provisioned = false, workspace_path = null
  from creel.lanes l
  where l.id = any (chosen) and a.project_id = l.project_id and a.agent_key = l.agent_key;
  return cardinality(chosen);
end
$$;

-- Whether a claim of this host would find something. Asked with every tick and finish, and so of what waits for a host
-- it looks at the beginning alone; a claim looks at all.
create or replace function creel.has_work(host uuid, projects text[]) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  whole public.hosts;
begin
  if exists (
    select from creel.lanes l
    where l.host_id = host and l.token is null and l.head is not null and l.not_before <= now()
      and (l.project_id = any (projects)) is true) then
    return true;
  end if;
  if not exists (
    select from creel.lanes l
    where l.host_id is null and l.token is null and l.head is not null and l.not_before <= now()
      and l.project_id = any (projects)) then
    return false;
  end if;
  select * into whole from public.hosts h where h.id = host;
  return creel.has_room(whole) and creel.placeable(whole, projects, 1, 100) <> '{}';
end
$$;

-- Whether a host that is there could take this agent in.
create function creel.could_take(host public.hosts, agent public.agents) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return agent.backend = any (host.backends) and creel.has_tags(host, agent.config)
    and creel.may_neighbour(host, agent.project_id, agent.backend) and creel.has_room(host);
end
$$;

-- A host that somebody wishes for must be one that serves the project and has room; and wherever an agent is, it
-- may not come to live with those of another project by its backend.
create or replace function creel.check_wished_host() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  host public.hosts;
begin
  if new.host_id is null
     or tg_op = 'UPDATE' and (new.host_id, new.backend) is not distinct from (old.host_id, old.backend) then
    return new;
  end if;
  perform 1 from public.hosts h where h.id = new.host_id for no key update;
  select * into host from public.hosts h where h.id = new.host_id;
  if not creel.may_neighbour(host, new.project_id, new.backend) then
    raise exception 'host % runs agents of another project, and this one would not be kept from their files', new.host_id
      using errcode = 'PT409', hint = 'Choose another host, or a backend with a container or virtual machine of its own.';
  end if;
  if not new.backend = any (host.backends) then
    raise exception 'host % cannot run agents by %', new.host_id, new.backend
      using errcode = 'PT409', hint = 'Choose another host or backend; hosts.backends says what each can run.';
  end if;
  if tg_op = 'UPDATE' and new.host_id is not distinct from old.host_id then
    return new;
  end if;
  if not exists (
    select from public.project_hosts p where p.project_id = new.project_id and p.host_id = new.host_id) then
    raise exception 'host % does not serve project %', new.host_id, new.project_id
      using errcode = 'PT409', hint = 'Choose a host of the project, or leave host_id empty.';
  end if;
  if host.capacity <= (
    select count(*) from public.agents a
    where a.host_id = new.host_id and a.status <> 'removed'
      and (a.project_id, a.agent_key) <> (new.project_id, new.agent_key)) then
    raise exception 'host % is full', new.host_id
      using errcode = 'PT409', hint = 'Choose another host of the project, or leave host_id empty.';
  end if;
  return new;
end
$$;

create trigger agents_wished_host_backend
  before update of backend on public.agents for each row
  when (old.backend is distinct from new.backend and new.host_id is not null)
  execute function creel.check_wished_host();

revoke all on function creel.check_tenancy(), creel.is_confined(text),
  creel.may_neighbour(public.hosts, text, text), creel.has_tags(public.hosts, jsonb), creel.has_room(public.hosts),
  creel.placeable(public.hosts, text[], int, int), creel.could_take(public.hosts, public.agents)
  from public, anon, authenticated, service_role;
