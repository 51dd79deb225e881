-- What time alone brings about: a grace that ends, a place that nobody pays for, an agent that is not to be kept any longer.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Each is a function of the schema creel without arguments, which answers how much it did. One that fails, or waits for
-- somebody, keeps no other one from being done.
create table creel.sweeps (
  name text primary key,
  function name not null,
  each_interval interval not null,
  swept_at timestamptz not null default '-infinity',
  last_error text,
  constraint sweeps_each check (each_interval > interval '0')
);

comment on table creel.sweeps is
  'What is done by the clock, beside what the queue needs: function of the schema creel, at most once in each_interval.';

revoke all on creel.sweeps from public, anon, authenticated, service_role;

create function creel.sweep_registered() returns int
language plpgsql set search_path = '' as $$
declare
  due creel.sweeps;
  done int;
  total int := 0;
begin
  for due in
    select * from creel.sweeps s where s.swept_at <= clock_timestamp() - s.each_interval
    order by s.name for no key update skip locked
  loop
    begin
      execute format('select creel.%I()', due.function) into done;
      total := total + coalesce(done, 0);
      update creel.sweeps s set swept_at = clock_timestamp(), last_error = null where s.name = due.name;
    exception when others then
      raise warning 'sweep %: %', due.name, sqlerrm;
      update creel.sweeps s set swept_at = clock_timestamp(), last_error = left(sqlerrm, 1000) where s.name = due.name;
    end;
  end loop;
  return total;
end
$$;

-- Each of these does one row at a time: one that fails, or is held by somebody, keeps none of the others from being done, as
-- they come in any order.

-- A grace that has ended; and, by a change of the settings, one that has begun again.
create function creel.sweep_graces() returns int
language plpgsql set search_path = '' as $$
declare
  sub public.subscriptions;
  agent public.agents;
  settled int := 0;
begin
  for sub in
    select * from public.subscriptions s where s.service = 'grace' and s.grace_until <= now()
    order by random() limit 100 for no key update skip locked
  loop
    begin
      select * into agent from public.agents a where a.id = sub.agent_id;
      -- A sweep waits for nobody.
      if agent.id is null or creel.lock_agent_lane(agent, true) then
        perform creel.settle_subscription(sub.id, null, null);
        settled := settled + 1;
      end if;
    exception when others then
      raise warning 'the grace of % does not end: %', sub.id, sqlerrm;
    end;
  end loop;
  return settled;
end
$$;

-- Whether it was done; the subscription is locked.
create function creel.remove_retained(sub public.subscriptions) returns boolean
language plpgsql set search_path = '' as $$
declare
  agent public.agents;
begin
  select * into agent from public.agents a where a.id = sub.agent_id;
  if agent.id is not null then
    if not creel.lock_agent_lane(agent, true) then
      return false;
    end if;
    select * into agent from public.agents a where a.id = sub.agent_id for no key update;
    if exists (select from public.checkout_intents i where i.agent_id = agent.id and i.status = 'open') then
      return false;  -- somebody is about to pay for it again
    end if;
    if agent.billing = 'unpaid' and agent.status <> 'removed' and not creel.has_open(agent, array['undeploy'])
       and not exists (
         select from public.subscriptions o
         where o.agent_id = agent.id and o.id <> sub.id
           -- A later one that has not ended keeps it, though it is not paid for at the moment.
           and case when o.remove_at is null then o.service <> 'removed' else o.remove_at > now() end) then
      perform creel.send_own_command(agent, 'undeploy');
    end if;
  end if;
  update public.subscriptions s set service = 'removed', remove_at = null where s.id = sub.id;
  if sub.project_id is not null then
    perform creel.log_event('billing.removed', sub.project_id, sub.agent_key, sub.host_id, sub.intent_id,
      jsonb_build_object('subscription', sub.id));
  end if;
  return true;
end
$$;

-- What was kept for its deployer long enough: the host archives it and takes it away. Its documents stay.
create function creel.sweep_retention() returns int
language plpgsql set search_path = '' as $$
declare
  sub public.subscriptions;
  removed int := 0;
begin
  for sub in
    select * from public.subscriptions s where s.remove_at <= now()
    order by random() limit 100 for no key update skip locked
  loop
    begin
      removed := removed + creel.remove_retained(sub)::int;
    exception when others then
      raise warning 'the agent of % is not removed: %', sub.id, sqlerrm;
    end;
  end loop;
  return removed;
end
$$;

-- Without a session nobody can pay, but for one whose making was not heard of: it ends when the intent does. No bank takes a
-- month.
create function creel.sweep_checkouts() returns int
language plpgsql set search_path = '' as $$
declare
  intent public.checkout_intents;
  agent public.agents;
  released int := 0;
begin
  for intent in
    select * from public.checkout_intents i
    where i.status = 'open' and i.expires_at <= now() - case
      when i.awaits_payment then interval '30 days'
      when i.session_id is null then interval '10 minutes'
      else (creel.knobs()).checkout_release_secs * interval '1 second' end
    order by random() limit 100 for no key update skip locked
  loop
    begin
      select * into agent from public.agents a where a.id = intent.agent_id;
      if agent.id is null or creel.lock_agent_lane(agent, true) then
        update public.checkout_intents i set status = 'expired', awaits_payment = false, ended_at = now()
        where i.id = intent.id;
        perform creel.release_reservation(intent.agent_id, intent.id);
        released := released + 1;
      end if;
    exception when others then
      raise warning 'checkout % is not released: %', intent.id, sqlerrm;
    end;
  end loop;
  return released;
