-- What goes: a text that an owner erases for good, and versions that are old.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Writers of documents and whoever takes texts away take turns by this row.
create function creel.lock_doc_usage(project text) returns void
language sql set search_path = '' as $$
  select from creel.doc_usage u where u.project_id = project for update
$$;

create function public.erase_doc(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'own');
  number constant int := creel.wanted_int($1, 'version');
  wanted public.brain_doc_versions;
  erased_count int;
  on_their_way text[];
begin
  if doc.id is null then
    return jsonb_build_object('ok', true, 'erased', 0, 'version', 0);
  end if;
  perform creel.lock_doc_usage(doc.project_id);

  -- A host may be writing what the disk does not have yet. That it then finds there is nothing that an agent wrote.
  on_their_way := array(
    select distinct v.sha256 from public.brain_doc_versions v
    where v.doc_id = doc.id and v.version > doc.disk_version and not v.side
      and (number is null or v.version = number)
    limit 50);

  if number is not null then
    wanted := creel.asked_version(doc, number);
    if wanted.sha256 = doc.sha256 then
      raise exception 'version % is the text that the document has now', number
        using errcode = 'PT409', detail = 'current_version', hint = 'Write another text first, or erase the document.';
    end if;
    if exists (
      select from public.brain_doc_versions v
      where v.doc_id = doc.id and v.version = doc.held_version and v.sha256 = wanted.sha256) then
      raise exception 'version % is what the file on the disk has', number
        using errcode = 'PT409', detail = 'held_version',
          hint = 'Say first which text the document is to have: resolve_doc with take disk or page.';
    end if;
    -- The same text may be there more than once.
    delete from public.brain_doc_versions v where v.doc_id = doc.id and v.sha256 = wanted.sha256;
    get diagnostics erased_count = row_count;
    update public.brain_docs d set erased_sha256s = d.erased_sha256s || on_their_way
    where d.id = doc.id and on_their_way <> '{}';
    update public.brain_docs d set conflict_version = null
    where d.id = doc.id and d.conflict_version is not null and not exists (
      select from public.brain_doc_versions v where v.doc_id = d.id and v.version = d.conflict_version);
    perform creel.log_doc_event(
      'doc.erased', doc, jsonb_build_object('version', number, 'erased', erased_count));
    return jsonb_build_object('ok', true, 'erased', erased_count, 'version', doc.version);
  end if;

  -- Of a held document the disk's text is known, and may be replaced too.
  update public.brain_docs d set
    disk_sha256 = coalesce((
      select v.sha256 from public.brain_doc_versions v where v.doc_id = d.id and v.version = d.held_version),
      d.disk_sha256)
  where d.id = doc.id;
  delete from public.brain_doc_versions v where v.doc_id = doc.id;
  get diagnostics erased_count = row_count;
  update public.brain_docs d set
    content = '', version = d.last_version + 1, updated_by = creel.actor(), held_version = null,
    conflict_version = null, erased_sha256s = d.erased_sha256s || on_their_way,
    sync_state = case d.sync_state when 'blocked' then 'blocked'
      else creel.settled_state(creel.empty_sha256(), d.disk_sha256) end,
    changed = pg_current_xact_id()
  where d.id = doc.id;
  update public.brain_doc_versions v set base_version = null where v.doc_id = doc.id;
  perform creel.log_doc_event('doc.erased', doc, jsonb_build_object('erased', erased_count));
  return jsonb_build_object('ok', true, 'erased', erased_count, 'version', doc.last_version + 1);
end
$$;

comment on function public.erase_doc(jsonb) is
  '{project_id, agent_key, doc_type, version?} -> {ok, erased, version}. For owners of the project. Erases one version, '
  'with all others that have the same text, or the document: it has no text then and no version that was before, and the '
  'file on the disk is emptied. What was erased cannot be had back. The text that the document has now is not erased as '
  'a version: another one is to be written first.';

-- Which document the last sweep came to: all of them are looked at in turn.
alter table creel.sweep_state
  add column docs_swept_at timestamptz not null default '-infinity',
  add column docs_swept_to uuid;

