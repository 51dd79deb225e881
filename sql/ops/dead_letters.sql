-- What is tried no more, and why? To try one again, as a member: creel request redrive <item_id>.
select
  d.died_at, d.reason, d.queue, d.project_id, d.agent_key, d.item_id, d.attempts,
  r.result #>> '{error,code}' as code,
  r.result #>> '{error,message}' as message,
  r.result #>> '{error,hint}' as what_to_do
from creel.dead_letters d
left join public.agent_provision_requests r on r.id = d.item_id
order by d.died_at desc
limit 100;
