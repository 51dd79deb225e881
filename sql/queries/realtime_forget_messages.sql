-- Messages are kept for three days, as on Supabase, where their partitions are dropped then.
delete from realtime.messages where inserted_at < now() - interval '3 days';
