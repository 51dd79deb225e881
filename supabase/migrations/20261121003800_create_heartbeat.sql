-- For daemons that are no Creel worker: one call a minute that says and hears everything, and one that reads what an
-- agent is to be.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Whether a value is null or a number within these bounds.
create function creel.is_number(value jsonb, lowest numeric, highest numeric) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  if value is null or jsonb_typeof(value) = 'null' then
    return true;
  end if;
  return case when jsonb_typeof(value) = 'number' then value::numeric between lowest and highest else false end;
end
$$;

create function creel.is_text(value jsonb, most int) returns boolean
language sql immutable set search_path = '' as $$
  select value is null or jsonb_typeof(value) = 'null'
    or jsonb_typeof(value) = 'string' and octet_length(value #>> '{}') <= most
$$;

-- What is wrong with this part of a heartbeat, or null.
create function creel.fault_of_metrics(metrics jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  one jsonb;
  position int := 0;
begin
  if metrics is null or jsonb_typeof(metrics) = 'null' then
    return null;
  end if;
  if jsonb_typeof(metrics) <> 'array' or jsonb_array_length(metrics) > 1000 then
    return 'metrics must be an array of at most 1000';
  end if;
  for one in select e from jsonb_array_elements(metrics) e loop
    if jsonb_typeof(one) <> 'object' or creel.uuid_of(one -> 'agent_id') is null then
      return format('metrics[%s] must be an object with agent_id, a uuid', position);
    end if;
    if not (creel.is_number(one -> 'cpu_percent', 0, 1000000) and creel.is_number(one -> 'ram_mb', 0, 1000000000)
      and creel.is_number(one -> 'disk_mb', 0, 1000000000)) then
      return format('metrics[%s]: cpu_percent, ram_mb and disk_mb must be numbers, not below 0', position);
    end if;
    if not creel.is_number(one -> 'uptime_secs', 0, 1e12) or (one ->> 'uptime_secs')::numeric % 1 <> 0 then
      return format('metrics[%s].uptime_secs must be a whole number, not below 0', position);
    end if;
    position := position + 1;
  end loop;
  return null;
end
$$;

create function creel.fault_of_acks(acks jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  one jsonb;
  position int := 0;
begin
  if acks is null or jsonb_typeof(acks) = 'null' then
    return null;
  end if;
  if jsonb_typeof(acks) <> 'array' or jsonb_array_length(acks) > 1000 then
    return 'acks must be an array of at most 1000';
  end if;
  for one in select e from jsonb_array_elements(acks) e loop
    if jsonb_typeof(one) <> 'object' or creel.uuid_of(one -> 'command_id') is null then
      return format('acks[%s] must be an object with command_id, a uuid', position);
    end if;
    if jsonb_typeof(one -> 'ok') is distinct from 'boolean' then
      return format('acks[%s].ok must be true or false', position);
    end if;
    if jsonb_typeof(coalesce(one -> 'error', 'null')) not in ('null', 'string', 'object') then
      return format('acks[%s].error must be a text, or an object with code, message and hint', position);
    end if;
    if jsonb_typeof(coalesce(one -> 'result', 'null')) not in ('null', 'object') then
      return format('acks[%s].result must be an object', position);
    end if;
    position := position + 1;
  end loop;
  return null;
end
$$;

create function creel.fault_of_heartbeat(beat jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  host constant jsonb := coalesce(nullif(beat -> 'host', 'null'), '{}');
  working constant jsonb := coalesce(nullif(beat -> 'working', 'null'), '[]');
  agents constant jsonb := coalesce(nullif(beat -> 'agents', 'null'), '[]');
begin
  if jsonb_typeof(host) <> 'object' then
    return 'host must be an object';
  elsif not (creel.is_number(host -> 'cpu_percent', 0, 1000000) and creel.is_number(host -> 'ram_mb', 0, 1000000000))
    or (host ->> 'ram_mb')::numeric % 1 <> 0 then
    return 'host.cpu_percent and host.ram_mb must be numbers, not below 0, and ram_mb a whole one';
  elsif not (creel.is_text(host -> 'worker_version', 100) and creel.is_text(host -> 'openclaw_version', 100)) then
    return 'host.worker_version and host.openclaw_version must be texts of at most 100 bytes';
  elsif not coalesce(coalesce(host ->> 'platform', 'linux') in ('linux', 'macos'), false) then
    return 'host.platform must be linux or macos';
  elsif jsonb_typeof(working) <> 'array' or jsonb_array_length(working) > 1000
    or exists (select from jsonb_array_elements(working) w where creel.uuid_of(w) is null) then
    return 'working must be an array of at most 1000 ids of commands';
  elsif jsonb_typeof(agents) <> 'array' or jsonb_array_length(agents) > 1000 then
    return 'agents must be an array of at most 1000';
  end if;
  return coalesce(creel.fault_of_metrics(beat -> 'metrics'), creel.fault_of_acks(beat -> 'acks'));
end
$$;

-- What finish is told of an acknowledgement.
create function creel.finish_of_ack(ack jsonb, token uuid, type text) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  is_ok constant boolean := (ack ->> 'ok')::boolean;
  told constant jsonb := coalesce(nullif(ack -> 'error', 'null'), '{}');
  result jsonb := coalesce(nullif(ack -> 'result', 'null'), '{}');
begin
  if is_ok then
    result := jsonb_build_object('state', case
        when type = 'undeploy' then 'removed' when type = 'stop' then 'stopped' when type = 'update_config' then null
        else 'running' end)
      || result || jsonb_build_object('ok', true);
    -- What a provision request calls it.
    result := result || jsonb_build_object('served', result ->> 'state' is not distinct from 'running');
  else
    result := (result - 'workspace') || jsonb_build_object('ok', false, 'error', jsonb_build_object(
      'code', coalesce(left(told ->> 'code', 100), 'host_failed'),
      'message', coalesce(
        left(case jsonb_typeof(told) when 'string' then told #>> '{}' else told ->> 'message' end, 4000),
        'the host failed, and did not say why'),
      'hint', coalesce(left(told ->> 'hint', 4000), 'Look at the log of the daemon on the host.')));
  end if;
  return jsonb_build_object(
    'token', token, 'outcome', case when is_ok then 'done' else 'failed' end, 'result', result);
end
$$;

-- The session of a host's daemon, as which it holds leases; a worker's is another one.
create function creel.daemon_session(host uuid) returns uuid
language sql immutable set search_path = '' as $$
  select md5(host || ' daemon')::uuid
$$;

-- What a daemon is told to do: what it holds, but for what it says that it is at. A provision request is a deployment
-- to it. As in deploy_config, anything that looks like a secret is left away.
create function creel.commands_of_daemon(host uuid, working uuid[]) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return coalesce((
    select jsonb_agg(
      jsonb_build_object(
        'id', l.item_id, 'type', coalesce(c.type, 'deploy'), 'agent_id', a.id, 'agent_key', l.agent_key,
        'project_id', l.project_id, 'payload', creel.without_secrets(coalesce(c.payload, '{}')),
        'attempt', l.attempts)
      order by l.head)
    from creel.lanes l
    join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
    join creel.items i on i.lane_id = l.id and i.seq = l.head
    left join public.agent_commands c on c.id = l.item_id and l.queue = 'agent_commands'
    where l.host_id = host and l.token is not null and l.session_id = creel.daemon_session(host)
      and l.expires_at > now() and l.item_id <> all (working) and not i.cancel), '[]');
end
$$;

create function creel.take_acks(host uuid, acks jsonb, api jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  finishes jsonb;
  finished jsonb;
begin
  -- The first one of each command counts.
  select jsonb_agg(d.finish order by d.place) into finishes from (
    select distinct on (l.id) a.place, creel.finish_of_ack(a.ack, l.token, coalesce(c.type, 'deploy')) as finish
    from jsonb_array_elements(acks) with ordinality as a (ack, place)
    join creel.items i on i.item_id = creel.uuid_of(a.ack -> 'command_id')
    join creel.lanes l on l.id = i.lane_id and l.head = i.seq and l.token is not null
      and l.host_id = host and l.session_id = creel.daemon_session(host)
    left join public.agent_commands c on c.id = i.item_id and i.queue = 'agent_commands'
    order by l.id, a.place) d;
  if exists (
    select from jsonb_array_elements(finishes) f join creel.lanes l on l.token = (f ->> 'token')::uuid
    left join public.agent_commands c on c.id = l.item_id and l.queue = 'agent_commands'
    where f ->> 'outcome' = 'done' and coalesce(c.type, 'deploy') = 'deploy'
      and creel.short_text(f #> '{result,workspace}', 4096) is null) then
    raise exception 'a deployed agent has a workspace, and its acknowledgement does not say which'
      using errcode = '22023', hint = 'Send result.workspace, the path of the agent''s folder.';
  end if;
  if finishes is not null then
    -- The tokens end with this.
    finished := (
      select jsonb_object_agg(l.item_id, f)
      from jsonb_array_elements(finishes) f join creel.lanes l on l.token = (f ->> 'token')::uuid);
    finished := (
      select jsonb_object_agg(n.key, r.answer)
      from jsonb_each(finished) n
      join jsonb_array_elements(
        public.finish(jsonb_build_object('api', api, 'items', finishes)) -> 'items') as r (answer)
        on r.answer ->> 'token' = n.value ->> 'token');
  end if;
  -- An acknowledgement that came before, or too late, changes nothing.
  return coalesce((
    select jsonb_agg(jsonb_build_object(
        'command_id', a.ack -> 'command_id',
        'applied', coalesce(finished #> array[lower(a.ack ->> 'command_id'), 'applied'], 'false'),
        'status', finished #> array[lower(a.ack ->> 'command_id'), 'status'])
      order by a.place)
    from jsonb_array_elements(acks) with ordinality as a (ack, place)), '[]');
end
$$;

create function public.heartbeat(jsonb) returns jsonb
language plpgsql security definer
set search_path = '' set enable_seqscan = off set jit = off set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  session constant uuid := creel.daemon_session(host);
  -- Two calls may be missed.
  lease constant interval := interval '150 seconds';
  -- So many at a time, as a daemon does one after the other.
  most constant int := 20;
  fault text;
  acked jsonb;
  ticked jsonb;
  working uuid[];
  held int;
  taken json;
  commands jsonb;
  cancelled jsonb;
begin
  perform creel.require_api($1);
  if pg_column_size($1) > 1048576 then
    raise exception 'the heartbeat is too large: % bytes', pg_column_size($1)
      using errcode = 'PT413', hint = 'Send 1 MB at most: the metrics of fewer agents at a time.';
  end if;
  fault := creel.fault_of_heartbeat($1);
  if fault is not null then
    raise exception '%', fault using errcode = '22023', hint = 'Nothing of the heartbeat was taken in; correct it.';
  end if;
  working := array(
    select w::uuid from jsonb_array_elements_text(coalesce(nullif($1 -> 'working', 'null'), '[]')) w);
  acked := creel.take_acks(host, coalesce(nullif($1 -> 'acks', 'null'), '[]'), $1 -> 'api');
  -- As itself the daemon holds nothing, so that a tick touches none of its leases.
  ticked := public.tick(jsonb_build_object(
    'api', $1 -> 'api', 'session', host, 'tokens', '[]'::jsonb,
    'metrics', coalesce(nullif($1 -> 'metrics', 'null'), '[]'),
    'agents', coalesce(nullif($1 -> 'agents', 'null'), '[]'),
    'host', coalesce(nullif($1 -> 'host', 'null'), '{}')));

  -- What takes long is renewed as long as the daemon says that it is at it.
  update creel.lanes l set expires_at = now() + lease
  where l.id = any (array(
    select c.id from creel.lanes c
    where c.host_id = host and c.token is not null and c.session_id = session and c.expires_at > now()
      and c.item_id = any (working)
    order by c.id for no key update));
  select count(*) into held from creel.lanes l
  where l.host_id = host and l.token is not null and l.session_id = session and l.expires_at > now();
  if held < most then
    taken := public.claim(jsonb_build_object(
      'api', $1 -> 'api', 'session', session, 'limit', most - held, 'woken_by', 'poll'));
    update creel.lanes l set expires_at = now() + lease
    where l.host_id = host and l.session_id = session and l.token = any (array(
      select (t.item ->> 'token')::uuid from json_array_elements(taken -> 'items') as t (item)));
  end if;

  commands := creel.commands_of_daemon(host, working);
  cancelled := (
    select jsonb_agg(l.item_id order by l.head) from creel.lanes l
    join creel.items i on i.lane_id = l.id and i.seq = l.head and i.cancel
    where l.host_id = host and l.token is not null and l.session_id = session);
  return jsonb_build_object(
    'host_id', host, 'commands', commands, 'cancel', coalesce(cancelled, '[]'), 'acks', acked,
    'warnings', ticked -> 'warnings',
    'next_in_secs', case
      when cancelled is not null then 5
      when commands <> '[]' then 15
      else 60 end);
end
$$;

comment on function public.heartbeat(jsonb) is
  'Host function, for daemons without a worker''s connections: {api, host{}, metrics[], agents[], acks: [{command_id, '
  'ok, error, result}], working: [command_id]} -> {host_id, commands: [{id, type, agent_id, agent_key, project_id, '
  'payload, attempt}], cancel: [command_id], acks: [{command_id, applied, status}], warnings[], next_in_secs}. host, '
  'metrics and agents are as for tick. A command is told with every call until it is acknowledged or said to be in '
  'working; a daemon must do it once, by its id. It is held for 150 s, and renewed by working. Malformed, nothing of '
  'it is taken in.';

-- What looks like a secret by its name or form is left away, at any depth.
create function creel.without_secrets(value jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return case jsonb_typeof(value)
    when 'object' then (
      select coalesce(jsonb_object_agg(e.key, creel.without_secrets(e.value)), '{}') from jsonb_each(value) e
      where e.key !~* '(token|secret|passw|passphrase|api[-_]?key|private[-_]?key|access[-_]?key|credential|authorization|cookie|bearer)'
        or jsonb_typeof(e.value) in ('boolean', 'number', 'null'))
    when 'array' then (
      select coalesce(jsonb_agg(creel.without_secrets(a.e) order by a.place), '[]')
      from jsonb_array_elements(value) with ordinality as a (e, place))
    when 'string' then case
      when value #>> '{}' ~ '(^|[^A-Za-z0-9])(sk-|sk_|rk_|xox[a-z]-|gh[a-z]_|github_pat_|AKIA|AIza|eyJ[A-Za-z0-9_-]+\.|[0-9]{6,}:[A-Za-z0-9_-]{30})'
        then 'null'::jsonb
      else value end
    else value end;
end
$$;

create function public.deploy_config(jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  host constant uuid := creel.require_host();
  projects constant text[] := creel.projects_of_host(host);
  agent public.agents;
begin
  perform creel.require_api($1);
  select * into agent from public.agents a
  where a.id = creel.uuid_of($1 -> 'agent_id') and a.host_id = host and a.project_id = any (projects)
    and a.status <> 'removed';
  if not found then
    raise exception 'no such agent lives on this host'
      using errcode = 'PT404', detail = 'unknown_agent', hint = 'Ask for agents that a command names.';
  end if;
  return jsonb_build_object(
    'agent_id', agent.id, 'project_id', agent.project_id, 'agent_key', agent.agent_key,
    'openclaw_id', agent.openclaw_id, 'name', agent.name, 'emoji', agent.emoji, 'role', agent.role,
    'backend', agent.backend, 'desired_state', agent.desired_state, 'generation', agent.generation,
    'model', creel.without_secrets(agent.config -> 'model'),
    'thinking', creel.without_secrets(agent.config -> 'thinking'),
    'skills', coalesce(creel.without_secrets(agent.config -> 'skills'), '[]'),
    'channels', coalesce(creel.without_secrets(agent.config -> 'channels'), '{}'),
    'limits', agent.limits,
    'files', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'path', case d.doc_type
            when 'soul' then 'SOUL.md' when 'agents' then 'AGENTS.md' when 'user' then 'USER.md'
            when 'identity' then 'IDENTITY.md' when 'memory_long' then 'MEMORY.md'
            else 'memory/' || coalesce(d.doc_date, (d.updated_at at time zone 'utc')::date) || '.md' end,
          'doc_type', d.doc_type, 'version', d.version, 'sha256', d.sha256, 'content', d.content)
        order by d.doc_type)
      from public.brain_docs d
      where d.project_id = agent.project_id and d.agent_key = agent.agent_key), '[]'));
end
$$;

comment on function public.deploy_config(jsonb) is
  'Host function: {api, agent_id} -> {agent_id, project_id, agent_key, openclaw_id, name, emoji, role, backend, '
  'desired_state, generation, model, thinking, skills, channels, limits, files: [{path, doc_type, version, sha256, '
  'content}]}: what an agent on this host is to be. Anything in config that looks like a secret is left away.';

revoke all on function creel.is_number(jsonb, numeric, numeric), creel.is_text(jsonb, int),
  creel.fault_of_metrics(jsonb), creel.fault_of_acks(jsonb), creel.fault_of_heartbeat(jsonb),
  creel.finish_of_ack(jsonb, uuid, text), creel.daemon_session(uuid), creel.commands_of_daemon(uuid, uuid[]),
  creel.take_acks(uuid, jsonb, jsonb), creel.without_secrets(jsonb), public.heartbeat(jsonb), public.deploy_config(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.heartbeat(jsonb), public.deploy_config(jsonb) to creel_host;
