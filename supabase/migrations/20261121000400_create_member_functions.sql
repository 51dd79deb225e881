-- Members by e-mail address, because nobody knows the user ids of others.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function public.list_members(project_id text)
returns table (user_id uuid, email text, role text, created_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select m.user_id, u.email::text, m.role, m.created_at
  from public.project_members m join auth.users u on u.id = m.user_id
  where m.project_id = list_members.project_id
    and m.project_id = any ((select creel.readable_projects())::text[])
  order by m.created_at, m.user_id
$$;

create function public.add_member(project_id text, email text, role text default 'viewer') returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  member uuid;
begin
  if not coalesce(add_member.project_id = any (creel.owned_projects()), false) then
    raise exception 'only an owner of project % may add members', add_member.project_id
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  select u.id into member from auth.users u
  where lower(u.email) = lower(add_member.email) and not u.is_sso_user;
  if member is null then
    raise exception 'nobody has signed up as %', add_member.email
      using errcode = 'PT404', hint = 'Members must have signed up in this Supabase project before they are added.';
  end if;
  insert into public.project_members as m (project_id, user_id, role)
  values (add_member.project_id, member, add_member.role)
  on conflict on constraint project_members_pkey do update set role = excluded.role;
  return member;
end
$$;

create function public.remove_member(project_id text, email text) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  if not coalesce(remove_member.project_id = any (creel.owned_projects()), false) then
    raise exception 'only an owner of project % may remove members', remove_member.project_id
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  delete from public.project_members m using auth.users u
  where m.project_id = remove_member.project_id and u.id = m.user_id
    and lower(u.email) = lower(remove_member.email);
  return found;
end
$$;

revoke all on function public.list_members(text), public.add_member(text, text, text),
  public.remove_member(text, text) from public, anon, authenticated, service_role;
grant execute on function public.list_members(text), public.add_member(text, text, text),
  public.remove_member(text, text) to authenticated;
