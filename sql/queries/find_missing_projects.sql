-- Which of the ids $1 are no project's.
select wanted.id
from unnest($1::text[]) as wanted (id)
where not exists (select from public.projects p where p.id = wanted.id)
