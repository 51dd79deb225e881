-- What happened in the last hour? Newest first.
select e.at, e.kind, e.project_id, e.agent_key, h.name as host, e.actor, e.item_id, left(e.detail::text, 160) as detail
from public.events e
left join public.hosts h on h.id = e.host_id
where e.at > now() - interval '1 hour'
order by e.id desc
limit 200;
