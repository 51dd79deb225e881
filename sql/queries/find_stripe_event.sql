-- The event $1, or the newest invoice.paid of the invoice $1.
select e.payload, e.endpoint
from public.stripe_events e
where e.id = $1::text or e.type = 'invoice.paid' and $1 like 'in\_%' and e.subjects @> array[$1]
order by e.created desc
limit 1
