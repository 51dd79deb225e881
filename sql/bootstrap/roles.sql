-- The roles of a hosted Supabase project, for a whole cluster. Run by the superuser supabase_admin, which
-- initdb made: the role postgres must not be the superuser here, as it is none on Supabase.
-- Running it again changes nothing. Passwords are set by whoever runs it, afterwards.

do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      -- What PostgREST becomes, by the role claim of the request's token.
      ('anon',                       'nologin inherit'),
      ('authenticated',              'nologin inherit'),
      ('service_role',               'nologin inherit bypassrls'),
      -- What PostgREST connects as.
      ('authenticator',              'login noinherit'),
      -- What people and migrations connect as.
      ('postgres',                   'login createdb createrole replication bypassrls'),
      -- Owners of what belongs to a service of Supabase.
      ('supabase_auth_admin',        'login noinherit createrole'),
      ('supabase_storage_admin',     'login noinherit createrole'),
      ('supabase_realtime_admin',    'nologin noinherit'),
      ('supabase_replication_admin', 'login replication'),
      ('supabase_read_only_user',    'login bypassrls'),
      ('dashboard_user',             'nologin createdb createrole replication')
    ) as roles (name, options)
  loop
    if not exists (select from pg_catalog.pg_roles where rolname = wanted.name) then
      execute format('create role %I %s', wanted.name, wanted.options);
    end if;
  end loop;
end
$$;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend, pg_checkpoint to postgres;
grant pg_read_all_data to supabase_read_only_user;
-- Policies on realtime.messages are made by migrations.
grant supabase_realtime_admin to postgres;

-- On Supabase an extension lets postgres set PostgREST's parameters on authenticator; here rights do.
grant authenticator to postgres with admin option;
grant set on parameter "pgrst.db_pre_request", "pgrst.db_schemas", "pgrst.db_max_rows" to postgres;

-- The limits of the Data API.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

alter role postgres set search_path = "$user", public, extensions;
alter role supabase_admin set search_path = "$user", public, auth, extensions;
