-- Which connections does Creel have, and what do they do?
select
  a.pid, a.usename as login, h.name as host, a.application_name, a.state, a.wait_event_type, a.wait_event,
  now() - a.xact_start as in_transaction_for, now() - a.state_change as in_state_for,
  left(a.query, 80) as last_statement
from pg_catalog.pg_stat_activity a
left join creel.host_logins l on l.role_name = a.usename
left join public.hosts h on h.id = l.host_id
where l.host_id is not null or a.usename = 'authenticator' or a.application_name like 'creel%'
order by in_transaction_for desc nulls last;
