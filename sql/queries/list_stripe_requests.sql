-- What Stripe is asked to do and has not done.
select jsonb_build_object(
  'id', r.id, 'kind', r.kind, 'status', r.status, 'transfer', r.transfer_id, 'amount_minor', r.amount_minor,
  'currency', e.currency, 'attempts', r.attempts, 'error', r.error, 'created_at', r.created_at,
  'not_before', case when r.not_before > now() then r.not_before end, 'host_id', e.host_id)
from creel.stripe_requests r
join public.host_earnings e on e.id = r.earning_id
where r.status <> 'done'
order by r.created_at desc
limit 1000
