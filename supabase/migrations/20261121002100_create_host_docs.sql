-- The documents of the agent that a host is working on.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function public.read_docs(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  held creel.items;
begin
  held := creel.held_item(creel.require_host(), ($1 ->> 'token')::uuid);
  perform creel.require_api($1);
  if held.seq is null then
    return jsonb_build_object('held', false, 'docs', '[]'::jsonb);
  end if;
  return jsonb_build_object('held', true, 'docs', coalesce((
    select jsonb_agg(jsonb_build_object('doc_type', d.doc_type, 'content', d.content) order by d.doc_type)
    from creel.lanes l join public.brain_docs d using (project_id, agent_key)
    where l.id = held.lane_id), '[]'));
end
$$;

create function public.record_docs(jsonb) returns jsonb
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
    insert into public.brain_docs (project_id, agent_key, doc_type, content, updated_by)
    select l.project_id, l.agent_key, g ->> 'doc_type', g ->> 'content', 'creel'
    from jsonb_array_elements($1 -> 'docs') g, creel.lanes l where l.id = held.lane_id
    on conflict on constraint brain_docs_key do nothing
    returning doc_type
  )
  select jsonb_agg(a.doc_type order by a.doc_type) into created from added a;
  return jsonb_build_object('held', true, 'created', coalesce(created, '[]'));
end
$$;

comment on function public.read_docs(jsonb) is
  'Host function: {api, token} -> {held, docs[]}: the documents of the agent that the token''s item is about.';
comment on function public.record_docs(jsonb) is
  'Host function: {api, token, docs[]} -> {held, created[]}: makes a row of each document that has none.';

revoke all on function public.read_docs(jsonb), public.record_docs(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.read_docs(jsonb), public.record_docs(jsonb) to creel_host;
