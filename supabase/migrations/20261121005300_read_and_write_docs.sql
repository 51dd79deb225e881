-- What people do with documents, one call each. Each function asks first what the person may do in the project.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function creel.doc_types() returns text
language sql immutable set search_path = '' as $$
  select 'soul, agents, user, identity, memory_long, memory_today'
$$;

-- A text of the argument.
create function creel.wanted_text(args jsonb, name text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  if jsonb_typeof(args -> name) is distinct from 'string' then
    raise exception '% is missing, or no text', name using errcode = '22023', hint = 'Send it as a text.';
  end if;
  return args ->> name;
end
$$;

-- A whole number of the argument; null where there is none.
create function creel.wanted_int(args jsonb, name text) returns int
language plpgsql immutable set search_path = '' as $$
begin
  if coalesce(args -> name, 'null') = 'null' then
    return null;
  end if;
  if args ->> name !~ '^[0-9]{1,9}$' then
    raise exception '% is no number of a version', name using errcode = '22023', hint = 'Send a number from 0 on.';
  end if;
  return (args ->> name)::int;
end
$$;

-- The project that a person asks about. One that he may not read is told apart from none in no way.
create function creel.asked_project(args jsonb, needed text) returns text
language plpgsql stable set search_path = '' as $$
declare
  project constant text := creel.wanted_text(args, 'project_id');
begin
  if not coalesce(project = any (creel.readable_projects()), false) then
    raise exception 'there is no project %', left(project, 100)
      using errcode = 'PT404', detail = 'unknown_project', hint = 'Look at the projects that you are a member of.';
  end if;
  if needed = 'write' and not project = any (creel.writable_projects())
     or needed = 'own' and not project = any (creel.owned_projects()) then
    raise exception 'you may not do this in project %', project
      using errcode = '42501', hint = case needed
        when 'own' then 'Ask an owner of the project to do it.'
        else 'Ask an owner of the project to make you an editor.' end;
  end if;
  return project;
end
$$;

-- The document that a person asks for, locked if he may change it; without an id where there is no row yet.
create function creel.asked_doc(args jsonb, needed text) returns public.brain_docs
language plpgsql set search_path = '' as $$
declare
  project constant text := creel.asked_project(args, needed);
  key constant text := creel.wanted_text(args, 'agent_key');
  kind constant text := creel.wanted_text(args, 'doc_type');
  doc public.brain_docs;
begin
  if not creel.is_doc_type(kind) then
    raise exception 'there is no document %', left(kind, 100)
      using errcode = 'PT404', detail = 'unknown_type', hint = 'The types are ' || creel.doc_types() || '.';
  end if;
  if needed = 'read' then
    select * into doc from public.brain_docs d
    where d.project_id = project and d.agent_key = key and d.doc_type = kind;
  else
    select * into doc from public.brain_docs d
    where d.project_id = project and d.agent_key = key and d.doc_type = kind for no key update;
  end if;
  if doc.id is null then
    -- The documents of an agent outlive it.
    if not exists (select from public.agents a where a.project_id = project and a.agent_key = key)
       and not exists (select from public.brain_docs d where d.project_id = project and d.agent_key = key) then
      raise exception 'there is no agent % in this project', left(key, 200)
        using errcode = 'PT404', detail = 'unknown_agent',
          hint = coalesce('There are ' || (
            select string_agg(n.agent_key, ', ') from (
              select a.agent_key from public.agents a where a.project_id = project order by a.agent_key limit 20) n)
            || '.', 'The project has no agents.');
    end if;
    doc.project_id := project;
    doc.agent_key := key;
    doc.doc_type := kind;
    doc.version := 0;
    doc.last_version := 0;
    doc.disk_version := 0;
    doc.content := '';
    doc.sha256 := creel.empty_sha256();
    doc.sync_state := 'synced';
  end if;
  return doc;
end
$$;

create function creel.is_host_online(project text, key text) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.agents a join public.host_status h on h.id = a.host_id
    where a.project_id = project and a.agent_key = key and h.shown_status in ('online', 'draining'))
$$;

-- What OpenClaw leaves away because all of them together are too long; the day's memory is read by another way.
create function creel.all_docs_warning(project text, key text) returns text
language plpgsql stable set search_path = '' as $$
declare
  most constant int := (creel.doc_limits() ->> 'openclaw_all_chars')::int;
  total bigint;
begin
  select sum(octet_length(d.content)) into total from public.brain_docs d
  where d.project_id = project and d.agent_key = key and d.doc_type <> 'memory_today';
  if coalesce(total, 0) > most then
    select sum(char_length(d.content)) into total from public.brain_docs d
    where d.project_id = project and d.agent_key = key and d.doc_type <> 'memory_today';
  end if;
  return case when total > most then format(
    'OpenClaw reads %s characters of all documents of an agent together and these have %s: it leaves some out. Nothing '
    'is lost; shorten them.', most, total) end;
