-- Who looks for a host can see which are for rent: what a place costs, how much room there is, and how they are.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create index hosts_for_rent on public.hosts (id) where price is not null and status = 'online';

create function public.list_hosts_for_rent(jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  asker constant uuid := auth.uid();
  project constant text := $1 ->> 'project_id';
  knobs constant creel.settings := creel.knobs();
begin
  if asker is null or not coalesce(project = any (creel.readable_projects()), false) then
    raise exception 'you are no member of project %', project
      using errcode = '42501', hint = 'Send the id of a project of yours as project_id.';
  end if;
  return jsonb_build_object(
    'currency', knobs.billing_currency,
    'hosts', coalesce((
      select jsonb_agg(to_jsonb(l) - 'place' order by l.place)
      from (
        select row_number() over (
            order by o.online desc, o.room > 0 desc, coalesce(o.month, o.year / 12.0), o.name, o.id) as place, o.*
        from (
          select
            h.id, h.name, h.platform, h.tags, f.backends, h.capacity, h.openclaw_version, h.created_at,
            creel.plan_price(h, 'month') as month, creel.plan_price(h, 'year') as year,
            creel.price_currency(h) as currency, creel.takes_work(h) as online, b.last_seen_at,
            greatest(h.capacity - (
              select count(*) from public.agents a
              where a.host_id = h.id and (a.status <> 'removed' or a.billing = 'paid')), 0) as room,
            (select count(*) from public.agent_outages o
              where o.host_id = h.id and o.began_at > now() - interval '30 days') as outages
          from public.hosts h join public.host_heartbeats b on b.host_id = h.id
          -- Beside the agents that are there already. Who rents is not somebody whom its owner may have trusted.
          cross join lateral (
            select coalesce(array_agg(e.backend order by e.n), '{}') as backends
            from unnest(h.backends) with ordinality e (backend, n)
            where creel.may_neighbour(jsonb_populate_record(h, '{"tenancy": "single"}'), project, e.backend)) f
          where h.price is not null and h.status = 'online' and h.owner_id <> asker and f.backends <> '{}'
            and creel.heard_until(b) > now() - interval '1 day'
            and coalesce(creel.plan_price(h, 'month'), creel.plan_price(h, 'year')) is not null
            and exists (
              select from public.stripe_accounts s where s.owner_id = h.owner_id and s.transfers_active)
            and not exists (
              select from public.project_hosts p
              where p.host_id = h.id and p.project_id = project and p.terms = 'own')
        ) o order by place limit 200) l), '[]'));
end
$$;

comment on function public.list_hosts_for_rent(jsonb) is
  'For a member of a project: {project_id} -> {currency, hosts: [{id, name, platform, tags, backends, capacity, room, month, '
  'year, currency, online, last_seen_at, outages, openclaw_version, created_at}]}: hosts of other people that were heard of '
  'within a day and that can be rented by begin_checkout; backends by which an agent of the project may live there beside '
  'others; month and year in the currency''s smallest unit, null where it is not let so. outages: of agents that were paid '
  'for, within 30 days. The first 200: who takes somebody in now, then who is cheapest.';

revoke all on function public.list_hosts_for_rent(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.list_hosts_for_rent(jsonb) to authenticated;
