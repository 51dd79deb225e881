-- Lanes that cannot be: none, unless somebody wrote into creel.lanes by hand or a function of the queue has a fault.
select l.id, l.project_id, l.agent_key, l.kind, b.fault
from creel.lanes l
cross join lateral (values
  ('unknown kind', l.kind not in ('control', 'work')),
  ('a first item in part', (l.head is null) <> (l.item_id is null) or (l.head is null) <> (l.queue is null)),
  ('a lease in part', (l.token is null) <> (l.expires_at is null) or (l.token is null) <> (l.session_id is null)),
  ('a lease on nothing', l.token is not null and l.head is null),
  ('attempts beyond their number', l.attempts < 0 or l.attempts > l.max_attempts),
  ('not its first item', l.head is distinct from (
    select i.seq from creel.items i where i.lane_id = l.id order by i.seq limit 1))
) as b (fault, is_there)
where b.is_there
order by l.id;
