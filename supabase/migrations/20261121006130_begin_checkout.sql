-- A checkout begins with a wish: the database decides the price, and keeps the place on the host until it is paid.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- What is wrong with the price of a host, or null.
create function creel.fault_of_price(price jsonb) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case
    when price is null or price = 'null' then null
    when jsonb_typeof(price) <> 'object' then 'price must be an object of at most 4096 bytes'
    when exists (select from jsonb_object_keys(price) k where k not in ('currency', 'month', 'year'))
      then 'a price has currency, month and year, and nothing else'
    when price ? 'currency' and (
        jsonb_typeof(price -> 'currency') <> 'string' or price ->> 'currency' !~ '^[a-z]{3}$')
      then 'price.currency must be a code of three small letters, as eur'
    -- Stripe changes any other into its own before it is the host's, and no figure of ours were true any more.
    when price ->> 'currency' <> (creel.knobs()).billing_currency
      then 'price.currency must be ' || (creel.knobs()).billing_currency || ', which is what is charged here'
    when exists (
        select from jsonb_each(price - 'currency') e
        where case when jsonb_typeof(e.value) <> 'number' then true
          else e.value::numeric not between 50 and 99999999 or e.value::numeric % 1 <> 0 end)
      then 'price.month and price.year must be whole numbers of the currency''s smallest unit, from 50, as '
        'Stripe takes no less, to 99999999: 900 for 9 euros'
  end;
end
$$;

create function creel.check_price() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if creel.fault_of_price(new.price) is not null then
    raise exception '%', creel.fault_of_price(new.price)
      using errcode = '22023', hint = 'As in {"month": 900, "year": 9000}.';
  end if;
  return new;
end
$$;

create trigger hosts_check_price
  before insert or update of price on public.hosts for each row
  when (new.price is not null) execute function creel.check_price();