end
$$;

-- A document without its text, as people are told of it.
create function creel.show_doc(doc public.brain_docs, warning text, is_online boolean) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'project_id', doc.project_id, 'agent_key', doc.agent_key, 'doc_type', doc.doc_type, 'version', doc.version,
    'sha256', doc.sha256, 'size_bytes', octet_length(doc.content), 'doc_date', doc.doc_date,
    'sync_state', doc.sync_state, 'sync_note', doc.sync_note, 'held_version', doc.held_version,
    'conflict_version', doc.conflict_version, 'disk_version', doc.disk_version, 'disk_at', doc.disk_at,
    'warning', nullif(concat_ws(' ', doc.warning, show_doc.warning), ''),
    'host_online', is_online, 'updated_by', doc.updated_by, 'updated_at', doc.updated_at)
$$;

create function creel.show_version(v public.brain_doc_versions) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'version', v.version, 'base_version', v.base_version, 'sha256', v.sha256, 'author_kind', v.author_kind,
    'author_id', v.author_id, 'updated_by', v.updated_by, 'reason', v.reason, 'side', v.side, 'pinned', v.pinned,
    'doc_date', v.doc_date, 'created_at', v.created_at)
$$;

create function creel.asked_version(doc public.brain_docs, number int) returns public.brain_doc_versions
language plpgsql stable set search_path = '' as $$
declare
  found_version public.brain_doc_versions;
begin
  select * into found_version from public.brain_doc_versions v where v.doc_id = doc.id and v.version = number;
  if not found then
    raise exception 'the document has no version %', number
      using errcode = 'PT404', detail = 'unknown_version',
        hint = 'Look at its history; old versions go after a while, and an owner may have erased it.';
  end if;
  return found_version;
end
$$;

create function public.read_doc(jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'read');
  number constant int := creel.wanted_int($1, 'version');
  shown public.brain_doc_versions;
begin
  if number is null or number = doc.version then
    return jsonb_build_object('content', doc.content) || creel.show_doc(
      doc, creel.all_docs_warning(doc.project_id, doc.agent_key), creel.is_host_online(doc.project_id, doc.agent_key));
  end if;
  shown := creel.asked_version(doc, number);
  return creel.show_version(shown) || jsonb_build_object(
    'project_id', doc.project_id, 'agent_key', doc.agent_key, 'doc_type', doc.doc_type,
    'current_version', doc.version, 'content', creel.text_of_doc(doc.id, doc.project_id, shown.sha256));
end
$$;

comment on function public.read_doc(jsonb) is
  '{project_id, agent_key, doc_type, version?} -> {version, sha256, content, sync_state, sync_note, held_version, '
  'conflict_version, disk_version, warning, host_online, ...}; of an earlier version {version, current_version, sha256, '
  'content, author_kind, reason, ...}. A document that was never written has version 0 and no text.';

create function public.list_docs_of(jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  project constant text := creel.asked_project($1, 'read');
  key constant text := $1 ->> 'agent_key';
begin
  return jsonb_build_object('docs', coalesce((
    with of_agents as materialized (
      select k.agent_key, creel.all_docs_warning(project, k.agent_key) as warning,
        creel.is_host_online(project, k.agent_key) as is_online
      from (
        select distinct d.agent_key from public.brain_docs d
        where d.project_id = project and (key is null or d.agent_key = key)) k
    )
    select jsonb_agg(creel.show_doc(d, o.warning, o.is_online) order by d.agent_key, d.doc_type)
    from of_agents o join public.brain_docs d on d.project_id = project and d.agent_key = o.agent_key), '[]'));
end
$$;

comment on function public.list_docs_of(jsonb) is
  '{project_id, agent_key?} -> {docs[]}: the documents of an agent, or of a project, as read_doc shows them but without '
  'their texts.';

create function public.list_doc_versions(jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'read');
  before constant int := creel.wanted_int($1, 'before');
  most constant int := least(greatest(coalesce(creel.wanted_int($1, 'limit'), 50), 1), 500);
begin
  return jsonb_build_object(
    'version', doc.version, 'held_version', doc.held_version, 'conflict_version', doc.conflict_version,
    'versions', coalesce((
      select jsonb_agg(
        creel.show_version(n.v) || jsonb_build_object('size_bytes', (
          select octet_length(c.content) from public.brain_doc_contents c
          where c.project_id = (n.v).project_id and c.sha256 = (n.v).sha256))
        order by (n.v).version desc)
      from (
        select v from public.brain_doc_versions v
        where v.doc_id = doc.id and (before is null or v.version < before)
        order by v.version desc limit most) n), '[]'));
end
$$;

comment on function public.list_doc_versions(jsonb) is
  '{project_id, agent_key, doc_type, before?, limit?} -> {version, held_version, conflict_version, versions[]}: newest '
  'first, without texts, 50 at a time and 500 at most; before is the last one''s number.';

-- A person's text becomes the row's; the document is locked.
create function creel.write_person_text(doc public.brain_docs, content text, reason text, by_knowing boolean)
returns public.brain_docs
language plpgsql set search_path = '' as $$
declare
  number constant int := doc.last_version + 1;
  written public.brain_docs := doc;
begin
  if doc.id is null then
    insert into public.brain_docs (project_id, agent_key, doc_type, content, updated_by)
    values (doc.project_id, doc.agent_key, doc.doc_type, write_person_text.content, creel.actor())
    on conflict on constraint brain_docs_key do nothing
    returning * into written;
    return written;
  end if;
  if reason is not null then
    written.updated_by := creel.actor();
    perform creel.add_doc_version(written, number, write_person_text.content, 'person', reason);
  end if;
  update public.brain_docs d set
    content = write_person_text.content, updated_by = creel.actor(),
    base_version = case when by_knowing then d.version end
  where d.id = doc.id
  returning * into written;
  return written;
end
$$;

create function creel.show_written(doc public.brain_docs) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'ok', true, 'version', doc.version, 'sha256', doc.sha256, 'sync_state', doc.sync_state, 'sync_note', doc.sync_note,
    'warning', doc.warning, 'host_online', creel.is_host_online(doc.project_id, doc.agent_key))
