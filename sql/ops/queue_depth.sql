-- How much waits and runs, by project and host?
select
  l.project_id, coalesce(h.name, '(not placed)') as host, i.queue,
  count(*) filter (where l.token is null or l.head <> i.seq) as waiting,
  count(*) filter (where l.token is not null and l.head = i.seq) as running,
  count(*) filter (where l.not_before > now()) as in_backoff,
  now() - min(i.enqueued_at) as oldest
from creel.items i
join creel.lanes l on l.id = i.lane_id
left join public.hosts h on h.id = l.host_id
group by l.project_id, h.name, i.queue
order by waiting desc;
