-- Projects and who may see them. Everything else in public hangs on a project.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table public.projects (
  id text primary key default gen_random_uuid()::text,
  name text not null default '',
  created_by uuid default auth.uid() references auth.users (id) on delete set null,
  created_at timestamptz not null default now(),
  constraint projects_id_form check (id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'),
  constraint projects_name_size check (octet_length(name) <= 1024)
);

create index projects_created_by on public.projects (created_by);

create table public.project_members (
  project_id text not null references public.projects (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role text not null default 'viewer',
  created_at timestamptz not null default now(),
  primary key (project_id, user_id),
  constraint project_members_role check (role in ('owner', 'editor', 'viewer'))
);

create index project_members_user on public.project_members (user_id);

comment on table public.projects is
  'Whoever creates a project becomes its owner. Its rows are for its members only.';
comment on table public.project_members is
  'owner: everything, members and hosts included. editor: writes agents, requests and documents. viewer: reads.';

-- What the asking person may do, for the policies: one evaluation a statement.
create function creel.readable_projects() returns text[]
language sql stable security definer set search_path = '' as $$
  select coalesce(array_agg(m.project_id), '{}') from public.project_members m where m.user_id = auth.uid()
$$;

create function creel.writable_projects() returns text[]
language sql stable security definer set search_path = '' as $$
  select coalesce(array_agg(m.project_id), '{}') from public.project_members m
  where m.user_id = auth.uid() and m.role in ('owner', 'editor')
$$;

create function creel.owned_projects() returns text[]
language sql stable security definer set search_path = '' as $$
  select coalesce(array_agg(m.project_id), '{}') from public.project_members m
  where m.user_id = auth.uid() and m.role = 'owner'
$$;

-- A project that is being created has no member yet; its creator must see it for `returning`.
create function creel.has_members(project_id text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.project_members m where m.project_id = has_members.project_id)
$$;

create function creel.own_new_project() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.created_by is null then
    return null;
  end if;
  if (select count(*) from public.projects p where p.created_by = new.created_by)
     > (select s.max_projects_per_user from creel.settings s) then
    raise exception 'too many projects: the limit for one person is %',
      (select s.max_projects_per_user from creel.settings s)
      using errcode = 'PT429', hint = 'Delete a project, or ask the operator to raise max_projects_per_user.';
  end if;
  insert into public.project_members (project_id, user_id, role) values (new.id, new.created_by, 'owner');
  return null;
end
$$;

create trigger projects_own_new_project
  after insert on public.projects for each row execute function creel.own_new_project();

create function creel.keep_an_owner() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Two owners who remove each other take turns.
  perform 1 from public.projects p where p.id = old.project_id for no key update;
  if old.role = 'owner'
     and exists (select from public.projects p where p.id = old.project_id)
     and exists (select from auth.users u where u.id = old.user_id)
     and not exists (
       select from public.project_members m where m.project_id = old.project_id and m.role = 'owner') then
    raise exception 'project % would have no owner', old.project_id
      using errcode = 'PT409', hint = 'Make somebody else an owner first.';
  end if;
  return null;
end
$$;

create trigger project_members_keep_an_owner
  after delete or update on public.project_members for each row execute function creel.keep_an_owner();

create function creel.limit_members() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  most constant int := (select s.max_members_per_project from creel.settings s);
begin
  if (select count(*) from public.project_members m where m.project_id = new.project_id) > most then
    raise exception 'too many members: the limit for one project is %', most
      using errcode = 'PT429', hint = 'Remove a member, or ask the operator to raise max_members_per_project.';
  end if;
  return null;
end
$$;

create trigger project_members_limit
  after insert on public.project_members for each row execute function creel.limit_members();

alter table public.projects enable row level security;
alter table public.project_members enable row level security;

create policy projects_select on public.projects for select to authenticated using (
  id = any ((select creel.readable_projects())::text[])
  or (created_by = (select auth.uid()) and not creel.has_members(id))
);
create policy projects_insert on public.projects for insert to authenticated
  with check (created_by = (select auth.uid()));
create policy projects_update on public.projects for update to authenticated
  using (id = any ((select creel.owned_projects())::text[]));

create policy project_members_select on public.project_members for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
create policy project_members_insert on public.project_members for insert to authenticated
  with check (project_id = any ((select creel.owned_projects())::text[]));
create policy project_members_update on public.project_members for update to authenticated
  using (project_id = any ((select creel.owned_projects())::text[]));
create policy project_members_delete on public.project_members for delete to authenticated
  using (project_id = any ((select creel.owned_projects())::text[]));

revoke all on public.projects, public.project_members from public, anon, authenticated, service_role;
grant select, insert (id, name), update (name) on public.projects to authenticated;
grant select, insert (project_id, user_id, role), update (role), delete on public.project_members to authenticated;
grant select, insert, update, delete on public.projects, public.project_members to service_role;

revoke all on function creel.readable_projects(), creel.writable_projects(), creel.owned_projects(),
  creel.has_members(text), creel.own_new_project(), creel.keep_an_owner(), creel.limit_members()
  from public, anon, authenticated, service_role;
grant execute on function creel.readable_projects(), creel.writable_projects(), creel.owned_projects(),
  creel.has_members(text) to authenticated;
