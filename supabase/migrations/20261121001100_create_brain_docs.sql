-- The documents of an agent, with every version. They outlive the agent's row: words are not lost with it.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table public.brain_docs (
  id uuid primary key default gen_random_uuid(),
  project_id text not null references public.projects (id) on delete cascade,
  agent_key text not null,
  doc_type text not null,
  content text not null default '',
  version int not null default 1,
  sha256 text not null default '',
  doc_date date,
  updated_by text,
  updated_at timestamptz not null default now(),
  constraint brain_docs_key unique (project_id, agent_key, doc_type),
  constraint brain_docs_doc_type check (
    doc_type in ('soul', 'agents', 'user', 'identity', 'memory_long', 'memory_today')),
  constraint brain_docs_sizes check (
    octet_length(content) <= 1048576 and octet_length(agent_key) between 1 and 1024
    and coalesce(octet_length(updated_by), 0) <= 1024)
);

create table public.brain_doc_contents (
  project_id text not null references public.projects (id) on delete cascade,
  sha256 text not null,
  content text not null,
  primary key (project_id, sha256)
);

create table public.brain_doc_versions (
  id bigint generated always as identity primary key,
  doc_id uuid not null references public.brain_docs (id) on delete cascade,
  project_id text not null,
  agent_key text not null,
  doc_type text not null,
  version int not null,
  base_version int,
  sha256 text not null,
  author_kind text not null,
  author_id uuid,
  updated_by text,
  reason text,
  created_at timestamptz not null default now(),
  constraint brain_doc_versions_version unique (doc_id, version),
  constraint brain_doc_versions_doc_type check (
    doc_type in ('soul', 'agents', 'user', 'identity', 'memory_long', 'memory_today')),
  constraint brain_doc_versions_author_kind check (author_kind in ('person', 'agent', 'template', 'update')),
  constraint brain_doc_versions_content foreign key (project_id, sha256)
    references public.brain_doc_contents (project_id, sha256) on delete cascade
);

create index brain_doc_versions_content_fk on public.brain_doc_versions (project_id, sha256);

comment on table public.brain_docs is
  'One row a document, unique by (project_id, agent_key, doc_type). Whoever writes content gets a new version; '
  'version, sha256 and updated_at are computed.';
comment on table public.brain_doc_versions is
  'Every version: who (person, agent, template, update), when, on which base. Its text is in brain_doc_contents, '
  'once a hash.';

create function creel.number_doc_version() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.sha256 := encode(sha256(convert_to(new.content, 'utf8')), 'hex');
  new.updated_at := now();
  if tg_op = 'INSERT' then
    new.version := 1;
    return new;
  end if;
  new.id := old.id;
  new.project_id := old.project_id;
  new.agent_key := old.agent_key;
  new.doc_type := old.doc_type;
  new.version := old.version + (new.sha256 <> old.sha256)::int;
  return new;
end
$$;

create trigger brain_docs_number_version
  before insert or update on public.brain_docs for each row execute function creel.number_doc_version();

-- How many bytes of text a project keeps in all its versions.
create table creel.doc_usage (
  project_id text primary key references public.projects (id) on delete cascade,
  size_bytes bigint not null,
  constraint doc_usage_not_negative check (size_bytes >= 0)
);

revoke all on creel.doc_usage from public, anon, authenticated, service_role;

create function creel.add_doc_bytes(of_project text, size_bytes bigint) returns void
language plpgsql set search_path = '' as $$
declare
  most constant bigint := (select s.max_doc_bytes_per_project from creel.settings s);
  total bigint;
begin
  insert into creel.doc_usage as u (project_id, size_bytes) values (of_project, add_doc_bytes.size_bytes)
  on conflict (project_id) do update set size_bytes = u.size_bytes + excluded.size_bytes
  returning u.size_bytes into total;
  if total > most then
    raise exception 'project % keeps too much text in its documents and their versions: the limit is % bytes',
      of_project, most
      using errcode = 'PT429', hint = 'Ask the operator to raise max_doc_bytes_per_project.';
  end if;
end
$$;

create function creel.count_doc_bytes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.add_doc_bytes(new.project_id, octet_length(new.content));
  return null;
end
$$;

create trigger brain_doc_contents_count_bytes
  after insert on public.brain_doc_contents for each row execute function creel.count_doc_bytes();

create function creel.keep_doc_version() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and new.version = old.version then
    return null;
  end if;
  -- What a version costs beside its text. It comes first, so that writers of one project take turns here.
  perform creel.add_doc_bytes(
    new.project_id, 256 + octet_length(new.agent_key) + coalesce(octet_length(new.updated_by), 0));
  insert into public.brain_doc_contents (project_id, sha256, content)
  values (new.project_id, new.sha256, new.content) on conflict do nothing;
  insert into public.brain_doc_versions (
    doc_id, project_id, agent_key, doc_type, version, base_version, sha256, author_kind, author_id, updated_by)
  values (
    new.id, new.project_id, new.agent_key, new.doc_type, new.version,
    case when tg_op = 'UPDATE' then old.version end, new.sha256,
    case when creel.current_host_id() is null then 'person' when tg_op = 'INSERT' then 'template' else 'agent' end,
    case when creel.current_host_id() is null then auth.uid() end,
    new.updated_by);
  return null;
end
$$;

create trigger brain_docs_keep_version
  after insert or update on public.brain_docs for each row execute function creel.keep_doc_version();

create function creel.limit_docs() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  most constant int := (select 6 * s.max_agents_per_project from creel.settings s);
  full_project text;
begin
  select d.project_id into full_project from public.brain_docs d
  where d.project_id in (select n.project_id from new_rows n)
  group by d.project_id having count(*) > most limit 1;
  if full_project is not null then
    raise exception 'project % has too many documents: the limit is %', full_project, most
      using errcode = 'PT429', hint = 'Remove agents, or ask the operator to raise max_agents_per_project.';
  end if;
  return null;
end
$$;

create trigger brain_docs_limit
  after insert on public.brain_docs referencing new table as new_rows
  for each statement execute function creel.limit_docs();

alter table public.brain_docs enable row level security;
alter table public.brain_doc_contents enable row level security;
alter table public.brain_doc_versions enable row level security;

create policy brain_docs_select on public.brain_docs for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
create policy brain_docs_insert on public.brain_docs for insert to authenticated
  with check (project_id = any ((select creel.writable_projects())::text[]));
create policy brain_docs_update on public.brain_docs for update to authenticated
  using (project_id = any ((select creel.writable_projects())::text[]));
create policy brain_doc_contents_select on public.brain_doc_contents for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
create policy brain_doc_versions_select on public.brain_doc_versions for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));

revoke all on public.brain_docs, public.brain_doc_contents, public.brain_doc_versions
  from public, anon, authenticated, service_role;
revoke all on sequence public.brain_doc_versions_id_seq from public, anon, authenticated, service_role;
grant select, insert, update on public.brain_docs to authenticated, service_role;
grant select on public.brain_doc_contents, public.brain_doc_versions to authenticated, service_role;
revoke all on function creel.number_doc_version(), creel.add_doc_bytes(text, bigint), creel.count_doc_bytes(),
  creel.keep_doc_version(), creel.limit_docs()
  from public, anon, authenticated, service_role;
