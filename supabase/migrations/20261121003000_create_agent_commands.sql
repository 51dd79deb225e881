-- What a host is to do with an agent that is there, or is to be: one row a command.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.settings
  add column max_open_commands_per_agent int not null default 50
    constraint settings_max_open_commands_not_negative check (max_open_commands_per_agent >= 0),
  add column max_commands_per_day int not null default 10000
    constraint settings_max_commands_not_negative check (max_commands_per_day >= 0),
  add column max_command_bytes int not null default 1310720
    constraint settings_max_command_bytes_not_negative check (max_command_bytes >= 0);

-- A wish to delete the row: it goes when the host has undeployed the agent.
alter table public.agents add column deleting_since timestamptz;

create table public.agent_commands (
  id uuid primary key default gen_random_uuid(),
  project_id text not null,
  agent_key text not null,
  agent_id uuid not null references public.agents (id) on delete cascade,
  host_id uuid references public.hosts (id) on delete set null,
  type text not null,
  payload jsonb not null default '{}',
  status text not null default 'pending',
  result jsonb,
  error text,
  waiting_for text,
  woken_by text,
  deadline_at timestamptz,
  idempotency_key text,
  created_by uuid default auth.uid() references auth.users (id) on delete set null,
  created_at timestamptz not null default now(),
  sent_at timestamptz,
  acked_at timestamptz,
  constraint agent_commands_type check (
    type in ('deploy', 'start', 'stop', 'restart', 'undeploy', 'update_config')),
  constraint agent_commands_status check (status in ('pending', 'sent', 'acked', 'failed')),
  constraint agent_commands_acked check ((status in ('acked', 'failed')) = (acked_at is not null)),
  constraint agent_commands_sent check (status <> 'sent' or sent_at is not null),
  constraint agent_commands_waiting check (waiting_for is null or status = 'pending'),
  constraint agent_commands_woken_by check (woken_by in ('push', 'poll')),
  constraint agent_commands_idempotency unique (project_id, idempotency_key),
  constraint agent_commands_payload check (jsonb_typeof(payload) = 'object' and pg_column_size(payload) <= 131072),
  constraint agent_commands_sizes check (
    octet_length(agent_key) between 1 and 1024 and coalesce(octet_length(idempotency_key), 0) <= 200
    and coalesce(octet_length(waiting_for), 0) <= 1000 and coalesce(octet_length(error), 0) <= 16384
    and coalesce(pg_column_size(result), 0) <= 65536)
);

create index agent_commands_by_agent on public.agent_commands (agent_id, created_at desc);
create index agent_commands_by_time on public.agent_commands (project_id, created_at desc);
create index agent_commands_by_host on public.agent_commands (host_id);
create index agent_commands_by_person on public.agent_commands (created_by);

comment on table public.agent_commands is
  'A member inserts {agent_id, type, payload} or {project_id, agent_key, type, payload}; the rest is filled in. A host '
  'claims it (sent, sent_at) and finishes it (acked or failed, acked_at, result, and error, the message of '
  'result.error). Each command is also a wish, written to the agent''s row: deploy, start and restart want it running, '
  'stop stopped, undeploy removed; update_config {name, emoji, role, config, limits, docs} changes the row and the '
  'documents. Keys of config and limits that are null are taken away. docs holds texts by doc_type; of each the row '
  'keeps the SHA-256 alone. undeploy with {"delete_row": true} deletes the agent''s row when it is acked, as deleting '
  'the row does. deploy with {"previous_backend"} moves an agent from another backend. Start or restart of an agent '
  'that is not deployed is a deploy. A newer command supersedes older ones that it makes needless: these end failed '
  'with result.error.code superseded. The same idempotency_key with the same content is the same command, with other '
  'content a conflict.';

-- Runs as the writing role, because it must know it.
create function creel.keep_command_columns() returns trigger
language plpgsql set search_path = '' as $$
begin
  if current_user in ('anon', 'authenticated', 'service_role') then
    new.status := 'pending';
    new.result := null;
    new.error := null;
    new.waiting_for := null;
    new.woken_by := null;
    new.created_by := auth.uid();
    new.created_at := now();
    new.sent_at := null;
    new.acked_at := null;
  end if;
  return new;
end
$$;

create trigger agent_commands_1_keep_columns
  before insert on public.agent_commands for each row execute function creel.keep_command_columns();

-- The agent that a new command is about. A project that the writer may not read is told apart from none in no way.
create function creel.commanded_agent(command public.agent_commands) returns public.agents
language plpgsql stable set search_path = '' as $$
declare
  is_member constant boolean := current_setting('role', true) = 'authenticated';
  agent public.agents;