$$;

-- What whoever wrote on an older text needs to put the two together.
create function creel.show_conflict(doc public.brain_docs, base_sha256 text, base int) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'ok', false, 'error', 'conflict',
    'current', jsonb_build_object('version', doc.version, 'sha256', doc.sha256, 'content', doc.content),
    'base', case when base_sha256 is not null then jsonb_build_object(
      'version', base, 'sha256', base_sha256,
      'content', creel.text_of_doc(doc.id, doc.project_id, base_sha256)) end)
$$;

create function public.write_doc(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  doc public.brain_docs := creel.asked_doc($1, 'write');
  content constant text := creel.wanted_text($1, 'content');
  base constant int := creel.wanted_int($1, 'base_version');
  base_sha256 text := case when base is null then $1 ->> 'base_sha256' end;
  written public.brain_docs;
begin
  if octet_length(content) > 1048576 then
    raise exception 'the text is too large: % bytes, the limit is 1048576', octet_length(content)
      using errcode = 'PT413', hint = 'Shorten it; OpenClaw reads no more than some thousand characters of it.';
  end if;
  for look in 1..2 loop
    if base is not null and base <> doc.version or base_sha256 is not null and lower(base_sha256) <> doc.sha256 then
      if creel.text_sha256(content) <> doc.sha256 then
        return creel.show_conflict(
          doc,
          case when base = 0 then creel.empty_sha256() else coalesce(lower(base_sha256), (
            select v.sha256 from public.brain_doc_versions v where v.doc_id = doc.id and v.version = base)) end,
          coalesce(base, (
            select max(v.version) from public.brain_doc_versions v
            where v.doc_id = doc.id and v.sha256 = lower(base_sha256))));
      end if;
    end if;
    written := creel.write_person_text(doc, content, null, base is not null or base_sha256 is not null);
    exit when written.id is not null;
    -- Somebody made the row in the meantime.
    doc := creel.asked_doc($1, 'write');
  end loop;
  return creel.show_written(written);
end
$$;

comment on function public.write_doc(jsonb) is
  '{project_id, agent_key, doc_type, content, base_version? or base_sha256?} -> {ok: true, version, sha256, sync_state, '
  'host_online, warning}. With the version (0: none yet) or the hash that the text was based on, a document that somebody '
  'else has changed is not written: {ok: false, error: "conflict", current: {version, sha256, content}, base: {version, '
  'sha256, content} or null}. Without, the last writer wins, and what was there is a version.';

create function public.restore_doc(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'write');
  number constant int := creel.wanted_int($1, 'version');
  base constant int := creel.wanted_int($1, 'base_version');
  wanted public.brain_doc_versions;
begin
  if number is null then
    raise exception 'version is missing' using errcode = '22023', hint = 'Say which version is to be restored.';
  end if;
  wanted := creel.asked_version(doc, number);
  if wanted.sha256 = doc.sha256 then
    return creel.show_written(doc);
  end if;
  if base <> doc.version then
    return creel.show_conflict(doc, (
      select v.sha256 from public.brain_doc_versions v where v.doc_id = doc.id and v.version = base), base);
  end if;
  return creel.show_written(creel.write_person_text(
    doc, creel.text_of_doc(doc.id, doc.project_id, wanted.sha256), 'restored', base is not null));
end
$$;

comment on function public.restore_doc(jsonb) is
  '{project_id, agent_key, doc_type, version, base_version?} -> as write_doc: the text of an earlier version becomes a '
  'new one.';

create function public.resolve_doc(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'write');
  take constant text := creel.wanted_text($1, 'take');
  other public.brain_doc_versions;
  written public.brain_docs := doc;
begin
  if take not in ('disk', 'page') then
    raise exception 'take is disk or page, not %', left(take, 100)
      using errcode = '22023', hint = 'disk takes what the file has, page what the page had.';
  end if;
  if doc.held_version is null and doc.conflict_version is null then
    -- Done before, by this person or another.
    return creel.show_written(doc) || '{"resolved": false}';
  end if;

  if doc.held_version is not null then
    select * into other from public.brain_doc_versions v where v.doc_id = doc.id and v.version = doc.held_version;
    if take = 'disk' and other.sha256 <> doc.sha256 then
      written.updated_by := creel.actor();
      perform creel.add_doc_version(
        written, doc.last_version + 1, creel.text_of_doc(doc.id, doc.project_id, other.sha256), 'person', 'accepted');
      update public.brain_docs d set
        content = creel.text_of_doc(doc.id, doc.project_id, other.sha256), version = d.last_version + 1,
        updated_by = creel.actor()
      where d.id = doc.id;
    end if;
    -- The disk's text is known, and may be replaced by the row's.
    update public.brain_docs d set
      disk_sha256 = other.sha256, disk_version = case when take = 'disk' then d.version else doc.version - 1 end,
      held_version = null,
      sync_state = case d.sync_state when 'blocked' then 'blocked'
        else creel.settled_state(d.sha256, other.sha256) end,
      changed = pg_current_xact_id()
    where d.id = doc.id returning * into written;
  else
    -- The row has the disk's text already.
    select * into other from public.brain_doc_versions v where v.doc_id = doc.id and v.version = doc.conflict_version;
    if take = 'page' and other.id is not null and other.sha256 <> doc.sha256 then
      written := creel.write_person_text(
        doc, creel.text_of_doc(doc.id, doc.project_id, other.sha256), 'restored', true);
    end if;
    update public.brain_docs d set conflict_version = null where d.id = doc.id returning * into written;
  end if;
  perform creel.log_doc_event('doc.resolved', doc, jsonb_build_object(
    'take', take, 'version', written.version, 'sha256', written.sha256, 'held_version', doc.held_version,
    'conflict_version', doc.conflict_version));
  return creel.show_written(written) || '{"resolved": true}';
end
$$;

comment on function public.resolve_doc(jsonb) is
  '{project_id, agent_key, doc_type, take: disk|page} -> as write_doc, with resolved. Of a held document disk takes what '
  'the file has, which becomes a new version, and page has the row''s text written to the file. Of a conflict disk '
  'leaves the row as it is, and page takes back the text that lost.';

create function public.pin_doc_version(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'write');
  wanted constant public.brain_doc_versions := creel.asked_version(doc, creel.wanted_int($1, 'version'));
  pin constant boolean := coalesce($1 -> 'pinned' <> 'false', true);
begin
  update public.brain_doc_versions v set pinned = pin where v.id = wanted.id and v.pinned <> pin;
  return jsonb_build_object('ok', true, 'version', wanted.version, 'pinned', pin);
end
$$;

comment on function public.pin_doc_version(jsonb) is
  '{project_id, agent_key, doc_type, version, pinned} -> {ok, version, pinned}: a pinned version is kept for ever.';

revoke all on function creel.doc_types(), creel.wanted_text(jsonb, text), creel.wanted_int(jsonb, text),
  creel.asked_project(jsonb, text), creel.asked_doc(jsonb, text), creel.is_host_online(text, text),
  creel.all_docs_warning(text, text), creel.show_doc(public.brain_docs, text, boolean),
  creel.show_version(public.brain_doc_versions), creel.asked_version(public.brain_docs, int),
  creel.write_person_text(public.brain_docs, text, text, boolean), creel.show_written(public.brain_docs),
  creel.show_conflict(public.brain_docs, text, int), public.read_doc(jsonb), public.list_docs_of(jsonb),
  public.list_doc_versions(jsonb), public.write_doc(jsonb), public.restore_doc(jsonb), public.resolve_doc(jsonb),
  public.pin_doc_version(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.read_doc(jsonb), public.list_docs_of(jsonb), public.list_doc_versions(jsonb),
  public.write_doc(jsonb), public.restore_doc(jsonb), public.resolve_doc(jsonb), public.pin_doc_version(jsonb)
  to authenticated;
