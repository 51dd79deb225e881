-- Where does the time of commands go? The last day's, from the row to the claim and from there to the end, in milliseconds;
-- and how many were made needless by newer ones.
select
  c.type, h.name as host,
  count(*) filter (where c.status = 'acked') as acked,
  count(*) filter (where c.status = 'failed' and c.result #>> '{error,code}' = 'superseded') as superseded,
  count(*) filter (where c.status = 'failed' and c.result #>> '{error,code}' is distinct from 'superseded') as failed,
  percentile_cont(0.5) within group (order by extract(epoch from c.sent_at - c.created_at) * 1000)::int as p50_waited_ms,
  percentile_cont(0.5) within group (order by extract(epoch from c.acked_at - c.sent_at) * 1000)::int as p50_worked_ms,
  percentile_cont(0.99) within group (order by extract(epoch from c.acked_at - c.sent_at) * 1000)::int as p99_worked_ms
from public.agent_commands c
left join public.hosts h on h.id = c.host_id
where c.acked_at > now() - interval '1 day'
group by c.type, h.name
order by p99_worked_ms desc nulls last;
