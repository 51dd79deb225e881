-- What an agent is doing (published, one row an agent) and what it uses (not published).

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table public.agent_status (
  project_id text not null,
  agent_key text not null,
  state text not null default 'idle',
  note text,
  current_task text,
  last_activity_at timestamptz,
  last_heartbeat_at timestamptz,
  primary key (project_id, agent_key),
  constraint agent_status_agent foreign key (project_id, agent_key)
    references public.agents (project_id, agent_key) on delete cascade,
  constraint agent_status_state check (
    state in ('idle', 'processing', 'thinking', 'executing', 'cooldown', 'error', 'offline')),
  constraint agent_status_sizes check (
    coalesce(octet_length(note), 0) <= 16384 and coalesce(octet_length(current_task), 0) <= 16384)
);

comment on table public.agent_status is
  'Written when the state changes. A member makes the row; afterwards state and last_heartbeat_at are the worker''s.';

create function creel.keep_agent_status_columns() returns trigger
language plpgsql set search_path = '' as $$
begin
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.last_heartbeat_at := null;
    return new;
  end if;
  new.project_id := old.project_id;
  new.agent_key := old.agent_key;
  new.state := old.state;
  new.last_heartbeat_at := old.last_heartbeat_at;
  return new;
end
$$;

create trigger agent_status_keep_columns
  before insert or update on public.agent_status for each row execute function creel.keep_agent_status_columns();

create table public.agent_metrics (
  agent_id uuid primary key references public.agents (id) on delete cascade,
  cpu_percent real,
  ram_mb real,
  disk_mb real,
  uptime_secs bigint,
  sampled_at timestamptz not null default now()
);

comment on table public.agent_metrics is 'The newest sample of each agent, upserted by the tick; not published.';

alter table public.agent_status enable row level security;
alter table public.agent_metrics enable row level security;

create policy agent_status_select on public.agent_status for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
create policy agent_status_insert on public.agent_status for insert to authenticated
  with check (project_id = any ((select creel.writable_projects())::text[]));
create policy agent_status_update on public.agent_status for update to authenticated
  using (project_id = any ((select creel.writable_projects())::text[]));

create policy agent_metrics_select on public.agent_metrics for select to authenticated using (
  agent_id in (
    select a.id from public.agents a where a.project_id = any ((select creel.readable_projects())::text[]))
);

revoke all on public.agent_status, public.agent_metrics from public, anon, authenticated, service_role;
grant select, insert, update on public.agent_status to authenticated;
grant select on public.agent_metrics to authenticated, service_role;
grant select, insert, update, delete on public.agent_status to service_role;
revoke all on function creel.keep_agent_status_columns() from public, anon, authenticated, service_role;
