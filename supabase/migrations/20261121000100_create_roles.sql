-- The schema that the Data API does not expose, and the role that every host acts as.
--
-- Default privileges are left alone, because the project may have tables of its own: every object below
-- is revoked from everybody and then granted by name, so that the result is the same on projects with and
-- without automatic grants.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'creel_host') then
    create role creel_host nologin;
  end if;
end
$$;

-- PostgREST switches to it for a request with a host's key.
grant creel_host to authenticator;

create schema creel;
revoke all on schema creel from public;
grant usage on schema creel to anon, authenticated, service_role, creel_host;
grant usage on schema public to creel_host;