end
$$;

create index agents_unpaid on public.agents (id) where billing = 'unpaid';

-- What was done once when a payment came or ended, and did not succeed: one that is paid for and had no place may have it
-- now, and one that is not paid for and runs all the same is told to stop again, each hour.
create function creel.sweep_unpaid() returns int
language plpgsql set search_path = '' as $$
declare
  agent public.agents;
  settled int := 0;
begin
  for agent in
    select a.* from public.agents a
    where a.billing = 'unpaid' and (
      creel.is_covered(a)
      or a.status in ('deploying', 'running', 'error') and creel.is_on_host(a) and not creel.has_open_items(a.id)
        and not exists (
          select from public.agent_commands c where c.agent_id = a.id and c.created_at > now() - interval '1 hour'))
    order by random() limit 100
  loop
    begin
      continue when not creel.lock_agent_lane(agent, true);
      select * into agent from public.agents a where a.id = agent.id for no key update;
      if creel.is_covered(agent) then
        perform creel.settle_entitlement(agent.id, null);
      elsif agent.billing = 'unpaid' then
        perform creel.send_own_command(agent, case agent.desired_state when 'removed' then 'undeploy' else 'stop' end);
      end if;
      settled := settled + 1;
    exception when others then
      raise warning 'agent % runs unpaid: %', agent.id, sqlerrm;
    end;
  end loop;
  return settled;
end
$$;

create function creel.sweep_billing() returns int
language plpgsql set search_path = '' as $$
begin
  return creel.sweep_graces() + creel.sweep_retention() + creel.sweep_checkouts();
end
$$;

-- What a deployer wrote for an agent that he never paid for is not kept for good. Some days it is, as a payment may be late.
create function creel.sweep_intents() returns int
language plpgsql set search_path = '' as $$
declare
  emptied int;
  gone int;
begin
  update public.checkout_intents i set agent = i.agent - 'docs' where i.id = any (array(
    select o.id from public.checkout_intents o
    where o.status in ('expired', 'failed') and o.agent ? 'docs'
      and o.ended_at < now() - (creel.knobs()).checkout_release_secs * interval '1 second' - interval '3 days'
    order by o.ended_at limit 1000 for no key update skip locked));
  get diagnostics emptied = row_count;
  delete from public.checkout_intents i where i.id = any (array(
    select o.id from public.checkout_intents o
    where o.status in ('expired', 'failed')
      and o.ended_at < now() - greatest((creel.knobs()).event_retention_days, 60) * interval '1 day'
      and not exists (select from public.subscriptions s where s.intent_id = o.id)
    order by o.ended_at limit 1000 for update skip locked));
  get diagnostics gone = row_count;
  return emptied + gone;
end
$$;

-- A rented host serves a project for as long as it has an agent of it, or is to have one.
create function creel.sweep_rents() returns int
language plpgsql set search_path = '' as $$
declare
  ended int;
begin
  delete from public.project_hosts p
  where p.terms = 'rented' and p.created_at < now() - interval '1 hour'
    and not exists (
      select from public.agents a
      where a.host_id = p.host_id and a.project_id = p.project_id
        and (a.status <> 'removed' or a.desired_state <> 'removed' or a.openclaw_id is not null))
    and not exists (
      select from public.checkout_intents i
      where i.project_id = p.project_id and i.host_id = p.host_id and i.status = 'open');
  get diagnostics ended = row_count;
  return ended;
end
$$;

create function creel.sweep_payloads() returns int
language plpgsql set search_path = '' as $$
declare
  emptied int;
begin
  update public.stripe_events e set payload = null where e.id = any (array(
    select o.id from public.stripe_events o
    where o.payload is not null and o.status <> 'waiting'
      and o.received_at < now() - (creel.knobs()).stripe_payload_days * interval '1 day'
    order by o.received_at limit 1000 for no key update skip locked));
  get diagnostics emptied = row_count;
  return emptied;
end
$$;

insert into creel.sweeps (name, function, each_interval) values
  ('billing', 'sweep_billing', '10 seconds'),
  ('unpaid', 'sweep_unpaid', '5 minutes'),
  ('checkouts', 'sweep_intents', '1 hour'),
  ('rents', 'sweep_rents', '1 hour'),
  ('stripe payloads', 'sweep_payloads', '1 hour');

-- Answers null when somebody did it within min_age: a thousand hosts that tick need not sweep a hundred times a
-- second. One that takes too long, or does not end its transaction, is not waited for: what all of them do to one row,
-- they do under its lock.
create or replace function creel.sweep_once(min_age interval) returns jsonb
language plpgsql set search_path = '' as $$
declare
  reason_count int;
  told int;
  others int;
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
    told := creel.sweep_webhooks();
    others := creel.sweep_registered();
  end if;
  return jsonb_build_object(
    'leases', creel.sweep_leases(), 'placements', creel.sweep_placements(), 'hope', creel.sweep_hope(),
    'hopeless', creel.sweep_hopeless(), 'reasons', coalesce(reason_count, 0), 'events', creel.sweep_old_events(),
    'webhooks', coalesce(told, 0), 'versions', creel.sweep_doc_versions(),
    'others', coalesce(others, 0));
end
$$;

revoke all on function creel.sweep_registered(), creel.sweep_graces(), creel.remove_retained(public.subscriptions),
  creel.sweep_retention(), creel.sweep_checkouts(), creel.sweep_unpaid(), creel.sweep_intents(),
  creel.sweep_billing(), creel.sweep_rents(), creel.sweep_payloads()
  from public, anon, authenticated, service_role;
