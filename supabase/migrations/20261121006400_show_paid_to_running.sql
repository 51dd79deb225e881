-- How long it takes from a payment to an agent that runs, and why there is none yet.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create view public.paid_to_running with (security_invoker = true) as
select
  s.id as subscription_id, s.project_id, s.agent_id, s.agent_key, s.host_id, s.service,
  s.paid_at, s.received_at, s.asked_at, w.running_at, w.running_at - s.received_at as received_to_running,
  case
    when w.running_at is not null then null
    when s.paid_at is null then 'it was never paid'
    when s.item_id is null then case
      when s.service in ('active', 'grace') then 'nothing was asked of a host: the agent ran already, or its row is gone'
      else 'it is not paid any more' end
    when w.said is null then 'what was asked of the host is gone, with the agent''s row'
    when w.said = 'superseded' then 'something newer took its place'
    else w.said end as gap
from public.subscriptions s
left join lateral (
  select
    case when c.status = 'acked' and c.result ->> 'state' = 'running' then c.acked_at end as running_at,
    case c.status
      when 'pending' then coalesce(c.waiting_for, 'waits for its host')
      when 'sent' then 'its host is at it'
      when 'failed' then case when c.result #>> '{error,code}' = 'superseded' then 'superseded'
        else 'it failed: ' || coalesce(c.error, 'the host did not say why') end
      else 'its host is done with it, and it does not run' end as said
  from public.agent_commands c where c.id = s.item_id
  union all
  select
    case when r.status = 'done' and r.result ->> 'served' = 'true' then r.completed_at end,
    case r.status
      when 'queued' then coalesce(r.waiting_for, 'waits for its host')
      when 'running' then 'its host is at it'
      when 'error' then case when r.result #>> '{error,code}' = 'superseded' then 'superseded'
        else 'it failed: ' || coalesce(r.result #>> '{error,message}', 'the host did not say why') end
      else 'its host is done with it, and it does not run' end
  from public.agent_provision_requests r where r.id = s.item_id
) w on true;

comment on view public.paid_to_running is
  'For each subscription: paid_at by Stripe''s clock, received_at when Creel was told, asked_at when the agent''s host was '
  'asked to run it, running_at when it said that it does. gap says why there is no running_at yet.';

revoke all on public.paid_to_running from public, anon, authenticated, service_role;
grant select on public.paid_to_running to authenticated, service_role;
