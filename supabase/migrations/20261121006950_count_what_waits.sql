-- How much of what Stripe told, or was asked, needs a person: the function tells it each minute, and an alarm hears it.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create index stripe_requests_failed on creel.stripe_requests (settled_at) where status = 'failed';

-- Events that came before another one that they need are applied within moments: they count after five minutes. What Stripe
-- refused for good counts for a day, as it stays so until somebody asks again.
create function creel.count_what_waits() returns int
language sql stable set search_path = '' as $$
  select (
    (select count(*) from public.stripe_events e
      where e.status = 'waiting' and e.received_at < now() - interval '5 minutes')
    + (select count(*) from creel.stripe_requests r
      where r.status = 'failed' and r.settled_at > now() - interval '1 day'))::int
$$;

revoke all on function creel.count_what_waits() from public, anon, authenticated, service_role;
