-- Makes this transaction speak for somebody: the role, the claims of the token, the topic of the channel.
select
  set_config('role', $1::text, true),
  set_config('request.jwt.claims', $2::text, true),
  set_config('realtime.topic', $3::text, true);
