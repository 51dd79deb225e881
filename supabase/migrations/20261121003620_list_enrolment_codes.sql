-- Codes that nobody has used yet: their owner sees them, never the code itself, and may end them.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function public.list_enrolment_codes() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('codes', coalesce(
    jsonb_agg(
      jsonb_build_object(
        'id', c.id, 'name', coalesce(h.name, c.wish ->> 'name'), 'host_id', c.host_id,
        'created_at', c.created_at, 'expires_at', c.expires_at,
        'project_ids', case when c.host_id is null then coalesce(c.wish -> 'project_ids', '[]')
          else to_jsonb(array(
            select p.project_id from public.project_hosts p where p.host_id = c.host_id order by 1)) end)
      order by c.created_at, c.id), '[]'))
  from creel.enrolment_codes c left join public.hosts h on h.id = c.host_id
  where c.owner_id = auth.uid() and c.used_at is null and c.expires_at > now()
$$;

comment on function public.list_enrolment_codes() is
  '() -> {codes: [{id, name, host_id, created_at, expires_at, project_ids[]}]}: the asker''s codes that are good and that '
  'nobody has used. host_id: the host that is there and is to get another key. Nobody is told the code itself again.';

create function public.revoke_enrolment_code(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  unwanted constant uuid := creel.uuid_of($1 -> 'id');
begin
  -- A host that enrols by it at this moment is waited for; then it is used.
  delete from creel.enrolment_codes c
  where c.id = unwanted and c.owner_id = auth.uid() and c.used_at is null and c.expires_at > now();
  if not found then
    raise exception 'you have no unused code %', coalesce(left($1 ->> 'id', 100), 'without an id')
      using errcode = 'PT404', detail = 'unknown_code',
        hint = 'Ask list_enrolment_codes which there are. A host that has used one is ended by revoke_host_access.';
  end if;
  return jsonb_build_object('id', unwanted, 'revoked', true);
end
$$;

comment on function public.revoke_enrolment_code(jsonb) is
  '{id} -> {id, revoked}: ends an own code that nobody has used yet, at once; 404 for any other.';

revoke all on function public.list_enrolment_codes(), public.revoke_enrolment_code(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.list_enrolment_codes(), public.revoke_enrolment_code(jsonb) to authenticated;
