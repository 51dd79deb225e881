-- What the queue does to the rows of each queue table, as functions with static statements: their plans are made
-- once a session. A statement that is put together for each call would be planned for each call, which costs more
-- than to run it. They are written anew whenever the registry changes.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- One branch for each queue. template is for format(): %1$s the table, %2$L waiting, %3$L taken, %4$L done,
-- %5$L dead, %6$I taken_at, %7$I done_at, %8$I on_taken, %9$I on_settled. Null, no branch.
create function creel.queue_branches(template text, only_with text default null) returns text
language sql stable set search_path = '' as $$
  select coalesce(string_agg(format(
      E'  if for_queue = %L then\n%s\n  end if;\n', q.queue,
      format(template, q.tbl, q.waiting, q.taken, q.done, q.dead, q.taken_at, q.done_at, q.on_taken, q.on_settled)),
    '' order by q.queue), '')
  from creel.queues q
  where case only_with when 'on_taken' then q.on_taken is not null when 'on_settled' then q.on_settled is not null
    else true end
$$;

create function creel.write_queue_functions() returns void
language plpgsql set search_path = '' as $write$
declare
  unknown constant text := $part$
  raise exception 'queue % is not registered', for_queue using errcode = '22023';
end
$$
$part$;
begin
  if exists (select from creel.items i where i.queue not in (select q.queue from creel.queues q)) then
    raise exception 'a queue that is to go has items'
      using errcode = '23503', hint = 'Delete their rows first, or wait until they are done.';
  end if;

  -- Answers the rows that were taken, in the order of row_ids; null for one that somebody is deleting.
  execute $part$
create or replace function creel.take_rows(for_queue text, row_ids uuid[], woken text) returns json[]
language plpgsql set search_path = '' set enable_nestloop = off set enable_mergejoin = off as $$
#variable_conflict use_variable
declare
  docs json[];
begin
$part$ || creel.queue_branches($part$    with taken as (
      update %1$s t set status = %3$L, %6$I = now(), waiting_for = null, woken_by = woken
      where t.id = any (array(
        select f.id from %1$s f where f.id = any (row_ids) for no key update skip locked))
      returning t.id, row_to_json(t.*) as doc
    )
    select array_agg(k.doc order by n.position) into docs
    from unnest(row_ids) with ordinality as n (id, position) left join taken k on k.id = n.id;
    return docs;$part$) || unknown;

  -- fate: done, dead or waiting. Answers what the queue calls that.
  execute $part$
create or replace function creel.settle_rows(for_queue text, row_ids uuid[], fate text, results jsonb[]) returns text
language plpgsql set search_path = '' set enable_nestloop = off set enable_mergejoin = off as $$
#variable_conflict use_variable
declare
  word text;
begin
$part$ || creel.queue_branches($part$    word := case fate when 'done' then %4$L when 'dead' then %5$L else %2$L end;
    update %1$s t set status = word, result = coalesce(n.result, t.result), waiting_for = null,
      %7$I = case when fate <> 'waiting' then now() end
    from unnest(row_ids, results) as n (id, result) where t.id = any (row_ids) and t.id = n.id;
    return word;$part$) || unknown;

  execute $part$
create or replace function creel.show_result(for_queue text, row_id uuid, new_result jsonb) returns void
language plpgsql set search_path = '' as $$
#variable_conflict use_variable
begin
$part$ || creel.queue_branches($part$    update %1$s t set result = new_result where t.id = row_id;
    return;$part$) || unknown;

  -- What else happens in the same transaction, where a queue has such a function.
  execute $part$
create or replace function creel.after_taken(for_queue text, row_ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
$part$ || creel.queue_branches('    perform creel.%8$I(row_ids);', 'on_taken') || $part$end
$$
$part$;
  execute $part$
create or replace function creel.after_settled(for_queue text, row_ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
$part$ || creel.queue_branches('    perform creel.%9$I(row_ids);', 'on_settled') || $part$end
$$
$part$;
end
$write$;

create function creel.queues_written() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform creel.write_queue_functions();
  return null;
end
$$;

create trigger queues_written
  after insert or update or delete on creel.queues for each statement execute function creel.queues_written();

select creel.write_queue_functions();

revoke all on function creel.queue_branches(text, text), creel.write_queue_functions(), creel.queues_written(),
  creel.take_rows(text, uuid[], text), creel.settle_rows(text, uuid[], text, jsonb[]),
  creel.show_result(text, uuid, jsonb), creel.after_taken(text, uuid[]), creel.after_settled(text, uuid[])
  from public, anon, authenticated, service_role;
