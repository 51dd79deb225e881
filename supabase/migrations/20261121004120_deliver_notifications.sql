-- Notifications are delivered by who may know the secrets: the project's own function, never a host. The words and
-- promises are the queue's: claim, lease and token, finish, attempts with growing pauses, given up visibly, redrive.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- 15 s, 1 min, 4 min, 16 min, 1 h, 4 h, 17 h, and a fifth more or less: eight attempts in a day.
create function creel.notification_pause(attempts int) returns interval
language sql volatile set search_path = '' as $$
  select least(15 * 4 ^ (attempts - 1), 86400) * (0.8 + 0.4 * random()) * interval '1 second'
$$;

-- The one place where a notification's attempt ends. What does not answer, or is busy, is tried eight times; what
-- refuses, four times.
create function creel.settle_notification(notification_id uuid, outcome text, said text, retry_after_secs int)
  returns void
language plpgsql set search_path = '' as $$
declare
  ended public.notifications;
  failed boolean;
begin
  select * into strict ended from public.notifications n where n.id = settle_notification.notification_id for update;
  failed := case outcome
    when 'retry' then ended.attempts >= 8 when 'refused' then ended.attempts >= 4 when 'gone' then true
    when 'failed' then true else false end;
  update public.notifications n set
    status = case when outcome = 'delivered' then 'delivered' when failed then 'failed' else 'pending' end,
    delivered_at = case when outcome = 'delivered' then now() end,
    last_error = case when outcome <> 'delivered' then left(said, 300) end,
    not_before = case when outcome = 'delivered' or failed then n.not_before
      else now() + greatest(
        creel.notification_pause(n.attempts),
        -- An hour at most, whatever the receiver asks for.
        least(coalesce(retry_after_secs, 0), 3600) * interval '1 second') end
  where n.id = ended.id;
  if failed then
    perform creel.log_event('notification.failed', ended.project_id, null, null, ended.id, jsonb_build_object(
      'webhook_id', ended.webhook_id, 'kind', ended.kind, 'attempts', ended.attempts, 'error', left(said, 300)));
  end if;
end
$$;

