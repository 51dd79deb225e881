-- What is tried no more, and why? To try one again, as a member: creel request redrive <item_id>.
select
  d.died_at, d.reason, d.queue, v.type, d.project_id, d.agent_key, d.item_id, d.attempts,
  v.error ->> 'code' as code,
  v.error ->> 'message' as message,
  v.error ->> 'hint' as what_to_do
from creel.dead_letters d
join public.dead_letters v on v.id = d.item_id
order by d.died_at desc
limit 100;
