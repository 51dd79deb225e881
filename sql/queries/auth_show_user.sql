-- A person as supabase-js reads it, if the session is open. $1 person, $2 session.
select jsonb_build_object(
  'id', users.id,
  'aud', users.aud,
  'role', users.role,
  'email', users.email,
  'email_confirmed_at', users.email_confirmed_at,
  'phone', coalesce(users.phone, ''),
  'last_sign_in_at', users.last_sign_in_at,
  'app_metadata', coalesce(users.raw_app_meta_data, '{}'),
  'user_metadata', coalesce(users.raw_user_meta_data, '{}'),
  'identities', '[]'::jsonb,
  'created_at', users.created_at,
  'updated_at', users.updated_at,
  'is_anonymous', users.is_anonymous
)
from auth.users
join auth.sessions on sessions.user_id = users.id
where users.id = $1 and sessions.id = $2::uuid and users.deleted_at is null
