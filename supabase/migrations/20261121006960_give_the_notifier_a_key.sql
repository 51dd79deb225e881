-- Keys of functions: each opens one of them, so that the function that tells webhooks needs no secret key of the project.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'creel_notifier') then
    create role creel_notifier nologin;
  end if;
end
$$;

-- PostgREST switches to it for a request with the function's key.
grant creel_notifier to authenticator;
grant usage on schema public to creel_notifier;

-- Only the functions below know its name, and they change with it.
-- squawk-ignore renaming-table
alter table creel.stripe_keys rename to function_keys;
alter table creel.function_keys rename constraint stripe_keys_pkey to function_keys_pkey;
alter table creel.function_keys rename constraint stripe_keys_sha256 to function_keys_sha256;
alter table creel.function_keys rename constraint stripe_keys_sha256_size to function_keys_sha256_size;
alter table creel.function_keys rename constraint stripe_keys_label_size to function_keys_label_size;
-- All that there are were made for it.
alter table creel.function_keys add column opens text not null default 'stripe'
  constraint function_keys_opens check (opens in ('stripe', 'notifications'));
alter table creel.function_keys alter column opens drop default;

comment on table creel.function_keys is
  'The SHA-256 of each key that lets a function in: stripe to apply_stripe_event, notifications to claim_notifications and '
  'finish_notifications, and neither to anything else. Two may be good at once, so that one can take the place of the '
  'other. One that is revoked or expired opens nothing.';

-- Whether the request's header has a key that is good for this. Only PostgREST sets that header.
create function creel.has_function_key(opens text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
declare
  headers constant jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  key constant text := case has_function_key.opens
    when 'stripe' then headers ->> 'x-creel-stripe-key'
    when 'notifications' then headers ->> 'x-creel-notifier-key' end;
begin
  return session_user = 'authenticator' and key is not null and exists (
    select from creel.function_keys k
    where k.key_sha256 = sha256(convert_to(key, 'utf8')) and k.opens = has_function_key.opens
      and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()));
end
$$;

-- Asked by definer functions only: their owner, who also is whoever has the database's own URL, is let in.
create or replace function creel.require_stripe() returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if session_user = 'authenticator' and current_setting('role', true) = 'creel_stripe'
       and creel.has_function_key('stripe')
     or session_user <> 'authenticator' and pg_has_role(session_user, current_user, 'member') then
    return;
  end if;
  raise exception 'this is not the function that Stripe''s events arrive at'
    using errcode = '42501', hint = 'Make a key with creel key create stripe, and give it to the function.';
end
$$;

-- Runs before every request of the Data API, as the role of the request. It must not be a definer
-- function, because such a one may not set the role.
create or replace function creel.pre_request() returns void
language plpgsql set search_path = '' as $$
declare
  headers jsonb;
begin
  if current_user <> 'anon' then
    return;
  end if;
  headers := nullif(current_setting('request.headers', true), '')::jsonb;
  if (headers ? 'x-creel-host-key')::int + (headers ? 'x-creel-stripe-key')::int
     + (headers ? 'x-creel-notifier-key')::int > 1 then
    raise exception 'a request has one key: that of a host, of the Stripe function or of the notifier'
      using errcode = 'PT401', hint = 'Send one of them.';
  end if;
  if headers ? 'x-creel-host-key' then
    if creel.host_of_key() is null then
      raise exception 'the host key is not known, expired or revoked'
        using errcode = 'PT401', hint = 'Enrol the host again and use the new key.';
    end if;
    perform set_config('role', 'creel_host', true);
  elsif headers ? 'x-creel-stripe-key' then
    if not creel.has_function_key('stripe') then
      raise exception 'the key of the Stripe function is not known, expired or revoked'
        using errcode = 'PT401', hint = 'Make another one with creel key create stripe.';
    end if;
    perform set_config('role', 'creel_stripe', true);
  elsif headers ? 'x-creel-notifier-key' then
    if not creel.has_function_key('notifications') then
      raise exception 'the key of the notifier is not known, expired or revoked'
        using errcode = 'PT401', hint = 'Make another one with creel key create notifications.';
    end if;
    perform set_config('role', 'creel_notifier', true);
  end if;
end
$$;

create function creel.add_function_key(opens text, sha256 text, label text, days int default null) returns uuid
language plpgsql set search_path = '' as $$
declare
  made uuid;
begin
  insert into creel.function_keys (opens, key_sha256, label, expires_at)
  values (
    add_function_key.opens, creel.read_sha256(add_function_key.sha256), coalesce(add_function_key.label, ''),
    now() + add_function_key.days * interval '1 day')
  returning id into made;
  return made;
end
$$;

comment on function creel.add_function_key(text, text, text, int) is
  'Another key of the function stripe or notifications, by its SHA-256 as 64 hexadecimal digits; good for so many days, or '
  'until it is revoked. For whoever has the database''s own URL.';

create function creel.revoke_function_key(id uuid) returns boolean
language plpgsql set search_path = '' as $$
begin
  update creel.function_keys k set revoked_at = now() where k.id = revoke_function_key.id and k.revoked_at is null;
  return found;
end
$$;

drop function creel.has_stripe_key();
drop function creel.add_stripe_key(text, text, int);
drop function creel.revoke_stripe_key(uuid);

revoke all on function creel.has_function_key(text), creel.add_function_key(text, text, text, int),
  creel.revoke_function_key(uuid)
  from public, anon, authenticated, service_role;
-- As with the key of a host: the request is that of a stranger until the key was found good.
grant execute on function creel.has_function_key(text) to anon;
