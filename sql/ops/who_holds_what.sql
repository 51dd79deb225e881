-- Which host holds which lease, and for how long yet? A negative time is about to be swept.
select
  h.name as host, l.session_id, i.queue, l.project_id, l.agent_key, i.item_id,
  l.attempts || '/' || l.max_attempts as attempts, i.cancel as is_cancelled,
  l.expires_at - now() as lease_left, now() - b.last_seen_at as host_silent_for
from creel.lanes l
join creel.items i on i.lane_id = l.id and i.seq = l.head
left join public.hosts h on h.id = l.host_id
left join public.host_heartbeats b on b.host_id = l.host_id
where l.token is not null
order by l.expires_at;
