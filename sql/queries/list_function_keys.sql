-- The keys of functions, without what would open anything.
select jsonb_build_object(
  'id', k.id, 'opens', k.opens, 'label', k.label, 'created_at', k.created_at, 'expires_at', k.expires_at,
  'revoked_at', k.revoked_at,
  'state', case when k.revoked_at is not null then 'revoked' when k.expires_at <= now() then 'expired' else 'good' end)
from creel.function_keys k
order by k.created_at desc
