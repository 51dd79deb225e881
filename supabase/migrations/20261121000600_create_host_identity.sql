-- How a host proves who it is: by a login role of its own, or by a key in a request header.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table creel.host_logins (
  role_name name primary key,
  host_id uuid not null references public.hosts (id) on delete cascade,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);

create index host_logins_host on creel.host_logins (host_id);

create table creel.host_keys (
  id uuid primary key default gen_random_uuid(),
  host_id uuid not null references public.hosts (id) on delete cascade,
  key_sha256 bytea not null,
  label text not null default '',
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  constraint host_keys_sha256 unique (key_sha256),
  constraint host_keys_sha256_size check (octet_length(key_sha256) = 32)
);

create index host_keys_host on creel.host_keys (host_id);

comment on table creel.host_logins is
  'Trusted hosts: a login role each, member of creel_host. The session''s own role says who it is.';
comment on table creel.host_keys is
  'Hosts that come by HTTPS: the SHA-256 of a random key of 256 bits. A key that is revoked or expired opens nothing.';

revoke all on creel.host_logins, creel.host_keys from public, anon, authenticated, service_role;

-- The host of the key in the request's header. Only PostgREST sets that header; whoever asks by another
-- session could have set it himself, and is not believed.
create function creel.host_of_key() returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  key constant text := nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-creel-host-key';
begin
  if session_user <> 'authenticator' or key is null then
    return null;
  end if;
  return (
    select k.host_id from creel.host_keys k
    where k.key_sha256 = sha256(convert_to(key, 'utf8'))
      and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
  );
end
$$;

create function creel.current_host_id() returns uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  -- Only the pre-request function takes a request of the Data API to this role: a person who sends a host's key
  -- along is still a person.
  if session_user = 'authenticator' then
    return case when current_setting('role', true) = 'creel_host' then creel.host_of_key() end;
  end if;
  return (select l.host_id from creel.host_logins l where l.role_name = session_user and l.revoked_at is null);
end
$$;

comment on function creel.current_host_id() is
  'The host that asks, or null. session_user decides; nothing that a client can set itself is believed.';

create function creel.require_host() returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  host constant uuid := creel.current_host_id();
begin
  if host is null then
    raise exception 'this login or key is not a host'
      using errcode = '42501', hint = 'Enrol the host with creel host enroll and use the login that it prints.';
  end if;
  return host;
end
$$;

-- Runs before every request of the Data API, as the role of the request. It must not be a definer
-- function, because such a one may not set the role.
create function creel.pre_request() returns void
language plpgsql set search_path = '' as $$
begin
  if current_user = 'anon'
     and nullif(current_setting('request.headers', true), '')::jsonb ? 'x-creel-host-key' then
    if creel.host_of_key() is null then
      raise exception 'the host key is not known, expired or revoked'
        using errcode = 'PT401', hint = 'Enrol the host again and use the new key.';
    end if;
    perform set_config('role', 'creel_host', true);
  end if;
end
$$;

revoke all on function creel.host_of_key(), creel.current_host_id(), creel.require_host(), creel.pre_request()
  from public, anon, authenticated, service_role;
grant execute on function creel.pre_request() to anon, authenticated, service_role, creel_host;
grant execute on function creel.host_of_key() to anon;
grant execute on function creel.current_host_id() to creel_host;

-- A project may have a pre-request function already; it is not taken away.
do $$
begin
  if exists (
    select from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) as c (setting)
    where s.setrole = 'authenticator'::regrole
      and (s.setdatabase = 0 or s.setdatabase = (
        select d.oid from pg_catalog.pg_database d where d.datname = current_database()))
      and c.setting like 'pgrst.db_pre_request=%' and c.setting <> 'pgrst.db_pre_request=creel.pre_request'
  ) then
    raise warning 'this project has a pre-request function already: let it call creel.pre_request(), or hosts cannot come by key';
  else
    alter role authenticator set pgrst.db_pre_request = 'creel.pre_request';
    notify pgrst, 'reload config';
  end if;
end
$$;
