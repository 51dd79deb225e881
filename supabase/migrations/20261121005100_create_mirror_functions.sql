-- The host functions of the mirror: list_docs, fetch_docs, put_docs. A host reaches the documents of agents that live on
-- it, and no others.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- It was added by the migration before.
alter table public.brain_doc_versions validate constraint brain_doc_versions_reason;

create function creel.is_doc_type(name text) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(name in ('soul', 'agents', 'user', 'identity', 'memory_long', 'memory_today'), false)
$$;

-- The agent, if it lives on the host; else nothing.
create function creel.agent_on_host(host uuid, agent_id uuid) returns public.agents
language plpgsql stable set search_path = '' as $$
declare
  agent public.agents;
begin
  select * into agent from public.agents a
  where a.id = agent_id and a.host_id = host and a.status <> 'removed'
    and exists (select from public.project_hosts p where p.host_id = host and p.project_id = a.project_id);
  return agent;
end
$$;

create function public.list_docs(jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  host constant uuid := creel.require_host();
  -- What is not smaller is of a cluster that this one was restored from: nobody has changed it here.
  next_xact constant xid8 := pg_snapshot_xmax(pg_current_snapshot());
  since xid8;
  asked uuid[];
  docs jsonb;
  agents jsonb;
begin
  perform creel.require_api($1);
  if coalesce($1 ->> 'since', '0') !~ '^[0-9]{1,19}$' then
    raise exception 'since is not what an earlier list_docs answered'
      using errcode = '22023', hint = 'Leave it away to be told of all.';
  end if;
  since := ($1 ->> 'since')::xid8;
  if since > next_xact then
    since := null;
  end if;
  if jsonb_typeof($1 -> 'agents') = 'array' then
    asked := array(select creel.uuid_of(i) from jsonb_array_elements($1 -> 'agents') i);
  end if;

  with here as materialized (
    select a.id, a.project_id, a.agent_key from public.agents a
    where a.host_id = host and a.status <> 'removed' and (asked is null or a.id = any (asked))
      and exists (select from public.project_hosts p where p.host_id = host and p.project_id = a.project_id)
  ),
  listed as materialized (
    select h.id as agent_id, d.id, d.project_id, d.doc_type, d.doc_date, d.version, d.sha256, d.disk_sha256,
      d.disk_version, d.sync_state, d.sync_note, d.held_version, d.erased_sha256s
    from here h join public.brain_docs d on d.project_id = h.project_id and d.agent_key = h.agent_key
    where since is null
    union all
    select h.id, d.id, d.project_id, d.doc_type, d.doc_date, d.version, d.sha256, d.disk_sha256, d.disk_version,
      d.sync_state, d.sync_note, d.held_version, d.erased_sha256s
    from public.brain_docs d join here h on h.project_id = d.project_id and h.agent_key = d.agent_key
    where since is not null and d.changed >= since and d.changed < next_xact
  )
  select
    (select coalesce(jsonb_agg(jsonb_build_object(
      'agent_id', r.agent_id, 'doc_type', r.doc_type, 'doc_date', r.doc_date, 'version', r.version,
      'sha256', r.sha256, 'disk_sha256', r.disk_sha256,
      'disk_erased', coalesce(r.disk_sha256 not in (r.sha256, creel.empty_sha256()), false) and not exists (
        select from public.brain_doc_versions v
        where v.project_id = r.project_id and v.sha256 = r.disk_sha256 and v.doc_id = r.id),
      'unseen', to_jsonb(r.erased_sha256s) || case when r.version <= r.disk_version + 1 then '[]'::jsonb else (
        select coalesce(jsonb_agg(u.sha256 order by u.version desc), '[]') from (
          select v.sha256, v.version from public.brain_doc_versions v
          where v.doc_id = r.id and v.version > r.disk_version and v.version < r.version and not v.side
          order by v.version desc limit 50) u) end,
      'sync_state', r.sync_state, 'sync_note', r.sync_note,
      'held_sha256', case when r.held_version is not null then (
        select v.sha256 from public.brain_doc_versions v where v.doc_id = r.id and v.version = r.held_version) end,
      'templates', coalesce((
        select jsonb_agg(distinct v.sha256) from public.brain_doc_versions v
        where v.doc_id = r.id and v.author_kind = 'template'), '[]'),
      'days', case when r.doc_type <> 'memory_today' then '[]'::jsonb else coalesce((
        select jsonb_agg(jsonb_build_object('doc_date', y.doc_date, 'sha256', y.sha256) order by y.doc_date desc)
        from (
          select distinct on (v.doc_date) v.doc_date, v.sha256 from public.brain_doc_versions v
          where v.doc_id = r.id and v.doc_date is not null and v.doc_date is distinct from r.doc_date
          order by v.doc_date desc, v.version desc limit 3) y), '[]') end)
      order by r.agent_id, r.doc_type), '[]')
    from listed r),
    (select coalesce(jsonb_agg(h.id order by h.id), '[]') from here h
     where since is null or exists (select from listed r where r.agent_id = h.id))
  into docs, agents;
  return jsonb_build_object(
    'since', pg_snapshot_xmin(pg_current_snapshot())::text, 'docs', docs, 'agents', agents);
end
$$;

comment on function public.list_docs(jsonb) is
  'Host function: {api, since?, agents?} -> {since, docs: [{agent_id, doc_type, doc_date, version, sha256, disk_sha256, '
  'disk_erased, unseen[], sync_state, sync_note, held_sha256, templates[], days[]}], agents[]}: the documents of agents '
  'that live on the host, without their texts; all, or those that somebody else has changed since an earlier listing.';

-- A text that a document has or had; null when it never had it, or when it was erased.
create function creel.text_of_doc(doc_id uuid, project text, hash text) returns text
language plpgsql stable set search_path = '' as $$
begin
  if hash = creel.empty_sha256() then
    return '';
  end if;
  return (
    select c.content from public.brain_doc_contents c
    where c.project_id = project and c.sha256 = hash and exists (
      select from public.brain_doc_versions v
      where v.project_id = project and v.sha256 = hash and v.doc_id = text_of_doc.doc_id));
end
$$;

create function public.fetch_docs(jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  host constant uuid := creel.require_host();
  limits constant jsonb := creel.doc_limits();
  asked record;
  content text;
  size bigint := 0;
  found_docs jsonb[] := array[]::jsonb[];
begin
  perform creel.require_api($1);
  if jsonb_typeof($1 -> 'docs') is distinct from 'array'
     or jsonb_array_length($1 -> 'docs') > (limits ->> 'docs_call_max')::int then
    raise exception 'docs is no list of at most %', limits ->> 'docs_call_max'
      using errcode = '22023', hint = 'Ask for the others in another call.';
  end if;
  for asked in
    select q.doc, d.id, d.project_id
    from jsonb_array_elements($1 -> 'docs') with ordinality as q (doc, place)
    left join lateral creel.agent_on_host(host, creel.uuid_of(q.doc -> 'agent_id')) a on true
    left join public.brain_docs d on d.project_id = a.project_id and d.agent_key = a.agent_key
      and d.doc_type = q.doc ->> 'doc_type'
    order by q.place
  loop
    content := case when asked.id is not null then
      creel.text_of_doc(asked.id, asked.project_id, asked.doc ->> 'sha256') end;
    size := size + coalesce(octet_length(content), 0);
    exit when size > (limits ->> 'docs_call_max_bytes')::bigint and cardinality(found_docs) > 0;
    found_docs := found_docs || jsonb_build_object(
      'agent_id', asked.doc -> 'agent_id', 'doc_type', asked.doc -> 'doc_type', 'sha256', asked.doc -> 'sha256',
      'content', content);
  end loop;
  return jsonb_build_object(
    'docs', to_jsonb(found_docs), 'left', jsonb_array_length($1 -> 'docs') - cardinality(found_docs));
end
$$;

comment on function public.fetch_docs(jsonb) is
  'Host function: {api, docs: [{agent_id, doc_type, sha256}]} -> {docs: [{agent_id, doc_type, sha256, content}], left}: '
  'texts that documents of agents on the host have or had; null is one that they never had or that was erased. left of '
  'them did not fit, at the end.';

-- What happened to a document. A host cannot fill the log: what it says too much of is on the rows all the same.
create function creel.log_doc_event(kind text, doc public.brain_docs, detail jsonb, host uuid default null)
returns void
language plpgsql set search_path = '' as $$
begin
  if host is not null and not creel.spend(host, log_doc_event.kind, 1, 1000, '1 hour') then
    return;
  end if;
  perform creel.log_event(
    log_doc_event.kind, doc.project_id, doc.agent_key, log_doc_event.host, doc.id,
    jsonb_build_object('doc_type', doc.doc_type) || log_doc_event.detail);
end
$$;

-- The row takes what the disk has, as its next version.
create function creel.take_disk_text(
  doc public.brain_docs, content text, author_kind text, reason text, of_day date
) returns void
language plpgsql set search_path = '' as $$
declare
  number constant int := doc.last_version + 1;
  as_written public.brain_docs := doc;
begin
  as_written.doc_date := of_day;
  as_written.updated_by := author_kind;
  perform creel.add_doc_version(as_written, number, take_disk_text.content, author_kind, reason);
  update public.brain_docs d set
    content = take_disk_text.content, version = number, doc_date = of_day, updated_by = author_kind,
    disk_sha256 = creel.text_sha256(take_disk_text.content), disk_version = number, disk_at = now(),
    sync_state = 'synced', sync_note = null, held_version = null, erased_sha256s = '{}',
    conflict_version = case reason when 'conflict' then doc.version when 'day' then null else d.conflict_version end
  where d.id = doc.id;
end
$$;

-- A text of the disk that does not become the row's.
create function creel.keep_side_text(doc public.brain_docs, content text, reason text, of_day date) returns int
language plpgsql set search_path = '' as $$
declare
  number constant int := doc.last_version + 1;
  as_written public.brain_docs := doc;
begin
  as_written.doc_date := of_day;
  as_written.updated_by := 'agent';
  perform creel.add_doc_version(as_written, number, keep_side_text.content, 'agent', reason, true);
  update public.brain_docs d set last_version = number where d.id = doc.id;
  return number;
end
$$;

-- The first text of a document without a row comes from the disk.
create function creel.make_disk_doc(agent public.agents, kind text, content text, author_kind text, of_day date)
returns uuid
language plpgsql set search_path = '' as $$
declare
  made uuid;
begin
  insert into public.brain_docs (
    project_id, agent_key, doc_type, content, updated_by, doc_date, disk_sha256, disk_version, disk_at, sync_state)
  values (
    agent.project_id, agent.agent_key, kind, make_disk_doc.content, author_kind, of_day,
    creel.text_sha256(make_disk_doc.content), 1, now(), 'synced')
  on conflict on constraint brain_docs_key do nothing
  returning id into made;
  update public.brain_doc_versions v set author_kind = make_disk_doc.author_kind
  where v.doc_id = made and v.version = 1 and v.author_kind <> make_disk_doc.author_kind;
  return made;
end
$$;

-- What is wrong with a change, as far as it can be said without the row; null if nothing is.
create function creel.fault_of_doc_change(change jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  op constant text := change ->> 'op';
  name text;
begin
  if not creel.is_doc_type(change ->> 'doc_type') then
    return 'there is no document of this type';
  end if;
  if op is null or op not in ('ack', 'text', 'merge', 'conflict', 'hold', 'note', 'day', 'keep_day') then
    return 'this is not known how to be done to a document';
  end if;
  if op in ('day', 'keep_day') and change ->> 'doc_type' <> 'memory_today' then
    return 'only memory_today has a day';
  end if;
  if op in ('text', 'merge', 'conflict', 'hold', 'day')
     and not coalesce(change ->> 'base_version' ~ '^[0-9]{1,9}$', false) then
    return 'base_version is no number';
  end if;
  foreach name in array case op
    when 'merge' then array['content', 'disk_content']
    when 'ack' then array['sha256']
    when 'note' then array['state']
    else array['content'] end
  loop
    if jsonb_typeof(change -> name) is distinct from 'string' then
      return name || ' is no text';
    elsif octet_length(change ->> name) > 1048576 then
      return name || ' is larger than 1 MB';
    end if;
  end loop;
  if op in ('day', 'keep_day') and change ->> 'doc_date' is null
     or change ->> 'doc_date' is not null and change ->> 'doc_date' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then
    return 'doc_date is no day';
  end if;
  if op = 'note' and change ->> 'state' not in ('blocked', 'ok') then
    return 'state is neither blocked nor ok';
  end if;
  if op = 'text' and change ->> 'author' is not null and change ->> 'author' not in ('agent', 'template', 'update') then
    return 'author is neither agent, template nor update';
  end if;
  return null;
end
$$;

-- One change, by its host, of an agent that lives there; answers done or stale.
create function creel.put_doc(host uuid, agent public.agents, change jsonb) returns text
language plpgsql set search_path = '' as $$
declare
  op constant text := change ->> 'op';
  kind constant text := change ->> 'doc_type';
  told constant text := change ->> 'content';
  hash constant text := case op when 'ack' then change ->> 'sha256' else creel.text_sha256(change ->> 'content') end;
  day constant date := (change ->> 'doc_date')::date;
  author constant text := coalesce(change ->> 'author', 'agent');
  doc public.brain_docs;
  latest public.brain_doc_versions;
  seen int;
  state text;
  note text;
begin
  select * into doc from public.brain_docs d
  where d.project_id = agent.project_id and d.agent_key = agent.agent_key and d.doc_type = kind
  for no key update;

  if doc.id is null then
    return case
      when op = 'ack' and hash = creel.empty_sha256() or op = 'note' and change ->> 'state' = 'ok' then 'done'
      when op = 'note' then case
        when creel.make_blocked_doc(host, agent, kind, left(change ->> 'note', 1000)) then 'done' else 'stale' end
      when op in ('text', 'day') and (change ->> 'base_version')::int = 0 then case
        when creel.make_disk_doc(agent, kind, told, author, day) is null then 'stale' else 'done' end
      else 'stale' end;
  end if;

  if op = 'note' then
    state := case
      when change ->> 'state' = 'blocked' then 'blocked'
      when doc.held_version is not null then 'held'
      else creel.settled_state(doc.sha256, doc.disk_sha256) end;
    note := case when state = 'blocked' then left(change ->> 'note', 1000) end;
    if (doc.sync_state, doc.sync_note) is distinct from (state, note)
       and (state = 'blocked' or doc.sync_state = 'blocked') then
      update public.brain_docs d set sync_state = state, sync_note = note where d.id = doc.id;
      if state = 'blocked' and doc.sync_state <> 'blocked' then
        perform creel.log_doc_event('doc.blocked', doc, jsonb_build_object('note', note), host);
      end if;
    end if;
    return 'done';
  end if;

  if op = 'keep_day' then
    if day is not distinct from doc.doc_date then
      return 'stale';
    end if;
    select * into latest from public.brain_doc_versions v where v.doc_id = doc.id and v.doc_date = day
    order by v.version desc limit 1;
    if hash is distinct from latest.sha256 then
      seen := creel.keep_side_text(doc, told, 'earlier_day', day);
      -- The file has what it had before: what came in between is nowhere else, such as the words of one who had a file
      -- open that was displaced.
      if exists (
        select from public.brain_doc_versions v
        where v.doc_id = doc.id and v.doc_date = day and v.sha256 = hash and v.version < latest.version) then
        perform creel.log_doc_event('doc.conflict', doc, jsonb_build_object(
          'version', seen, 'sha256', hash, 'conflict_version', latest.version, 'conflict_sha256', latest.sha256,
          'doc_date', day), host);
      end if;
    end if;
    return 'done';
  end if;

  -- The disk has the row's text, or one on the way to it: also when it is said by one who wanted to write just that.
  if op = 'ack' or op = 'text' and hash = doc.sha256 then
    seen := case when hash = doc.sha256 then doc.version else (
      select max(v.version) from public.brain_doc_versions v
      where v.doc_id = doc.id and v.sha256 = hash and v.version > doc.disk_version and not v.side) end;
    if seen is null and hash = any (doc.erased_sha256s) then
      -- It is on the disk, and is to go from there, too.
      seen := doc.disk_version;
    end if;
    if seen is null then
      return case when hash is not distinct from doc.disk_sha256 then 'done' else 'stale' end;
    end if;
    state := creel.settled_state(doc.sha256, hash);
    if (doc.disk_sha256, doc.disk_version, doc.sync_state, doc.held_version)
       is distinct from (hash, seen, state, null::int) then
      update public.brain_docs d set
        disk_sha256 = hash, disk_version = seen, disk_at = now(), sync_state = state, sync_note = null,
        held_version = null, erased_sha256s = case state when 'synced' then '{}' else d.erased_sha256s end
      where d.id = doc.id;
    end if;
    return 'done';
  end if;

  -- A repetition of what was taken, and its answer lost.
  if op = 'hold' then
    if hash = (select v.sha256 from public.brain_doc_versions v
               where v.doc_id = doc.id and v.version = doc.held_version) then
      return 'done';
    end if;
  elsif op = 'day' then
    if doc.doc_date = day then
      return case when hash = doc.sha256 then 'done' else 'stale' end;
    end if;
  elsif op = 'merge' then
    if hash = doc.sha256 and creel.text_sha256(change ->> 'disk_content') = doc.disk_sha256 then
      return 'done';
    end if;
  elsif op = 'conflict' and hash = doc.sha256 and hash = doc.disk_sha256 then
    return 'done';
  end if;
  if (change ->> 'base_version')::int <> doc.version then
    return 'stale';
  end if;

  case op
    when 'text' then
      perform creel.take_disk_text(
        doc, told, author,
        case when hash is distinct from doc.disk_sha256 and author = 'agent' and exists (
          select from public.brain_doc_versions v
          where v.doc_id = doc.id and v.sha256 = hash and v.version < doc.version and not v.side
            and v.doc_date is not distinct from doc.doc_date) then 'went_back' end,
        doc.doc_date);
    when 'merge' then
      if told = change ->> 'disk_content' then
        perform creel.take_disk_text(doc, told, 'agent', 'merged', doc.doc_date);
      else
        seen := creel.keep_side_text(doc, change ->> 'disk_content', 'merge_side', doc.doc_date);
        if hash <> doc.sha256 then
          doc.updated_by := 'agent';
          perform creel.add_doc_version(doc, seen + 1, told, 'agent', 'merged');
        end if;
        update public.brain_docs d set
          content = case when hash = d.sha256 then d.content else told end,
          version = case when hash = d.sha256 then d.version else seen + 1 end,
          updated_by = case when hash = d.sha256 then d.updated_by else 'agent' end,
          disk_sha256 = creel.text_sha256(change ->> 'disk_content'),
          disk_version = seen, disk_at = now(), sync_state = 'waiting', sync_note = null, held_version = null
        where d.id = doc.id;
      end if;
    when 'conflict' then
      perform creel.take_disk_text(doc, told, 'agent', 'conflict', doc.doc_date);
      perform creel.log_doc_event('doc.conflict', doc, jsonb_build_object(
        'version', doc.last_version + 1, 'sha256', hash, 'conflict_version', doc.version,
        'conflict_sha256', doc.sha256), host);
    when 'hold' then
      seen := creel.keep_side_text(doc, told, 'held', doc.doc_date);
      update public.brain_docs d set held_version = seen, sync_state = 'held', sync_note = null where d.id = doc.id;
      perform creel.log_doc_event('doc.held', doc, jsonb_build_object(
        'held_version', seen, 'held_sha256', hash, 'version', doc.version, 'sha256', doc.sha256), host);
    when 'day' then
      if doc.doc_date is null then
        -- From before there was a mirror: its text is compared with this day's file.
        update public.brain_docs d set
          doc_date = day, disk_sha256 = null, disk_version = 0,
          sync_state = creel.settled_state(d.sha256, null), held_version = null
        where d.id = doc.id;
      else
        perform creel.take_disk_text(doc, told, 'agent', 'day', day);
        -- What a person wrote on the day before and no host could write to its file.
        if doc.sha256 <> coalesce(doc.disk_sha256, creel.empty_sha256()) and doc.sha256 <> creel.empty_sha256() then
          update public.brain_docs d set conflict_version = doc.version where d.id = doc.id;
          perform creel.log_doc_event('doc.conflict', doc, jsonb_build_object(
            'version', doc.last_version + 1, 'sha256', hash, 'conflict_version', doc.version,
            'conflict_sha256', doc.sha256, 'doc_date', doc.doc_date), host);
        end if;
      end if;
  end case;
  return 'done';
end
$$;

-- So that the page has where to say it.
create function creel.make_blocked_doc(host uuid, agent public.agents, kind text, note text) returns boolean
language plpgsql set search_path = '' as $$
declare
  made uuid;
begin
  made := creel.make_disk_doc(agent, kind, '', 'agent', null);
  update public.brain_docs d set sync_state = 'blocked', sync_note = note where d.id = made;
  perform creel.log_doc_event('doc.blocked', d, jsonb_build_object('note', note), host)
  from public.brain_docs d where d.id = made;
  return made is not null;
end
$$;

-- Why a change is not taken is said on the row. One that somebody is writing right now is not waited for.
create function creel.block_doc(host uuid, agent public.agents, kind text, note text) returns void
language plpgsql set search_path = '' as $$
declare
  told constant text := left(note, 1000);
  doc public.brain_docs;
begin
  select * into doc from public.brain_docs d
  where d.project_id = agent.project_id and d.agent_key = agent.agent_key and d.doc_type = kind
  for no key update skip locked;
  if doc.id is null or (doc.sync_state, doc.sync_note) is not distinct from ('blocked', told) then
    return;
  end if;
  update public.brain_docs d set sync_state = 'blocked', sync_note = told where d.id = doc.id;
  if doc.sync_state <> 'blocked' then
    perform creel.log_doc_event('doc.blocked', doc, jsonb_build_object('note', told), host);
  end if;
end
$$;

create function public.put_docs(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off
set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  limits constant jsonb := creel.doc_limits();
  change jsonb;
  agent public.agents;
  status text;
  message text;
  results jsonb[] := array[]::jsonb[];
begin
  perform creel.require_api($1);
  if jsonb_typeof($1 -> 'changes') is distinct from 'array'
     or jsonb_array_length($1 -> 'changes') > (limits ->> 'docs_call_max')::int then
    raise exception 'changes is no list of at most %', limits ->> 'docs_call_max'
      using errcode = '22023', hint = 'Tell of the others in another call.';
  end if;
  if not creel.may_show(host, 'docs', jsonb_array_length($1 -> 'changes')) then
    raise exception 'host % changes documents too often', host
      using errcode = 'PT429', hint = 'Wait a minute, or ask the operator to raise max_shown_per_minute.';
  end if;
  -- In one order, so that two that write the same documents take turns; what somebody holds is waited for below.
  perform 1 from public.brain_docs d where d.id = any (array(
    select x.id from jsonb_array_elements($1 -> 'changes') c
    join lateral creel.agent_on_host(host, creel.uuid_of(c -> 'agent_id')) a on true
    join public.brain_docs x on x.project_id = a.project_id and x.agent_key = a.agent_key
      and x.doc_type = c ->> 'doc_type'))
  order by d.id for no key update skip locked;

  for change in select * from jsonb_array_elements($1 -> 'changes') loop
    status := 'refused';
    agent := creel.agent_on_host(host, creel.uuid_of(change -> 'agent_id'));
    message := creel.fault_of_doc_change(change);
    if agent.id is null then
      message := coalesce(message, 'no such agent lives on this host');
    elsif message is not null then
      perform creel.block_doc(host, agent, change ->> 'doc_type', message);
    else
      begin
        status := creel.put_doc(host, agent, change);
      exception
        when lock_not_available or deadlock_detected or serialization_failure then
          status := 'stale';
          message := 'somebody is writing this document right now';
          -- Of the others is not waited for as long again.
          perform set_config('lock_timeout', '50ms', true);
        when others then
          message := case when sqlstate in ('PT429', 'PT413', 'PT409', '22023') then sqlerrm
            else 'the database does not take this text' end;
          raise warning 'document % of agent % is not taken: %', change ->> 'doc_type', agent.id, sqlerrm;
          perform creel.block_doc(host, agent, change ->> 'doc_type', message);
      end;
    end if;
    results := results || (
      select jsonb_build_object(
        'agent_id', change -> 'agent_id', 'doc_type', change -> 'doc_type', 'status', status, 'message', message,
        'version', d.version, 'sha256', d.sha256)
      from (select) as one
      left join public.brain_docs d on d.project_id = agent.project_id and d.agent_key = agent.agent_key
        and d.doc_type = change ->> 'doc_type');
  end loop;
  return jsonb_build_object('results', to_jsonb(results));
end
$$;

comment on function public.put_docs(jsonb) is
  'Host function: {api, changes: [{agent_id, doc_type, op, ...}]} -> {results: [{agent_id, doc_type, status: '
  'done|stale|refused, version, sha256, message}]}: what the disk of a host has, for the documents of agents that live '
  'on it. ack{sha256}, text{base_version, content, author?, doc_date?}, merge{base_version, content, disk_content}, '
  'conflict{base_version, content}, hold{base_version, content}, note{state: blocked|ok, note}, day{base_version, '
  'doc_date, content}, keep_day{doc_date, content}. Each is taken or not by itself, and can be repeated. stale: the row '
  'is another one by now; list it again.';

-- What provisioning finds on the disk is what the disk has.
create or replace function public.record_docs(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  held creel.items;
  created jsonb;
begin
  held := creel.held_item(creel.require_host(), ($1 ->> 'token')::uuid);
  perform creel.require_api($1);
  if held.seq is null then
    return jsonb_build_object('held', false, 'created', '[]'::jsonb);
  end if;
  with added as (
    insert into public.brain_docs (
      project_id, agent_key, doc_type, content, updated_by, disk_sha256, disk_version, disk_at)
    select l.project_id, l.agent_key, g ->> 'doc_type', g ->> 'content', 'creel',
      creel.text_sha256(g ->> 'content'), 1, now()
    from jsonb_array_elements($1 -> 'docs') g, creel.lanes l where l.id = held.lane_id
    on conflict on constraint brain_docs_key do nothing
    returning doc_type
  )
  select jsonb_agg(a.doc_type order by a.doc_type) into created from added a;
  return jsonb_build_object('held', true, 'created', coalesce(created, '[]'));
end
$$;

revoke all on function creel.is_doc_type(text), creel.agent_on_host(uuid, uuid), creel.text_of_doc(uuid, text, text),
  creel.log_doc_event(text, public.brain_docs, jsonb, uuid),
  creel.take_disk_text(public.brain_docs, text, text, text, date),
  creel.keep_side_text(public.brain_docs, text, text, date),
  creel.make_disk_doc(public.agents, text, text, text, date), creel.fault_of_doc_change(jsonb),
  creel.put_doc(uuid, public.agents, jsonb), creel.make_blocked_doc(uuid, public.agents, text, text),
  creel.block_doc(uuid, public.agents, text, text),
  public.list_docs(jsonb), public.fetch_docs(jsonb), public.put_docs(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.list_docs(jsonb), public.fetch_docs(jsonb), public.put_docs(jsonb) to creel_host;
