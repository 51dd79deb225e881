-- The publications that Realtime reads, those that there are.
select coalesce(string_agg(quote_ident(pubname), ','), '')
from pg_catalog.pg_publication
where pubname in ('supabase_realtime', 'supabase_realtime_messages_publication');