begin
  if command.agent_id is not null then
    select * into agent from public.agents a where a.id = command.agent_id;
  elsif command.project_id is not null and command.agent_key is not null then
    select * into agent from public.agents a
    where a.project_id = command.project_id and a.agent_key = command.agent_key;
  else
    raise exception 'a command needs agent_id, or project_id and agent_key'
      using errcode = '22023', hint = 'Name the agent by one of the two.';
  end if;
  if agent.id is null or is_member and not coalesce(agent.project_id = any (creel.readable_projects()), false) then
    raise exception 'there is no agent %', coalesce(command.agent_id::text, command.agent_key)
      using errcode = 'PT404', detail = 'unknown_agent', hint = 'Look at the agents of the project.';
  end if;
  if is_member and not coalesce(agent.project_id = any (creel.writable_projects()), false) then
    raise exception 'you may not write project %', agent.project_id
      using errcode = '42501', hint = 'Ask an owner of the project to make you an editor.';
  end if;
  if coalesce(command.project_id, agent.project_id) <> agent.project_id
     or coalesce(command.agent_key, agent.agent_key) <> agent.agent_key then
    raise exception 'agent_id is of another agent than project_id and agent_key'
      using errcode = '22023', hint = 'Name the agent by one of the two.';
  end if;
  return agent;
end
$$;

