-- Agents that a host has in its OpenClaw already become rows.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function creel.refuse_adoption(openclaw_id text, code text, message text, hint text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'openclaw_id', openclaw_id, 'outcome', 'refused',
    'reason', jsonb_build_object('code', code, 'message', message, 'hint', hint))
$$;

create function creel.adopt_agent(of_project text, of_host uuid, wish jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  wished constant text := wish ->> 'openclaw_id';
  key constant text := 'agent:' || (wish ->> 'openclaw_id') || ':main';
  agent public.agents;
  request uuid;
begin
  if not coalesce(creel.is_agent_id(wished), false) then
    return creel.refuse_adoption(wished, 'agent_id', case when wished = 'main'
        then 'main is OpenClaw''s own agent'
        else 'this is no agent id that Creel can have: a-z, 0-9, _ and -, a letter or digit first, at most 63' end,
      'Leave it to OpenClaw, or make an agent with another id from its files.');
  end if;

  select * into agent from public.agents a where a.host_id = of_host and a.openclaw_id = wished;
  if found and agent.project_id <> of_project then
    return creel.refuse_adoption(wished, 'other_project', 'it is an agent of another project already',
      'Remove it there first.');
  end if;
  if not found then
    select * into agent from public.agents a where a.project_id = of_project and a.agent_key = key;
  end if;
  if agent.id is not null then
    if agent.provisioned and agent.host_id = of_host then
      return jsonb_build_object('openclaw_id', wished, 'outcome', 'exists', 'agent_key', agent.agent_key);
    end if;
    if agent.provisioned or agent.host_id <> of_host or agent.openclaw_id <> wished then
      return creel.refuse_adoption(wished, 'key_taken', 'the project has another agent ' || agent.agent_key,
        'Remove that agent, or adopt this one in another project.');
    end if;
    if agent.desired_state = 'removed' then
      return creel.refuse_adoption(wished, 'being_removed', agent.agent_key || ' is being removed',
        'Wait until it is gone, then adopt the agent.');
    end if;
    select r.id into request from public.agent_provision_requests r
    where r.project_id = of_project and r.agent_key = agent.agent_key and r.status in ('queued', 'running')
      and r.adopt;
    if request is not null then
      return jsonb_build_object(
        'openclaw_id', wished, 'outcome', 'exists', 'agent_key', agent.agent_key, 'request_id', request);
    end if;
    if exists (
      select from public.agent_provision_requests r
      where r.project_id = of_project and r.agent_key = agent.agent_key and r.status in ('queued', 'running')
    ) then
      return creel.refuse_adoption(wished, 'open_request', 'a request for ' || agent.agent_key || ' is open',
        'Wait until it has ended, then adopt the agent.');
    end if;
    update public.agents a set host_id = of_host, host_pinned = true, openclaw_id = wished,
      agent_id_short = coalesce(a.agent_id_short, wished)
    where a.id = agent.id;
  else
    insert into public.agents (
      project_id, agent_key, name, emoji, agent_id_short, host_id, host_pinned, openclaw_id)
    values (
      of_project, key, coalesce(nullif(wish ->> 'name', ''), wished), nullif(wish ->> 'emoji', ''), wished, of_host,
      true, wished)
    returning * into agent;
  end if;
  insert into public.agent_provision_requests (
    project_id, agent_key, agent_id_short, display_name, emoji, adopt)
  values (of_project, agent.agent_key, wished, agent.name, agent.emoji, true)
  returning agent_provision_requests.id into request;
  return jsonb_build_object(
    'openclaw_id', wished, 'outcome', 'adopted', 'agent_key', agent.agent_key, 'request_id', request);
exception
  -- One that cannot be had costs the others nothing.
  when sqlstate 'PT409' or sqlstate 'PT429' or check_violation or unique_violation then
    return creel.refuse_adoption(wished, 'refused',
      case when sqlstate like 'PT%' then sqlerrm else 'its name, emoji or key cannot be written' end,
      'Shorten what is too long, make room for it, or adopt fewer agents at a time.');
end
$$;

create function public.adopt_agents(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  of_project constant text := $1 ->> 'project_id';
  of_host constant uuid := ($1 ->> 'host_id')::uuid;
  wishes constant jsonb := coalesce($1 -> 'agents', '[]');
  wish jsonb;
  answers jsonb := '[]'::jsonb;
begin
  -- The host's owner says what of it goes into a project, and the project's editors what comes into it.
  if not coalesce(of_project = any (creel.writable_projects()) and of_host = any (creel.owned_hosts()), false) then
    raise exception 'only an editor of the project who owns the host may adopt its agents'
      using errcode = '42501', hint = 'Sign in as the owner of the host, and be an editor or owner of the project.';
  end if;
  if not exists (
    select from public.project_hosts p where p.project_id = of_project and p.host_id = of_host) then
    raise exception 'host % does not serve project %', of_host, of_project
      using errcode = 'PT409', hint = 'Let the host serve the project first: a row in project_hosts.';
  end if;
  if jsonb_typeof(wishes) <> 'array' or jsonb_array_length(wishes) > 100 then
    raise exception 'agents must be an array of at most 100' using errcode = '22023';
  end if;
  -- Lanes come before agents, and in their order, as everywhere; and before anything is read of an agent, which may be
  -- being placed elsewhere at this moment.
  perform 1 from creel.lanes l
  where l.project_id = of_project and l.agent_key = any (array(
    select 'agent:' || (e ->> 'openclaw_id') || ':main' from jsonb_array_elements(wishes) e
    union
    select a.agent_key from jsonb_array_elements(wishes) e
    join public.agents a on a.host_id = of_host and a.openclaw_id = e ->> 'openclaw_id'))
  order by l.id for no key update;
  -- Two of these for one host take turns.
  perform 1 from public.hosts h where h.id = of_host for no key update;
  for wish in select e from jsonb_array_elements(wishes) e loop
    answers := answers || jsonb_build_array(creel.adopt_agent(of_project, of_host, wish));
  end loop;
  return jsonb_build_object('agents', answers);
end
$$;

comment on function public.adopt_agents(jsonb) is
  'For an editor of the project who owns the host: {project_id, host_id, agents: [{openclaw_id, name, emoji}]} -> '
  '{agents: [{openclaw_id, outcome: adopted|exists|refused, agent_key, request_id, reason: {code, message, hint}}]}. '
  'Makes a row of each agent that the host has in its OpenClaw already, and a request by which the host takes over '
  'the folder as it is.';

revoke all on function creel.refuse_adoption(text, text, text, text), creel.adopt_agent(text, uuid, jsonb),
  public.adopt_agents(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.adopt_agents(jsonb) to authenticated;
