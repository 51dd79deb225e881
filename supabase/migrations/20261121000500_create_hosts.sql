-- Hosts, and which projects they may serve.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table public.hosts (
  id uuid primary key default gen_random_uuid(),
  owner_id uuid references auth.users (id) on delete set null,
  name text not null,
  platform text,
  capacity int not null default 10,
  tags text[] not null default '{}',
  price jsonb,
  status text not null default 'enrolled',
  worker_version text,
  openclaw_version text,
  runtime jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint hosts_status check (status in ('enrolled', 'online', 'draining', 'retired')),
  constraint hosts_platform check (platform in ('linux', 'macos')),
  constraint hosts_capacity check (capacity between 0 and 100000),
  constraint hosts_sizes check (
    octet_length(name) between 1 and 200 and cardinality(tags) <= 50
    and coalesce(octet_length(worker_version), 0) <= 100 and coalesce(octet_length(openclaw_version), 0) <= 100
    and coalesce(pg_column_size(runtime), 0) <= 262144 and coalesce(pg_column_size(price), 0) <= 4096
  )
);

create index hosts_owner on public.hosts (owner_id);

create table public.project_hosts (
  project_id text not null references public.projects (id) on delete cascade,
  host_id uuid not null references public.hosts (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (project_id, host_id)
);

create index project_hosts_host on public.project_hosts (host_id);

create table public.host_heartbeats (
  host_id uuid primary key references public.hosts (id) on delete cascade,
  last_seen_at timestamptz not null default now(),
  session_id uuid,
  cpu_percent real,
  ram_mb bigint
);

comment on table public.hosts is
  'A machine that runs agents. enrolled until its worker ticks for the first time, then online; a person makes '
  'it draining (finishes, takes nothing new) or retired (nothing waits for it). Offline is no status: see host_status.';
comment on table public.project_hosts is
  'Which hosts may serve which project. Nothing is claimable by any other host.';
comment on table public.host_heartbeats is
  'One row a host, renewed by each tick; kept apart from hosts, so that a heartbeat is no change of the host.';

-- The hosts that the asking person may see: own ones, and those that serve a project of theirs.
create function creel.visible_hosts() returns uuid[]
language sql stable security definer set search_path = '' as $$
  select coalesce(array_agg(h.id), '{}') from public.hosts h
  where h.owner_id = auth.uid()
    or exists (
      select from public.project_hosts p join public.project_members m using (project_id)
      where p.host_id = h.id and m.user_id = auth.uid())
$$;

create function creel.owned_hosts() returns uuid[]
language sql stable security definer set search_path = '' as $$
  select coalesce(array_agg(h.id), '{}') from public.hosts h where h.owner_id = auth.uid()
$$;

create function creel.touch() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create trigger hosts_touch before update on public.hosts for each row execute function creel.touch();

create view public.host_status with (security_invoker = true) as
select
  h.id, h.name, h.status, b.last_seen_at,
  case
    when h.status in ('retired', 'enrolled') then h.status
    when b.last_seen_at is null or b.last_seen_at < now() - interval '30 seconds' then 'offline'
    else h.status
  end as shown_status,
  b.cpu_percent, b.ram_mb
from public.hosts h left join public.host_heartbeats b on b.host_id = h.id;

comment on view public.host_status is
  'Hosts as a page shows them: offline follows from last_seen_at when it is read.';

alter table public.hosts enable row level security;
alter table public.project_hosts enable row level security;
alter table public.host_heartbeats enable row level security;

create policy hosts_select on public.hosts for select to authenticated
  using (id = any ((select creel.visible_hosts())::uuid[]));
create policy hosts_update on public.hosts for update to authenticated
  using (owner_id = (select auth.uid()));

create policy project_hosts_select on public.project_hosts for select to authenticated using (
  project_id = any ((select creel.readable_projects())::text[])
  or host_id = any ((select creel.owned_hosts())::uuid[])
);
create policy project_hosts_insert on public.project_hosts for insert to authenticated with check (
  project_id = any ((select creel.owned_projects())::text[])
  and host_id = any ((select creel.owned_hosts())::uuid[])
);
create policy project_hosts_delete on public.project_hosts for delete to authenticated using (
  project_id = any ((select creel.owned_projects())::text[])
  or host_id = any ((select creel.owned_hosts())::uuid[])
);

create policy host_heartbeats_select on public.host_heartbeats for select to authenticated
  using (host_id = any ((select creel.visible_hosts())::uuid[]));

revoke all on public.hosts, public.project_hosts, public.host_heartbeats, public.host_status
  from public, anon, authenticated, service_role;
grant select, update (name, capacity, tags, price, status) on public.hosts to authenticated;
grant select, insert (project_id, host_id), delete on public.project_hosts to authenticated;
grant select on public.host_heartbeats, public.host_status to authenticated;
grant select, insert, update, delete on public.hosts, public.project_hosts to service_role;
grant select on public.host_heartbeats, public.host_status to service_role;

revoke all on function creel.visible_hosts(), creel.owned_hosts(), creel.touch()
  from public, anon, authenticated, service_role;
grant execute on function creel.visible_hosts(), creel.owned_hosts() to authenticated;
