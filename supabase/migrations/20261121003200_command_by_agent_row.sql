-- The other way round: whoever changes the wish in an agent's row sends the command that fits.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create or replace function creel.keep_agent_columns() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.id := gen_random_uuid();
    new.agent_id_short := coalesce(nullif(new.agent_id_short, ''), creel.short_of_key(new.agent_key));
    new.provisioned := false;
    new.workspace_path := null;
    new.openclaw_id := null;
    new.port := null;
    new.profile := null;
    new.status := 'pending_deploy';
    new.generation := 1;
    new.deleting_since := null;
    new.created_at := now();
    new.host_pinned := new.host_id is not null;
    return new;
  end if;
  new.id := old.id;
  new.project_id := old.project_id;
  new.agent_key := old.agent_key;
  new.provisioned := old.provisioned;
  new.workspace_path := old.workspace_path;
  new.openclaw_id := old.openclaw_id;
  new.port := old.port;
  new.profile := old.profile;
  new.status := old.status;
  new.deleting_since := old.deleting_since;
  new.created_at := old.created_at;
  -- What is being removed is nothing that another host is to have.
  new.host_id := case when new.desired_state = 'removed' then old.host_id else coalesce(old.host_id, new.host_id) end;
  if old.host_id is null and new.host_id is not null then
    -- Whatever it was on a host that is gone, there it is to be made anew.
    new.provisioned := false;
    new.workspace_path := null;
    new.openclaw_id := null;
  end if;
  new.host_pinned := case when old.host_id is null then new.host_id is not null else old.host_pinned end;
  new.agent_id_short := case
    when old.openclaw_id is not null then old.agent_id_short
    else coalesce(nullif(new.agent_id_short, ''), old.agent_id_short)
  end;
  new.generation := old.generation + case
    when (new.name, new.role, new.emoji, new.config, new.limits, new.desired_state, new.backend)
      is distinct from (old.name, old.role, old.emoji, old.config, old.limits, old.desired_state, old.backend)
    then 1 else 0 end;
  return new;
end
$$;

-- Whether the row of this agent may be changed by a command: a host has it, or is about to.
create function creel.has_open_items(agent_id uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.agents a
    join creel.lanes l on l.project_id = a.project_id and l.agent_key = a.agent_key and l.kind = 'control'
    where a.id = has_open_items.agent_id and l.head is not null)
$$;

-- Whoever writes an agent's row locks that row before its lane; whoever sends a command, and a host, the other way
-- round. So that two people do not wait for each other, those who write in one project take turns. A host gives way by
-- its lock_timeout, and asks again. Whoever does not get his turn in six seconds goes on without, so that nobody waits
-- for the turn of a transaction that does not end. That is longer than several who wait need when a host has to give way
-- to each, or Postgres to end a deadlock: were it shorter, one of these would send all after it into the next one. And it
-- is shorter than the eight seconds that hosted Supabase gives a person's statement.
create function creel.take_turn() returns void
language plpgsql security definer set search_path = '' set lock_timeout = '6s' as $$
declare
  turn int;
begin
  if current_setting('role', true) is distinct from 'authenticated' then
    return;
  end if;
  for turn in select distinct hashtext(p) from unnest(creel.writable_projects()) p order by 1 loop
    perform pg_advisory_xact_lock(1129465164, turn);
  end loop;
exception when lock_not_available then
  return;
end
$$;

create function creel.take_turns() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.take_turn();
  return null;
end
$$;

create trigger agents_take_turns
  before update or delete on public.agents for each statement execute function creel.take_turns();
create trigger agent_commands_take_turns
  before insert on public.agent_commands for each statement execute function creel.take_turns();
create trigger agent_provision_requests_take_turns
  before insert or delete on public.agent_provision_requests for each statement execute function creel.take_turns();

-- Runs as the writing role: what commands write, they write as their owner, and so is not said twice.
create function creel.send_wished_command() returns trigger
language plpgsql set search_path = '' as $$
declare
  on_host constant boolean := new.openclaw_id is not null and new.host_id is not null;
  changed text[];
