-- Enrolling and revoking hosts: for whoever owns the database, by a direct connection.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function creel.enroll_host(args jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  host uuid;
  login name;
begin
  insert into public.hosts (name, owner_id, platform, capacity)
  values (
    args ->> 'name', (args ->> 'owner_id')::uuid, args ->> 'platform', coalesce((args ->> 'capacity')::int, 10))
  returning id into host;

  insert into public.project_hosts (project_id, host_id)
  select p.id, host from jsonb_array_elements_text(coalesce(args -> 'project_ids', '[]')) as p (id);

  if args #>> '{login,verifier}' is not null then
    login := 'creel_host_' || substr(replace(host::text, '-', ''), 1, 16);
    execute format(
      'create role %I login inherit connection limit 10 password %L in role creel_host',
      login, args #>> '{login,verifier}');
    execute format('alter role %I set statement_timeout = %L', login, '15s');
    execute format('alter role %I set idle_in_transaction_session_timeout = %L', login, '10s');
    insert into creel.host_logins (role_name, host_id) values (login, host);
  end if;

  if args #>> '{key,sha256}' is not null then
    insert into creel.host_keys (host_id, key_sha256, label, expires_at)
    values (
      host, decode(args #>> '{key,sha256}', 'hex'), coalesce(args #>> '{key,label}', ''),
      (args #>> '{key,expires_at}')::timestamptz);
  end if;

  return jsonb_build_object('host_id', host, 'role', login);
end
$$;

comment on function creel.enroll_host(jsonb) is
  'Makes a host: {name, project_ids[], owner_id?, platform?, capacity?, login?: {verifier}, key?: {sha256, label?, '
  'expires_at?}} -> {host_id, role}. The verifier is the SCRAM one, so that no password is in any log.';

create function creel.revoke_host(host_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
  login name;
begin
  update creel.host_keys k set revoked_at = now() where k.host_id = revoke_host.host_id and k.revoked_at is null;
  for login in
    update creel.host_logins l set revoked_at = now()
    where l.host_id = revoke_host.host_id and l.revoked_at is null returning l.role_name
  loop
    execute format('alter role %I nologin', login);
  end loop;
end
$$;

comment on function creel.revoke_host(uuid) is
  'Ends every key and login of a host at once; sessions that are open can call nothing any more.';

revoke all on function creel.enroll_host(jsonb), creel.revoke_host(uuid)
  from public, anon, authenticated, service_role;
