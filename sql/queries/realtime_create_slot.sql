-- A slot that ends with this session. $1 its name.
select slot_name::text from pg_create_logical_replication_slot($1::text, 'pgoutput', true);
