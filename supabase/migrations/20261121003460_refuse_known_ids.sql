-- What waits and what is dead is found by its id alone, in whichever queue it is: an id that another row has there is
-- refused, or how one of the two ends would be in the way of the other.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create or replace function creel.enqueue() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  registered creel.queues;
  item_ids uuid[];
  project_ids text[];
  agent_keys text[];
  deadlines timestamptz[];
begin
  select * into strict registered from creel.queues q where q.tbl = tg_relid;
  select array_agg(n.id), array_agg(n.project_id), array_agg(n.agent_key), array_agg(n.deadline_at)
  into item_ids, project_ids, agent_keys, deadlines
  from new_rows n where n.status = registered.waiting;
  if item_ids is not null then
    if exists (select from creel.items i where i.item_id = any (item_ids))
       or exists (select from creel.dead_letters d where d.item_id = any (item_ids)) then
      raise exception 'something else in a queue has this id'
        using errcode = 'PT409', detail = 'known_id', hint = 'Leave id away, or send a new random one.';
    end if;
    perform creel.enqueue_items(registered, item_ids, project_ids, agent_keys, deadlines);
  end if;
  return null;
end
$$;
