-- The person with this email, if the password is theirs and they may sign in. $1 email, $2 password.
select id
from auth.users
where email = $1::text
  and is_sso_user = false
  and deleted_at is null
  and coalesce(banned_until < now(), true)
  and encrypted_password = extensions.crypt($2::text, encrypted_password)
