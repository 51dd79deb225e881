-- What Supabase projects had until 2026: everything that postgres makes in public is open to the roles of
-- the Data API, and row security is the only guard. Run after database.sql and before the migrations, to
-- prove that these end in the same rights with it and without it.

alter default privileges for role postgres in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;
