-- When a period is over, what a host was away of it beyond the allowance is taken from what it earned.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- For how long an agent was away on this host, within a period.
create function creel.outage_secs(agent uuid, host uuid, period_start timestamptz, period_end timestamptz) returns bigint
language sql stable set search_path = '' as $$
  select coalesce(floor(sum(extract(epoch from
    least(coalesce(o.ended_at, now()), outage_secs.period_end) - greatest(o.began_at, outage_secs.period_start)))), 0)::bigint
  from public.agent_outages o
  where o.agent_id = agent and o.host_id = host
    and o.began_at < outage_secs.period_end and coalesce(o.ended_at, now()) > outage_secs.period_start
$$;

create function creel.correct_outages() returns int
language plpgsql set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  earned public.host_earnings;
  period_secs bigint;
  beyond bigint;
  corrected int := 0;
begin
  for earned in
    select e.* from creel.earning_facts f join public.host_earnings e on e.id = f.earning_id
    where f.outage_secs is null and e.period_end < now() - knobs.earning_settle_secs * interval '1 second'
    order by f.earning_id limit 100 for update of f skip locked
  loop
    period_secs := floor(extract(epoch from earned.period_end - earned.period_start))::bigint;
    beyond := creel.outage_beyond(
      creel.outage_secs(earned.agent_id, earned.host_id, earned.period_start, earned.period_end),
      period_secs, knobs.outage_allowance_bp);
    update creel.earning_facts f set
      outage_secs = beyond,
      outage_minor = case when period_secs > 0 then creel.prorate(earned.amount_minor, beyond, period_secs) else 0 end
    where f.earning_id = earned.id;
    perform creel.write_corrections(earned.id, 'sweep');
    corrected := corrected + 1;
  end loop;
  return corrected;
end
$$;

insert into creel.sweeps (name, function, each_interval) values
  ('canaries', 'ask_canaries', '10 seconds'),
  ('outages', 'correct_outages', '1 minute');

revoke all on function creel.outage_secs(uuid, uuid, timestamptz, timestamptz), creel.correct_outages()
  from public, anon, authenticated, service_role;
