-- How often did the clock find work that a notification should have announced? Some polls are right: what waited
-- for its backoff, or was left from a full claim. A host far above the others hears no notifications.
select
  w.day, h.name as host,
  sum(w.items) filter (where w.woken_by = 'push') as by_push,
  sum(w.items) filter (where w.woken_by = 'poll') as by_poll,
  round(100 * coalesce(sum(w.items) filter (where w.woken_by = 'poll'), 0) / sum(w.items), 1) as poll_percent
from creel.wake_counts w
join public.hosts h on h.id = w.host_id
where w.day > current_date - 14
group by w.day, h.name
order by w.day desc, poll_percent desc;