-- What is wrong with the host that a code is wished for, or null.
create or replace function creel.fault_of_host_wish(wish jsonb) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case
    when pg_column_size(wish) > 65536 then 'the wish has more than 65536 bytes'
    when jsonb_typeof(wish) <> 'object' then 'the wish must be an object'
    when exists (
        select from jsonb_object_keys(wish) k
        where k not in ('name', 'platform', 'capacity', 'tags', 'price', 'project_ids', 'key_days'))
      then 'a wish has name, platform, capacity, tags, price, project_ids and key_days, and nothing else'
    when jsonb_typeof(wish -> 'name') <> 'string' or octet_length(wish ->> 'name') not between 1 and 200
      then 'name must be a text of 1 to 200 bytes'
    when wish ->> 'platform' not in ('linux', 'macos') then 'platform must be linux or macos'
    when wish ? 'capacity' and case
        when jsonb_typeof(wish -> 'capacity') <> 'number' then true
        else (wish ->> 'capacity')::numeric not between 0 and 100000 or (wish ->> 'capacity')::numeric % 1 <> 0 end
      then 'capacity must be a whole number from 0 to 100000'
    when wish ? 'key_days' and case
        when jsonb_typeof(wish -> 'key_days') <> 'number' then true
        else (wish ->> 'key_days')::numeric not between 1 and 3650 or (wish ->> 'key_days')::numeric % 1 <> 0 end
      then 'key_days must be a whole number from 1 to 3650'
    when wish ? 'tags' and case
        when jsonb_typeof(wish -> 'tags') <> 'array' then true
        else jsonb_array_length(wish -> 'tags') > 50
          or exists (
            select from jsonb_array_elements(wish -> 'tags') t
            where jsonb_typeof(t) <> 'string' or octet_length(t #>> '{}') not between 1 and 100) end
      then 'tags must be an array of at most 50 texts of 1 to 100 bytes'
    when wish ? 'project_ids' and case
        when jsonb_typeof(wish -> 'project_ids') <> 'array' then true
        else jsonb_array_length(wish -> 'project_ids') > 100
          or exists (
            select from jsonb_array_elements(wish -> 'project_ids') p where jsonb_typeof(p) <> 'string') end
      then 'project_ids must be an array of at most 100 texts'
    when wish ? 'price' and (jsonb_typeof(wish -> 'price') <> 'object' or pg_column_size(wish -> 'price') > 4096)
      then 'price must be an object of at most 4096 bytes'
    when creel.fault_of_price(wish -> 'price') is not null then creel.fault_of_price(wish -> 'price')
  end;
end
$$;

-- What a host costs by this plan, in the smallest unit of creel.price_currency; null where it is not let.
create function creel.plan_price(host public.hosts, plan text) returns bigint
language sql stable set search_path = '' as $$
  select case when plan in ('month', 'year') and creel.fault_of_price(host.price) is null
    then (host.price ->> plan)::numeric::bigint end
$$;

create function creel.price_currency(host public.hosts) returns text
language plpgsql stable set search_path = '' as $$
begin
  return coalesce(host.price ->> 'currency', (creel.knobs()).billing_currency);
end
$$;

-- The wish for an agent, without what is null; or an error.
create function creel.read_agent_wish(wish jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  read jsonb := coalesce(wish, '{}');
begin
  if jsonb_typeof(read) = 'null' then
    read := '{}';
  end if;
  if jsonb_typeof(read) <> 'object' then
    raise exception 'agent must be an object' using errcode = '22023',
      hint = 'It takes name, emoji, role, config, limits, docs (texts by doc_type) and backend.';
  end if;
  read := coalesce((select jsonb_object_agg(e.key, e.value) from jsonb_each(read) e where e.value <> 'null'), '{}');
  if read ? 'backend' and coalesce(read ->> 'backend', '') not in ('shared', 'profile', 'docker', 'multipass') then
    raise exception 'agent.backend must be shared, profile, docker or multipass' using errcode = '22023',
      hint = 'Leave it away for profile: a gateway of its own.';
  end if;
  begin
    perform creel.check_update(read - 'backend' - 'changed');
  exception when invalid_parameter_value then
    raise exception 'agent is malformed: %', replace(sqlerrm, 'the payload of update_config is malformed: ', '')
      using errcode = '22023',
        hint = 'It takes name, emoji, role, config, limits, docs (texts by doc_type) and backend.';
  end;
  if octet_length(read::text) > 1310720 or pg_column_size(read -> 'config') > 65536
     or pg_column_size(read -> 'limits') > 8192 or octet_length(read ->> 'emoji') > 1024 then
    raise exception 'agent is too large' using errcode = 'PT413', hint = 'Write large documents when it is there.';
  end if;
  return jsonb_build_object('backend', 'profile') || (read - 'changed');
end
$$;

-- Whether a host may take in an agent as it is wished; or an error that says why not. It is locked, and room is not asked.
create function creel.check_place(host public.hosts, project text, agent_wish jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  -- Who rents is not somebody whom its owner may have trusted.
  without_trust public.hosts := host;
begin
  without_trust.tenancy := 'single';
  if host.status not in ('online', 'enrolled') then
    raise exception 'host % takes nothing new: it is %', host.id, host.status
      using errcode = 'PT409', detail = host.status, hint = 'Choose another host.';
  end if;
  if not (agent_wish ->> 'backend') = any (host.backends) then
    raise exception 'host % cannot run agents by %', host.id, agent_wish ->> 'backend'
      using errcode = 'PT409', detail = 'backend',
        hint = 'Choose another host or backend; this one runs ' || array_to_string(host.backends, ', ') || '.';
  end if;
  if not creel.has_tags(host, coalesce(agent_wish -> 'config', '{}')) then
    raise exception 'host % does not have the tags that the agent asks for', host.id
      using errcode = 'PT409', detail = 'tags', hint = 'Choose another host, or other tags.';
  end if;
  if not creel.may_neighbour(without_trust, project, agent_wish ->> 'backend') then
    raise exception 'host % runs agents of another project, and this one would not be kept from their files', host.id
      using errcode = 'PT409', detail = 'isolation',
        hint = 'Choose another host, or a backend with a container or virtual machine of its own.';
  end if;
end
$$;

-- The host that is wished for, locked; or an error that says why it cannot be had.
create function creel.rentable_host(wished uuid, plan text, agent_wish jsonb, project text) returns public.hosts
language plpgsql set search_path = '' as $$
declare
  host public.hosts;
begin
  perform 1 from public.hosts h where h.id = wished for no key update;
  select * into host from public.hosts h where h.id = wished;
  if creel.plan_price(host, plan) is null then
    raise exception 'host % is not let by the %', wished, plan
      using errcode = 'PT404', detail = 'not_for_rent', hint = 'Choose another host, or another plan.';
  end if;
  if not exists (
    select from public.stripe_accounts s where s.owner_id = host.owner_id and s.transfers_active) then
    raise exception 'the owner of host % cannot be paid yet', wished
      using errcode = 'PT409', detail = 'not_payable', hint = 'Choose another host; its owner has to set up payments.';
  end if;
  perform creel.check_place(host, project, agent_wish);
  if (select count(*) from public.checkout_intents i where i.host_id = wished and i.status = 'open')
     >= greatest(host.capacity::bigint * (creel.knobs()).max_unpaid_places_bp / 10000, 2) then
    raise exception 'too many places of host % are kept for checkouts that are open', wished
      using errcode = 'PT409', detail = 'reserved', hint = 'Choose another host, or try again in half an hour.';
  end if;
  return host;
end
$$;

create function creel.refuse_full(host_id uuid) returns void
language plpgsql immutable set search_path = '' as $$
begin
  raise exception 'host % is full', host_id
    using errcode = 'PT409', detail = 'capacity', hint = 'Choose another host, or try again later.';
end
$$;

-- Keeps a place: the agent's row is the reservation, as the host's room is counted by rows.
create function creel.reserve(
  project text, wished_key text, host public.hosts, agent_wish jsonb, known public.agents) returns uuid
language plpgsql set search_path = '' as $$
declare
  reserved uuid := known.id;
begin
  if reserved is null then
    if not creel.has_room(host) then
      perform creel.refuse_full(host.id);
    end if;
    insert into public.agents (
      project_id, agent_key, agent_id_short, name, role, emoji, config, limits, backend, host_id, host_pinned,
      desired_state, billing)
    values (
      project, wished_key, creel.short_of_key(wished_key),
      coalesce(nullif(agent_wish ->> 'name', ''), creel.short_of_key(wished_key)),
      coalesce(nullif(agent_wish ->> 'role', ''), 'assistant'), coalesce(nullif(agent_wish ->> 'emoji', ''), '🦞'),
      coalesce(agent_wish -> 'config', '{}'), coalesce(agent_wish -> 'limits', '{}'), agent_wish ->> 'backend',
      host.id, true, 'stopped', 'unpaid')
    returning id into reserved;
  elsif known.openclaw_id is null or known.host_id is null then
    -- It was there once, and has no place any more; or it never had one.
    if known.status = 'removed' or known.host_id is distinct from host.id then
      if not creel.has_room(host) then
        perform creel.refuse_full(host.id);
      end if;
    end if;
    update public.agents a set
      host_id = host.id, host_pinned = true, openclaw_id = null, provisioned = false, workspace_path = null,
      backend = agent_wish ->> 'backend', name = coalesce(nullif(agent_wish ->> 'name', ''), a.name),
      role = coalesce(nullif(agent_wish ->> 'role', ''), a.role),
      emoji = coalesce(nullif(agent_wish ->> 'emoji', ''), a.emoji), config = coalesce(agent_wish -> 'config', a.config),
      limits = coalesce(agent_wish -> 'limits', a.limits), desired_state = 'stopped', status = 'pending_deploy',
      deleting_since = null, generation = a.generation + 1
    where a.id = reserved;
  end if;
  return reserved;
end
$$;

create function public.begin_checkout(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  asker constant uuid := auth.uid();
  project constant text := $1 ->> 'project_id';
  wished_key constant text := $1 ->> 'agent_key';
  wished_host constant uuid := creel.read_uuid($1 ->> 'host_id');
  wished_plan constant text := $1 ->> 'plan';
  wish jsonb;
  fitting jsonb;
  host public.hosts;
  known public.agents;
  intent public.checkout_intents;
  is_repeated boolean := false;
begin
  if asker is null or not coalesce(project = any (creel.writable_projects()), false) then
    raise exception 'you may not write project %', project
      using errcode = '42501', hint = 'Ask an owner of the project to make you an editor.';
  end if;
  if octet_length(wished_key) not between 1 and 1024 or wished_key is null
     or not coalesce(creel.is_agent_id(creel.short_of_key(wished_key)), false) then
    raise exception 'agent_key is missing, or names no agent that a host can have'
      using errcode = '22023', hint = 'Send a key as agent:scout:main: a-z, 0-9, _ and -, and not main alone.';
  end if;
  if wished_host is null
     or coalesce(wished_plan, '') not in ('month', 'year') then
    raise exception 'host_id or plan is missing or malformed'
      using errcode = '22023', hint = 'Send project_id, agent_key, host_id, plan (month or year) and agent.';
  end if;
  wish := creel.read_agent_wish($1 -> 'agent');
  -- The checkouts of one project take turns.
  perform pg_advisory_xact_lock(1129465167, hashtext(project));

  select * into intent from public.checkout_intents i
  where i.project_id = project and i.agent_key = wished_key and i.status = 'open' for update;
  -- Locked before anything is decided by it: a late payment of an earlier checkout may be on its way.
  select * into known from public.agents a where a.project_id = project and a.agent_key = wished_key;
  if known.id is not null then
    perform creel.lock_agent_lane(known, false);
    select * into known from public.agents a
    where a.project_id = project and a.agent_key = wished_key for no key update;
  end if;
  if known.billing = 'paid' then
    raise exception 'agent % is paid for', wished_key
      using errcode = 'PT409', detail = 'paid', hint = 'Nothing is to be done.';
  elsif known.billing = 'free' then
    raise exception 'there is an agent % already, and nobody asks money for it', wished_key
      using errcode = 'PT409', detail = 'free', hint = 'Choose another agent_key.';
  elsif intent.awaits_payment then
    raise exception 'the payment for agent % is under way', wished_key
      using errcode = 'PT409', detail = 'payment_under_way', hint = 'Wait for the bank; it may take some days.';
  elsif exists (
    select from public.subscriptions s
    where s.project_id = project and s.agent_key = wished_key and s.status not in ('canceled', 'incomplete_expired')
      and s.intent_id is distinct from intent.id) then
    raise exception 'agent % has a subscription with an open invoice', wished_key
      using errcode = 'PT409', detail = 'open_invoice',
        hint = 'Pay it in the billing portal, or cancel that subscription there first.';
  end if;
  if intent.id is not null and intent.expires_at > now() then
    if (intent.host_id, intent.plan, intent.agent) is distinct from (wished_host, wished_plan, wish) then
      raise exception 'another checkout for agent % is open', wished_key
        using errcode = 'PT409', detail = 'open_checkout',
          hint = 'Pay that one, or wait until it ends; checkout_intents.expires_at says when.';
    end if;
    is_repeated := true;
  else
    if known.openclaw_id is not null and known.host_id is not null then
      if known.host_id <> wished_host then
        raise exception 'agent % is on host %', wished_key, known.host_id
          using errcode = 'PT409', detail = 'elsewhere', hint = 'Pay for it there.';
      end if;
      fitting := wish || jsonb_build_object('backend', known.backend, 'config', known.config);
    end if;
    if (select count(*) from public.checkout_intents i
        where i.status = 'open' and (i.project_id = project or i.created_by = asker))
       >= knobs.max_open_checkouts_per_project then
      raise exception 'too many open checkouts: the limit is %', knobs.max_open_checkouts_per_project
        using errcode = 'PT429', hint = 'Pay them, or wait until they end.';
    end if;
    if (select count(*) from public.checkout_intents i
        where i.created_by = asker and i.created_at > now() - interval '1 day' and i.status <> 'paid')
       >= knobs.max_unpaid_checkouts_per_day then
      raise exception 'too many checkouts that were not paid: the limit is % a day', knobs.max_unpaid_checkouts_per_day
        using errcode = 'PT429', hint = 'Try again tomorrow.';
    end if;
    if intent.id is not null then
      update public.checkout_intents i set status = 'expired', ended_at = now() where i.id = intent.id;
    end if;
    host := creel.rentable_host(wished_host, wished_plan, coalesce(fitting, wish), project);
    insert into public.checkout_intents (
      project_id, agent_key, agent_id, host_id, plan, amount_minor, currency, fee_bp, destination, agent, expires_at,
      created_by)
    values (
      project, wished_key, creel.reserve(project, wished_key, host, wish, known), host.id, wished_plan,
      creel.plan_price(host, wished_plan), creel.price_currency(host), knobs.billing_fee_bp,
      (select s.account_id from public.stripe_accounts s where s.owner_id = host.owner_id), wish,
      -- A quarter of an hour more: Stripe counts from when it is asked, refuses what is shorter than half an hour, and may
      -- have been away for a while.
      date_trunc('second', now())
        + least(knobs.checkout_ttl_secs + 900, 86400) * interval '1 second',
      asker)
    returning * into intent;
    perform creel.lock_agent_lane(a, false) from public.agents a where a.id = intent.agent_id;
    perform creel.log_event('billing.reserved', project, wished_key, host.id, intent.id,
      jsonb_build_object('plan', intent.plan, 'amount_minor', intent.amount_minor, 'currency', intent.currency));
  end if;

  return jsonb_build_object(
    'intent_id', intent.id, 'agent_id', intent.agent_id, 'amount_minor', intent.amount_minor,
    'currency', intent.currency, 'interval', intent.plan, 'fee_bp', intent.fee_bp, 'destination', intent.destination,
    'customer_id', (
      select c.customer_id from public.stripe_customers c where c.project_id = project
      order by c.created_at desc, c.customer_id limit 1),
    'host_name', (select h.name from public.hosts h where h.id = intent.host_id),
    'agent_name', (select a.name from public.agents a where a.id = intent.agent_id),
    'expires_at', extract(epoch from intent.expires_at)::bigint,
    'session_id', intent.session_id, 'session_url', intent.session_url, 'repeated', is_repeated);
end
$$;

comment on function public.begin_checkout(jsonb) is
  '{project_id, agent_key, host_id, plan: month | year, agent: {name, emoji, role, config, limits, docs, backend}} -> '
  '{intent_id, agent_id, amount_minor, currency, interval, fee_bp, destination, customer_id, host_name, agent_name, '
  'expires_at (seconds since 1970), session_id, session_url, repeated}. For an editor of the project. Keeps a place on the '
  'host until expires_at. The same wish again while it is open answers the same intent.';

revoke all on function creel.fault_of_price(jsonb), creel.check_price(), creel.plan_price(public.hosts, text),
  creel.price_currency(public.hosts), creel.read_agent_wish(jsonb),
  creel.check_place(public.hosts, text, jsonb), creel.rentable_host(uuid, text, jsonb, text), creel.refuse_full(uuid),
  creel.reserve(text, text, public.hosts, jsonb, public.agents), public.begin_checkout(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.begin_checkout(jsonb) to authenticated;
