-- Makes a person who can sign in by password; an existing one gets the new password. $1 id, $2 email, $3 password.
insert into auth.users (id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data)
values ($1, 'authenticated', 'authenticated', $2::text, extensions.crypt($3::text, extensions.gen_salt('bf')), now(),
        '{"provider": "email", "providers": ["email"]}', '{}')
on conflict (email) where is_sso_user = false
do update set encrypted_password = excluded.encrypted_password, updated_at = now()
returning id
