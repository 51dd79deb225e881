-- What were webhooks not told, and why? To tell it again, as a member: creel project webhook redrive <id>.
select
  n.created_at, n.project_id, n.kind, n.status, n.attempts, n.last_error,
  case when n.status = 'pending' then n.not_before end as next_attempt_at,
  w.enabled, n.webhook_id, n.id
from public.notifications n
join public.webhooks w on w.id = n.webhook_id
where n.status = 'failed' or n.status = 'pending' and n.due_at < now() - interval '1 minute'
  or n.status = 'sent' and not exists (
    select from creel.notification_leases l where l.notification_id = n.id and l.expires_at > now())
order by n.created_at desc
limit 100;
