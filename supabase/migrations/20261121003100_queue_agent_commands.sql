-- Commands join the queue: which of them makes which other needless, and what becomes of the agent.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Whether a command that waits need not be done any more when a newer one comes. restart outlives start and deploy:
-- it is a gateway that somebody wants anew.
create function creel.supersedes(newer text, older text) returns boolean
language sql immutable set search_path = '' as $$
  select case newer
    when 'undeploy' then true
    when 'stop' then older in ('start', 'restart', 'stop')
    when 'start' then older in ('start', 'stop')
    when 'restart' then older in ('start', 'stop', 'restart')
    when 'deploy' then older in ('deploy', 'start', 'stop', 'undeploy')
    when 'update_config' then older = 'update_config'
    else false end
$$;

-- The same for one that is at work: only what would take long, and is undone anyway. A request is named by its queue.
create function creel.cancels(newer text, older text) returns boolean
language sql immutable set search_path = '' as $$
  select case newer
    when 'undeploy' then older in ('deploy', 'start', 'restart', 'update_config', 'agent_provision_requests')
    when 'stop' then older in ('start', 'restart')
    else false end
$$;

create function creel.superseded(newer text) returns jsonb
language sql immutable set search_path = '' as $$
  select creel.failure('superseded', format('a newer %s took its place', newer), 'Nothing is to be done.')
$$;

-- The caller has locked the lanes of these items, none of which is at work. They end without a dead letter.
create function creel.settle_superseded(settlements creel.settlement[]) returns void
language plpgsql set search_path = '' as $$
begin
  update creel.items i set cancel = true
  where i.item_id = any (array(select s.item_id from unnest(settlements) s));
  perform creel.settle(settlements);
end
$$;

-- A cancelled item that ends is no dead letter: somebody wanted it so.
create function creel.refuse_dead_letter() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select from creel.items i where i.item_id = new.item_id and i.cancel) then
    return null;
  end if;
  return new;
end
$$;

create trigger dead_letters_not_of_cancelled
  before insert on creel.dead_letters for each row execute function creel.refuse_dead_letter();

