-- What creel doctor wants to know about the database and its own login.
select
  current_user::text as login,
  current_setting('server_version') as server,
  (extract(epoch from clock_timestamp()) * 1000)::bigint as epoch_ms,
  exists (select from pg_catalog.pg_namespace n where n.nspname = 'creel') as has_creel,
  exists (
    select from pg_catalog.pg_auth_members m
    join pg_catalog.pg_roles g on g.oid = m.roleid
    join pg_catalog.pg_roles r on r.oid = m.member
    -- Whoever made creel_host is a member of it as well, and no host.
    where g.rolname = 'creel_host' and r.rolname = current_user and not r.rolcreaterole
  ) as is_host_role
