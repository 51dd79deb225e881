-- What is Stripe asked to take back or give back, and has not done?
select
  r.status, r.kind, r.transfer_id, r.amount_minor as up_to_minor, e.currency, r.attempts, r.error, h.name as host,
  now() - r.created_at as since, r.id as request_id
from creel.stripe_requests r
join public.host_earnings e on e.id = r.earning_id
left join public.hosts h on h.id = e.host_id
where r.status <> 'done'
order by r.status desc, r.created_at;
