-- The requests to make an agent, as the dashboard writes them.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table public.agent_provision_requests (
  id uuid primary key default gen_random_uuid(),
  project_id text not null,
  agent_key text not null,
  agent_id_short text,
  display_name text,
  emoji text,
  role_short text,
  status text not null default 'queued',
  result jsonb,
  waiting_for text,
  woken_by text,
  requested_at timestamptz not null default now(),
  requested_by uuid default auth.uid() references auth.users (id) on delete set null,
  deadline_at timestamptz,
  idempotency_key text,
  adopt boolean not null default false,
  picked_up_at timestamptz,
  completed_at timestamptz,
  constraint agent_provision_requests_status check (status in ('queued', 'running', 'done', 'error')),
  constraint agent_provision_requests_completed check ((status in ('done', 'error')) = (completed_at is not null)),
  constraint agent_provision_requests_picked_up check (status <> 'running' or picked_up_at is not null),
  constraint agent_provision_requests_waiting check (waiting_for is null or status = 'queued'),
  constraint agent_provision_requests_woken_by check (woken_by in ('push', 'poll')),
  constraint agent_provision_requests_idempotency unique (project_id, idempotency_key),
  constraint agent_provision_requests_agent foreign key (project_id, agent_key)
    references public.agents (project_id, agent_key) on delete cascade,
  constraint agent_provision_requests_sizes check (
    octet_length(agent_key) between 1 and 1024 and coalesce(octet_length(agent_id_short), 0) <= 1024
    and coalesce(octet_length(display_name), 0) <= 16384 and coalesce(octet_length(emoji), 0) <= 1024
    and coalesce(octet_length(role_short), 0) <= 16384 and coalesce(octet_length(idempotency_key), 0) <= 200
    and coalesce(octet_length(waiting_for), 0) <= 1000 and coalesce(pg_column_size(result), 0) <= 65536)
);

create unique index agent_provision_requests_one_open
  on public.agent_provision_requests (project_id, agent_key) where status in ('queued', 'running');
create index agent_provision_requests_by_agent on public.agent_provision_requests (project_id, agent_key);
create index agent_provision_requests_by_time on public.agent_provision_requests (project_id, requested_at desc);
create index agent_provision_requests_by_person on public.agent_provision_requests (requested_by);

comment on table public.agent_provision_requests is
  'A member inserts a row with status queued; one may be open for an agent. A host claims it (running, picked_up_at; '
  'result shows the step it is at) and finishes it (done or error, completed_at, result). waiting_for says what a '
  'queued row waits for; woken_by says whether a notification or the clock woke the worker. error keeps its reason '
  'in result.error {code, message, hint}; redrive(id) tries again. '
  'The same idempotency_key with the same content is the same request, with other content a conflict. '
  'Deleting a queued row withdraws it. adopt (only by adopt_agents) takes over a folder that is there as it is.';

create function creel.keep_request_columns() returns trigger
language plpgsql set search_path = '' as $$
begin
  if current_user in ('anon', 'authenticated', 'service_role') then
    new.status := 'queued';
    new.result := null;
    new.waiting_for := null;
    new.woken_by := null;
    new.adopt := false;
    new.requested_at := now();
    new.requested_by := auth.uid();
    new.picked_up_at := null;
    new.completed_at := null;
  end if;
  new.agent_id_short := coalesce(nullif(new.agent_id_short, ''), creel.short_of_key(new.agent_key));
  return new;
end
$$;

-- Named so that it runs before the next one: triggers fire by name.
create trigger agent_provision_requests_1_keep_columns
  before insert on public.agent_provision_requests for each row execute function creel.keep_request_columns();

