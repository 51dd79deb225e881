-- What Realtime must know of a table beyond what the log says: its columns with their types' names and whether
-- they are of the primary key, and whether rows are guarded.
select
  a.attname::text as name,
  t.typname::text as type_name,
  quote_ident(n.nspname) || '.' || quote_ident(t.typname) as type_sql,
  a.attnum = any (coalesce(k.conkey, '{}')) as is_primary,
  c.relrowsecurity as is_guarded
from pg_catalog.pg_class c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
where c.oid = $1
order by a.attnum;
