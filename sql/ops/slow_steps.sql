-- Where does the time of a provisioning go? The last day's done requests, in milliseconds.
select
  step ->> 'name' as step, count(*) as runs,
  percentile_cont(0.5) within group (order by (step ->> 'ms')::numeric)::int as p50_ms,
  percentile_cont(0.99) within group (order by (step ->> 'ms')::numeric)::int as p99_ms,
  max((step ->> 'ms')::numeric)::int as max_ms
from public.agent_provision_requests r
cross join lateral jsonb_array_elements(r.result -> 'steps') as step
where r.status = 'done' and r.completed_at > now() - interval '1 day'
group by step ->> 'name'
order by p50_ms desc;
