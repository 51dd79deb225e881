-- Where a project's people want to be told what went wrong, while nobody looks at a page.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.settings
  add column max_webhooks_per_project int not null default 10,
  add column max_open_notifications_per_webhook int not null default 500,
  add column notification_damping_secs int not null default 300,
  add column notification_retention_days int not null default 14,
  add column webhooks_to_loopback boolean not null default false;

comment on column creel.settings.notification_damping_secs is
  'At most one notification of a kind about an agent or a host within this time; what comes meanwhile is in the next one.';
comment on column creel.settings.webhooks_to_loopback is
  'Whether a webhook may be at http://127.0.0.1: on one''s own machine only. Who delivers must allow it, too.';

create table public.webhooks (
  id uuid primary key default gen_random_uuid(),
  project_id text not null references public.projects (id) on delete cascade,
  url text not null,
  events text[] not null,
  enabled boolean not null default true,
  disabled_reason text,
  created_by uuid references auth.users (id) on delete set null,
  created_at timestamptz not null default now(),
  constraint webhooks_events check (events <@ array['agent.down', 'limit.exceeded', 'host.offline', 'host.online']),
  constraint webhooks_events_count check (cardinality(events) between 1 and 10),
  constraint webhooks_sizes check (octet_length(url) <= 2000 and coalesce(octet_length(disabled_reason), 0) <= 1000)
);

create index webhooks_project on public.webhooks (project_id);
create index webhooks_created_by on public.webhooks (created_by);

comment on table public.webhooks is
  'An address that a project''s notifications are sent to, in the form of Standard Webhooks. Made by create_webhook, which '
  'shows its secret once. enabled is taken away by an answer of 410; disabled_reason says so. All members read the address.';

-- What deliveries are signed with. The one before is good for another day after a rotation.
create table creel.webhook_secrets (
  webhook_id uuid primary key references public.webhooks (id) on delete cascade,
  secret text not null,
  previous text,
  previous_until timestamptz,
  constraint webhook_secrets_form check (secret ~ '^whsec_[A-Za-z0-9+/]{43}=$')
);

comment on table creel.webhook_secrets is
  'Kept as they are, because a signature needs them. Only create_webhook, rotate_webhook_secret and claim_notifications tell them.';

alter table public.webhooks enable row level security;

create policy webhooks_select on public.webhooks for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
create policy webhooks_update on public.webhooks for update to authenticated
  using (project_id = any ((select creel.writable_projects())::text[]));

revoke all on public.webhooks, creel.webhook_secrets from public, anon, authenticated, service_role;
grant select, update (events, enabled) on public.webhooks to authenticated;
grant select on public.webhooks to service_role;

create function creel.enable_webhook() returns trigger
language plpgsql set search_path = '' as $$
begin
  if new.enabled then
    new.disabled_reason := null;
  end if;
  return new;
end
$$;

create trigger webhooks_enable before update of enabled on public.webhooks
  for each row execute function creel.enable_webhook();

-- 32 random bytes, as Standard Webhooks writes them.
create function creel.webhook_secret() returns text
language sql volatile set search_path = '' as $$
  select 'whsec_' || encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64')
$$;

-- What is wrong with this address, or null. Whether it is one of this network is seen when it is resolved.
create function creel.fault_of_webhook_url(url text) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case
    when url is null then 'url is missing'
    when octet_length(url) > 2000 then 'url has more than 2000 bytes'
    when url !~ '^[!-~]+$' then 'url has characters that are not allowed in one'
    when url ~ '^https?://[^/?#]*@' then 'url must have neither user nor password'
    when url ~ '#' then 'url must have no fragment'
    when url ~ '^https://[^/?#@\\]+([/?][^\\]*)?$' then null
    when url ~ '^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?([/?][^\\]*)?$'
      and (creel.knobs()).webhooks_to_loopback then null
    else 'url must begin with https://'
  end;
end
$$;

-- A webhook that the asker may change.
create function creel.own_webhook(webhook_id uuid) returns public.webhooks
language plpgsql set search_path = '' as $$
declare
  webhook public.webhooks;
