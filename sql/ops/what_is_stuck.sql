-- What waits longer than a minute, and what for? Oldest first.
select
  now() - i.enqueued_at as waits_for_time,
  i.queue, l.project_id, l.agent_key, i.item_id, case when l.head = i.seq then l.attempts else 0 end || '/' || i.max_attempts as attempts,
  h.name as host,
  creel.waiting_reason(i) ->> 'code' as code,
  creel.waiting_reason(i) ->> 'message' as waits_for,
  creel.waiting_reason(i) ->> 'hint' as what_to_do
from creel.items i
join creel.lanes l on l.id = i.lane_id
left join public.hosts h on h.id = l.host_id
where i.enqueued_at < now() - interval '1 minute'
order by i.enqueued_at
limit 100;
