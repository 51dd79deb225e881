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
  if new.billing = 'unpaid' then
    -- Where it is to be is what is paid for.
    new.host_id := old.host_id;
  end if;
  if new.billing = 'unpaid' and new.desired_state = 'running' and old.desired_state <> 'running' then
    raise exception 'agent % is not paid for', old.agent_key
      using errcode = 'PT402', detail = 'unpaid', hint = 'Pay for it by a checkout; then it is deployed by itself.';
  end if;
  return new;
end
$$;

create trigger agents_keep_billing
  before insert or update on public.agents for each row execute function creel.keep_agent_billing();

-- Which host serves a project for money is Creel's: were that row away, its host would be told nothing any more. The host's
-- owner may end it all the same.
drop policy project_hosts_delete on public.project_hosts;
create policy project_hosts_delete on public.project_hosts for delete to authenticated using (
  project_id = any ((select creel.owned_projects())::text[]) and terms = 'own'
  or host_id = any ((select creel.owned_hosts())::uuid[])
);

create index agents_billed on public.agents (host_id) where billing <> 'free';

create function creel.refuse_unpaid(agent_key text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if agent_key is not null then
    raise exception 'agent % is not paid for', agent_key
      using errcode = 'PT402', detail = 'unpaid', hint = 'Pay for it by a checkout; then it is deployed by itself.';
  end if;
end
$$;

-- Stripe goes on charging for what is deleted.
create function creel.refuse_subscribed(agent public.agents) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if exists (
    select from public.subscriptions s
    where s.agent_id = agent.id and s.status not in ('canceled', 'incomplete_expired') and not s.cancel_at_period_end) then
    raise exception 'agent % has a subscription that goes on', agent.agent_key
      using errcode = 'PT409', detail = 'subscribed', hint = 'Cancel it in the billing portal first; then delete the agent.';
  end if;
end
$$;

create function creel.keep_subscribed() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if current_setting('role', true) = 'authenticated' then
    perform creel.refuse_subscribed(old);
  end if;
  return old;
end
$$;

create trigger agents_keep_subscribed
  before delete on public.agents for each row
  when (old.billing <> 'free') execute function creel.keep_subscribed();

-- Whoever deletes it in another way: its subscriptions are told of.
create function creel.tell_deletion_of_subscribed() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.log_event('billing.mismatch', p.id, old.agent_key, h.id, null, jsonb_build_object(
    'what', 'agent_deleted', 'subscription', s.id, 'message', 'the agent is deleted, and its subscription goes on'))
  from public.subscriptions s
  left join public.projects p on p.id = old.project_id left join public.hosts h on h.id = old.host_id
  where s.agent_id = old.id and s.status not in ('canceled', 'incomplete_expired') and not s.cancel_at_period_end;
  return old;
end
$$;

-- By its name after what makes a wish of it.
create trigger agents_with_subscription_deleted
  before delete on public.agents for each row
  when (old.billing <> 'free') execute function creel.tell_deletion_of_subscribed();

create function creel.keep_subscribed_project() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if exists (
    select from public.subscriptions s
    where s.project_id = old.id and s.status not in ('canceled', 'incomplete_expired') and not s.cancel_at_period_end) then
    raise exception 'project % has subscriptions that go on', old.id
      using errcode = 'PT409', detail = 'subscribed', hint = 'Cancel them at Stripe first; then delete the project.';
  end if;
  return old;
end
$$;

create trigger projects_keep_subscribed
  before delete on public.projects for each row execute function creel.keep_subscribed_project();

-- It fires by its name when the agents' lanes and rows are locked: whoever took the payment away is seen, or waits.
create function creel.check_commands_paid() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.refuse_unpaid((
    select min(n.agent_key) from new_rows n join public.agents a on a.id = n.agent_id
    where n.type in ('deploy', 'start', 'restart') and a.billing = 'unpaid'));
  -- Deleting a row by undeploying its agent first.
  perform creel.refuse_subscribed(a) from new_rows n join public.agents a on a.id = n.agent_id
  where n.type = 'undeploy' and n.payload -> 'delete_row' = 'true' and current_setting('role', true) = 'authenticated'
    and a.billing <> 'free';
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
  -- Whoever takes the payment away at this moment has the lane: he is waited for.
  perform creel.lock_agent_lane(a, false) from public.agents a
  where a.project_id = new.project_id and a.agent_key = new.agent_key and a.billing <> 'free';
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

-- Whether a host runs this agent: for a project that rents it, what is paid for there and nothing else.
create function creel.accepts_billing(host_id uuid, agent public.agents) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return case agent.billing when 'unpaid' then false else
    not exists (
      select from public.project_hosts p
      where p.host_id = accepts_billing.host_id and p.project_id = agent.project_id and p.terms = 'rented')
    or agent.billing = 'paid' and exists (
      select from public.subscriptions s
      where s.agent_id = agent.id and s.host_id = accepts_billing.host_id and s.service in ('active', 'grace')) end;
end
$$;

-- Strangers who rent a host do not trust each other, whatever its owner says.
create function creel.tenancy_of(host public.hosts) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case when host.tenancy = 'trusted' and (
      exists (select from public.agents a where a.host_id = host.id and a.billing <> 'free')
      or exists (select from public.project_hosts p where p.host_id = host.id and p.terms = 'rented'))
    then 'single' else host.tenancy end;
end
$$;

-- An agent that is paid for has its place on a host, deployed or not.
create or replace function creel.may_neighbour(host public.hosts, project text, backend text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return creel.tenancy_of(host) = 'trusted' or not exists (
    select from public.agents o
    where o.host_id = host.id and (o.status <> 'removed' or o.billing = 'paid') and o.project_id <> project
      and not (creel.is_confined(o.backend) and creel.is_confined(may_neighbour.backend)));
end
$$;

create or replace function creel.has_room(host public.hosts) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return host.capacity > (select count(*) from public.agents a where a.host_id = host.id and (a.status <> 'removed' or a.billing = 'paid'));
end
$$;

-- Gives unplaced agents to a host, as many as it has room for, and answers how many lanes became its own.
create or replace function creel.place(host uuid, projects text[], most int) returns int
language plpgsql set search_path = '' as $$
declare
  whole public.hosts;
  room int;
  chosen bigint[];
begin
  if not exists (
    select from creel.lanes l
    where l.host_id is null and l.token is null and l.head is not null and l.project_id = any (projects)
  ) then
    return 0;
  end if;
  -- The host's row orders two claims of one host, so that neither capacity nor ids are given twice, and no two projects
  -- come to where one may be. What is there is looked at by statements of their own, after the wait for that row.
  perform 1 from public.hosts h where h.id = host for no key update;
  select * into whole from public.hosts h where h.id = host;
  room := whole.capacity - (select count(*) from public.agents a where a.host_id = host and (a.status <> 'removed' or a.billing = 'paid'));
  chosen := creel.placeable(whole, projects, least(most, room), null);
  -- Asked again of what is locked: somebody may have changed it in between.
  chosen := array(
    select l.id from creel.lanes l join public.agents a using (project_id, agent_key)
    where l.id = any (chosen) and l.host_id is null and l.token is null and l.head is not null
      and a.host_id is null and a.backend = any (whole.backends)
    order by l.priority desc, l.head
    for no key update of l, a skip locked
  );
  -- Whatever it was on a host that is gone, here it is to be made anew.
  update public.agents a set host_id = host, openclaw_id = null, provisioned = false, workspace_path = null
  from creel.lanes l
  where l.id = any (chosen) and a.project_id = l.project_id and a.agent_key = l.agent_key;
  return cardinality(chosen);
end
$$;

-- The first lanes that wait for a host and that this one may take, as far as capacity is not asked; of the first
-- considered ones, if that is not null.
create or replace function creel.placeable(host public.hosts, projects text[], most int, considered int) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
  tenancy constant text := creel.tenancy_of(host);
  tenants text[];
  unconfined text[];
  rented constant text[] := array(
    select p.project_id from public.project_hosts p where p.host_id = host.id and p.terms = 'rented');
  lane_ids bigint[];
begin
  if tenancy = 'single' then
    select coalesce(array_agg(distinct a.project_id), '{}'),
      coalesce(array_agg(distinct a.project_id) filter (where not creel.is_confined(a.backend)), '{}')
    into tenants, unconfined
    from public.agents a where a.host_id = host.id and (a.status <> 'removed' or a.billing = 'paid');
  end if;
  select array_agg(f.id order by f.priority desc, f.head)
    -- What comes first decides what may come beside it.
    filter (
      where tenancy = 'trusted'
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
        and (a.billing <> 'unpaid' and a.project_id <> all (rented)
          or a.billing = 'paid' and exists (
            select from public.subscriptions s
            where s.agent_id = a.id and s.host_id = host.id and s.service in ('active', 'grace')))
        and (tenancy = 'trusted'
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
    and creel.accepts_billing(host.id, agent)
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
    when not creel.accepts_billing(host.id, agent) then 'rented'
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
  known public.agents := new;
begin
  if new.host_id is null
     or tg_op = 'UPDATE' and (new.host_id, new.backend) is not distinct from (old.host_id, old.backend) then
    return new;
  end if;
  perform 1 from public.hosts h where h.id = new.host_id for no key update;
  select * into host from public.hosts h where h.id = new.host_id;
  if tg_op = 'INSERT' then
    -- Whoever writes whole rows names an agent that is there: his becomes an update, or is refused.
    select * into known from public.agents a
    where a.project_id = new.project_id and a.agent_key = new.agent_key for key share;
    if known.id is null then
      known := new;
    elsif known.host_id = new.host_id then
      return new;
    end if;
  end if;
  if new.billing <> 'free' then
    host.tenancy := 'single';
  end if;
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
  if known.billing <> 'unpaid' and not exists (
    select from public.project_hosts p where p.project_id = new.project_id and p.host_id = new.host_id) then
    raise exception 'host % does not serve project %', new.host_id, new.project_id
      using errcode = 'PT409', hint = 'Choose a host of the project, or leave host_id empty.';
  end if;
  if known.billing <> 'unpaid' and not creel.accepts_billing(new.host_id, known) then
    raise exception 'host % is rented, and runs only what is paid for', new.host_id
      using errcode = 'PT409', hint = 'Pay for the agent by a checkout, or choose a host of your own.';
  end if;
  if host.capacity <= (
    select count(*) from public.agents a
    where a.host_id = new.host_id and (a.status <> 'removed' or a.billing = 'paid')
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
      select h.id, h.backends, creel.tenancy_of(h) as tenancy, h as host, t.tenants, t.unconfined
      from public.hosts h
      join public.host_heartbeats o on o.host_id = h.id and creel.heard_until(o) > silent_since
      cross join lateral (
        select count(*) as agent_count, coalesce(array_agg(distinct x.project_id), '{}') as tenants,
          coalesce(
            array_agg(distinct x.project_id) filter (where not creel.is_confined(x.backend)), '{}') as unconfined
        from public.agents x where x.host_id = h.id and (x.status <> 'removed' or x.billing = 'paid')) t
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
            and creel.accepts_billing(p.host_id, a)
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
      and creel.accepts_billing(h.id, agent)) then
    return jsonb_build_object('code', 'rented',
      'message', 'the hosts that are there are rented, and run only what is paid for',
      'hint', 'Pay for the agent by a checkout, or let a host of your own serve the project.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends) and creel.takes_work(h)
      and creel.accepts_billing(h.id, agent)) then
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

-- An agent that is not paid for is refused for itself.
create or replace function creel.adopt_agent(of_project text, of_host uuid, wish jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  wished constant text := wish ->> 'openclaw_id';
  key constant text := 'agent:' || (wish ->> 'openclaw_id') || ':main';
  agent public.agents;
  request uuid;
begin
  if not coalesce(creel.is_agent_id(wished), false) then
    return creel.refuse_adoption(wished, 'agent_id', case when wished = 'main'
        then 'main is OpenClaw''s own agent'
        else 'this is no agent id that Creel can have: a-z, 0-9, _ and -, a letter or digit first, at most 63' end,
      'Leave it to OpenClaw, or make an agent with another id from its files.');
  end if;

  select * into agent from public.agents a where a.host_id = of_host and a.openclaw_id = wished;
  if found and agent.project_id <> of_project then
    return creel.refuse_adoption(wished, 'other_project', 'it is an agent of another project already',
      'Remove it there first.');
  end if;
  if not found then
    select * into agent from public.agents a where a.project_id = of_project and a.agent_key = key;
  end if;
  if agent.id is not null then
    if agent.provisioned and agent.host_id = of_host then
      return jsonb_build_object('openclaw_id', wished, 'outcome', 'exists', 'agent_key', agent.agent_key);
    end if;
    if agent.provisioned or agent.host_id <> of_host or agent.openclaw_id <> wished then
      return creel.refuse_adoption(wished, 'key_taken', 'the project has another agent ' || agent.agent_key,
        'Remove that agent, or adopt this one in another project.');
    end if;
    if agent.desired_state = 'removed' then
      return creel.refuse_adoption(wished, 'being_removed', agent.agent_key || ' is being removed',
        'Wait until it is gone, then adopt the agent.');
    end if;
    select r.id into request from public.agent_provision_requests r
    where r.project_id = of_project and r.agent_key = agent.agent_key and r.status in ('queued', 'running')
      and r.adopt;
    if request is not null then
      return jsonb_build_object(
        'openclaw_id', wished, 'outcome', 'exists', 'agent_key', agent.agent_key, 'request_id', request);
    end if;
    if exists (
      select from public.agent_provision_requests r
      where r.project_id = of_project and r.agent_key = agent.agent_key and r.status in ('queued', 'running')
    ) then
      return creel.refuse_adoption(wished, 'open_request', 'a request for ' || agent.agent_key || ' is open',
        'Wait until it has ended, then adopt the agent.');
    end if;
    update public.agents a set host_id = of_host, host_pinned = true, openclaw_id = wished,
      agent_id_short = coalesce(a.agent_id_short, wished)
    where a.id = agent.id;
  else
    insert into public.agents (
      project_id, agent_key, name, emoji, agent_id_short, host_id, host_pinned, openclaw_id)
    values (
      of_project, key, coalesce(nullif(wish ->> 'name', ''), wished), nullif(wish ->> 'emoji', ''), wished, of_host,
      true, wished)
    returning * into agent;
  end if;
  insert into public.agent_provision_requests (
    project_id, agent_key, agent_id_short, display_name, emoji, adopt)
  values (of_project, agent.agent_key, wished, agent.name, agent.emoji, true)
  returning agent_provision_requests.id into request;
  return jsonb_build_object(
    'openclaw_id', wished, 'outcome', 'adopted', 'agent_key', agent.agent_key, 'request_id', request);
exception
  -- One that cannot be had costs the others nothing.
  when sqlstate 'PT402' or sqlstate 'PT409' or sqlstate 'PT429' or check_violation or unique_violation then
    return creel.refuse_adoption(wished, 'refused',
      case when sqlstate like 'PT%' then sqlerrm else 'its name, emoji or key cannot be written' end,
      'Shorten what is too long, make room for it, or adopt fewer agents at a time.');
end
$$;

revoke all on function creel.refuse_unpaid(text), creel.keep_agent_billing(), creel.check_commands_paid(),
  creel.check_requests_paid(), creel.check_redriven_paid(), creel.accepts_billing(uuid, public.agents),
  creel.refuse_subscribed(public.agents), creel.keep_subscribed(), creel.tell_deletion_of_subscribed(),
  creel.keep_subscribed_project(), creel.tenancy_of(public.hosts)
  from public, anon, authenticated, service_role;
