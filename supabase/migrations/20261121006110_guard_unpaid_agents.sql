-- What is not paid for is neither deployed nor started, and a rented host runs nothing else.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Runs as the writing role, because it must know it.
create function creel.keep_agent_billing() returns trigger
language plpgsql set search_path = '' as $$
begin
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.billing := 'free';
    return new;
  end if;
  new.billing := old.billing;
  if new.billing = 'unpaid' and new.desired_state = 'running' and old.desired_state <> 'running' then
    raise exception 'agent % is not paid for', old.agent_key
      using errcode = 'PT402', detail = 'unpaid', hint = 'Pay for it by a checkout; then it is deployed by itself.';
  end if;
  return new;
end
$$;

create trigger agents_keep_billing
  before insert or update on public.agents for each row execute function creel.keep_agent_billing();

create function creel.refuse_unpaid(agent_key text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if agent_key is not null then
    raise exception 'agent % is not paid for', agent_key
      using errcode = 'PT402', detail = 'unpaid', hint = 'Pay for it by a checkout; then it is deployed by itself.';
  end if;
end
$$;

-- It fires by its name when the agents' lanes and rows are locked: whoever took the payment away is seen, or waits.
create function creel.check_commands_paid() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.refuse_unpaid((
    select min(n.agent_key) from new_rows n join public.agents a on a.id = n.agent_id
    where n.type in ('deploy', 'start', 'restart') and a.billing = 'unpaid'));
  return null;
end
$$;

create trigger receive_commands_check_paid
  after insert on public.agent_commands referencing new table as new_rows
  for each statement execute function creel.check_commands_paid();

create function creel.check_requests_paid() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.refuse_unpaid((
    select min(n.agent_key) from new_rows n join public.agents a using (project_id, agent_key)
    where a.billing = 'unpaid'));
  return null;
end
$$;

create trigger take_back_removals_check_paid
  after insert on public.agent_provision_requests referencing new table as new_rows
  for each statement execute function creel.check_requests_paid();

-- Nor does it come back from the dead.
create function creel.check_redriven_paid() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.refuse_unpaid((
    select a.agent_key from public.agents a
    where a.project_id = new.project_id and a.agent_key = new.agent_key and a.billing = 'unpaid'));
  return new;
end
$$;

create trigger agent_commands_check_redriven_paid
  before update of status on public.agent_commands for each row
  when (old.status = 'failed' and new.status = 'pending' and new.type in ('deploy', 'start', 'restart'))
  execute function creel.check_redriven_paid();
create trigger agent_provision_requests_check_redriven_paid
  before update of status on public.agent_provision_requests for each row
  when (old.status = 'error' and new.status = 'queued') execute function creel.check_redriven_paid();

-- Whether a host runs agents of this kind for a project.
create function creel.accepts_billing(host_id uuid, project text, billing text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return billing = 'paid' or billing = 'free' and not exists (
    select from public.project_hosts p
    where p.host_id = accepts_billing.host_id and p.project_id = project and p.terms = 'rented');
end
$$;

-- The first lanes that wait for a host and that this one may take, as far as capacity is not asked; of the first
-- considered ones, if that is not null.
create or replace function creel.placeable(host public.hosts, projects text[], most int, considered int) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
  tenants text[];
  unconfined text[];
  rented constant text[] := array(
    select p.project_id from public.project_hosts p where p.host_id = host.id and p.terms = 'rented');
  lane_ids bigint[];
begin
  if host.tenancy = 'single' then
    select coalesce(array_agg(distinct a.project_id), '{}'),
      coalesce(array_agg(distinct a.project_id) filter (where not creel.is_confined(a.backend)), '{}')
    into tenants, unconfined
    from public.agents a where a.host_id = host.id and a.status <> 'removed';
  end if;
  select array_agg(f.id order by f.priority desc, f.head)
    -- What comes first decides what may come beside it.
    filter (
      where host.tenancy = 'trusted'
        or case when f.first_confined then creel.is_confined(f.backend) else f.project_id = f.first_project end)
  into lane_ids
  from (
    select c.*, first_value(c.project_id) over w as first_project,
      first_value(creel.is_confined(c.backend)) over w as first_confined
    from (
      select l.id, l.priority, l.head, a.project_id, a.backend
      from (
        select f.id, f.priority, f.head, f.project_id, f.agent_key from creel.lanes f
        where f.host_id is null and f.token is null and f.head is not null and f.not_before <= now()
          and f.project_id = any (projects)
          -- What needs no host brings no agent to one: see creel.settle_without_host.
          and not (f.queue = 'agent_commands' and exists (
            select from public.agent_commands c
            where c.id = f.item_id and c.type in ('stop', 'undeploy', 'update_config')))
        order by f.priority desc, f.head limit considered) l
      join public.agents a using (project_id, agent_key)
      where a.host_id is null
        and a.backend = any (host.backends) and creel.has_tags(host, a.config)
        -- What creel.accepts_billing says, written out.
        and (a.billing = 'paid' or a.billing = 'free' and a.project_id <> all (rented))
        and (host.tenancy = 'trusted'
          or case when creel.is_confined(a.backend) then unconfined else tenants end <@ array[a.project_id])
      order by l.priority desc, l.head limit greatest(most, 0)) c
    window w as (order by c.priority desc, c.head)) f;
  return coalesce(lane_ids, '{}');
end
$$;

-- Whether a host that is there could take this agent in.
create or replace function creel.could_take(host public.hosts, agent public.agents) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return agent.backend = any (host.backends) and creel.has_tags(host, agent.config)
    and creel.accepts_billing(host.id, agent.project_id, agent.billing)
    and creel.may_neighbour(host, agent.project_id, agent.backend) and creel.has_room(host);
end
$$;

create or replace function creel.why_not_placed(host public.hosts, agent public.agents) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case
    when agent.billing = 'unpaid' then 'unpaid'
    when host.status in ('retired', 'draining') then host.status
    when not creel.takes_work(host) then case when host.outdated_since is null then 'offline' else 'outdated' end
    when not creel.accepts_billing(host.id, agent.project_id, agent.billing) then 'rented'
    when not agent.backend = any (host.backends) then 'backend'
    when not creel.has_tags(host, agent.config) then 'tags'
    when not creel.may_neighbour(host, agent.project_id, agent.backend) then 'isolation'
    when not creel.has_room(host) then 'capacity'
    else 'ready' end;
end
$$;

-- A host that somebody wishes for must be one that serves the project and has room; and wherever an agent is, it
-- may not come to live with those of another project by its backend.
create or replace function creel.check_wished_host() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  host public.hosts;
begin
  if new.host_id is null
     or tg_op = 'UPDATE' and (new.host_id, new.backend) is not distinct from (old.host_id, old.backend) then
    return new;
  end if;
  perform 1 from public.hosts h where h.id = new.host_id for no key update;
  select * into host from public.hosts h where h.id = new.host_id;
  if not creel.may_neighbour(host, new.project_id, new.backend) then
    raise exception 'host % runs agents of another project, and this one would not be kept from their files', new.host_id
      using errcode = 'PT409', hint = 'Choose another host, or a backend with a container or virtual machine of its own.';
  end if;
  if not new.backend = any (host.backends) then
    raise exception 'host % cannot run agents by %', new.host_id, new.backend
      using errcode = 'PT409', hint = 'Choose another host or backend; hosts.backends says what each can run.';
  end if;
  if tg_op = 'UPDATE' and new.host_id is not distinct from old.host_id then
    return new;
  end if;
  -- What is not paid for yet only keeps a place. The host serves the project from the payment on.
  if new.billing <> 'unpaid' and not exists (
    select from public.project_hosts p where p.project_id = new.project_id and p.host_id = new.host_id) then
    raise exception 'host % does not serve project %', new.host_id, new.project_id
      using errcode = 'PT409', hint = 'Choose a host of the project, or leave host_id empty.';
  end if;
  if new.billing <> 'unpaid' and not creel.accepts_billing(new.host_id, new.project_id, new.billing) then
    raise exception 'host % is rented, and runs only what is paid for', new.host_id
      using errcode = 'PT409', hint = 'Pay for the agent by a checkout, or choose a host of your own.';
  end if;
  if host.capacity <= (
    select count(*) from public.agents a
    where a.host_id = new.host_id and a.status <> 'removed'
      and (a.project_id, a.agent_key) <> (new.project_id, new.agent_key)) then
    raise exception 'host % is full', new.host_id
      using errcode = 'PT409', hint = 'Choose another host of the project, or leave host_id empty.';
  end if;
  return new;
end
$$;

-- An agent that was placed and never made may go elsewhere: at once when its host may not have it any more, and when
-- its host is silent or draining as soon as another one that could take it is there.
create or replace function creel.sweep_placements() returns int
language plpgsql set search_path = '' as $$
declare
  silent_since constant timestamptz := now() - (creel.knobs()).offline_after_secs * interval '1 second';
  candidates bigint[];
  lane_ids bigint[];
begin
  -- Begun with the agents that were placed and not made: most of the time there are none.
  candidates := array(
    select l.id from public.agents a
    join creel.lanes l on l.project_id = a.project_id and l.agent_key = a.agent_key
    where a.host_id is not null and not a.provisioned and not a.host_pinned
      and l.host_id is not null and l.token is null and l.head is not null
      and (
        not exists (
          select from public.project_hosts p join public.hosts h on h.id = p.host_id
          where p.project_id = l.project_id and p.host_id = l.host_id and h.status not in ('retired', 'draining'))
        or not exists (
          select from public.host_heartbeats b
          where b.host_id = l.host_id and creel.heard_until(b) >= silent_since))
    -- Any of them, so that those which nobody can take are not in the way of the others for ever.
    order by random() limit 500);
  if candidates = '{}' then
    return 0;
  end if;
  -- What is the same for all of them is asked once for each host. unconfined: see creel.placeable.
  lane_ids := array(
    with roomy as materialized (
      select h.id, h.backends, h.tenancy, h as host, t.tenants, t.unconfined
      from public.hosts h
      join public.host_heartbeats o on o.host_id = h.id and creel.heard_until(o) > silent_since
      cross join lateral (
        select count(*) as agent_count, coalesce(array_agg(distinct x.project_id), '{}') as tenants,
          coalesce(
            array_agg(distinct x.project_id) filter (where not creel.is_confined(x.backend)), '{}') as unconfined
        from public.agents x where x.host_id = h.id and x.status <> 'removed') t
      where h.status not in ('draining', 'retired') and h.capacity > t.agent_count
        and h.id in (
          select p.host_id from creel.lanes c join public.project_hosts p on p.project_id = c.project_id
          where c.id = any (candidates))
    )
    select l.id from creel.lanes l
    join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
    where l.id = any (candidates)
      and l.host_id is not null and l.token is null and l.head is not null
      and not a.provisioned and not a.host_pinned
      and (
        not creel.may_serve(l.host_id, l.project_id)
        or exists (
          select from public.project_hosts p join roomy r on r.id = p.host_id
          where p.project_id = l.project_id and p.host_id <> l.host_id
            and a.backend = any (r.backends) and creel.has_tags(r.host, a.config)
            and creel.accepts_billing(p.host_id, p.project_id, a.billing)
            and (r.tenancy = 'trusted'
              or case when creel.is_confined(a.backend) then r.unconfined else r.tenants end <@ array[a.project_id])))
    order by l.id for no key update of l, a skip locked);
  update public.agents a set host_id = null, openclaw_id = null from creel.lanes l
  where l.id = any (lane_ids) and a.project_id = l.project_id and a.agent_key = l.agent_key;
  perform creel.notify_lanes(lane_ids);
  return cardinality(lane_ids);
end
$$;

-- What an agent that lives nowhere waits for. Asked step by step, so that one host that is ready ends the search.
create or replace function creel.placement_reason(agent public.agents) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  wanted_tags text;
begin
  if agent.billing = 'unpaid' then
    return jsonb_build_object('code', 'unpaid',
      'message', 'the agent is not paid for',
      'hint', 'Pay for it by a checkout; then it is deployed by itself.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and creel.takes_work(h)) then
    if exists (
      select from public.project_hosts p join public.hosts h on h.id = p.host_id
      where p.project_id = agent.project_id and h.outdated_since is not null
        and h.status not in ('retired', 'draining')) then
      return jsonb_build_object('code', 'outdated',
        'message', 'every host that serves the project is offline, or has a Creel that is too old',
        'hint', 'Upgrade Creel on a host of the project, and start creel worker again.');
    end if;
    return jsonb_build_object('code', 'offline',
      'message', 'every host that serves the project is offline or draining',
      'hint', 'Start creel worker on a host of the project; the item waits for it.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and creel.takes_work(h)
      and creel.accepts_billing(h.id, agent.project_id, agent.billing)) then
    return jsonb_build_object('code', 'rented',
      'message', 'the hosts that are there are rented, and run only what is paid for',
      'hint', 'Pay for the agent by a checkout, or let a host of your own serve the project.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends) and creel.takes_work(h)
      and creel.accepts_billing(h.id, agent.project_id, agent.billing)) then
    return jsonb_build_object('code', 'backend',
      'message', format('no host of the project that is there can run agents by %s', agent.backend),
      'hint', 'Choose another backend for the agent, or prepare a host for this one; hosts.backends says what each can.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends)
      and creel.has_tags(h, agent.config) and creel.takes_work(h)) then
    wanted_tags := left(case jsonb_typeof(agent.config -> 'tags')
      when 'array' then (select string_agg(t, ', ') from jsonb_array_elements_text(agent.config -> 'tags') t)
      else agent.config ->> 'tags' end, 200);
    return jsonb_build_object('code', 'tags',
      'message', format('no host of the project that is there has the tags that the agent asks for: %s', wanted_tags),
      'hint', 'Give a host these tags, or the agent others in its config.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends)
      and creel.has_tags(h, agent.config) and creel.takes_work(h)
      and creel.may_neighbour(h, agent.project_id, agent.backend)) then
    return jsonb_build_object('code', 'isolation',
      'message', 'every host that could take it runs agents of another project, whose files it could read there',
      'hint', 'Enrol a host for this project alone, choose docker or multipass as backend, or trust the projects '
        'with each other: hosts.tenancy.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and creel.takes_work(h) and creel.could_take(h, agent)) then
    return jsonb_build_object('code', 'capacity',
      'message', 'every host that serves the project is full',
      'hint', 'Raise a host''s capacity, remove agents, or enrol another host.');
  end if;
  return jsonb_build_object('code', 'ready',
    'message', 'the next host with room takes it',
    'hint', 'Raise the worker''s permits if this lasts.');
end
$$;

create or replace function public.why_pending(id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  item creel.items;
  lane creel.lanes;
  dead creel.dead_letters;
  readable constant text[] := creel.readable_projects();
begin
  select * into item from creel.items i where i.item_id = why_pending.id;
  select * into lane from creel.lanes l where l.id = item.lane_id;
  if lane.project_id = any (readable) then
    if item.cancel and lane.token is not null and lane.head = item.seq then
      return jsonb_build_object('code', 'cancelling', 'host_id', lane.host_id, 'until', lane.expires_at,
        'message', 'something newer took its place, and its host is told to stop',
        'hint', 'If the host does not answer, it ends with its lease.');
    end if;
    return creel.waiting_reason(item)
      || jsonb_build_object(
        'attempts', case when lane.head = item.seq then lane.attempts else 0 end, 'enqueued_at', item.enqueued_at)
      || jsonb_strip_nulls(jsonb_build_object('hosts', creel.placement_verdicts(item)));
  end if;
  select * into dead from creel.dead_letters d where d.item_id = why_pending.id and d.project_id = any (readable);
  if found then
    return jsonb_build_object('code', 'dead', 'reason', dead.reason, 'attempts', dead.attempts, 'since', dead.died_at,
      'message', case dead.reason
        when 'attempts' then format('all %s attempts failed', dead.attempts)
        when 'failed' then 'the host said that it cannot be done as it is'
        when 'deadline' then 'its deadline passed'
        when 'no_host' then 'no host could take it' end,
      'hint', 'The row''s result has the reason. When that is mended, redrive it.');
  end if;
  if exists (
    select from public.agent_commands c
    where c.id = why_pending.id and c.project_id = any (readable) and c.result #>> '{error,code}' = 'superseded') then
    return jsonb_build_object('code', 'superseded',
      'message', 'it is not to be done any more: something newer took its place',
      'hint', 'Look at the newer commands of the agent.');
  end if;
  if exists (
    select from public.agents a left join public.checkout_intents i on i.agent_id = a.id and i.id = why_pending.id
    where (a.id = why_pending.id or i.id is not null) and a.project_id = any (readable) and a.billing = 'unpaid') then
    return jsonb_build_object('code', 'unpaid',
      'message', 'the agent is not paid for',
      'hint', 'Pay for it by a checkout; then it is deployed by itself.');
  end if;
  return jsonb_build_object('code', 'not_waiting',
    'message', 'nothing with this id waits in a project of yours', 'hint', 'Its row says how it ended.');
end
$$;

comment on function public.why_pending(uuid) is
  'For any item of the asker''s projects, the first thing that it waits for: {code, message, hint, ...}. While its agent '
  'lives nowhere, hosts says of each host of the project why it does not take it in. Of an agent or a checkout that waits '
  'for its payment: unpaid.';

revoke all on function creel.refuse_unpaid(text), creel.keep_agent_billing(), creel.check_commands_paid(),
  creel.check_requests_paid(), creel.check_redriven_paid(), creel.accepts_billing(uuid, text, text)
  from public, anon, authenticated, service_role;
