-- With the only host off, somebody still sweeps: pg_cron, where there is one. Every tick sweeps as well.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

do $$
begin
  if exists (select from pg_catalog.pg_available_extensions where name = 'pg_cron') then
    create extension if not exists pg_cron;
    execute $cron$
      select cron.schedule('creel-sweep', '10 seconds', $job$select public.sweep('{"api":1}'::jsonb)$job$)
    $cron$;
  end if;
exception when others then
  -- A server that has the files of pg_cron but has not loaded it; sqlerrm says what is missing.
  raise notice 'pg_cron does not sweep: %', sqlerrm;
end
$$;