-- A request makes its agent's row where a page has not, and is refused when its key was used for another one.
-- As a definer function it must ask for itself what row security would ask of the writer.
create function creel.prepare_request() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  earlier public.agent_provision_requests;
begin
  if current_setting('role', true) = 'authenticated'
     and not coalesce(new.project_id = any (creel.writable_projects()), false) then
    return new;  -- the policy refuses it
  end if;
  if new.idempotency_key is not null then
    select * into earlier from public.agent_provision_requests r
    where r.project_id = new.project_id and r.idempotency_key = new.idempotency_key;
    if found and (earlier.agent_key, earlier.agent_id_short, earlier.display_name, earlier.emoji, earlier.role_short)
       is distinct from (new.agent_key, new.agent_id_short, new.display_name, new.emoji, new.role_short) then
      raise exception 'idempotency key % was used for another request', quote_literal(new.idempotency_key)
        using errcode = 'PT409', hint = 'Use a new key for a new request.';
    end if;
  end if;
  -- No lock on a row that is there: a finish that is under way may hold it and wait for nothing of ours.
  insert into public.agents (project_id, agent_key, name, role, emoji, agent_id_short)
  values (
    new.project_id, new.agent_key, new.display_name, new.role_short, new.emoji, new.agent_id_short)
  on conflict (project_id, agent_key) do nothing;
  return new;
end
$$;

create trigger agent_provision_requests_2_prepare
  before insert on public.agent_provision_requests for each row execute function creel.prepare_request();

-- What a new request changes of an agent that is there and not made yet. It fires by its name after the rows are
-- enqueued, and so takes its locks in the order of the queue: lanes, then agents.
create function creel.ready_agents() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform 1 from public.agents a join new_rows n using (project_id, agent_key)
  where not a.provisioned order by a.id for no key update of a;
  update public.agents a set
    agent_id_short = case when a.openclaw_id is null then n.agent_id_short else a.agent_id_short end,
    status = case when a.status = 'error' then 'pending_deploy' else a.status end
  from new_rows n
  where a.project_id = n.project_id and a.agent_key = n.agent_key and not a.provisioned and n.status = 'queued'
    and (a.status = 'error' or a.openclaw_id is null and a.agent_id_short is distinct from n.agent_id_short);
  return null;
end
$$;

create trigger ready_agents
  after insert on public.agent_provision_requests referencing new table as new_rows
  for each statement execute function creel.ready_agents();

create function creel.limit_requests() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  knobs creel.settings;
  full_project text;
begin
  select * into knobs from creel.settings;
  select r.project_id into full_project from public.agent_provision_requests r
  where r.project_id in (select n.project_id from new_rows n) and r.status in ('queued', 'running')
  group by r.project_id having count(*) > knobs.max_open_requests_per_project limit 1;
  if full_project is null then
    select r.project_id into full_project from public.agent_provision_requests r
    where r.project_id in (select n.project_id from new_rows n) and r.requested_at > now() - interval '1 day'
    group by r.project_id having count(*) > knobs.max_requests_per_day limit 1;
  end if;
  if full_project is not null then
    raise exception 'project % has too many requests: % may be open, % a day',
      full_project, knobs.max_open_requests_per_project, knobs.max_requests_per_day
      using errcode = 'PT429', hint = 'Wait until some are done, or ask the operator to raise the limit.';
  end if;
  return null;
end
$$;

create trigger agent_provision_requests_limit
  after insert on public.agent_provision_requests referencing new table as new_rows
  for each statement execute function creel.limit_requests();

alter table public.agent_provision_requests enable row level security;

create policy agent_provision_requests_select on public.agent_provision_requests for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
create policy agent_provision_requests_insert on public.agent_provision_requests for insert to authenticated
  with check (project_id = any ((select creel.writable_projects())::text[]));
create policy agent_provision_requests_delete on public.agent_provision_requests for delete to authenticated
  using (status = 'queued' and project_id = any ((select creel.writable_projects())::text[]));

revoke all on public.agent_provision_requests from public, anon, authenticated, service_role;
grant select, insert, delete on public.agent_provision_requests to authenticated, service_role;
revoke all on function creel.keep_request_columns(), creel.prepare_request(), creel.ready_agents(),
  creel.limit_requests()
  from public, anon, authenticated, service_role;
