-- Which hosts do not tick, and what do they hold up?
select
  h.name as host, h.id, h.status, b.last_seen_at, now() - b.last_seen_at as silent_for, h.worker_version, h.outdated_since,
  (select count(*) from creel.lanes l where l.host_id = h.id and l.head is not null) as lanes_waiting,
  (select count(*) from creel.lanes l where l.host_id = h.id and l.token is not null) as leases,
  (select count(*) from public.agents a where a.host_id = h.id and a.status <> 'removed') as agents,
  (select string_agg(p.project_id, ', ' order by p.project_id) from public.project_hosts p where p.host_id = h.id)
    as projects
from public.hosts h
left join public.host_heartbeats b on b.host_id = h.id
where h.status <> 'retired'
  and (b.last_seen_at is null
    or creel.heard_until(b) < now() - (select s.offline_after_secs from creel.settings s) * interval '1 second')
order by lanes_waiting desc, b.last_seen_at nulls first;
