-- The first thing that a waiting item waits for.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function creel.waiting_reason(item creel.items) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  lane creel.lanes;
  agent_host public.hosts;
  seen timestamptz;
  ahead creel.items;
begin
  select * into lane from creel.lanes l where l.id = item.lane_id;
  if lane.head <> item.seq then
    select * into ahead from creel.items i where i.lane_id = lane.id and i.seq = lane.head;
    return jsonb_build_object('code', 'behind', 'item', ahead.item_id,
      'message', format('waits behind %s %s of the same agent', ahead.queue, ahead.item_id),
      'hint', 'Items of one agent are worked on in order.');
  end if;
  if lane.token is not null then
    return jsonb_build_object('code', 'leased', 'host_id', lane.host_id, 'until', lane.expires_at,
      'message', format('is being worked on by host %s', (select h.name from public.hosts h where h.id = lane.host_id)),
      'hint', 'If the host dies, the item goes back when its lease ends.');
  end if;
  if lane.host_id is not null then
    select * into agent_host from public.hosts h where h.id = lane.host_id;
    if not exists (
      select from public.project_hosts p where p.project_id = lane.project_id and p.host_id = lane.host_id) then
      return jsonb_build_object('code', 'no_host', 'host_id', lane.host_id,
        'message', format('host %s, on which the agent lives, no longer serves the project', agent_host.name),
        'hint', 'Add the host to project_hosts again, or remove the agent.');
    end if;
    if agent_host.status = 'retired' then
      return jsonb_build_object('code', 'no_host', 'host_id', lane.host_id,
        'message', format('host %s, on which the agent lives, is retired', agent_host.name),
        'hint', 'Remove the agent and make it anew on another host.');
    end if;
  elsif not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = lane.project_id and h.status <> 'retired') then
    return jsonb_build_object('code', 'no_host',
      'message', 'no host serves the project',
      'hint', 'Enrol one with creel host enroll --project ' || lane.project_id || ', and start creel worker on it.');
  end if;
  if lane.not_before > now() then
    return jsonb_build_object('code', 'backoff', 'until', lane.not_before,
      'message', format('attempt %s of %s failed; the next one comes later', lane.attempts, lane.max_attempts),
      'hint', 'The row''s result has the reason of the last attempt.');
  end if;
  if lane.host_id is not null then
    select b.last_seen_at into seen from public.host_heartbeats b where b.host_id = lane.host_id;
    if agent_host.status = 'draining' then
      return jsonb_build_object('code', 'draining', 'host_id', lane.host_id,
        'message', format('host %s is draining and takes nothing new', agent_host.name),
        'hint', 'Set its status to online to let it take work again.');
    end if;
    if seen is null or seen < now() - knobs.offline_after_secs * interval '1 second' then
      return jsonb_build_object('code', 'offline', 'host_id', lane.host_id, 'since', seen,
        'message', format('host %s is offline', agent_host.name),
        'hint', 'Start creel worker on the host; the item waits for it.');
    end if;
    return jsonb_build_object('code', 'ready', 'host_id', lane.host_id,
      'message', format('host %s takes it as soon as it has room', agent_host.name),
      'hint', 'Raise the worker''s permits if this lasts.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    join public.host_heartbeats b on b.host_id = h.id
    where p.project_id = lane.project_id and h.status not in ('retired', 'draining')
      and b.last_seen_at >= now() - knobs.offline_after_secs * interval '1 second') then
    return jsonb_build_object('code', 'offline',
      'message', 'every host that serves the project is offline or draining',
      'hint', 'Start creel worker on a host of the project; the item waits for it.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = lane.project_id and h.status not in ('retired', 'draining')
      and h.capacity > (select count(*) from public.agents a where a.host_id = h.id and a.status <> 'removed')) then
    return jsonb_build_object('code', 'capacity',
      'message', 'every host that serves the project is full',
      'hint', 'Raise a host''s capacity, remove agents, or enrol another host.');
  end if;
  return jsonb_build_object('code', 'ready',
    'message', 'the next host with room takes it',
    'hint', 'Raise the worker''s permits if this lasts.');
end
$$;

create function public.why_pending(id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  item creel.items;
  lane creel.lanes;
  dead creel.dead_letters;
  readable constant text[] := creel.readable_projects();
begin
  select * into item from creel.items i where i.item_id = why_pending.id;
  select * into lane from creel.lanes l where l.id = item.lane_id;
  if lane.project_id = any (readable) then
    return creel.waiting_reason(item) || jsonb_build_object(
      'attempts', case when lane.head = item.seq then lane.attempts else 0 end, 'enqueued_at', item.enqueued_at);
  end if;
  select * into dead from creel.dead_letters d where d.item_id = why_pending.id and d.project_id = any (readable);
  if found then
    return jsonb_build_object('code', 'dead', 'reason', dead.reason, 'attempts', dead.attempts, 'since', dead.died_at,
      'message', case dead.reason
        when 'attempts' then format('all %s attempts failed', dead.attempts)
        when 'failed' then 'the host said that it cannot be done as it is'
        when 'deadline' then 'its deadline passed'
        when 'no_host' then 'no host could take it' end,
      'hint', 'The row''s result has the reason. When that is mended, redrive it.');
  end if;
  return jsonb_build_object('code', 'not_waiting',
    'message', 'nothing with this id waits in a project of yours', 'hint', 'Its row says how it ended.');
end
$$;

comment on function public.why_pending(uuid) is
  'For any item of the asker''s projects, the first thing that it waits for: {code, message, hint, ...}.';

revoke all on function creel.waiting_reason(creel.items), public.why_pending(uuid)
  from public, anon, authenticated, service_role;
grant execute on function public.why_pending(uuid) to authenticated;
