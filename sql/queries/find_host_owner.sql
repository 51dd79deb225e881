-- $1: e-mail address, or null for the first owner of the project $2.
select u.id
from auth.users u
left join public.project_members m
  on m.user_id = u.id and m.project_id = $2::text and m.role = 'owner' and $1::text is null
where lower(u.email) = lower($1::text) or m.user_id is not null
order by m.created_at, u.id
limit 1
