-- An agent asked for in one call: what a page writes row by row, and once only.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Whoever wishes for an agent takes back the wish to remove it: the last word counts.
create function creel.take_back_removal(project text, wished_key text) returns void
language sql set search_path = '' as $$
  update public.agents a set desired_state = 'running'
  where a.project_id = project and a.agent_key = wished_key and a.desired_state = 'removed'
$$;

-- Runs as the person who asks, so that row security decides. The request comes before its agent: locks are taken in the
-- order of the queue.
create function public.request_provision(jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  project constant text := $1 ->> 'project_id';
  wished_key constant text := $1 ->> 'agent_key';
  once constant text := nullif($1 ->> 'idempotency_key', '');
  agent public.agents;
  wish public.agent_provision_requests;
  earlier public.agent_provision_requests;
begin
  if project is null or wished_key is null then
    raise exception 'project_id or agent_key is missing' using errcode = '22023';
  end if;
  if not coalesce(project = any (creel.writable_projects()), false) then
    raise exception 'you may not write project %', project
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;

  -- Of an agent that is there only what was wished is changed.
  select * into agent from public.agents a where a.project_id = project and a.agent_key = wished_key;
  wish.agent_id_short := coalesce(
    nullif($1 ->> 'agent_id_short', ''), agent.agent_id_short, creel.short_of_key(wished_key));
  wish.display_name := coalesce(nullif($1 ->> 'display_name', ''), agent.name, wish.agent_id_short);
  wish.emoji := coalesce(nullif($1 ->> 'emoji', ''), agent.emoji, '🦞');
  wish.role_short := coalesce(nullif($1 ->> 'role_short', ''), agent.role, 'assistant');

  -- What stood in the way of the insert may have ended before it is looked at.
  for look in 1..3 loop
    select * into earlier from public.agent_provision_requests r
    where r.project_id = project
      and (r.idempotency_key = once or r.agent_key = wished_key and r.status in ('queued', 'running'))
    order by r.idempotency_key is not distinct from once desc limit 1;
    if found then
      if (earlier.agent_key, earlier.agent_id_short, earlier.display_name, earlier.emoji, earlier.role_short)
         is distinct from (wished_key, wish.agent_id_short, wish.display_name, wish.emoji, wish.role_short) then
        raise exception 'another request was made before this one'
          using errcode = 'PT409',
            detail = case when earlier.idempotency_key = once then 'idempotency_key' else 'open_request' end,
            hint = 'Wait until that one has ended, and use a new key for a new request.';
      end if;
      if earlier.idempotency_key is distinct from once then
        perform creel.take_back_removal(project, wished_key);
      end if;
      return jsonb_build_object(
        'id', earlier.id, 'agent_key', earlier.agent_key, 'status', earlier.status, 'repeated', true);
    end if;
    insert into public.agent_provision_requests
      (project_id, agent_key, agent_id_short, display_name, emoji, role_short, idempotency_key)
    values (
      project, wished_key, wish.agent_id_short, wish.display_name, wish.emoji, wish.role_short, once)
    on conflict do nothing
    returning * into earlier;
    exit when found;
  end loop;
  if earlier.id is null then
    raise exception 'other requests for this agent come and go' using errcode = '40001';
  end if;

  update public.agents a set name = wish.display_name, role = wish.role_short, emoji = wish.emoji
  where a.project_id = project and a.agent_key = wished_key
    and (a.name, a.role, a.emoji) is distinct from (wish.display_name, wish.role_short, wish.emoji);
  perform creel.take_back_removal(project, wished_key);
  insert into public.agent_status (project_id, agent_key, state, note, last_activity_at)
  values (project, wished_key, 'idle', 'Provisioning…', now())
  on conflict (project_id, agent_key) do update set
    note = excluded.note, last_activity_at = excluded.last_activity_at;
  return jsonb_build_object(
    'id', earlier.id, 'agent_key', earlier.agent_key, 'status', earlier.status, 'repeated', false);
end
$$;

comment on function public.request_provision(jsonb) is
  '{project_id, agent_key, agent_id_short, display_name, emoji, role_short, idempotency_key} -> '
  '{id, agent_key, status, repeated}. Makes the agent''s row, its status and a request, as a page does. The same wish '
  'again answers the request that is open; another one is a conflict (409) until that has ended.';

revoke all on function creel.take_back_removal(text, text), public.request_provision(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function creel.take_back_removal(text, text), public.request_provision(jsonb) to authenticated;
