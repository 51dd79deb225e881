-- A message of a topic, for asking the policies of realtime.messages; the transaction is rolled back.
insert into realtime.messages (topic, extension, payload, event, private)
values ($1, 'broadcast', '{}', '', true);
