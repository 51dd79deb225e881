-- Which paid agents do not answer their canaries, since when, and what was the matter last?
select
  h.name as host, o.project_id, o.agent_key, now() - o.began_at as since, c.fault, c.result #>> '{error,message}' as error,
  a.status, a.desired_state
from public.agent_outages o
left join public.agents a on a.id = o.agent_id
left join public.hosts h on h.id = o.host_id
left join lateral (
  select k.fault, k.result from public.agent_canaries k
  where k.agent_id = o.agent_id and k.status = 'failed' order by k.asked_at desc limit 1) c on true
where o.ended_at is null
order by o.began_at;
