-- How often did the clock find work that a notification should have announced? Some polls are right: what waited
-- for its backoff, or was left from a full claim. A host far above the others hears no notifications. Hosts with a key
-- count themselves what their Realtime channel had not announced: lost_ever.
select
  r.picked_up_at::date as day, coalesce(h.name, '(gone)') as host,
  count(*) filter (where r.woken_by = 'push') as by_push,
  count(*) filter (where r.woken_by = 'poll') as by_poll,
  round(100.0 * count(*) filter (where r.woken_by = 'poll') / count(*), 1) as poll_percent,
  max(b.lost_hints) as lost_ever
from (
  select p.project_id, p.agent_key, p.picked_up_at, p.woken_by from public.agent_provision_requests p
  union all
  select c.project_id, c.agent_key, c.sent_at, c.woken_by from public.agent_commands c
) r
left join public.agents a on a.project_id = r.project_id and a.agent_key = r.agent_key
left join public.hosts h on h.id = a.host_id
left join public.host_heartbeats b on b.host_id = h.id
where r.picked_up_at > now() - interval '14 days' and r.woken_by is not null
group by 1, 2
order by day desc, poll_percent desc;
