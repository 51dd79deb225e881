-- What a page hears of. Leases, heartbeats and metrics are in other tables, so that they are no messages.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

do $$
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
end
$$;

alter publication supabase_realtime add table
  public.agents, public.agent_status, public.agent_provision_requests;