begin
  select * into webhook from public.webhooks w
  where w.id = own_webhook.webhook_id and w.project_id = any (creel.writable_projects());
  if not found then
    raise exception 'there is no webhook % in a project that you may write', own_webhook.webhook_id
      using errcode = 'PT404', hint = 'Look at the table webhooks, or ask an owner or editor of the project.';
  end if;
  return webhook;
end
$$;

create function public.create_webhook(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  project constant text := $1 ->> 'project_id';
  wished constant jsonb := coalesce(
    nullif($1 -> 'events', 'null'), '["agent.down", "limit.exceeded", "host.offline", "host.online"]');
  most constant int := (creel.knobs()).max_webhooks_per_project;
  fault text := creel.fault_of_webhook_url($1 ->> 'url');
  fresh constant text := creel.webhook_secret();
  made uuid;
begin
  if not coalesce(project = any (creel.writable_projects()), false) then
    raise exception 'only an owner or editor of project % may make a webhook', project
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  if fault is null and (jsonb_typeof(wished) <> 'array' or exists (
    select from jsonb_array_elements(wished) e
    where e #>> '{}' is null or e #>> '{}' not in ('agent.down', 'limit.exceeded', 'host.offline', 'host.online'))
    or wished = '[]') then
    fault := 'events must be a list of agent.down, limit.exceeded, host.offline and host.online';
  end if;
  if fault is not null then
    raise exception '%', fault using errcode = '22023', hint = 'Send project_id, url and events.';
  end if;
  perform pg_advisory_xact_lock(1129465166, hashtext(project));
  if (select count(*) from public.webhooks w where w.project_id = project) >= most then
    raise exception 'too many webhooks: the limit for one project is %', most
      using errcode = 'PT429', hint = 'Remove one, or ask the operator to raise max_webhooks_per_project.';
  end if;
  insert into public.webhooks (project_id, url, events, created_by)
  values (project, $1 ->> 'url', array(select distinct e from jsonb_array_elements_text(wished) e order by e), auth.uid())
  returning id into made;
  insert into creel.webhook_secrets (webhook_id, secret) values (made, fresh);
  perform creel.log_event('webhook.created', project, null, null, made);
  return jsonb_build_object('id', made, 'secret', fresh);
end
$$;

comment on function public.create_webhook(jsonb) is
  '{project_id, url, events[]} -> {id, secret}. The secret is shown this once.';

create function public.rotate_webhook_secret(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  webhook constant public.webhooks := creel.own_webhook(($1 ->> 'webhook_id')::uuid);
  fresh constant text := creel.webhook_secret();
  at_once constant boolean := coalesce(($1 ->> 'at_once')::boolean, false);
begin
  update creel.webhook_secrets s set
    previous = case when not at_once then s.secret end,
    previous_until = case when not at_once then now() + interval '1 day' end,
    secret = fresh
  where s.webhook_id = webhook.id;
  perform creel.log_event('webhook.rotated', webhook.project_id, null, null, webhook.id);
  return jsonb_build_object('id', webhook.id, 'secret', fresh);
end
$$;

comment on function public.rotate_webhook_secret(jsonb) is
  '{webhook_id, at_once} -> {id, secret}. For a day deliveries are signed with both secrets; with at_once only with the new one.';

create function public.delete_webhook(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  webhook constant public.webhooks := creel.own_webhook(($1 ->> 'webhook_id')::uuid);
begin
  delete from public.webhooks w where w.id = webhook.id;
  perform creel.log_event('webhook.deleted', webhook.project_id, null, null, webhook.id);
  return jsonb_build_object('id', webhook.id);
end
$$;

comment on function public.delete_webhook(jsonb) is
  '{webhook_id} -> {id}. Its notifications go with it, also those that were not sent yet.';

revoke all on function creel.enable_webhook(), creel.webhook_secret(), creel.fault_of_webhook_url(text),
  creel.own_webhook(uuid), public.create_webhook(jsonb), public.rotate_webhook_secret(jsonb),
  public.delete_webhook(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.create_webhook(jsonb), public.rotate_webhook_secret(jsonb),
  public.delete_webhook(jsonb) to authenticated;
