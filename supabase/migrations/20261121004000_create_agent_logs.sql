-- The last lines of each agent's log, as its host tells them: secrets are taken out there, before they leave it.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.settings
  add column max_log_bytes_per_agent int not null default 131072,
  add column max_log_bytes_per_hour bigint not null default 33554432;

comment on column creel.settings.max_log_bytes_per_agent is 'What is kept of one agent''s log, with 256 bytes for each time that it was told of; older lines go.';
comment on column creel.settings.max_log_bytes_per_hour is
  'What one host may tell of its agents'' logs, counted in the same way. A host that has more leaves it away, and says how much.';

create table public.agent_logs (
  agent_id uuid not null references public.agents (id) on delete cascade,
  seq bigint not null,
  project_id text not null,
  agent_key text not null,
  lines text not null,
  skipped_bytes bigint not null default 0,
  written_at timestamptz not null default now(),
  constraint agent_logs_key primary key (agent_id, seq),
  constraint agent_logs_sizes check (octet_length(lines) <= 16384 and skipped_bytes >= 0)
);

comment on table public.agent_logs is
  'What an agent''s gateway printed: a row for each time that its host told of new lines, numbered in order by seq. '
  'skipped_bytes is what was left away before them. Who follows reads what has a greater seq than the last one read. '
  'Agents in a host''s one gateway have no log of their own.';

alter table public.agent_logs enable row level security;

create policy agent_logs_select on public.agent_logs for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));

revoke all on public.agent_logs from public, anon, authenticated, service_role;
grant select on public.agent_logs to authenticated, service_role;

create function public.record_logs(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  knobs constant creel.settings := creel.knobs();
  -- What a row takes beside its lines.
  overhead constant int := 256;
  taken int := 0;
begin
  perform creel.require_api($1);
  if jsonb_typeof($1 -> 'logs') is distinct from 'array' or jsonb_array_length($1 -> 'logs') > 100 then
    raise exception 'logs is no list of at most 100'
      using errcode = '22023', hint = 'Tell of the others in another call.';
  end if;
  if not creel.spend(host, 'logs', 
    octet_length($1 ->> 'logs') + overhead * jsonb_array_length($1 -> 'logs'), knobs.max_log_bytes_per_hour, '1 hour') then
    return jsonb_build_object('taken', 0, 'full', true);
  end if;
  -- Of agents that live here. One that is mentioned twice is taken once.
  with told as (
    select distinct on (a.id) a.id, a.project_id, a.agent_key, l ->> 'lines' as lines,
      case when jsonb_typeof(l -> 'skipped_bytes') = 'number'
        then least(greatest((l ->> 'skipped_bytes')::numeric, 0), 1e15)::bigint else 0 end as skipped_bytes
    from jsonb_array_elements($1 -> 'logs') l
    join public.agents a on a.id = creel.uuid_of(l -> 'agent_id')
    where a.host_id = host and jsonb_typeof(l -> 'lines') = 'string' and l ->> 'lines' <> ''
      and octet_length(l ->> 'lines') <= 16384
      and exists (select from public.project_hosts p where p.host_id = host and p.project_id = a.project_id)
    order by a.id
  ), added as (
    insert into public.agent_logs (agent_id, seq, project_id, agent_key, lines, skipped_bytes)
    select t.id, coalesce((select max(o.seq) from public.agent_logs o where o.agent_id = t.id), 0) + 1,
      t.project_id, t.agent_key, t.lines, t.skipped_bytes
    from told t
    returning agent_id, seq, octet_length(lines) + overhead as size
  ), kept as (
    select o.agent_id, o.seq,
      a.size + sum(octet_length(o.lines) + overhead) over (partition by o.agent_id order by o.seq desc) as size
    from added a join public.agent_logs o on o.agent_id = a.agent_id
  ), removed as (
    delete from public.agent_logs o using kept k
    where o.agent_id = k.agent_id and o.seq = k.seq and k.size > knobs.max_log_bytes_per_agent
  )
  select count(*) into taken from added;
  return jsonb_build_object('taken', taken, 'full', false);
end
$$;

comment on function public.record_logs(jsonb) is
  'Host function: {api, logs: [{agent_id, lines, skipped_bytes}]} -> {taken, full}: new lines of the logs of agents '
  'that live on the host. full says that it has told so much lately that nothing was taken.';

revoke all on function public.record_logs(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.record_logs(jsonb) to creel_host;
