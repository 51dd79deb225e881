-- redrive: a person brings back what is tried no more.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function public.redrive(id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  dead creel.dead_letters;
  registered creel.queues;
begin
  select * into dead from creel.dead_letters d
  where d.item_id = redrive.id and d.project_id = any (creel.writable_projects()) for update;
  if not found then
    raise exception 'nothing with id % is dead in a project that you may write', redrive.id
      using errcode = 'PT404', hint = 'Look at the view dead_letters for what can be redriven.';
  end if;
  select * into strict registered from creel.queues q where q.queue = dead.queue;
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
  perform creel.log_event('item.redriven', dead.project_id, dead.agent_key, null, dead.item_id);
  return jsonb_build_object('id', dead.item_id, 'queue', dead.queue, 'status', registered.waiting);
end
$$;

comment on function public.redrive(uuid) is
  'Brings back a dead item of a project that the asker may write, with all its attempts: {id, queue, status}.';

revoke all on function public.redrive(uuid) from public, anon, authenticated, service_role;
grant execute on function public.redrive(uuid) to authenticated;
