-- Agents. A page writes the wish; the columns that tell what is belong to the worker.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table public.agents (
  id uuid primary key default gen_random_uuid(),
  project_id text not null references public.projects (id) on delete cascade,
  agent_key text not null,
  name text,
  role text,
  emoji text,
  color text,
  agent_id_short text,
  workspace_path text,
  provisioned boolean not null default false,
  host_id uuid references public.hosts (id) on delete set null,
  host_pinned boolean not null default false,
  openclaw_id text,
  backend text not null default 'shared',
  profile text,
  port int,
  config jsonb not null default '{}',
  limits jsonb not null default '{}',
  desired_state text not null default 'running',
  generation bigint not null default 1,
  status text not null default 'pending_deploy',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint agents_key unique (project_id, agent_key),
  constraint agents_status check (
    status in ('pending_deploy', 'deploying', 'running', 'stopped', 'error', 'removed')),
  constraint agents_desired_state check (desired_state in ('running', 'stopped', 'removed')),
  constraint agents_backend check (backend in ('shared', 'profile', 'docker', 'multipass')),
  constraint agents_port check (port between 1 and 65535),
  constraint agents_provisioned_is_placed check (
    not provisioned or (openclaw_id is not null and workspace_path is not null)),
  constraint agents_sizes check (
    octet_length(agent_key) between 1 and 1024
    and coalesce(octet_length(name), 0) <= 16384 and coalesce(octet_length(role), 0) <= 16384
    and coalesce(octet_length(emoji), 0) <= 1024 and coalesce(octet_length(color), 0) <= 1024
    and coalesce(octet_length(agent_id_short), 0) <= 1024 and coalesce(octet_length(workspace_path), 0) <= 4096
    and pg_column_size(config) <= 65536 and pg_column_size(limits) <= 8192
  )
);

-- Partial, so that it can be no target of a foreign key: naming an agent then does not wait for rows that are being
-- written about it.
create unique index agents_openclaw_id on public.agents (host_id, openclaw_id) where openclaw_id is not null;
create index agents_host on public.agents (host_id);
-- Placed and not made, which few are: what every sweep looks for.
create index agents_unmade on public.agents (host_id) where host_id is not null and not provisioned and not host_pinned;

comment on table public.agents is
  'One row an agent, unique by (project_id, agent_key). A member writes name, role, emoji, color, agent_id_short '
  '(derived from the key where it is not given), config, limits, desired_state, backend, and host_id as long as it '
  'is not placed. provisioned, workspace_path, openclaw_id, status, port and profile belong to the worker: what a '
  'member writes into them is ignored. status: pending_deploy -> deploying -> running | stopped, or error. '
  'Deleting the row of an agent that a host has sets desired_state to removed; the host undeploys it first.';

-- The rule of creel_core::id::AgentId; a test tries both on the same names.
create function creel.is_agent_id(id text) returns boolean
language sql immutable set search_path = '' as $$
  select id ~ '^[a-z0-9][a-z0-9_-]{0,62}$' and id <> 'main'
$$;

-- agent:<short>:main -> <short>; a key of another form is its own short id.
create function creel.short_of_key(agent_key text) returns text
language sql immutable set search_path = '' as $$
  select case when agent_key like 'agent:%' then split_part(agent_key, ':', 2) else agent_key end
$$;

