-- What webhooks are to be told: written in the same transaction as what it tells.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table public.notifications (
  id uuid primary key default gen_random_uuid(),
  project_id text not null references public.projects (id) on delete cascade,
  webhook_id uuid not null references public.webhooks (id) on delete cascade,
  kind text not null,
  subject uuid,
  payload jsonb not null,
  held_back int not null default 0,
  status text not null default 'pending',
  attempts int not null default 0,
  due_at timestamptz not null default now(),
  not_before timestamptz not null default now(),
  last_error text,
  created_at timestamptz not null default now(),
  delivered_at timestamptz,
  constraint notifications_kind check (
    kind in ('agent.down', 'limit.exceeded', 'host.offline', 'host.online', 'webhook.test')),
  constraint notifications_status check (status in ('pending', 'sent', 'delivered', 'failed')),
  constraint notifications_sizes check (
    pg_column_size(payload) <= 65536 and coalesce(octet_length(last_error), 0) <= 1000)
);

create index notifications_project on public.notifications (project_id, created_at desc);
create index notifications_subject on public.notifications (webhook_id, kind, subject, due_at desc);
create index notifications_pending on public.notifications (not_before) where status = 'pending';
create index notifications_created on public.notifications (created_at);

comment on table public.notifications is
  'What a webhook is told: pending -> sent (somebody delivers it) -> delivered, or back to pending, or failed when it was '
  'tried often enough. subject is the agent or the host. due_at: not before, so that what flaps is told once in five '
  'minutes; held_back says for how many others it stands. Kept for settings.notification_retention_days.';

-- Who delivers it at the moment, and until when.
create table creel.notification_leases (
  notification_id uuid primary key references public.notifications (id) on delete cascade,
  token uuid not null,
  expires_at timestamptz not null
);

alter table public.notifications enable row level security;

create policy notifications_select on public.notifications for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));

revoke all on public.notifications, creel.notification_leases from public, anon, authenticated, service_role;
grant select on public.notifications to authenticated, service_role;

-- One notification for one webhook. Within the damping the newest of a kind about one subject stands for all of them, and
-- is due when that ends: what was last is always told. Two at the same moment cannot be: an agent's host tells of it, and
-- sweeps take turns.
create function creel.add_notification(webhook public.webhooks, kind text, subject uuid, said jsonb) returns uuid
language plpgsql set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  made constant uuid := gen_random_uuid();
  told constant jsonb := jsonb_build_object(
    'id', made, 'kind', kind, 'project_id', webhook.project_id,
    'created_at', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) || said;
  before public.notifications;
begin
  if subject is not null then
    select * into before from public.notifications n
    where n.webhook_id = webhook.id and n.kind = add_notification.kind and n.subject = add_notification.subject
    order by n.due_at desc limit 1;
    if before.due_at > now() and before.status = 'pending' then
      update public.notifications n set
        held_back = n.held_back + 1,
        payload = told || jsonb_build_object('id', n.id, 'details',
          told -> 'details' || jsonb_build_object('held_back', n.held_back + 1))
      where n.id = before.id;
      return before.id;
    end if;
  end if;
  if (select count(*) from public.notifications n where n.webhook_id = webhook.id and n.status = 'pending')
     >= knobs.max_open_notifications_per_webhook then
    -- Said once in an hour.
    if not exists (
      select from public.events e
      where e.project_id = webhook.project_id and e.kind = 'webhook.overflowed' and e.item_id = webhook.id
        and e.at > now() - interval '1 hour') then
      perform creel.log_event('webhook.overflowed', webhook.project_id, null, null, webhook.id,
        jsonb_build_object('most', knobs.max_open_notifications_per_webhook));
    end if;
    return null;
  end if;
  insert into public.notifications (id, project_id, webhook_id, kind, subject, payload, due_at, not_before)
  select made, webhook.project_id, webhook.id, add_notification.kind, add_notification.subject,
    told, d.due, d.due
  from (
    select greatest(now(), before.due_at + knobs.notification_damping_secs * interval '1 second') as due) d;
  return made;
end
$$;

