-- What happened, to whom, by whom, when: written in the same transaction as what it tells.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table public.events (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  kind text not null,
  project_id text references public.projects (id) on delete cascade,
  agent_key text,
  host_id uuid references public.hosts (id) on delete set null,
  item_id uuid,
  actor text not null,
  detail jsonb not null default '{}',
  constraint events_sizes check (
    octet_length(kind) <= 100 and octet_length(actor) <= 200 and pg_column_size(detail) <= 65536)
);

create index events_project on public.events (project_id, id desc);
create index events_host on public.events (host_id);
create index events_at on public.events (at);

comment on table public.events is
  'Append-only, kept for settings.event_retention_days. actor is host:<id>, user:<id> or creel. An event without '
  'a project is its host''s, for the eyes of the host''s owner.';

-- Who acts, as far as the session proves it.
create function creel.actor() returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  host constant uuid := creel.current_host_id();
begin
  return case
    when host is not null then 'host:' || host
    when session_user = 'authenticator' and auth.uid() is not null then 'user:' || auth.uid()
    else 'creel'
  end;
end
$$;

create function creel.log_event(
  kind text, project_id text, agent_key text, host_id uuid, item_id uuid, detail jsonb default '{}'
) returns void
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.events (kind, project_id, agent_key, host_id, item_id, actor, detail)
  values (
    log_event.kind, log_event.project_id, log_event.agent_key, log_event.host_id, log_event.item_id, creel.actor(),
    log_event.detail);
end
$$;

alter table public.events enable row level security;

-- What happened on a host and is of no project is for its owner.
create policy events_select on public.events for select to authenticated using (
  project_id = any ((select creel.readable_projects())::text[])
  or project_id is null and host_id = any ((select creel.owned_hosts())::uuid[])
);

revoke all on public.events from public, anon, authenticated, service_role;
revoke all on sequence public.events_id_seq from public, anon, authenticated, service_role;
grant select on public.events to authenticated, service_role;
revoke all on function creel.actor(), creel.log_event(text, text, text, uuid, uuid, jsonb)
  from public, anon, authenticated, service_role;