-- Runs as the writing role, because it must know it: the functions of Creel itself write as their owner.
create function creel.keep_agent_columns() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.id := gen_random_uuid();
    new.agent_id_short := coalesce(nullif(new.agent_id_short, ''), creel.short_of_key(new.agent_key));
    new.provisioned := false;
    new.workspace_path := null;
    new.openclaw_id := null;
    new.port := null;
    new.profile := null;
    new.status := 'pending_deploy';
    new.generation := 1;
    new.created_at := now();
    new.host_pinned := new.host_id is not null;
    return new;
  end if;
  new.id := old.id;
  new.project_id := old.project_id;
  new.agent_key := old.agent_key;
  new.provisioned := old.provisioned;
  new.workspace_path := old.workspace_path;
  new.openclaw_id := old.openclaw_id;
  new.port := old.port;
  new.profile := old.profile;
  new.status := old.status;
  new.created_at := old.created_at;
  new.host_id := coalesce(old.host_id, new.host_id);
  if old.host_id is null and new.host_id is not null then
    -- Whatever it was on a host that is gone, there it is to be made anew.
    new.provisioned := false;
    new.workspace_path := null;
    new.openclaw_id := null;
  end if;
  new.host_pinned := case when old.host_id is null then new.host_id is not null else old.host_pinned end;
  new.agent_id_short := case
    when old.openclaw_id is not null then old.agent_id_short
    else coalesce(nullif(new.agent_id_short, ''), old.agent_id_short)
  end;
  new.generation := old.generation + case
    when (new.name, new.role, new.emoji, new.config, new.limits, new.desired_state, new.backend)
      is distinct from (old.name, old.role, old.emoji, old.config, old.limits, old.desired_state, old.backend)
    then 1 else 0 end;
  return new;
end
$$;

create trigger agents_keep_columns
  before insert or update on public.agents for each row execute function creel.keep_agent_columns();

-- A host that somebody wishes for must be one that serves the project.
create function creel.check_wished_host() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.host_id is not null and not exists (
    select from public.project_hosts p where p.project_id = new.project_id and p.host_id = new.host_id) then
    raise exception 'host % does not serve project %', new.host_id, new.project_id
      using errcode = 'PT409', hint = 'Choose a host of the project, or leave host_id empty.';
  end if;
  perform 1 from public.hosts h where h.id = new.host_id for no key update;
  if (select h.capacity from public.hosts h where h.id = new.host_id) <= (
    select count(*) from public.agents a
    where a.host_id = new.host_id and a.status <> 'removed'
      and (a.project_id, a.agent_key) <> (new.project_id, new.agent_key)) then
    raise exception 'host % is full', new.host_id
      using errcode = 'PT409', hint = 'Choose another host of the project, or leave host_id empty.';
  end if;
  return new;
end
$$;

create trigger agents_wished_host
  before insert or update of host_id on public.agents for each row
  when (new.host_pinned) execute function creel.check_wished_host();

-- Deleting an agent that a host has, or may have begun to make, is a wish: the row goes when the host has undeployed
-- it. Until then nobody else gets its id there.
create function creel.wish_removal() returns trigger
language plpgsql set search_path = '' as $$
begin
  if old.openclaw_id is null or old.host_id is null or current_user not in ('anon', 'authenticated', 'service_role') then
    return old;
  end if;
  update public.agents a set desired_state = 'removed' where a.id = old.id and a.desired_state <> 'removed';
  return null;
end
$$;

create trigger agents_wish_removal
  before delete on public.agents for each row execute function creel.wish_removal();

create function creel.limit_agents() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  most constant int := (select s.max_agents_per_project from creel.settings s);
  full_project text;
begin
  select a.project_id into full_project from public.agents a
  where a.project_id in (select n.project_id from new_rows n)
  group by a.project_id having count(*) > most limit 1;
  if full_project is not null then
    raise exception 'project % has too many agents: the limit is %', full_project, most
      using errcode = 'PT429', hint = 'Remove agents, or ask the operator to raise max_agents_per_project.';
  end if;
  return null;
end
$$;

create trigger agents_limit
  after insert on public.agents referencing new table as new_rows
  for each statement execute function creel.limit_agents();

alter table public.agents enable row level security;

create policy agents_select on public.agents for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
create policy agents_insert on public.agents for insert to authenticated
  with check (project_id = any ((select creel.writable_projects())::text[]));
create policy agents_update on public.agents for update to authenticated
  using (project_id = any ((select creel.writable_projects())::text[]));
create policy agents_delete on public.agents for delete to authenticated
  using (project_id = any ((select creel.writable_projects())::text[]));

revoke all on public.agents from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.agents to authenticated, service_role;
revoke all on function creel.is_agent_id(text), creel.short_of_key(text), creel.keep_agent_columns(),
  creel.check_wished_host(), creel.wish_removal(), creel.limit_agents()
  from public, anon, authenticated, service_role;
grant execute on function creel.short_of_key(text) to authenticated, service_role;
