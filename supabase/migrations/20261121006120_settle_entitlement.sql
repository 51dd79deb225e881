-- The life of a subscription is the life of its agent: paid, it is asked to run; not paid any more, to stop.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- A uuid, or null: what comes from elsewhere need not be one.
create function creel.read_uuid(given text) returns uuid
language plpgsql immutable set search_path = '' as $$
begin
  if given ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then
    return given::uuid;
  end if;
  return null;
end
$$;

-- Seconds since 1970, or null.
create function creel.read_time(given jsonb) returns timestamptz
language plpgsql immutable set search_path = '' as $$
begin
  if jsonb_typeof(given) = 'number' and given::numeric between 0 and 253402300799 then
    return to_timestamp(given::numeric::double precision);
  end if;
  return null;
end
$$;

-- What follows from what Stripe says. Of what is past due, that depends on the time.
-- Of one that nobody has paid yet, a bank may be about to refuse the first payment, though Stripe calls it active.
create function creel.subscription_service(
  status text, grace_until timestamptz, first_paid_at timestamptz, at timestamptz) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case
    when status = 'incomplete' then 'awaiting'
    when status in ('active', 'trialing', 'past_due') and first_paid_at is null then 'awaiting'
    when status in ('active', 'trialing') then 'active'
    when status = 'past_due' and at < grace_until then 'grace'
    when status in ('canceled', 'incomplete_expired') then 'ended'
    else 'suspended' end;
end
$$;

-- Locks what an agent's commands wait in, in the order of the queue. False: somebody has it, and nobody_waits.
create function creel.lock_agent_lane(agent public.agents, nobody_waits boolean) returns boolean
language plpgsql set search_path = '' as $$
begin
  if not exists (
    select from creel.lanes l
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control') then
    perform creel.add_lanes(q, array[agent.project_id], array[agent.agent_key])
    from creel.queues q where q.queue = 'agent_commands';
  end if;
  if nobody_waits then
    perform 1 from creel.lanes l
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control'
    for no key update skip locked;
  else
    perform 1 from creel.lanes l
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control'
    for no key update;
  end if;
  return found;
end
$$;

-- A command that nobody asked for but Creel itself: it counts towards no limit of a day, as a limit must not keep an
-- agent from being stopped.
create function creel.send_own_command(agent public.agents, type text, payload jsonb default '{}') returns uuid
language plpgsql set search_path = '' as $$
declare
  made uuid;
begin
  update creel.command_counts k set sent_count = k.sent_count - 1
  where k.project_id = agent.project_id and k.sent_count > 0 and k.day = (now() at time zone 'utc')::date;
  insert into public.agent_commands (agent_id, type, payload, created_by)
  values (agent.id, send_own_command.type, send_own_command.payload, null)
  returning id into made;
  return made;
end
$$;

-- Asks for an agent to run: the one way that fits what it is now. Its lane is locked.
create function creel.ask_to_run(agent public.agents) returns uuid
language plpgsql set search_path = '' as $$
declare
  made uuid;
begin
  if agent.desired_state <> 'removed' and (
    agent.provisioned and creel.is_on_host(agent)
    or creel.has_open(agent, array['deploy', 'agent_provision_requests'])) then
    return creel.send_own_command(agent, 'start');
  end if;
  if agent.backend <> 'shared' then
    return creel.send_own_command(agent, 'deploy');
  end if;
  update public.agents a set desired_state = 'running', generation = a.generation + 1
  where a.id = agent.id and a.desired_state = 'stopped';
  insert into public.agent_provision_requests (
    project_id, agent_key, agent_id_short, display_name, emoji, role_short, requested_by)
  values (
    agent.project_id, agent.agent_key, agent.agent_id_short, coalesce(agent.name, agent.agent_id_short), agent.emoji,
    agent.role, null)
  on conflict do nothing
  returning id into made;
  return made;
end
$$;

-- Asks for an agent not to run. What would have made or started it and is not begun is not to be done any more; its host
-- is told the rest by a command. Its lane is locked.
create function creel.ask_to_stop(agent public.agents) returns uuid
language plpgsql set search_path = '' as $$
begin
  perform creel.settle_superseded(array(
    select (
      o.lane_id, o.seq, o.item_id, o.queue, case when o.seq = l.head then l.attempts else 0 end, o.max_attempts, 0,
      null, 'dead', 'failed',
      creel.failure('superseded', 'the agent is not paid for any more', 'Pay for it again; then it is deployed by itself.'),
      false)::creel.settlement
    from creel.lanes l join creel.items o on o.lane_id = l.id and not (l.token is not null and o.seq = l.head)
    left join public.agent_commands c on c.id = o.item_id and o.queue = 'agent_commands'
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control'
      and (o.queue = 'agent_provision_requests' or c.type in ('deploy', 'start', 'restart'))
    order by o.seq));
  update public.agents a set status = 'pending_deploy'
  where a.id = agent.id and a.openclaw_id is null and a.status = 'error';
  if agent.desired_state = 'removed' then
    return null;
  end if;
  return creel.send_own_command(agent, 'stop');
end
$$;

-- Whether money is paid for an agent where it is: to the owner of its host; or, that host being gone, to nobody in
-- particular, and then it runs on a host of the project's own. In PL/pgSQL, which plans it once a session: every event of
-- a subscription asks.
create function creel.is_covered(agent public.agents) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from public.subscriptions s
    where s.agent_id = agent.id and s.service in ('active', 'grace')
      and (agent.host_id is null or s.host_id = agent.host_id or exists (
        select from public.project_hosts p
        where p.project_id = agent.project_id and p.host_id = agent.host_id and p.terms = 'own')));
