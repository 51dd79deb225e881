-- What a mirror between the disk and brain_docs has to know, and versions that were never the row's text.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.settings
  add column doc_versions_keep int not null default 200
    constraint settings_doc_versions_keep_positive check (doc_versions_keep > 0),
  add column doc_versions_days int not null default 90
    constraint settings_doc_versions_days_positive check (doc_versions_days > 0);

comment on column creel.settings.doc_versions_keep is
  'So many versions of a document are kept, however old they are.';
comment on column creel.settings.doc_versions_days is
  'So long every version is kept, however many there are. What is both older and beyond doc_versions_keep goes. When a '
  'project has used up three quarters of max_doc_bytes_per_project, versions by agents beyond doc_versions_keep go at any '
  'age: an agent that writes without end must not keep people from writing.';

alter table public.brain_docs
  add column last_version int not null default 1,
  add column base_version int,
  add column disk_sha256 text,
  add column disk_version int not null default 0,
  add column disk_at timestamptz,
  add column sync_state text not null default 'waiting'
    constraint brain_docs_sync_state check (sync_state in ('waiting', 'synced', 'held', 'blocked')),
  add column sync_note text constraint brain_docs_sync_note_size check (octet_length(sync_note) <= 4096),
  add column held_version int,
  add column conflict_version int,
  add column erased_sha256s text[] not null default '{}',
  add column warning text,
  add column changed xid8 not null default '0';

alter table public.brain_doc_versions
  add column doc_date date,
  add column pinned boolean not null default false,
  add column side boolean not null default false,
  add constraint brain_doc_versions_reason check (
    reason in ('merged', 'conflict', 'held', 'went_back', 'restored', 'day', 'earlier_day', 'merge_side', 'accepted'))
    not valid;

comment on table public.brain_docs is
  'One row a document, unique by (project_id, agent_key, doc_type). Who writes content gets a new version; the other '
  'columns are computed. A write with base_version, the version that it was based on (0: there was none), fails with '
  'PT409 when the row is another one by now; without it the last writer wins, and what he replaced is a version. '
  'disk_sha256 is the text of the disk that the row has taken in last, and disk_version the version that the row had '
  'then: the host that the agent lives on sets them. sync_state waiting: the disk does not have the row''s text yet; '
  'synced; held: the disk has nothing or a template (held_version) and the row more, until resolve_doc, another write or '
  'another change of the disk; blocked: sync_note says why. conflict_version is a text that lost against the disk, to be '
  'looked at. erased_sha256s are texts that were erased while they may have been on their way to the disk. changed is the '
  'transaction in which somebody other than the agent''s host wrote.';
comment on table public.brain_doc_versions is
  'Every version: who (person, agent, template, update), when, on which base, and why if it was no plain write. Its text '
  'is in brain_doc_contents, once a hash. side: it never was the row''s text. doc_date: whose day it is, of '
  'memory_today. What is older than settings.doc_versions_days and not among the newest settings.doc_versions_keep goes, '
  'unless it is pinned or still needed.';

-- Put anew below.
drop trigger brain_docs_number_version on public.brain_docs;
drop function creel.number_doc_version();

-- What there is already: a row that began with a template was made from the disk.
update public.brain_docs d set
  last_version = d.version,
  disk_sha256 = v.sha256,
  disk_version = coalesce(v.version, 0),
  sync_state = case when coalesce(v.sha256, encode(sha256(''), 'hex')) = d.sha256 then 'synced' else 'waiting' end
from public.brain_docs o
left join lateral (
  select f.sha256, f.version from public.brain_doc_versions f
  where f.doc_id = o.id and f.version = 1 and f.author_kind = 'template') v on true
where o.id = d.id;

create index brain_docs_changed on public.brain_docs (changed);
create index brain_docs_last_version on public.brain_docs (last_version);
create index brain_doc_versions_templates on public.brain_doc_versions (doc_id) where author_kind = 'template';
create index brain_doc_versions_days on public.brain_doc_versions (doc_id, doc_date, version) where doc_date is not null;

-- creel_core::host_api has the same numbers; a test compares the two.
create function creel.doc_limits() returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'doc_max_bytes', 1048576, 'docs_call_max_bytes', 4194304, 'docs_call_max', 500,
    'openclaw_file_chars', 20000, 'openclaw_user_chars', 4000, 'openclaw_all_chars', 60000)
