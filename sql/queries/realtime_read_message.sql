-- Whether the policies let the role of this transaction read messages of a topic.
select exists (select from realtime.messages m where m.topic = $1 and m.extension = 'broadcast');