end
$$;

-- Why an agent that is paid for again cannot have its place back, or null. Its host is locked.
create function creel.fault_of_place(agent public.agents) returns text
language plpgsql set search_path = '' as $$
declare
  host public.hosts;
begin
  if agent.host_id is null or agent.status <> 'removed' then
    return null;
  end if;
  perform 1 from public.hosts h where h.id = agent.host_id for no key update;
  select * into host from public.hosts h where h.id = agent.host_id;
  host.tenancy := 'single';
  return case
    when host.status = 'retired' then 'its host is retired'
    when not agent.backend = any (host.backends) then 'its host cannot run it any more'
    when not creel.may_neighbour(host, agent.project_id, agent.backend) then 'its host runs agents of another project by now'
    when not creel.has_room(host) then 'its host is full' end;
end
$$;

-- Makes agents.billing what its subscriptions say, and acts when that changes. Of several subscriptions of one agent the
-- best counts, so that what a late event says of an old one changes nothing. cause is the one that was looked at; null when
-- the sweep tries again.
create function creel.settle_entitlement(of_agent uuid, cause text) returns void
language plpgsql set search_path = '' as $$
declare
  agent public.agents;
  is_paid boolean;
  item uuid;
  fault text;
begin
  select * into agent from public.agents a where a.id = of_agent;
  if not found or agent.billing = 'free' then
    return;
  end if;
  is_paid := creel.is_covered(agent);
  if is_paid = (agent.billing = 'paid') then
    return;
  end if;
  perform creel.lock_agent_lane(agent, false);
  select * into agent from public.agents a where a.id = of_agent for no key update;
  if not found then
    return;
  end if;
  is_paid := creel.is_covered(agent);
  if is_paid = (agent.billing = 'paid') then
    return;
  end if;
  if is_paid then
    fault := creel.fault_of_place(agent);
    if fault is not null then
      -- It was undeployed, and somebody else has its place: it is not made there beside him.
      if cause is not null then
        perform creel.log_event('billing.mismatch', agent.project_id, agent.agent_key, agent.host_id, null,
          jsonb_build_object('what', 'no_place', 'subscription', cause,
            'message', 'the agent is paid for, and cannot be deployed: ' || fault));
      end if;
      return;
    end if;
  end if;
  update public.agents a set billing = case when is_paid then 'paid' else 'unpaid' end where a.id = of_agent;
  if not is_paid then
    perform creel.ask_to_stop(agent);
    return;
  end if;
  insert into public.project_hosts (project_id, host_id, terms)
  select agent.project_id, agent.host_id, 'rented' where exists (
    select from public.subscriptions s
    where s.agent_id = of_agent and s.host_id = agent.host_id and s.service in ('active', 'grace'))
  on conflict do nothing;
  item := creel.ask_to_run(agent);
  update public.subscriptions s set item_id = item, asked_at = clock_timestamp()
  where s.id = coalesce(cause, (
    select max(o.id) from public.subscriptions o where o.agent_id = of_agent and o.service in ('active', 'grace')));
end
$$;

-- Whether an agent's row is there for a checkout alone: no host ever had it, and nobody ever paid for it.
create function creel.is_reservation(agent public.agents) returns boolean
language sql stable set search_path = '' as $$
  select agent.billing = 'unpaid' and agent.openclaw_id is null and not agent.provisioned
    and not exists (
      select from public.subscriptions s
      where s.project_id = agent.project_id and s.agent_key = agent.agent_key
        and s.first_paid_at is not null)
$$;

-- Gives back the place that a checkout kept, unless another one keeps it. Its intent has ended.
create function creel.release_reservation(of_agent uuid, of_intent uuid) returns void
language plpgsql set search_path = '' as $$
declare
  agent public.agents;
begin
  select * into agent from public.agents a where a.id = of_agent;
  if not found or agent.billing <> 'unpaid' or agent.openclaw_id is not null or agent.provisioned
     or exists (
       select from public.checkout_intents i
       where i.project_id = agent.project_id and i.agent_key = agent.agent_key and i.status = 'open') then
    return;
  end if;
  perform creel.lock_agent_lane(agent, false);
  select * into agent from public.agents a where a.id = of_agent for no key update;
  if not found or agent.billing <> 'unpaid' or agent.openclaw_id is not null then
    return;
  end if;
  perform creel.log_event('billing.released', agent.project_id, agent.agent_key, agent.host_id, of_intent);
  if creel.is_reservation(agent) then
    delete from public.agents a where a.id = of_agent;
  else
    -- It was paid for once, and has gone from its host: its row stays, without a place.
    update public.agents a set status = 'removed', desired_state = 'removed' where a.id = of_agent;
  end if;
end
$$;

revoke all on function creel.read_uuid(text), creel.read_time(jsonb),
  creel.subscription_service(text, timestamptz, timestamptz, timestamptz), creel.is_covered(public.agents),
  creel.fault_of_place(public.agents), creel.lock_agent_lane(public.agents, boolean),
  creel.send_own_command(public.agents, text, jsonb), creel.ask_to_run(public.agents),
  creel.ask_to_stop(public.agents), creel.settle_entitlement(uuid, text), creel.is_reservation(public.agents),
  creel.release_reservation(uuid, uuid)
  from public, anon, authenticated, service_role;
