-- Uses a refresh token up and makes the next one. A token that was used up within the last ten seconds is
-- taken once more: two tabs of one browser refresh at the same moment. $1 token, $2 next token.
with used as (
  update auth.refresh_tokens
  set revoked = true, updated_at = case when revoked then updated_at else now() end
  where token = $1::text
    and (not revoked or updated_at > now() - interval '10 seconds')
  returning session_id, user_id
), next as (
  insert into auth.refresh_tokens (token, user_id, revoked, parent, session_id)
  select $2::text, user_id, false, $1::text, session_id from used
)
select user_id::uuid, session_id from used
