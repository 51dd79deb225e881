-- A session with its first refresh token. $1 session, $2 person, $3 token.
with opened as (
  insert into auth.sessions (id, user_id) values ($1, $2) returning id, user_id
), signed_in as (
  update auth.users set last_sign_in_at = now() where id = $2
)
insert into auth.refresh_tokens (token, user_id, revoked, session_id)
select $3::text, user_id, false, id from opened
