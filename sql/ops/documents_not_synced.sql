-- Documents that the disk does not have as the page has them, or that a person is to decide about: which, since when, why.
select
  d.project_id, d.agent_key, d.doc_type, d.sync_state, d.sync_note, d.version, d.disk_version, d.held_version,
  d.conflict_version, now() - d.updated_at as since, h.name as host, h.shown_status as host_status
from public.brain_docs d
left join public.agents a on a.project_id = d.project_id and a.agent_key = d.agent_key
left join public.host_status h on h.id = a.host_id
where d.sync_state in ('held', 'blocked') or d.conflict_version is not null
  or d.sync_state = 'waiting' and d.updated_at < now() - interval '1 minute'
order by d.sync_state, d.updated_at;