begin
  if current_user not in ('authenticated', 'service_role') then
    return null;
  end if;
  if new.desired_state <> old.desired_state then
    if new.desired_state = 'removed' then
      insert into public.agent_commands (agent_id, type) values (new.id, 'undeploy');
      return null;
    end if;
    if old.desired_state = 'removed' then
      insert into public.agent_commands (agent_id, type) values (new.id, 'deploy');
      if new.desired_state = 'stopped' then
        insert into public.agent_commands (agent_id, type) values (new.id, 'stop');
      end if;
      return null;  -- the deployment takes all that is in the row
    end if;
    if on_host or creel.has_open_items(new.id) then
      insert into public.agent_commands (agent_id, type)
      values (new.id, case new.desired_state when 'running' then 'start' else 'stop' end);
    end if;
  end if;
  if not on_host or new.desired_state = 'removed' then
    return null;
  end if;
  if new.backend <> old.backend then
    insert into public.agent_commands (agent_id, type, payload)
    values (new.id, 'deploy', jsonb_build_object('previous_backend', old.backend));
    if new.desired_state = 'stopped' then
      insert into public.agent_commands (agent_id, type) values (new.id, 'stop');
    end if;
    return null;
  end if;
  changed := array_remove(array[
    case when new.name is distinct from old.name then 'name' end,
    case when new.role is distinct from old.role then 'role' end,
    case when new.emoji is distinct from old.emoji then 'emoji' end,
    case when new.config <> old.config then 'config' end,
    case when new.limits <> old.limits then 'limits' end], null);
  if changed <> '{}' then
    insert into public.agent_commands (agent_id, type, payload)
    values (new.id, 'update_config', jsonb_build_object('changed', changed));
  end if;
  return null;
end
$$;

create trigger agents_send_wished_command
  after update on public.agents for each row
  when ((new.name, new.role, new.emoji, new.config, new.limits, new.desired_state, new.backend)
    is distinct from (old.name, old.role, old.emoji, old.config, old.limits, old.desired_state, old.backend))
  execute function creel.send_wished_command();

-- Deleting an agent that a host has, or may have begun to make, is a wish: the row goes when the host has undeployed
-- it. Until then nobody else gets its id there.
create or replace function creel.wish_removal() returns trigger
language plpgsql set search_path = '' as $$
begin
  if old.openclaw_id is null or old.host_id is null or current_user not in ('anon', 'authenticated', 'service_role') then
    return old;
  end if;
  if old.deleting_since is null or not creel.has_open_items(old.id) then
    insert into public.agent_commands (agent_id, type, payload) values (old.id, 'undeploy', '{"delete_row": true}');
  end if;
  return null;
end
$$;

-- Whoever asks for an agent that is being removed wants it back: the last word counts. What undeploys it and has not
-- begun is needless, and the row stays. It fires by its name after the rows are enqueued.
create function creel.take_back_removals() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  lane_ids bigint[];
begin
  if not exists (
    select from new_rows n join public.agents a using (project_id, agent_key) where a.desired_state = 'removed') then
    return null;
  end if;
  lane_ids := array(
    select i.lane_id from new_rows n join creel.items i on i.item_id = n.id);
  perform 1 from creel.lanes l where l.id = any (lane_ids) order by l.id for no key update;
  perform creel.settle_superseded(array(
    select (
      o.lane_id, o.seq, o.item_id, o.queue, case when o.seq = l.head then l.attempts else 0 end, o.max_attempts, 0,
      null, 'dead', 'failed', creel.superseded('request'), false)::creel.settlement
    from creel.lanes l join creel.items o on o.lane_id = l.id and not (l.token is not null and o.seq = l.head)
    join public.agent_commands c on c.id = o.item_id and c.type = 'undeploy'
    where l.id = any (lane_ids)));
  update public.agents a set desired_state = 'running', deleting_since = null, generation = a.generation + 1
  from new_rows n
  where a.project_id = n.project_id and a.agent_key = n.agent_key and n.status = 'queued'
    and a.desired_state = 'removed';
  return null;
end
$$;

create trigger take_back_removals
  after insert on public.agent_provision_requests referencing new table as new_rows
  for each statement execute function creel.take_back_removals();

revoke all on function creel.take_turn(), creel.take_turns(), creel.has_open_items(uuid), creel.send_wished_command(), creel.take_back_removals()
  from public, anon, authenticated, service_role;
grant execute on function creel.has_open_items(uuid) to authenticated, service_role;

-- Until now the wish alone said that an agent is to go; from now on a host asks for commands.
insert into public.agent_commands (agent_id, type)
select a.id, 'undeploy' from public.agents a
where a.desired_state = 'removed' and a.status <> 'removed'
order by a.id;