-- Versions that are both older than is kept and not among the newest; of agents any that are not among the newest, where
-- the project is about to have no room for people's. A bounded number of documents at a time.
create function creel.sweep_doc_versions() returns int
language plpgsql set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  doc record;
  reached uuid;
  looked int := 0;
  is_tight boolean;
  gone int;
  total int := 0;
begin
  perform 1 from creel.sweep_state w
  where w.id and w.docs_swept_at <= clock_timestamp() - interval '1 minute' for update skip locked;
  if not found then
    return 0;
  end if;
  for doc in
    select d.id, d.project_id from public.brain_docs d, creel.sweep_state w
    where d.last_version > knobs.doc_versions_keep and (w.docs_swept_to is null or d.id > w.docs_swept_to)
    order by d.id limit 200
  loop
    reached := doc.id;
    looked := looked + 1;
    -- Who writes documents of the project right now is not waited for.
    select u.size_bytes > 0.75 * knobs.max_doc_bytes_per_project into is_tight
    from creel.doc_usage u where u.project_id = doc.project_id for update skip locked;
    if found then
      delete from public.brain_doc_versions v
      where v.id = any (array(
          select o.id from public.brain_doc_versions o
          where o.doc_id = doc.id and o.version < (
            select n.version from public.brain_doc_versions n where n.doc_id = doc.id
            order by n.version desc offset knobs.doc_versions_keep - 1 limit 1)
            and (
              o.created_at < now() - knobs.doc_versions_days * interval '1 day'
              or is_tight and o.author_kind = 'agent')
            and not o.pinned and o.author_kind <> 'template'
          order by o.version limit 1000))
        and not exists (
          select from public.brain_docs d
          where d.id = v.doc_id
            and (v.version in (d.version, d.held_version, d.conflict_version) or v.sha256 = d.disk_sha256));
      get diagnostics gone = row_count;
      total := total + gone;
    end if;
    exit when total >= 1000;
  end loop;
  update creel.sweep_state w set
    docs_swept_at = clock_timestamp(), docs_swept_to = case when total >= 1000 or looked >= 200 then reached end
  where w.id;
  return total;
end
$$;

-- Answers null when somebody did it within min_age: a thousand hosts that tick need not sweep a hundred times a
-- second. One that takes too long, or does not end its transaction, is not waited for: what all of them do to one row,
-- they do under its lock.
create or replace function creel.sweep_once(min_age interval) returns jsonb
language plpgsql set search_path = '' as $$
declare
  reason_count int;
  told int;
begin
  perform 1 from creel.sweep_state w where w.swept_at <= clock_timestamp() - min_age for update skip locked;
  if found then
    update creel.sweep_state w set swept_at = clock_timestamp() where w.id;
  elsif exists (
    select from creel.sweep_state w
    where w.swept_at > clock_timestamp() - greatest(min_age, interval '15 seconds')) then
    return null;
  end if;
  -- What people read may be some seconds old, and looks at all that waits.
  update creel.sweep_state w set reasoned_at = clock_timestamp()
  where w.id and w.reasoned_at <= clock_timestamp() - 5 * min_age;
  if found then
    perform creel.sweep_needing_no_host();
    reason_count := creel.sweep_reasons();
    told := creel.sweep_webhooks();
  end if;
  return jsonb_build_object(
    'leases', creel.sweep_leases(), 'placements', creel.sweep_placements(), 'hope', creel.sweep_hope(),
    'hopeless', creel.sweep_hopeless(), 'reasons', coalesce(reason_count, 0), 'events', creel.sweep_old_events(),
    'webhooks', coalesce(told, 0), 'versions', creel.sweep_doc_versions());
end
$$;

revoke all on function creel.lock_doc_usage(text), public.erase_doc(jsonb), creel.sweep_doc_versions()
  from public, anon, authenticated, service_role;
grant execute on function public.erase_doc(jsonb) to authenticated;
