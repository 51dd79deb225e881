-- That a row was deleted Realtime tells to everybody who has signed in and subscribed, by the columns that it is known by
-- in the log. Of an agent's status these were the project and the agent's key; now it is a number that says nothing.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- A row an agent: rewritten and indexed within a moment.
-- squawk-ignore adding-field-with-default
alter table public.agent_status add column id uuid not null default gen_random_uuid();
-- squawk-ignore constraint-missing-not-valid, disallowed-unique-constraint
alter table public.agent_status add constraint agent_status_id unique (id);
alter table public.agent_status replica identity using index agent_status_id;

comment on column public.agent_status.id is
  'By what Realtime knows the row; nothing refers to it. Upsert by project and agent.';

create or replace function creel.keep_agent_status_columns() returns trigger
language plpgsql set search_path = '' as $$
begin
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.id := gen_random_uuid();
    new.last_heartbeat_at := null;
    return new;
  end if;
  new.id := old.id;
  new.project_id := old.project_id;
  new.agent_key := old.agent_key;
  new.state := old.state;
  new.last_heartbeat_at := old.last_heartbeat_at;
  return new;
end
$$;
