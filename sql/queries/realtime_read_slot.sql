-- What was committed since the slot was last read. $1 the slot, $2 the publications, $3 how many messages at most,
-- unless one transaction has more.
select data
from pg_logical_slot_get_binary_changes(
  $1::text, null, $3::integer, 'proto_version', '1', 'publication_names', $2::text
);