-- Ends what these new commands make needless. It locks their lanes.
create function creel.supersede_commands(command_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  lane_ids constant bigint[] := array(
    select distinct i.lane_id from creel.items i where i.item_id = any (command_ids));
  needless creel.settlement[];
  host uuid;
begin
  perform 1 from creel.lanes l where l.id = any (lane_ids) order by l.id for no key update;

  needless := array(
    select (
      o.lane_id, o.seq, o.item_id, o.queue, case when o.seq = l.head then l.attempts else 0 end, o.max_attempts, 0,
      null, 'dead', 'failed', creel.superseded(n.type), false)::creel.settlement
    from creel.lanes l join creel.items o on o.lane_id = l.id and not (l.token is not null and o.seq = l.head)
    left join public.agent_commands c on c.id = o.item_id
    cross join lateral (
      select k.type from creel.items i join public.agent_commands k on k.id = i.item_id
      where i.lane_id = l.id and i.seq > o.seq and i.item_id = any (command_ids)
        and case o.queue
          when 'agent_commands' then creel.supersedes(k.type, c.type)
          when 'agent_provision_requests' then k.type = 'undeploy'
          else false end
      order by i.seq desc limit 1) n
    where l.id = any (lane_ids));
  -- Where the agent is now does not change by that nobody moved it.
  update public.agent_commands k
  set payload = case when o.previous = to_jsonb(a.backend) then k.payload - 'previous_backend'
    else k.payload || jsonb_build_object('previous_backend', o.previous) end
  from (
    select distinct on (i.item_id) i.item_id, c.payload -> 'previous_backend' as previous
    from unnest(needless) s
    join public.agent_commands c on c.id = s.item_id and c.type = 'deploy' and c.payload ? 'previous_backend'
    join creel.items i on i.lane_id = s.lane_id and i.seq > s.seq and i.item_id = any (command_ids)
    order by i.item_id, s.seq) o, public.agents a
  where k.id = o.item_id and k.type = 'deploy' and a.id = k.agent_id;
  perform creel.settle_superseded(needless);

  for host in
    with cancelled as (
      update creel.items o set cancel = true
      from creel.lanes l
      where l.id = any (lane_ids) and l.token is not null and o.lane_id = l.id and o.seq = l.head and not o.cancel
        and exists (
          select from creel.items i join public.agent_commands k on k.id = i.item_id
          left join public.agent_commands c on c.id = o.item_id and o.queue = 'agent_commands'
          where i.lane_id = l.id and i.seq > o.seq and i.item_id = any (command_ids)
            and creel.cancels(k.type, coalesce(c.type, o.queue)))
      returning l.host_id
    )
    select distinct c.host_id from cancelled c where c.host_id is not null
  loop
    -- The host then asks at once what it is to stop.
    perform pg_notify('creel_work', host || ' cancel');
  end loop;

  -- What once failed and was wished for again is nothing that a person must look at.
  delete from creel.dead_letters d using public.agent_commands c, public.agent_commands k
  where k.id = any (command_ids) and c.agent_id = k.agent_id and c.status = 'failed' and c.id <> k.id
    and d.item_id = c.id and creel.supersedes(k.type, c.type);
end
$$;

-- Merges an object into another; a key that is null is taken away.
create function creel.merged(base jsonb, change jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select (base || coalesce(change, '{}')) - array(
    select e.key from jsonb_each(coalesce(change, '{}')) e where e.value = 'null')
$$;

-- What the commands wish for becomes what the agents' rows say, in the order of the commands.
create function creel.write_wishes(command_ids uuid[], is_new boolean) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  command public.agent_commands;
  agent public.agents;
  wished public.agents;
  changes jsonb;
begin
  perform 1 from public.agents a
  where a.id = any (array(select c.agent_id from public.agent_commands c where c.id = any (command_ids)))
  order by a.id for no key update;
  for command in
    select c.* from unnest(command_ids) with ordinality as n (id, position)
    join public.agent_commands c on c.id = n.id order by n.position
  loop
    select * into agent from public.agents a where a.id = command.agent_id;
    wished := agent;
    changes := case when command.type = 'update_config' and is_new then command.payload else '{}' end;
    wished.desired_state := case command.type
      when 'deploy' then 'running' when 'start' then 'running' when 'restart' then 'running'
      when 'stop' then 'stopped' when 'undeploy' then 'removed' else agent.desired_state end;
    wished.deleting_since := case command.type
      when 'deploy' then null
      when 'undeploy' then case when command.payload -> 'delete_row' = 'true'
        then coalesce(agent.deleting_since, now()) else agent.deleting_since end
      else agent.deleting_since end;
    wished.name := case when changes ? 'name' then changes ->> 'name' else agent.name end;
    wished.emoji := case when changes ? 'emoji' then changes ->> 'emoji' else agent.emoji end;
    wished.role := case when changes ? 'role' then changes ->> 'role' else agent.role end;
    wished.config := creel.merged(agent.config, changes -> 'config');
    wished.limits := creel.merged(agent.limits, changes -> 'limits');
    if pg_column_size(wished.config) > 65536 then
      raise exception 'the config of agent % would be too large: the limit is 64 KB', agent.agent_key
        using errcode = 'PT413', hint = 'Take keys away by setting them to null.';
    end if;
    -- It is begun anew.
    wished.status := case when command.type = 'deploy' and not agent.provisioned and agent.status in ('error', 'removed')
      then 'pending_deploy' else agent.status end;
    wished.generation := agent.generation + (
      (wished.name, wished.emoji, wished.role, wished.config, wished.limits, wished.desired_state)
        is distinct from (agent.name, agent.emoji, agent.role, agent.config, agent.limits, agent.desired_state)
      or changes ? 'docs')::int;
    if wished is distinct from agent then
      update public.agents a set
        desired_state = wished.desired_state, deleting_since = wished.deleting_since, name = wished.name,
        emoji = wished.emoji, role = wished.role, config = wished.config, limits = wished.limits,
        status = wished.status, generation = wished.generation
      where a.id = agent.id;
    end if;
  end loop;
end
$$;

-- What needs no host, as none has the agent and nothing comes before that makes it, is done. The lanes are locked.
create function creel.settle_without_host(command_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  settlements creel.settlement[];
begin
  settlements := array(
    select (
      i.lane_id, i.seq, i.item_id, i.queue, 0, i.max_attempts, 0, null, 'done', null,
      jsonb_build_object(
        'ok', true, 'on_host', false,
        'note', case when a.openclaw_id is null then 'no host has the agent: there was nothing to do on one'
          else 'the agent''s host is gone: nothing could be done there' end,
        'state', case c.type when 'undeploy' then 'removed' when 'stop' then 'stopped' end), false)::creel.settlement
    -- One look-up for each by construction: the plan may be of a time when there was next to nothing, as it is in a
    -- statement that writes the first thousand commands.
    from unnest(command_ids) as n (id)
    cross join lateral (
      select k.type, k.agent_id from public.agent_commands k
      where k.id = n.id and k.type in ('stop', 'undeploy', 'update_config') limit 1) c
    cross join lateral (select g.* from public.agents g where g.id = c.agent_id limit 1) a
    cross join lateral (select o.* from creel.items o where o.item_id = n.id limit 1) i
    cross join lateral (select from creel.lanes o where o.id = i.lane_id and o.token is null limit 1) l
    where not creel.is_on_host(a::public.agents)
      and (
        select true from creel.items e
        left join lateral (
          select k.type from public.agent_commands k
          where k.id = e.item_id and e.queue = 'agent_commands' limit 1) k on true
        where e.lane_id = i.lane_id and e.seq < i.seq and not e.cancel
          and coalesce(k.type, e.queue) in ('deploy', 'start', 'restart', 'agent_provision_requests')
        limit 1) is null
    order by i.lane_id, i.seq);
  perform creel.settle(settlements);
end
$$;

-- How many commands a project has sent in a day of UTC: counted, as looking would take longer with each.
create table creel.command_counts (
  project_id text primary key references public.projects (id) on delete cascade,
  day date not null,
  sent_count int not null
);

revoke all on creel.command_counts from public, anon, authenticated, service_role;

-- Fires by its name after the rows are enqueued, and so takes its locks in the order of the queue: lanes, then agents.
create function creel.receive_commands() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  today constant date := (now() at time zone 'utc')::date;
  command_ids uuid[];
  crowded text;
  day_count int;
begin
  select array_agg(n.id) into command_ids from new_rows n where n.status = 'pending';
  if command_ids is null then
    return null;
  end if;
  perform creel.log_event('agent.commanded', n.project_id, n.agent_key, n.host_id, n.id,
    jsonb_build_object('type', n.type))
  from new_rows n where n.id = any (command_ids);
  perform creel.supersede_commands(command_ids);
  perform creel.write_wishes(command_ids, true);
  perform creel.settle_without_host(command_ids);

  select l.agent_key into crowded
  from creel.items i join creel.lanes l on l.id = i.lane_id
  where i.queue = 'agent_commands' and i.lane_id = any (array(
    select m.lane_id from creel.items m where m.item_id = any (command_ids)))
  group by l.id having count(*) > knobs.max_open_commands_per_agent limit 1;
  if found then
    raise exception 'agent % has too many open commands: the limit is %', crowded, knobs.max_open_commands_per_agent
      using errcode = 'PT429', hint = 'Wait until some are done; why_pending says what they wait for.';
  end if;
  for crowded, day_count in
    insert into creel.command_counts as k (project_id, day, sent_count)
    select n.project_id, today, count(*) from new_rows n group by n.project_id order by n.project_id
    on conflict (project_id) do update set
      sent_count = case k.day when excluded.day then k.sent_count else 0 end + excluded.sent_count, day = excluded.day
    returning k.project_id, k.sent_count
  loop
    if day_count > knobs.max_commands_per_day then
      raise exception 'project % has sent too many commands: the limit is % a day', crowded, knobs.max_commands_per_day
        using errcode = 'PT429', hint = 'Wait until tomorrow, or ask the operator to raise max_commands_per_day.';
    end if;
  end loop;
  return null;
end
$$;

create trigger receive_commands
  after insert on public.agent_commands referencing new table as new_rows
  for each statement execute function creel.receive_commands();

-- Given back, retried or its lease run out. What was cancelled while it was at work ends in the same transaction, as
-- nobody must begin it again; and what needs no host, as the one that was at work on it is gone.
create function creel.end_given_back() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  item creel.items;
  ended creel.settlement;
begin
  select * into item from creel.items i where i.item_id = new.id;
  if not found then
    return null;
  end if;
  perform 1 from creel.lanes l where l.id = item.lane_id for no key update;
  if not item.cancel then
    perform creel.settle_without_host(array[new.id]);
    return null;
  end if;
  select l.id, i.seq, i.item_id, i.queue, l.attempts, i.max_attempts, 0, null::uuid, 'dead', 'failed',
    creel.superseded('command'), false
  into ended
  from creel.items i join creel.lanes l on l.id = i.lane_id and l.head = i.seq
  where i.item_id = new.id and i.cancel and l.token is null;
  if found then
    perform creel.settle(array[ended]);
    perform creel.notify_lanes(array[ended.lane_id]);
  end if;
  return null;
end
$$;

create constraint trigger agent_commands_end_given_back
  after update of status on public.agent_commands deferrable initially deferred for each row
  when (old.status = 'sent' and new.status = 'pending') execute function creel.end_given_back();
create constraint trigger agent_provision_requests_end_given_back
  after update of status on public.agent_provision_requests deferrable initially deferred for each row
  when (old.status = 'running' and new.status = 'queued') execute function creel.end_given_back();

create function creel.command_taken(command_ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  update public.agent_commands c set host_id = a.host_id from public.agents a
  where c.id = any (command_ids) and a.id = c.agent_id and c.host_id is distinct from a.host_id;
  -- Only what is to be written is locked: a claim should wait for as few as possible.
  perform 1 from public.agents a
  where a.id = any (array(
      select c.agent_id from public.agent_commands c where c.id = any (command_ids) and c.type = 'deploy'))
    and not a.provisioned and a.status <> 'deploying'
  order by a.id for no key update;
  update public.agents a set status = 'deploying' from public.agent_commands c
  where c.id = any (command_ids) and c.type = 'deploy' and a.id = c.agent_id
    and not a.provisioned and a.status <> 'deploying';
end
$$;

-- A whole number within these bounds, or null: what a host says must not break what it is written into.
create function creel.whole_number(value jsonb, lowest bigint, highest bigint) returns bigint
language plpgsql immutable set search_path = '' as $$
begin
  if jsonb_typeof(value) = 'number' and value::numeric between lowest and highest and value::numeric % 1 = 0 then
    return value::numeric::bigint;
  end if;
  return null;
end
$$;

create function creel.short_text(value jsonb, most int) returns text
language sql immutable set search_path = '' as $$
  select case when jsonb_typeof(value) = 'string' and octet_length(value #>> '{}') between 1 and most
    then value #>> '{}' end
$$;

-- What a command came to becomes what the agent's row says of it.
create function creel.command_settled(command_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  command public.agent_commands;
  agent public.agents;
  code text;
  observed text;
  gone boolean;
begin
  perform 1 from public.agents a
  where a.id = any (array(select c.agent_id from public.agent_commands c where c.id = any (command_ids)))
  order by a.id for no key update;
  for command in
    select c.* from unnest(command_ids) with ordinality as n (id, position)
    join public.agent_commands c on c.id = n.id order by n.position
  loop
    select * into agent from public.agents a where a.id = command.agent_id;
    code := command.result #>> '{error,code}';
    observed := case
      when command.type = 'undeploy' then 'removed'
      when command.result ->> 'state' in ('running', 'stopped') then command.result ->> 'state' end;
    -- A host that will never be told any more has what it has.
    gone := command.type = 'undeploy' and (
      command.status = 'acked' or command.status = 'failed' and code = 'no_host' and not creel.is_on_host(agent));

    if command.status <> 'pending' or command.result ? 'error' then
      perform creel.log_event(
        case when command.status = 'acked' then 'agent.command_done'
          when command.status = 'pending' then 'agent.command_retried'
          when code = 'superseded' then 'agent.command_superseded'
          else 'agent.command_failed' end,
        command.project_id, command.agent_key, agent.host_id, command.id,
        jsonb_strip_nulls(jsonb_build_object(
          'type', command.type, 'error', command.result -> 'error', 'steps', command.result -> 'steps',
          'note', case when command.result -> 'on_host' = 'false' then command.result -> 'note' end)));
    end if;

    if gone then
      if agent.deleting_since is not null and agent.desired_state = 'removed' then
        perform creel.log_event('agent.removed', agent.project_id, agent.agent_key, agent.host_id, command.id);
        delete from public.agents a where a.id = agent.id;
        continue;
      end if;
      -- Where somebody wishes for it again by now, it is made anew.
      update public.agents a set
        status = case a.desired_state when 'removed' then 'removed' else 'pending_deploy' end,
        provisioned = false, workspace_path = null, openclaw_id = null, port = null, profile = null,
        host_id = case when a.host_pinned then a.host_id end
      where a.id = agent.id;
      delete from public.agent_metrics m where m.agent_id = agent.id;
    elsif command.status = 'acked' and command.result -> 'on_host' is distinct from 'false' then
      update public.agents a set
        provisioned = a.provisioned or command.type <> 'undeploy' and a.openclaw_id is not null
          and creel.short_text(command.result -> 'workspace', 4096) is not null,
        workspace_path = case when command.type <> 'undeploy' and a.openclaw_id is not null
          then coalesce(creel.short_text(command.result -> 'workspace', 4096), a.workspace_path)
          else a.workspace_path end,
        port = case when command.result ? 'port'
          then creel.whole_number(command.result -> 'port', 1, 65535) else a.port end,
        profile = coalesce(creel.short_text(command.result -> 'profile', 200), a.profile),
        status = coalesce(observed, a.status)
      where a.id = agent.id;
    elsif command.status = 'failed' and code is distinct from 'superseded' then
      update public.agents a set status = 'error'
      where a.id = agent.id and command.type in ('deploy', 'start', 'restart') and a.status <> 'error';
    else
      update public.agents a set status = 'pending_deploy'
      where a.id = agent.id and command.type = 'deploy' and not a.provisioned and a.status = 'deploying';
    end if;

    if command.status = 'acked' and observed is not null and (gone or command.result -> 'on_host' is distinct from 'false')
       or command.status = 'failed' and code is distinct from 'superseded'
         and command.type in ('deploy', 'start', 'restart') then
      insert into public.agent_status as s (project_id, agent_key, state, note, last_heartbeat_at)
      values (
        command.project_id, command.agent_key,
        case when command.status = 'failed' then 'error' when observed = 'running' then 'idle' else 'offline' end,
        case when command.status = 'failed' then command.error when observed <> 'running' then observed end, now())
      on conflict (project_id, agent_key) do update set
        state = excluded.state, note = excluded.note, last_heartbeat_at = excluded.last_heartbeat_at;
    end if;
  end loop;
end
$$;

revoke all on function creel.supersedes(text, text), creel.cancels(text, text), creel.superseded(text),
  creel.settle_superseded(creel.settlement[]), creel.refuse_dead_letter(), creel.supersede_commands(uuid[]),
  creel.merged(jsonb, jsonb), creel.write_wishes(uuid[], boolean), creel.settle_without_host(uuid[]),
  creel.receive_commands(), creel.end_given_back(), creel.command_taken(uuid[]),
  creel.whole_number(jsonb, bigint, bigint), creel.short_text(jsonb, int), creel.command_settled(uuid[])
  from public, anon, authenticated, service_role;

insert into creel.queues (
  queue, tbl, lane_kind, priority, waiting, taken, done, dead, taken_at, done_at, on_taken, on_settled)
values (
  'agent_commands', 'public.agent_commands', 'control', 10,
  'pending', 'sent', 'acked', 'failed', 'sent_at', 'acked_at', 'command_taken', 'command_settled');

select creel.join_queue('public.agent_commands');
