-- How the function that Stripe's events arrive at proves who it is: by a key in a request header, as a rented host does.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'creel_stripe') then
    create role creel_stripe nologin;
  end if;
end
$$;

-- PostgREST switches to it for a request with the function's key.
grant creel_stripe to authenticator;
grant usage on schema public to creel_stripe;

create table creel.stripe_keys (
  id uuid primary key default gen_random_uuid(),
  key_sha256 bytea not null,
  label text not null default '',
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  constraint stripe_keys_sha256 unique (key_sha256),
  constraint stripe_keys_sha256_size check (octet_length(key_sha256) = 32),
  constraint stripe_keys_label_size check (octet_length(label) <= 200)
);

comment on table creel.stripe_keys is
  'The SHA-256 of each key that may call apply_stripe_event, and nothing else. Two may be good at once, so that one can '
  'take the place of the other. One that is revoked or expired opens nothing.';

revoke all on creel.stripe_keys from public, anon, authenticated, service_role;

-- Whether the request's header has a key that is good. Only PostgREST sets that header.
create function creel.has_stripe_key() returns boolean
language plpgsql stable security definer set search_path = '' as $$
declare
  key constant text := nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-creel-stripe-key';
begin
  return session_user = 'authenticator' and key is not null and exists (
    select from creel.stripe_keys k
    where k.key_sha256 = sha256(convert_to(key, 'utf8'))
      and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()));
end
$$;

-- Asked by definer functions only: their owner, who also is whoever has the database's own URL, is let in.
create function creel.require_stripe() returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if session_user = 'authenticator' and current_setting('role', true) = 'creel_stripe' and creel.has_stripe_key()
     or session_user <> 'authenticator' and pg_has_role(session_user, current_user, 'member') then
    return;
  end if;
  raise exception 'this is not the function that Stripe''s events arrive at'
    using errcode = '42501', hint = 'Make a key with creel billing key create, and give it to the function.';
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
  if headers ? 'x-creel-host-key' and headers ? 'x-creel-stripe-key' then
    raise exception 'a request has the key of a host or that of the Stripe function, not both'
      using errcode = 'PT401', hint = 'Send one of them.';
  end if;
  if headers ? 'x-creel-host-key' then
    if creel.host_of_key() is null then
      raise exception 'the host key is not known, expired or revoked'
        using errcode = 'PT401', hint = 'Enrol the host again and use the new key.';
    end if;
    perform set_config('role', 'creel_host', true);
  elsif headers ? 'x-creel-stripe-key' then
    if not creel.has_stripe_key() then
      raise exception 'the key of the Stripe function is not known, expired or revoked'
        using errcode = 'PT401', hint = 'Make another one with creel billing key create.';
    end if;
    perform set_config('role', 'creel_stripe', true);
  end if;
end
$$;

create function creel.add_stripe_key(sha256 text, label text, days int default null) returns uuid
language plpgsql set search_path = '' as $$
declare
  made uuid;
begin
  insert into creel.stripe_keys (key_sha256, label, expires_at)
  values (
    creel.read_sha256(add_stripe_key.sha256), coalesce(add_stripe_key.label, ''),
    now() + add_stripe_key.days * interval '1 day')
  returning id into made;
  return made;
end
$$;

comment on function creel.add_stripe_key(text, text, int) is
  'Another key of the Stripe function, by its SHA-256 as 64 hexadecimal digits; good for so many days, or until it is '
  'revoked. For whoever has the database''s own URL.';

create function creel.revoke_stripe_key(id uuid) returns boolean
language plpgsql set search_path = '' as $$
begin
  update creel.stripe_keys k set revoked_at = now() where k.id = revoke_stripe_key.id and k.revoked_at is null;
  return found;
end
$$;

revoke all on function creel.has_stripe_key(), creel.require_stripe(), creel.add_stripe_key(text, text, int),
  creel.revoke_stripe_key(uuid)
  from public, anon, authenticated, service_role;
-- As with the key of a host: the request is that of a stranger until the key was found good.
grant execute on function creel.has_stripe_key() to anon;
