-- Notifications are claimed and finished by who comes with the notifier's key, and no longer by the project's secret key.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Asked by definer functions only: their owner, who also is whoever has the database's own URL, is let in. The role alone
-- is not enough, as a token may name it: whoever has the project's secret key may give a person any role.
create function creel.require_notifier() returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if session_user = 'authenticator' and current_setting('role', true) = 'creel_notifier'
       and creel.has_function_key('notifications')
     or session_user <> 'authenticator' and pg_has_role(session_user, current_user, 'member') then
    return;
  end if;
  raise exception 'this is not the function that tells webhooks'
    using errcode = '42501', hint = 'Make a key with creel key create notifications, and give it to the function.';
end
$$;

-- What they do stays as it is, behind a door.
alter function public.claim_notifications(jsonb) set schema creel;
alter function public.finish_notifications(jsonb) set schema creel;

create function public.claim_notifications(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.require_notifier();
  return creel.claim_notifications($1);
end
$$;

comment on function public.claim_notifications(jsonb) is
  'For the notifier: {api, limit} -> {notifications: [{id, token, attempt, url, body, secrets[]}], lease_ms}. The body is to '
  'be sent and signed as it is.';

create function public.finish_notifications(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.require_notifier();
  return creel.finish_notifications($1);
end
$$;

comment on function public.finish_notifications(jsonb) is
  'For the notifier: {api, items: [{id, token, outcome, error, retry_after_secs}]} -> {items: [{id, applied}]}. outcome is '
  'delivered, retry, refused or gone (410: the webhook is disabled). A token that is no longer in force changes nothing.';

revoke all on function creel.require_notifier(), creel.claim_notifications(jsonb), creel.finish_notifications(jsonb),
  public.claim_notifications(jsonb), public.finish_notifications(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.claim_notifications(jsonb), public.finish_notifications(jsonb) to creel_notifier;
