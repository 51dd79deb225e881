-- Every right that somebody other than the owner has on the schemas, tables, columns, functions and types of Creel.
with objects as (
  select n.nspname::regnamespace::text as object, 1 as kind, coalesce(n.nspacl, acldefault('n', n.nspowner)) as acl, n.nspowner as owner
  from pg_namespace n where n.nspname = 'creel'
  union all
  select c.oid::regclass::text, 2, coalesce(c.relacl, acldefault('r', c.relowner)), c.relowner
  from pg_class c
  where c.relnamespace in ('public'::regnamespace, 'creel'::regnamespace) and c.relkind in ('r', 'v', 'p')
  union all
  select c.oid::regclass::text || '.' || a.attname, 2, a.attacl, c.relowner
  from pg_attribute a join pg_class c on c.oid = a.attrelid
  where c.relnamespace in ('public'::regnamespace, 'creel'::regnamespace) and a.attacl is not null
  union all
  select c.oid::regclass::text, 3, coalesce(c.relacl, acldefault('S', c.relowner)), c.relowner
  from pg_class c
  where c.relnamespace in ('public'::regnamespace, 'creel'::regnamespace) and c.relkind = 'S'
  union all
  select p.oid::regprocedure::text, 4, coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner
  from pg_proc p where p.pronamespace in ('public'::regnamespace, 'creel'::regnamespace)
  union all
  select t.oid::regtype::text, 5, coalesce(t.typacl, acldefault('T', t.typowner)), t.typowner
  from pg_type t
  where t.typnamespace in ('public'::regnamespace, 'creel'::regnamespace)
    and t.typtype = 'c' and (select c.relkind from pg_class c where c.oid = t.typrelid) = 'c'
),
granted as (
  select o.kind, o.object,
    case a.grantee when 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end as grantee,
    lower(string_agg(a.privilege_type || case when a.is_grantable then '*' else '' end, ' ' order by a.privilege_type)) as rights
  from objects o, aclexplode(o.acl) a
  where a.grantee <> o.owner
  group by 1, 2, 3
)
select coalesce(
    case when o.object like 'public.%' or o.object like 'creel%' then o.object else 'public.' || o.object end)
  || ' | ' || coalesce(string_agg(g.grantee || ': ' || g.rights, '; ' order by g.grantee), 'nobody')
from (select distinct kind, object from objects) o left join granted g using (kind, object)
group by o.kind, o.object
order by o.kind, 1;