$$;

create function creel.text_sha256(content text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return encode(sha256(convert_to(content, 'utf8')), 'hex');
end
$$;

-- Of a document whose file is absent or empty.
create function creel.empty_sha256() returns text
language sql immutable set search_path = '' as $$
  select 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
$$;

-- Where a row stands that is neither held nor blocked.
create function creel.settled_state(row_sha256 text, disk_sha256 text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case when row_sha256 = coalesce(disk_sha256, creel.empty_sha256()) then 'synced' else 'waiting' end;
end
$$;

create function creel.doc_warning(doc_type text, content text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  most constant int := (creel.doc_limits() ->> case doc_type
    when 'user' then 'openclaw_user_chars' else 'openclaw_file_chars' end)::int;
begin
  -- No character has less than a byte.
  if octet_length(content) <= most or char_length(content) <= most then
    return null;
  end if;
  return format(
    'OpenClaw reads %s characters of this file and this has %s: it leaves out the middle. Nothing is lost; shorten it, or '
    'move some of it to another file.', most, char_length(content));
end
$$;

-- Runs as the writing role, because it must know it: what the host and Creel itself set keeps its value when a member
-- writes.
create function creel.keep_doc_columns() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' then
    new.id := old.id;
    new.project_id := old.project_id;
    new.agent_key := old.agent_key;
    new.doc_type := old.doc_type;
  end if;
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.id := gen_random_uuid();
    new.version := 1;
    new.doc_date := null;
    new.disk_sha256 := null;
    new.disk_version := 0;
    new.disk_at := null;
    new.sync_state := 'waiting';
    new.sync_note := null;
    new.held_version := null;
    new.conflict_version := null;
    new.erased_sha256s := '{}';
    return new;
  end if;
  new.version := old.version;
  new.last_version := old.last_version;
  new.doc_date := old.doc_date;
  new.sha256 := old.sha256;
  new.disk_sha256 := old.disk_sha256;
  new.disk_version := old.disk_version;
  new.disk_at := old.disk_at;
  new.sync_state := old.sync_state;
  new.sync_note := old.sync_note;
  new.held_version := old.held_version;
  new.conflict_version := old.conflict_version;
  new.erased_sha256s := old.erased_sha256s;
  new.warning := old.warning;
  new.changed := old.changed;
  new.updated_at := old.updated_at;
  return new;
end
$$;

-- The number of a new text, and what follows from it. Creel's own functions say the number themselves, and all else
-- with it.
create function creel.number_doc_version() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  base int;
begin
  new.sha256 := creel.text_sha256(new.content);
  new.warning := creel.doc_warning(new.doc_type, new.content);
  new.updated_at := now();
  if tg_op = 'INSERT' then
    new.version := 1;
    new.last_version := 1;
    new.changed := case when creel.current_host_id() is null then pg_current_xact_id() else '0' end;
    if new.sync_state <> 'blocked' then
      new.sync_state := creel.settled_state(new.sha256, new.disk_sha256);
    end if;
    return new;
  end if;

  base := new.base_version;
  new.base_version := null;
  if new.version > old.version then
    new.last_version := greatest(new.version, old.last_version);
    return new;
  end if;
  if new.sha256 = old.sha256 then
    return new;
  end if;
  if base <> old.version then
    raise exception 'the document was changed by somebody else: version % is not the current one', base
      using errcode = 'PT409', detail = jsonb_build_object('version', old.version, 'sha256', old.sha256),
        hint = 'Read it again, put your change into it, and write that with its version as base_version.';
  end if;
  new.last_version := old.last_version + 1;
  new.version := new.last_version;
  if creel.current_host_id() is null then
    new.changed := pg_current_xact_id();
    if base is not null then
      new.conflict_version := null;
    end if;
    if old.held_version is not null then
      -- It is said which one it is to be: the disk's text may be replaced.
      new.disk_sha256 := coalesce((
        select v.sha256 from public.brain_doc_versions v where v.doc_id = old.id and v.version = old.held_version),
        old.disk_sha256);
      new.disk_version := old.version;
      new.held_version := null;
    end if;
    if old.sync_state <> 'blocked' then
      new.sync_state := creel.settled_state(new.sha256, new.disk_sha256);
    end if;
  end if;
  return new;
end
$$;

create trigger brain_docs_1_keep_columns
  before insert or update on public.brain_docs for each row execute function creel.keep_doc_columns();
create trigger brain_docs_2_number_version
  before insert or update of content, version, base_version on public.brain_docs
  for each row execute function creel.number_doc_version();

-- A version and its text. It comes after its row is locked and before it is written.
create function creel.add_doc_version(
  doc public.brain_docs, number int, content text, author_kind text, reason text, side boolean default false
) returns void
language plpgsql set search_path = '' as $$
declare
  host constant uuid := creel.current_host_id();
  hash constant text := creel.text_sha256(content);
begin
  -- What a version costs beside its text. It comes first, so that writers of one project take turns here.
  perform creel.add_doc_bytes(
    doc.project_id, 256 + octet_length(doc.agent_key) + coalesce(octet_length(doc.updated_by), 0));
  insert into public.brain_doc_contents (project_id, sha256, content)
  values (doc.project_id, hash, add_doc_version.content) on conflict do nothing;
  insert into public.brain_doc_versions (
    doc_id, project_id, agent_key, doc_type, version, base_version, sha256, author_kind, author_id, updated_by, reason,
    side, doc_date)
  values (
    doc.id, doc.project_id, doc.agent_key, doc.doc_type, number,
    case when number > 1 then doc.version end, hash, add_doc_version.author_kind,
    case when host is null then auth.uid() end, doc.updated_by, add_doc_version.reason, add_doc_version.side,
    doc.doc_date);
end
$$;

create or replace function creel.keep_doc_version() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  by_host constant boolean := creel.current_host_id() is not null;
  doc public.brain_docs := new;
begin
  if tg_op = 'INSERT' and new.base_version > 0 then
    raise exception 'there is no such document any more, or not yet: version % is not the current one', new.base_version
      using errcode = 'PT409', detail = jsonb_build_object('version', 0, 'sha256', creel.empty_sha256()),
        hint = 'Write it without base_version, or with base_version 0.';
  end if;
  if tg_op = 'UPDATE' then
    if new.version = old.version or exists (
      select from public.brain_doc_versions v where v.doc_id = new.id and v.version = new.version) then
      return null;
    end if;
    doc.version := old.version;
  end if;
  perform creel.add_doc_version(
    doc, new.version, new.content,
    case when not by_host then 'person' when tg_op = 'INSERT' then 'template' else 'agent' end, null);
  if tg_op = 'INSERT' and new.base_version is not null then
    update public.brain_docs d set base_version = null where d.id = new.id;
  end if;
  return null;
end
$$;

-- What nothing refers to any more goes, and is not counted any more.
create function creel.free_doc_bytes(of_project text, freed_bytes bigint) returns void
language plpgsql set search_path = '' as $$
begin
  update creel.doc_usage u set size_bytes = greatest(u.size_bytes - freed_bytes, 0) where u.project_id = of_project;
end
$$;

create function creel.free_doc_versions() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.free_doc_bytes(g.project_id, g.freed_bytes) from (
    select o.project_id, sum(256 + octet_length(o.agent_key) + coalesce(octet_length(o.updated_by), 0)) as freed_bytes
    from old_rows o group by o.project_id order by o.project_id) g;
  delete from public.brain_doc_contents c
  where (c.project_id, c.sha256) in (select o.project_id, o.sha256 from old_rows o)
    and not exists (
      select from public.brain_doc_versions v where v.project_id = c.project_id and v.sha256 = c.sha256);
  return null;
end
$$;

create trigger brain_doc_versions_free
  after delete on public.brain_doc_versions referencing old table as old_rows
  for each statement execute function creel.free_doc_versions();

create function creel.free_doc_contents() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.free_doc_bytes(g.project_id, g.freed_bytes) from (
    select o.project_id, sum(octet_length(o.content)) as freed_bytes
    from old_rows o group by o.project_id order by o.project_id) g;
  return null;
end
$$;

create trigger brain_doc_contents_free
  after delete on public.brain_doc_contents referencing old table as old_rows
  for each statement execute function creel.free_doc_contents();

-- Hosts hear that somebody else changed documents of their agents: once a transaction.
create function creel.notify_docs() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if creel.current_host_id() is null then
    perform pg_notify('creel_work', h.host_id || ' docs') from (
      select distinct a.host_id from new_rows n
      join public.agents a on a.project_id = n.project_id and a.agent_key = n.agent_key
      where n.changed = pg_current_xact_id() and a.host_id is not null and a.status <> 'removed') h;
  end if;
  return null;
end
$$;

create trigger brain_docs_notify_insert
  after insert on public.brain_docs referencing new table as new_rows
  for each statement execute function creel.notify_docs();
create trigger brain_docs_notify_update
  after update on public.brain_docs referencing new table as new_rows
  for each statement execute function creel.notify_docs();

-- What a page hears of a document: Realtime sends whole rows, whatever columns a publication names, and a text may have
-- 1 MB. So it is told by a row of its own, which changes only when there is something to tell.
create table public.brain_doc_states (
  doc_id uuid primary key references public.brain_docs (id) on delete cascade,
  project_id text not null,
  agent_key text not null,
  doc_type text not null,
  version int not null,
  sha256 text not null,
  doc_date date,
  sync_state text not null,
  sync_note text,
  held_version int,
  conflict_version int,
  warning text,
  updated_by text,
  updated_at timestamptz not null
);

create index brain_doc_states_by_agent on public.brain_doc_states (project_id, agent_key);

comment on table public.brain_doc_states is
  'brain_docs without the texts, kept by a trigger and published for Realtime: a page subscribes to it, and reads the '
  'text when version or sha256 is another one.';

create function creel.tell_doc_state() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and (
    new.version, new.sha256, new.doc_date, new.sync_state, new.sync_note, new.held_version, new.conflict_version,
    new.warning, new.updated_by)
    is not distinct from (
    old.version, old.sha256, old.doc_date, old.sync_state, old.sync_note, old.held_version, old.conflict_version,
    old.warning, old.updated_by) then
    return null;
  end if;
  insert into public.brain_doc_states (
    doc_id, project_id, agent_key, doc_type, version, sha256, doc_date, sync_state, sync_note, held_version,
    conflict_version, warning, updated_by, updated_at)
  values (
    new.id, new.project_id, new.agent_key, new.doc_type, new.version, new.sha256, new.doc_date, new.sync_state,
    new.sync_note, new.held_version, new.conflict_version, new.warning, new.updated_by, new.updated_at)
  on conflict (doc_id) do update set
    version = excluded.version, sha256 = excluded.sha256, doc_date = excluded.doc_date,
    sync_state = excluded.sync_state, sync_note = excluded.sync_note, held_version = excluded.held_version,
    conflict_version = excluded.conflict_version, warning = excluded.warning, updated_by = excluded.updated_by,
    updated_at = excluded.updated_at;
  return null;
end
$$;

create trigger brain_docs_tell_state
  after insert or update on public.brain_docs for each row execute function creel.tell_doc_state();

insert into public.brain_doc_states (
  doc_id, project_id, agent_key, doc_type, version, sha256, doc_date, sync_state, updated_by, updated_at)
select d.id, d.project_id, d.agent_key, d.doc_type, d.version, d.sha256, d.doc_date, d.sync_state, d.updated_by,
  d.updated_at
from public.brain_docs d;

alter table public.brain_doc_states enable row level security;

create policy brain_doc_states_select on public.brain_doc_states for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));

revoke all on public.brain_doc_states from public, anon, authenticated, service_role;
grant select on public.brain_doc_states to authenticated, service_role;

alter publication supabase_realtime add table public.brain_doc_states;

revoke all on function creel.doc_limits(), creel.text_sha256(text), creel.empty_sha256(),
  creel.settled_state(text, text), creel.doc_warning(text, text), creel.keep_doc_columns(),
  creel.number_doc_version(), creel.add_doc_version(public.brain_docs, int, text, text, text, boolean),
  creel.free_doc_bytes(text, bigint), creel.free_doc_versions(), creel.free_doc_contents(), creel.notify_docs(),
  creel.tell_doc_state()
  from public, anon, authenticated, service_role;
