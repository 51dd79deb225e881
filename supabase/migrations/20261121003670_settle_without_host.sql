-- What needs no host waits for none, whatever became of what was before it.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- A stop, undeploy or update_config that comes to the head of a lane which no host has: what would have made the agent
-- has died.
create function creel.sweep_needing_no_host() returns int
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  command_ids uuid[];
  settled int := 0;
begin
  -- One after the other of a lane, and no longer than a sweep may take.
  for round in 1..10 loop
    command_ids := array(
      select l.item_id from creel.lanes l join public.agent_commands c on c.id = l.item_id
      where l.host_id is null and l.token is null and l.head is not null and l.queue = 'agent_commands'
        and c.type in ('stop', 'undeploy', 'update_config')
      order by l.id limit 500 for no key update of l skip locked);
    exit when command_ids = '{}';
    perform creel.settle_without_host(command_ids);
    settled := settled + cardinality(command_ids);
  end loop;
  return settled;
end
$$;

-- An agent whose host is gone: its commands that need no host end with it, before any other host could be told of them.
create function creel.settle_homeless() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  lane constant bigint := (
    select l.id from creel.lanes l
    where l.project_id = new.project_id and l.agent_key = new.agent_key and l.kind = 'control'
      and l.head is not null and l.token is null);
begin
  if lane is null then
    return null;
  end if;
  perform 1 from creel.lanes l where l.id = lane for no key update;
  perform creel.settle_without_host(array(
    select i.item_id from creel.items i join public.agent_commands c on c.id = i.item_id
    where i.lane_id = lane and c.status = 'pending' and c.type in ('stop', 'undeploy', 'update_config')));
  return null;
end
$$;

-- By its name after the lanes went where the agent goes.
create trigger agents_settle_homeless
  after update of host_id on public.agents for each row
  when (old.host_id is not null and new.host_id is null) execute function creel.settle_homeless();

-- Answers null when somebody did it within min_age: a thousand hosts that tick need not sweep a hundred times a
-- second. One that takes too long, or does not end its transaction, is not waited for: what all of them do to one row,
-- they do under its lock.
create or replace function creel.sweep_once(min_age interval) returns jsonb
language plpgsql set search_path = '' as $$
declare
  reason_count int;
begin
  perform 1 from creel.sweep_state w where w.swept_at <= clock_timestamp() - min_age for update skip locked;
  if found then
    update creel.sweep_state w set swept_at = clock_timestamp() where w.id;
  elsif exists (
    select from creel.sweep_state w
    where w.swept_at > clock_timestamp() - greatest(min_age, interval '15 seconds')) then
    return null;
  end if;
  -- What people read may be some seconds old, and looks at all that waits.
  update creel.sweep_state w set reasoned_at = clock_timestamp()
  where w.id and w.reasoned_at <= clock_timestamp() - 5 * min_age;
  if found then
    perform creel.sweep_needing_no_host();
    reason_count := creel.sweep_reasons();
  end if;
  return jsonb_build_object(
    'leases', creel.sweep_leases(), 'placements', creel.sweep_placements(), 'hope', creel.sweep_hope(),
    'hopeless', creel.sweep_hopeless(), 'reasons', coalesce(reason_count, 0), 'events', creel.sweep_old_events());
end
$$;

revoke all on function creel.sweep_needing_no_host(), creel.settle_homeless() from public, anon, authenticated, service_role;
