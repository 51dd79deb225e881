-- When a month of a period is over, what a host was away in it beyond the allowance is taken from what it earned.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- For how long an agent was away on this host, within a period; on any, where the one that was paid for is gone.
create function creel.outage_secs(agent uuid, host uuid, period_start timestamptz, period_end timestamptz) returns bigint
language sql stable set search_path = '' as $$
  select coalesce(floor(sum(extract(epoch from
    least(coalesce(o.ended_at, now()), outage_secs.period_end) - greatest(o.began_at, outage_secs.period_start)))), 0)::bigint
  from public.agent_outages o
  where o.agent_id = agent and (host is null or o.host_id = host)
    and o.began_at < outage_secs.period_end and coalesce(o.ended_at, now()) > outage_secs.period_start
$$;

create function creel.correct_outages() returns int
language plpgsql set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  facts creel.earning_facts;
  earned public.host_earnings;
  part_start timestamptz;
  period_secs bigint;
  away bigint;
  corrected int := 0;
begin
  for facts in
    select * from creel.earning_facts f
    where f.due_at < now() - knobs.earning_settle_secs * interval '1 second'
    order by f.due_at limit 100 for update of f skip locked
  loop
    select * into strict earned from public.host_earnings e where e.id = facts.earning_id;
    period_secs := floor(extract(epoch from earned.period_end - earned.period_start))::bigint;
    part_start := case when facts.outage_parts = 0 then earned.period_start
      else creel.part_end(earned.period_start, earned.period_end, facts.outage_parts) end;
    away := coalesce(facts.outage_secs, 0) + creel.outage_beyond(
      creel.outage_secs(earned.agent_id, earned.host_id, part_start, facts.due_at),
      floor(extract(epoch from facts.due_at - part_start))::bigint, knobs.outage_allowance_bp);
    update creel.earning_facts f set
      outage_secs = away,
      outage_minor = case when period_secs > 0 then creel.prorate(earned.amount_minor, away, period_secs) else 0 end,
      outage_parts = facts.outage_parts + 1,
      due_at = case when facts.outage_parts + 1 < creel.part_count(earned.period_start, earned.period_end)
        then creel.part_end(earned.period_start, earned.period_end, facts.outage_parts + 2) end
    where f.earning_id = earned.id;
    perform creel.write_corrections(earned.id, 'sweep');
    corrected := corrected + 1;
  end loop;
  return corrected;
end
$$;

-- What is paid for on a host that is not let any more, or not there: nobody ends its subscriptions but their payers.
create function creel.tell_subscribed() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.log_event('billing.mismatch', p.id, s.agent_key,
    case when tg_op = 'UPDATE' then old.id end, null, jsonb_build_object(
      'what', case tg_op when 'UPDATE' then 'host_retired' else 'host_deleted' end, 'subscription', s.id, 'host', old.id,
      'message', 'its host is gone, and the subscription goes on: cancel it in the billing portal'))
  from public.subscriptions s left join public.projects p on p.id = s.project_id
  where s.host_id = old.id and s.status not in ('canceled', 'incomplete_expired') and not s.cancel_at_period_end;
  return case tg_op when 'UPDATE' then new else old end;
end
$$;

create trigger hosts_retired_with_subscriptions
  after update of status on public.hosts for each row
  when (new.status = 'retired' and old.status <> 'retired') execute function creel.tell_subscribed();
create trigger hosts_deleted_with_subscriptions
  before delete on public.hosts for each row execute function creel.tell_subscribed();

insert into creel.sweeps (name, function, each_interval) values
  ('canaries', 'ask_canaries', '10 seconds'),
  ('outages', 'correct_outages', '1 minute');

revoke all on function creel.outage_secs(uuid, uuid, timestamptz, timestamptz), creel.correct_outages(), creel.tell_subscribed()
  from public, anon, authenticated, service_role;
