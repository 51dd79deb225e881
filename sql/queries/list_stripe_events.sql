-- $1: only what waits; $2: how many at most.
select jsonb_build_object(
  'id', e.id, 'type', e.type, 'endpoint', e.endpoint, 'account', e.account, 'status', e.status, 'note', e.note,
  'created', e.created, 'received_at', e.received_at, 'deliveries', e.deliveries, 'led_to', e.led_to)
from public.stripe_events e
where e.status = 'waiting' or not $1::boolean
order by e.received_at desc, e.id
limit $2
