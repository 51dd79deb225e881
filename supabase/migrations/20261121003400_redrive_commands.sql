-- Commands that are tried no more, and those that are long over.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create or replace view public.dead_letters with (security_invoker = true) as
select d.item_id as id, d.queue, d.project_id, d.agent_key, d.attempts, d.reason, d.died_at,
  case when d.queue = 'agent_commands' then c.type else 'provision' end as type,
  coalesce(c.result, r.result) -> 'error' as error
from creel.dead_letters d
left join public.agent_commands c on c.id = d.item_id and d.queue = 'agent_commands'
left join public.agent_provision_requests r on r.id = d.item_id and d.queue = 'agent_provision_requests';

create or replace function public.redrive(id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  dead creel.dead_letters;
  registered creel.queues;
  command public.agent_commands;
begin
  perform creel.take_turn();
  select * into dead from creel.dead_letters d
  where d.item_id = redrive.id and d.project_id = any (creel.writable_projects()) for update;
  if not found then
    raise exception 'nothing with id % is dead in a project that you may write', redrive.id
      using errcode = 'PT404', hint = 'Look at the view dead_letters for what can be redriven.';
  end if;
  select * into strict registered from creel.queues q where q.queue = dead.queue;
  if dead.queue = 'agent_commands' then
    select * into command from public.agent_commands c where c.id = redrive.id;
    if command.type not in ('deploy', 'undeploy') and exists (
      select from public.agents a where a.id = command.agent_id and a.desired_state = 'removed') then
      raise exception 'agent % is being removed, or was', dead.agent_key
        using errcode = 'PT409', detail = 'removed', hint = 'Send deploy to have it back.';
    end if;
  end if;
  delete from creel.dead_letters d where d.item_id = redrive.id;
  begin
    -- Its deadline has passed or would pass again; whoever redrives it wants it done.
    execute format(
      'update %s t set status = %L, %I = null, result = null, deadline_at = null where t.id = $1',
      registered.tbl, registered.waiting, registered.done_at)
    using redrive.id;
  exception when unique_violation then
    raise exception 'another request for agent % is open', dead.agent_key
      using errcode = 'PT409', hint = 'Wait until it has ended; it may make this one unnecessary.';
  end;
  update public.agents a set status = 'pending_deploy'
  where a.project_id = dead.project_id and a.agent_key = dead.agent_key and a.status = 'error' and not a.provisioned;
  perform creel.enqueue_items(
    registered, array[dead.item_id], array[dead.project_id], array[dead.agent_key], array[null::timestamptz]);
  if dead.queue = 'agent_commands' then
    -- It is wished for again, and now: what was wished for meanwhile is older.
    perform creel.supersede_commands(array[dead.item_id]);
    perform creel.write_wishes(array[dead.item_id], false);
    perform creel.settle_without_host(array[dead.item_id]);
  end if;
  perform creel.log_event('item.redriven', dead.project_id, dead.agent_key, null, dead.item_id);
  return jsonb_build_object('id', dead.item_id, 'queue', dead.queue, 'status', registered.waiting);
end
$$;

comment on function public.redrive(uuid) is
  'Brings back a dead item of a project that the asker may write, with all its attempts: {id, queue, status}. A command '
  'counts as wished for now: it supersedes what it would supersede as a new one.';

create index agent_commands_ended on public.agent_commands (acked_at) where acked_at is not null;

-- Ended commands are kept as long as the events that tell of them.
create or replace function creel.sweep_old_events() returns int
language plpgsql set search_path = '' as $$
declare
  oldest constant timestamptz := now() - (creel.knobs()).event_retention_days * interval '1 day';
  gone int;
begin
  delete from public.agent_commands c where c.id = any (array(
    select o.id from public.agent_commands o where o.acked_at < oldest order by o.acked_at limit 200
    for update of o skip locked));
  delete from public.events e where e.id in (
    select o.id from public.events o where o.at < oldest order by o.at limit 1000
    for update of o skip locked);
  get diagnostics gone = row_count;
  return gone;
end
$$;
