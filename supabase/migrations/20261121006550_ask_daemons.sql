-- Daemons that are no Creel worker are asked, too: a canary is a command to them.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- What a daemon is told that it is to do: a provision request is a deployment.
create function creel.daemon_word(queue text, command_type text) returns text
language sql immutable set search_path = '' as $$
  select case queue when 'agent_canaries' then 'canary' else coalesce(command_type, 'deploy') end
$$;

create or replace function creel.finish_of_ack(ack jsonb, token uuid, type text) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  is_ok constant boolean := (ack ->> 'ok')::boolean;
  told constant jsonb := coalesce(nullif(ack -> 'error', 'null'), '{}');
  result jsonb := coalesce(nullif(ack -> 'result', 'null'), '{}');
begin
  if is_ok then
    result := jsonb_build_object('state', case
        when type = 'undeploy' then 'removed' when type = 'stop' then 'stopped'
        when type in ('update_config', 'canary') then null
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

-- What a daemon is told to do: what it holds, but for what it says that it is at. As in deploy_config, anything that looks
-- like a secret is left away.
create or replace function creel.commands_of_daemon(host uuid, working uuid[]) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return coalesce((
    select jsonb_agg(
      jsonb_build_object(
        'id', l.item_id, 'type', creel.daemon_word(l.queue, c.type), 'agent_id', a.id, 'agent_key', l.agent_key,
        'project_id', l.project_id, 'payload', case
          when q.id is null then creel.without_secrets(coalesce(c.payload, '{}'))
          else jsonb_build_object('challenge', q.challenge, 'deadline_at', q.deadline_at) end,
        'attempt', l.attempts)
      order by l.head)
    from creel.lanes l
    join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
    join creel.items i on i.lane_id = l.id and i.seq = l.head
    left join public.agent_commands c on c.id = l.item_id and l.queue = 'agent_commands'
    left join public.agent_canaries q on q.id = l.item_id and l.queue = 'agent_canaries'
    where l.host_id = host and l.token is not null and l.session_id = creel.daemon_session(host)
      and l.expires_at > now() and l.item_id <> all (working) and not i.cancel), '[]');
end
$$;

create or replace function creel.take_acks(host uuid, acks jsonb, api jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  finishes jsonb;
  finished jsonb;
begin
  -- The first one of each command counts.
  select jsonb_agg(d.finish order by d.place) into finishes from (
    select distinct on (l.id) a.place, creel.finish_of_ack(a.ack, l.token, creel.daemon_word(i.queue, c.type)) as finish
    from jsonb_array_elements(acks) with ordinality as a (ack, place)
    join creel.items i on i.item_id = creel.uuid_of(a.ack -> 'command_id')
    join creel.lanes l on l.id = i.lane_id and l.head = i.seq and l.token is not null
      and l.host_id = host and l.session_id = creel.daemon_session(host)
    left join public.agent_commands c on c.id = i.item_id and i.queue = 'agent_commands'
    order by l.id, a.place) d;
  if exists (
    select from jsonb_array_elements(finishes) f join creel.lanes l on l.token = (f ->> 'token')::uuid
    left join public.agent_commands c on c.id = l.item_id and l.queue = 'agent_commands'
    where f ->> 'outcome' = 'done' and creel.daemon_word(l.queue, c.type) = 'deploy'
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

comment on function public.heartbeat(jsonb) is
  'Host function, for daemons without a worker''s connections: {api, host{}, metrics[], agents[], acks: [{command_id, '
  'ok, error, result}], working: [command_id]} -> {host_id, commands: [{id, type, agent_id, agent_key, project_id, '
  'payload, attempt}], cancel: [command_id], acks: [{command_id, applied, status}], warnings[], next_in_secs}. host, '
  'metrics and agents are as for tick. A command is told with every call until it is acknowledged or said to be in '
  'working; a daemon must do it once, by its id. One of type canary is to be put to the agent itself: payload.challenge, '
  'and result.answer has its words, before payload.deadline_at. A command is held for 150 s, and renewed by working. '
  'Malformed, nothing of it is taken in.';

revoke all on function creel.daemon_word(text, text) from public, anon, authenticated, service_role;
