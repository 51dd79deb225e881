-- The published tables that a subscription means: those of a schema, or one of it, or all.
select p.schemaname::text as schema, p.tablename::text as name, c.oid
from pg_catalog.pg_publication_tables p
join pg_catalog.pg_namespace n on n.nspname = p.schemaname
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = p.tablename
where p.pubname = 'supabase_realtime'
  and ($1::text = '*' or p.schemaname = $1)
  and ($2::text = '*' or p.tablename = $2);
