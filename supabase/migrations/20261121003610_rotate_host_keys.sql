-- Keys of hosts: replaced by the host, listed and ended by its owner.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function public.rotate_host_key(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  sha constant bytea := creel.read_sha256($1 ->> 'key_sha256');
  -- Requests that are on their way, and a worker that reads its key's file now and then, may go on so long.
  grace constant interval := interval '10 minutes';
  used creel.host_keys;
  known creel.host_keys;
begin
  perform creel.require_api($1);
  if session_user <> 'authenticator' then
    raise exception 'this host comes by a login of the database, and has no key'
      using errcode = 'PT409', hint = 'Change the password of its login instead.';
  end if;
  -- Two of these take turns, and with whoever ends the keys.
  perform 1 from public.hosts h where h.id = host for no key update;
  select * into used from creel.host_keys k
  where k.key_sha256 = sha256(convert_to(
    nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-creel-host-key', 'utf8'));
  if used.id is null or used.revoked_at is not null or used.expires_at <= clock_timestamp() then
    raise exception 'the host key is not known, expired or revoked'
      using errcode = 'PT401', hint = 'Enrol the host again and use the new key.';
  end if;
  select * into known from creel.host_keys k where k.key_sha256 = sha;
  if known.id is not null then
    if known.host_id <> host or known.revoked_at is not null or known.expires_at <= now() then
      raise exception 'this key was used before'
        using errcode = 'PT409', detail = 'known_key', hint = 'Make a new random key.';
    end if;
    -- Whoever did not hear the answer asks again.
    return jsonb_build_object('host_id', host, 'expires_at', known.expires_at);
  end if;
  if used.replaced_at is not null then
    raise exception 'this key was replaced by another one already'
      using errcode = 'PT409', detail = 'replaced_key',
        hint = 'Use the newer key. If nobody has it, let the owner of the host make a code: creel host code --host.';
  end if;
  update creel.host_keys k
  set replaced_at = now(), expires_at = least(coalesce(k.expires_at, 'infinity'), now() + grace)
  where k.host_id = host and k.replaced_at is null and k.revoked_at is null;
  -- What ended is kept for a while, for the owner to look at.
  delete from creel.host_keys k where k.id in (
    select o.id from creel.host_keys o
    where o.host_id = host and (o.revoked_at < now() - interval '1 hour' or o.expires_at < now() - interval '1 hour')
    order by o.created_at desc offset 20);
  if (select count(*) from creel.host_keys k where k.host_id = host and k.created_at > now() - interval '1 hour') >= 10
  then
    raise exception 'this host has had too many keys within an hour'
      using errcode = 'PT429', hint = 'Wait; the key that it has stays good.';
  end if;
  insert into creel.host_keys (host_id, key_sha256, expires_at, lifetime_days)
  values (host, sha, now() + used.lifetime_days * interval '1 day', used.lifetime_days);
  perform creel.log_event('host.key_rotated', null, null, host, null);
  return jsonb_build_object(
    'host_id', host, 'expires_at', now() + used.lifetime_days * interval '1 day', 'old_ends_at', now() + grace);
end
$$;

comment on function public.rotate_host_key(jsonb) is
  'Host function, for hosts that come by a key: {api, key_sha256} -> {host_id, expires_at, old_ends_at}. The new key is '
  'good at once, the one that it replaces for ten more minutes; that one can be replaced only once.';

-- Ends every key and login of a host, and the codes by which it could get another one.
create or replace function creel.revoke_host(host_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
  login name;
begin
  -- Whoever gives the host another key locks this row as well: it comes before, and ends here, or sees the end.
  perform 1 from public.hosts h where h.id = revoke_host.host_id for no key update;
  update creel.host_keys k set revoked_at = now() where k.host_id = revoke_host.host_id and k.revoked_at is null;
  delete from creel.enrolment_codes c where c.host_id = revoke_host.host_id;
  for login in
    update creel.host_logins l set revoked_at = now()
    where l.host_id = revoke_host.host_id and l.revoked_at is null returning l.role_name
  loop
    execute format('alter role %I nologin', login);
  end loop;
  if exists (select from public.hosts h where h.id = revoke_host.host_id) then
    perform creel.log_event('host.revoked', null, null, revoke_host.host_id, null);
  end if;
end
$$;

create function creel.require_owned_host(args jsonb) returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  host constant uuid := case when jsonb_typeof(args) = 'object' then (args ->> 'host_id')::uuid end;
begin
  if not coalesce(host = any (creel.owned_hosts()), false) then
    raise exception 'you own no such host'
      using errcode = '42501', hint = 'Sign in as the owner of the host: creel host list shows yours.';
  end if;
  return host;
end
$$;

create function public.revoke_host_access(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  host constant uuid := creel.require_owned_host($1);
begin
  perform creel.revoke_host(host);
  return jsonb_build_object('host_id', host);
end
$$;

comment on function public.revoke_host_access(jsonb) is
  'For the owner of a host: {host_id} -> {host_id}. Ends every key and login of it at once; what it was at work on goes '
  'back when its leases end. A code with {host_id} lets it in again.';

create function public.list_host_access(jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  host constant uuid := creel.require_owned_host($1);
begin
  return jsonb_build_object(
    'keys', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'id', k.id, 'label', k.label, 'created_at', k.created_at, 'expires_at', k.expires_at,
          'replaced_at', k.replaced_at, 'revoked_at', k.revoked_at,
          'good', k.revoked_at is null and (k.expires_at is null or k.expires_at > now()))
        order by k.created_at desc)
      from creel.host_keys k where k.host_id = host), '[]'),
    'logins', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'role', l.role_name, 'created_at', l.created_at, 'revoked_at', l.revoked_at, 'good', l.revoked_at is null)
        order by l.created_at desc)
      from creel.host_logins l where l.host_id = host), '[]'),
    'open_codes', coalesce((
      select jsonb_agg(jsonb_build_object('created_at', c.created_at, 'expires_at', c.expires_at)
        order by c.created_at desc)
      from creel.enrolment_codes c where c.host_id = host and c.used_at is null and c.expires_at > now()), '[]'));
end
$$;

comment on function public.list_host_access(jsonb) is
  'For the owner of a host: {host_id} -> {keys[], logins[], open_codes[]}: by what it may come in, without any secret.';

revoke all on function public.rotate_host_key(jsonb), creel.require_owned_host(jsonb),
  public.revoke_host_access(jsonb), public.list_host_access(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.rotate_host_key(jsonb) to creel_host;
grant execute on function public.revoke_host_access(jsonb), public.list_host_access(jsonb) to authenticated;