create function creel.refuse_payload(what text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  raise exception 'the payload of update_config is malformed: %', what
    using errcode = '22023',
      hint = 'It takes name, emoji and role (texts), config (an object), limits (cpu_percent, ram_mb, disk_mb) and docs '
        '(texts by doc_type).';
end
$$;

create function creel.check_update(payload jsonb) returns void
language plpgsql immutable set search_path = '' as $$
declare
  key text;
  part jsonb;
begin
  for key, part in select * from jsonb_each(payload) loop
    if key in ('name', 'emoji', 'role') then
      if jsonb_typeof(part) not in ('string', 'null') or octet_length(part #>> '{}') > 16384 then
        perform creel.refuse_payload(key || ' is no text of at most 16 KB');
      end if;
    elsif key in ('config', 'limits', 'docs') then
      if jsonb_typeof(part) <> 'object' then
        perform creel.refuse_payload(key || ' is no object');
      end if;
    elsif key <> 'changed' then
      perform creel.refuse_payload('it has no key ' || left(key, 100));
    end if;
  end loop;
  for key, part in select * from jsonb_each(coalesce(payload -> 'limits', '{}')) loop
    if key not in ('cpu_percent', 'ram_mb', 'disk_mb') then
      perform creel.refuse_payload('limits has no key ' || left(key, 100));
    elsif jsonb_typeof(part) not in ('number', 'null') or jsonb_typeof(part) = 'number' and part::numeric <= 0 then
      perform creel.refuse_payload('limits.' || key || ' is no number above zero');
    end if;
  end loop;
  for key, part in select * from jsonb_each(coalesce(payload -> 'docs', '{}')) loop
    if key not in ('soul', 'agents', 'user', 'identity', 'memory_long') then
      perform creel.refuse_payload('docs has no key ' || left(key, 100));
    elsif jsonb_typeof(part) <> 'string' or octet_length(part #>> '{}') > 1048576 then
      perform creel.refuse_payload('docs.' || key || ' is no text of at most 1 MB');
    end if;
  end loop;
end
$$;

-- Whether a host has begun to make the agent, and may still be told of it.
create function creel.is_on_host(agent public.agents) returns boolean
language sql stable set search_path = '' as $$
  select agent.openclaw_id is not null and agent.host_id is not null and exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and p.host_id = agent.host_id and h.status <> 'retired')
$$;

-- Whether something that makes the agent, or (undeploy) takes it away, waits or is at work.
create function creel.has_open(agent public.agents, types text[]) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from creel.lanes l join creel.items i on i.lane_id = l.id
    left join public.agent_commands c on c.id = i.item_id and i.queue = 'agent_commands'
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control' and not i.cancel
      and coalesce(c.type, i.queue) = any (types))
$$;

create function creel.prepare_command() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  agent constant public.agents := creel.commanded_agent(new);
  earlier public.agent_commands;
  docs jsonb;
begin
  new.agent_id := agent.id;
  new.project_id := agent.project_id;
  new.agent_key := agent.agent_key;
  new.host_id := agent.host_id;
  new.payload := coalesce(new.payload, '{}');
  if new.type is null or new.type not in ('deploy', 'start', 'stop', 'restart', 'undeploy', 'update_config') then
    raise exception 'there is no command %', coalesce(left(new.type, 100), 'without a type')
      using errcode = '22023', hint = 'type is deploy, start, stop, restart, undeploy or update_config.';
  end if;
  if jsonb_typeof(new.payload) <> 'object' then
    raise exception 'the payload of a command is an object, not %', jsonb_typeof(new.payload)
      using errcode = '22023', hint = 'Leave it away, or send {}.';
  end if;
  if octet_length(new.payload::text) > knobs.max_command_bytes then
    raise exception 'the payload is too large: % bytes, the limit is %',
      octet_length(new.payload::text), knobs.max_command_bytes
      using errcode = 'PT413', hint = 'Write large documents to brain_docs, one by one, and then send update_config.';
  end if;

  docs := new.payload -> 'docs';
  if new.type = 'update_config' then
    perform creel.check_update(new.payload);
    if docs is not null then
      new.payload := new.payload || jsonb_build_object('docs', (
        select coalesce(jsonb_object_agg(d.key, encode(sha256(convert_to(d.value, 'utf8')), 'hex')), '{}')
        from jsonb_each_text(docs) d));
    end if;
  end if;
  if pg_column_size(new.payload) > 131072 then
    raise exception 'the payload is too large without its documents: % bytes, the limit is 131072',
      pg_column_size(new.payload)
      using errcode = 'PT413', hint = 'Send less; a config may have 64 KB.';
  end if;

  if new.idempotency_key is not null then
    select * into earlier from public.agent_commands c
    where c.project_id = new.project_id and c.idempotency_key = new.idempotency_key;
    if found then
      if (earlier.agent_id, earlier.payload) is distinct from (new.agent_id, new.payload)
         or earlier.type <> new.type and not (earlier.type = 'deploy' and new.type in ('start', 'restart')) then
        raise exception 'idempotency key % was used for another command', quote_literal(new.idempotency_key)
          using errcode = 'PT409', hint = 'Use a new key for a new command.';
      end if;
      return new;  -- the unique index says the rest
    end if;
  end if;

  if agent.desired_state = 'removed' then
    if new.type = 'stop' or new.type = 'update_config' and creel.has_open(agent, array['undeploy']) then
      raise exception 'agent % is being removed, or was', agent.agent_key
        using errcode = 'PT409', detail = 'removed', hint = 'Send deploy to have it back.';
    end if;
  end if;
  if new.type in ('start', 'restart') and (
    agent.desired_state = 'removed'
    or not agent.provisioned and not creel.has_open(agent, array['deploy', 'agent_provision_requests'])) then
    new.type := 'deploy';
  end if;

  if new.type = 'update_config' and docs is not null then
    insert into public.brain_docs (project_id, agent_key, doc_type, content, updated_by)
    select new.project_id, new.agent_key, d.key, d.value, creel.actor() from jsonb_each_text(docs) d order by d.key
    on conflict on constraint brain_docs_key do update
      set content = excluded.content, updated_by = excluded.updated_by;
  end if;
  return new;
end
$$;

create trigger agent_commands_2_prepare
  before insert on public.agent_commands for each row execute function creel.prepare_command();

-- error is what the result says, once it has failed. What a host says too much of is cut: it must not keep the other
-- results of the same call from being written.
create function creel.tidy_command() returns trigger
language plpgsql set search_path = '' as $$
begin
  if pg_column_size(new.result) > 65536 then
    new.result := jsonb_build_object(
      'ok', new.result -> 'ok', 'state', left(new.result ->> 'state', 100), 'truncated', true,
      'error', case when new.result ? 'error' then jsonb_build_object(
        'code', left(new.result #>> '{error,code}', 100), 'message', left(new.result #>> '{error,message}', 1000),
        'hint', left(new.result #>> '{error,hint}', 1000)) end);
  end if;
  new.error := case when new.status = 'failed'
    then coalesce(left(new.result #>> '{error,message}', 4000), 'it failed, and the host did not say why') end;
  return new;
end
$$;

create trigger agent_commands_tidy
  before update on public.agent_commands for each row
  when (new.result is distinct from old.result or new.status <> old.status)
  execute function creel.tidy_command();

alter table public.agent_commands enable row level security;

create policy agent_commands_select on public.agent_commands for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
create policy agent_commands_insert on public.agent_commands for insert to authenticated
  with check (project_id = any ((select creel.writable_projects())::text[]));

revoke all on public.agent_commands from public, anon, authenticated, service_role;
grant select, insert on public.agent_commands to authenticated, service_role;
revoke all on function creel.keep_command_columns(), creel.commanded_agent(public.agent_commands),
  creel.refuse_payload(text), creel.check_update(jsonb), creel.is_on_host(public.agents),
  creel.has_open(public.agents, text[]), creel.prepare_command(), creel.tidy_command()
  from public, anon, authenticated, service_role;

alter publication supabase_realtime add table public.agent_commands;