create function public.claim_notifications(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set jit = off as $$
declare
  most constant int := coalesce(creel.whole_number($1 -> 'limit', 1, 100), 20);
  ids uuid[];
  claimed jsonb;
begin
  perform creel.require_api($1);
  -- A few of each webhook at a time, so that a slow one does not keep the others waiting.
  ids := array(
    select d.id from (
      select n.id, n.not_before, row_number() over (partition by n.webhook_id order by n.not_before, n.id) as place
      from (
        select p.id, p.webhook_id, p.not_before from public.notifications p
        where p.status = 'pending' and p.not_before <= now() order by p.not_before limit 2000) n
      join public.webhooks w on w.id = n.webhook_id
      where w.enabled) d
    where d.place <= 5 order by d.not_before limit most);
  ids := array(
    select n.id from public.notifications n where n.id = any (ids) and n.status = 'pending'
    order by n.not_before for update skip locked);
  update public.notifications n set status = 'sent', attempts = n.attempts + 1 where n.id = any (ids);
  insert into creel.notification_leases as l (notification_id, token, expires_at)
  select i.id, gen_random_uuid(), now() + interval '60 seconds' from unnest(ids) as i (id)
  on conflict (notification_id) do update set token = excluded.token, expires_at = excluded.expires_at;
  select jsonb_agg(jsonb_build_object(
    'id', n.id, 'token', l.token, 'attempt', n.attempts, 'url', w.url, 'body', n.payload::text,
    'secrets', to_jsonb(array_remove(
      array[s.secret, case when s.previous_until > now() then s.previous end], null))) order by n.created_at)
  into claimed
  from public.notifications n
  join creel.notification_leases l on l.notification_id = n.id
  join public.webhooks w on w.id = n.webhook_id
  join creel.webhook_secrets s on s.webhook_id = w.id
  where n.id = any (ids);
  return jsonb_build_object('notifications', coalesce(claimed, '[]'), 'lease_ms', 60000);
end
$$;

comment on function public.claim_notifications(jsonb) is
  'For who delivers: {api, limit} -> {notifications: [{id, token, attempt, url, body, secrets[]}], lease_ms}. The body is to '
  'be sent and signed as it is.';

create function public.finish_notifications(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set jit = off as $$
declare
  told jsonb;
  held uuid;
  ended uuid;
  applied jsonb := '[]'::jsonb;
begin
  perform creel.require_api($1);
  if jsonb_typeof($1 -> 'items') is distinct from 'array' or jsonb_array_length($1 -> 'items') > 100 then
    raise exception 'items is no list of at most 100' using errcode = '22023', hint = 'Finish the others in another call.';
  end if;
  for told in select e from jsonb_array_elements($1 -> 'items') e order by e ->> 'id' loop
    if coalesce(told ->> 'outcome', '') not in ('delivered', 'retry', 'refused', 'gone') then
      raise exception 'outcome must be delivered, retry, refused or gone' using errcode = '22023',
        hint = 'See what became of the request.';
    end if;
    delete from creel.notification_leases l
    where l.notification_id = creel.uuid_of(told -> 'id') and l.token = creel.uuid_of(told -> 'token')
    returning l.notification_id into held;
    if held is not null then
      perform creel.settle_notification(
        held, told ->> 'outcome', coalesce(told ->> 'error', 'it failed'),
        creel.whole_number(told -> 'retry_after_secs', 0, 2147483647)::int);
      if told ->> 'outcome' = 'gone' then
        update public.webhooks w set enabled = false, disabled_reason = 'its address answered 410: nobody wants it there'
        from public.notifications n where n.id = held and w.id = n.webhook_id and w.enabled
        returning w.id into ended;
        if ended is not null then
          perform creel.log_event('webhook.disabled', n.project_id, null, null, ended)
          from public.notifications n where n.id = held;
        end if;
        perform creel.settle_notification(n.id, 'failed', 'its webhook was disabled', null)
        from (
          select p.id from public.notifications p
          where p.status = 'pending' and p.webhook_id = (
            select h.webhook_id from public.notifications h where h.id = held)
          order by p.id limit 500 for update skip locked) n;
      end if;
    end if;
    applied := applied || jsonb_build_array(
      jsonb_build_object('id', told -> 'id', 'applied', held is not null));
    held := null;
  end loop;
  return jsonb_build_object('items', applied);
end
$$;

comment on function public.finish_notifications(jsonb) is
  'For who delivers: {api, items: [{id, token, outcome, error, retry_after_secs}]} -> {items: [{id, applied}]}. outcome is '
  'delivered, retry, refused or gone (410: the webhook is disabled). A token that is no longer in force changes nothing.';

create function public.test_webhook(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  webhook constant public.webhooks := creel.own_webhook(($1 ->> 'webhook_id')::uuid);
  made uuid;
begin
  if not webhook.enabled then
    raise exception 'webhook % is disabled', webhook.id
      using errcode = 'PT409', hint = 'Enable it first: webhooks.enabled.';
  end if;
  if (select count(*) from public.notifications n
      where n.webhook_id = webhook.id and n.kind = 'webhook.test' and n.created_at > now() - interval '1 minute') >= 5 then
    raise exception 'this webhook was tested five times within a minute'
      using errcode = 'PT429', hint = 'Wait a minute.';
  end if;
  made := creel.add_notification(webhook, 'webhook.test', null, jsonb_build_object(
    'summary', 'This is a test: the webhook works.', 'details', '{}'::jsonb));
  if made is null then
    raise exception 'too much waits for this webhook already'
      using errcode = 'PT429', hint = 'See why it does not answer: notifications.last_error.';
  end if;
  return jsonb_build_object('notification_id', made);
end
$$;

comment on function public.test_webhook(jsonb) is
  '{webhook_id} -> {notification_id}: something harmless is delivered; its row in notifications says what became of it.';

create function public.redrive_notification(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  found_one uuid;
begin
  update public.notifications n set status = 'pending', attempts = 0, not_before = now(), created_at = now()
  where n.id = ($1 ->> 'notification_id')::uuid and n.status = 'failed'
    and n.project_id = any (creel.writable_projects())
  returning n.id into found_one;
  if found_one is null then
    raise exception 'no notification % has failed in a project that you may write', $1 ->> 'notification_id'
      using errcode = 'PT404', hint = 'Look at the table notifications for what has failed.';
  end if;
  return jsonb_build_object('id', found_one, 'status', 'pending');
end
$$;

comment on function public.redrive_notification(jsonb) is
  '{notification_id} -> {id, status}: what was given up is delivered again, with all its attempts and under its old id.';

-- Ends leases that ran out, gives up what nobody delivered for three days, and removes what is long over.
create function creel.sweep_notifications() returns int
language plpgsql set search_path = '' as $$
declare
  ids uuid[];
begin
  ids := array(
    select l.notification_id from creel.notification_leases l where l.expires_at <= now()
    order by l.expires_at limit 500 for update skip locked);
  if ids <> '{}' then
    delete from creel.notification_leases l where l.notification_id = any (ids);
    perform creel.settle_notification(i.id, 'retry', 'whoever delivered it stopped answering', null)
    from unnest(ids) as i (id);
  end if;
  perform creel.settle_notification(n.id, 'failed', 'nobody delivered it for three days', null)
  from (
    select p.id from public.notifications p
    where p.status = 'pending' and p.created_at < now() - interval '3 days'
    order by p.created_at limit 200 for update skip locked) n;
  delete from public.notifications n where n.id = any (array(
    select o.id from public.notifications o
    where o.status in ('delivered', 'failed')
      and o.created_at < now() - (creel.knobs()).notification_retention_days * interval '1 day'
    order by o.created_at limit 500 for update skip locked));
  return cardinality(ids);
end
$$;

revoke all on function creel.notification_pause(int), creel.settle_notification(uuid, text, text, int),
  public.claim_notifications(jsonb), public.finish_notifications(jsonb), public.test_webhook(jsonb),
  public.redrive_notification(jsonb), creel.sweep_notifications() from public, anon, authenticated, service_role;
grant execute on function public.claim_notifications(jsonb), public.finish_notifications(jsonb) to service_role;
grant execute on function public.test_webhook(jsonb), public.redrive_notification(jsonb) to authenticated;