-- Tells a project's webhooks. Texts of people are names only, and shortened.
create function creel.tell_webhooks(project text, kind text, subject uuid, said jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  webhook public.webhooks;
begin
  for webhook in
    select * from public.webhooks w
    where w.project_id = project and w.enabled and tell_webhooks.kind = any (w.events) order by w.id
  loop
    perform creel.add_notification(webhook, tell_webhooks.kind, tell_webhooks.subject, said);
  end loop;
end
$$;

create function creel.host_in_notification(host_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', h.id, 'name', h.name) from public.hosts h where h.id = host_in_notification.host_id
$$;

-- What a host says in its own words may be anything, a line of a log too. So nothing but numbers and words of a list.
create function creel.details_of_event(kind text, detail jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'event', kind,
    'restart_in_secs', creel.whole_number(detail -> 'restart_in_secs', 0, 1000000000),
    'failures', creel.whole_number(detail -> 'failures', 0, 1000000000),
    'limit', case when detail ->> 'limit' in ('cpu_percent', 'ram_mb', 'disk_mb') then detail ->> 'limit' end,
    'allowed', case when jsonb_typeof(detail -> 'allowed') = 'number' then detail -> 'allowed' end,
    'command', case when detail ->> 'type' in ('deploy', 'start', 'restart') then detail ->> 'type' end,
    'code', case when detail #>> '{error,code}' ~ '^[a-z0-9_]{1,60}$' then detail #>> '{error,code}' end,
    'held_back', 0))
$$;

-- Whether an event is one that webhooks may be told of, and as what.
create function creel.notification_of_event(kind text, detail jsonb) returns text
language sql immutable set search_path = '' as $$
  select case
    when kind in ('agent.crashed', 'agent.given_up', 'agent.provision_failed') then 'agent.down'
    when kind = 'agent.command_failed' and detail ->> 'type' in ('deploy', 'start', 'restart') then 'agent.down'
    when kind = 'agent.limit_exceeded' then 'limit.exceeded'
  end
$$;

-- Runs within ticks and finishes: what fails here costs them nothing.
create function creel.notify_of_event() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  kind constant text := creel.notification_of_event(new.kind, new.detail);
  agent public.agents;
  called text;
begin
  if kind is null or not exists (select from public.webhooks w where w.project_id = new.project_id and w.enabled) then
    return null;
  end if;
  select * into agent from public.agents a where a.project_id = new.project_id and a.agent_key = new.agent_key;
  if not found then
    return null;
  end if;
  called := left(coalesce(nullif(agent.name, ''), agent.agent_key), 200);
  perform creel.tell_webhooks(new.project_id, kind, agent.id, jsonb_strip_nulls(jsonb_build_object(
    'agent', jsonb_build_object('id', agent.id, 'key', agent.agent_key, 'name', left(agent.name, 200)),
    'host', creel.host_in_notification(coalesce(new.host_id, agent.host_id)),
    'summary', case new.kind
      when 'agent.crashed' then format('Agent %s ended by itself and is started again.', called)
      when 'agent.given_up' then format('Agent %s ended too often and is given up; a person is to look at it.', called)
      when 'agent.limit_exceeded' then format('Agent %s used more than it may, and was stopped.', called)
      when 'agent.provision_failed' then format('Agent %s could not be made.', called)
      else format('Agent %s: %s failed.', called, new.detail ->> 'type') end,
    'details', creel.details_of_event(new.kind, new.detail))));
  return null;
exception when others then
  raise warning 'notify of event %: %', new.id, sqlerrm;
  return null;
end
$$;

create trigger events_notify after insert on public.events for each row
  when (new.project_id is not null and new.agent_key is not null and new.kind in (
    'agent.crashed', 'agent.given_up', 'agent.provision_failed', 'agent.command_failed', 'agent.limit_exceeded'))
  execute function creel.notify_of_event();

revoke all on function creel.add_notification(public.webhooks, text, uuid, jsonb),
  creel.tell_webhooks(text, text, uuid, jsonb), creel.host_in_notification(uuid), creel.details_of_event(text, jsonb),
  creel.notification_of_event(text, jsonb), creel.notify_of_event() from public, anon, authenticated, service_role;
