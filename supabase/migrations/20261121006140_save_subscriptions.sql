-- What Stripe says of a subscription becomes its row; and what follows from that, whoever finds it out.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- The id of something that Stripe names by its id, or shows as a whole.
create function creel.stripe_ref(given jsonb) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case jsonb_typeof(given) when 'string' then given #>> '{}' when 'object' then given ->> 'id' end;
end
$$;

-- An object as it was fetched, and when that was; null where it was not.
create function creel.fetched(current jsonb, id text, out object jsonb, out as_of timestamptz)
language plpgsql stable set search_path = '' as $$
begin
  if jsonb_typeof(current -> id) = 'object' then
    object := current -> id;
    as_of := coalesce(creel.read_time(object -> 'fetched_at'), date_trunc('second', now()));
  end if;
end
$$;

create function creel.want_fetched(kind text, id text, expand text[], why text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('outcome', 'fetch', 'note', why,
    'fetch', jsonb_build_array(jsonb_build_object('object', kind, 'id', id, 'expand', to_jsonb(expand))))
$$;

-- What was wished goes into the documents, as a new version where there is one; before the lane is locked, as by those who
-- write both. Then it is nowhere else. What there is no room for does not undo a payment.
create function creel.write_wished_docs(intent public.checkout_intents) returns void
language plpgsql set search_path = '' as $$
begin
  if intent.project_id is null or not intent.agent ? 'docs' then
    return;
  end if;
  begin
    insert into public.brain_docs (project_id, agent_key, doc_type, content, updated_by)
    select intent.project_id, intent.agent_key, d.key, d.value, coalesce('user:' || intent.created_by, 'creel')
    from jsonb_each_text(case jsonb_typeof(intent.agent -> 'docs') when 'object' then intent.agent -> 'docs' else '{}' end) d
    order by d.key
    on conflict on constraint brain_docs_key do update
      set content = excluded.content, updated_by = excluded.updated_by;
  exception when sqlstate 'PT413' or sqlstate 'PT429' then
    perform creel.log_event('billing.mismatch', intent.project_id, intent.agent_key, intent.host_id, intent.id,
      jsonb_build_object('what', 'docs', 'message', 'the agent''s documents could not be written: ' || left(sqlerrm, 500)));
  end;
  update public.checkout_intents i set agent = i.agent - 'docs' where i.id = intent.id;
end
$$;

-- Brings what follows from a subscription's row up to this moment: its service, its agent's payment, and what is said of
-- it. The one place where a service changes.
create function creel.settle_subscription(of_subscription text, received timestamptz, paid timestamptz) returns text
language plpgsql set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  before public.subscriptions;
  after public.subscriptions;
  intent public.checkout_intents;
  other public.checkout_intents;
  suspended_since timestamptz;
  of_agent uuid;
begin
  select * into before from public.subscriptions s where s.id = of_subscription for no key update;
  after := before;
  after.past_due_since := null;
  if before.status in ('past_due', 'unpaid') then
    select min(s.as_of) into after.past_due_since from creel.subscription_states s
    where s.subscription_id = of_subscription and s.status in ('past_due', 'unpaid') and s.as_of >= coalesce((
      select max(o.as_of) from creel.subscription_states o
      where o.subscription_id = of_subscription and o.status not in ('past_due', 'unpaid')), '-infinity');
  end if;
  after.grace_until := case when before.status = 'past_due'
    then after.past_due_since + knobs.billing_grace_secs * interval '1 second' end;
  after.service := creel.subscription_service(before.status, after.grace_until, before.first_paid_at, now());
  if before.service = 'removed' and after.service in ('ended', 'suspended') then
    after.service := 'removed';
  end if;
  if before.status = 'paused' then
    select min(s.as_of) into suspended_since from creel.subscription_states s
    where s.subscription_id = of_subscription and s.status = 'paused' and s.as_of >= coalesce((
      select max(o.as_of) from creel.subscription_states o
      where o.subscription_id = of_subscription and o.status <> 'paused'), '-infinity');
  end if;
  after.remove_at := case
    when after.service = 'ended' then before.ended_at
    when after.service = 'suspended' then coalesce(after.grace_until, after.past_due_since, suspended_since) end
    + knobs.billing_retention_secs * interval '1 second';
  if before.service not in ('active', 'grace') and after.service in ('active', 'grace') then
    after.paid_at := coalesce(paid, before.as_of);
    after.received_at := coalesce(received, now());
  elsif before.paid_at is null and before.first_paid_at is not null then
    -- It was paid, and is over: the end was told before.
    after.paid_at := (
      select min(s.as_of) from creel.subscription_states s
      where s.subscription_id = of_subscription and s.status in ('active', 'trialing'));
    after.received_at := case when after.paid_at is not null then coalesce(received, now()) end;
  end if;
  if after is distinct from before then
    update public.subscriptions s set
      past_due_since = after.past_due_since, grace_until = after.grace_until, service = after.service,
      remove_at = after.remove_at, paid_at = after.paid_at, received_at = after.received_at
    where s.id = of_subscription;
  end if;
  -- Whatever came of it since, it was paid for once.
  if before.first_paid_at is not null then
    select * into intent from public.checkout_intents i
    where i.id = before.intent_id and i.status <> 'paid' for no key update;
    if found then
      update public.checkout_intents i
      set status = 'paid', awaits_payment = false, ended_at = now(),
        customer_id = coalesce(i.customer_id, before.customer_id)
      where i.id = intent.id;
      perform creel.write_wished_docs(intent);
      for other in
        update public.checkout_intents i set status = 'expired', awaits_payment = false, ended_at = now()
        where i.project_id = intent.project_id and i.agent_key = intent.agent_key and i.status = 'open' and i.id <> intent.id
        returning *
      loop
        perform creel.log_event('billing.mismatch', other.project_id, other.agent_key, other.host_id, other.id,
          jsonb_build_object('what', 'second_checkout', 'subscription', of_subscription,
            'message', 'the agent was paid for by an earlier checkout while this one was open: do not pay it'));
      end loop;
    end if;
  end if;
  if after.service in ('active', 'grace') and before.service not in ('active', 'grace') then
    select * into intent from public.checkout_intents i where i.id = before.intent_id;
    if found then
      of_agent := (creel.agent_of_intent(intent)).id;
      if of_agent is distinct from before.agent_id then
        update public.subscriptions s set agent_id = of_agent where s.id = of_subscription;
        before.agent_id := of_agent;
      end if;
    end if;
    if before.project_id is not null and exists (
      select from public.subscriptions o
      where o.agent_id = before.agent_id and o.id <> of_subscription and o.service in ('active', 'grace')) then
      perform creel.log_event('billing.mismatch', before.project_id, before.agent_key, before.host_id, before.intent_id,
        jsonb_build_object('what', 'second_subscription', 'subscription', of_subscription,
          'message', 'two subscriptions cover one agent: cancel one of them in the billing portal'));
    end if;
  end if;
  if after.service <> before.service and before.project_id is not null and after.service <> 'awaiting' then
    perform creel.log_event(
      case after.service
        when 'active' then 'billing.paid' when 'grace' then 'billing.past_due' when 'suspended' then 'billing.suspended'
        when 'ended' then 'billing.ended' else 'billing.removed' end,
      before.project_id, before.agent_key, before.host_id, before.intent_id,
      jsonb_strip_nulls(jsonb_build_object(
        'subscription', before.id, 'status', before.status, 'was', before.service, 'grace_until', after.grace_until,
        'remove_at', after.remove_at)));
  end if;
  perform creel.settle_entitlement(before.agent_id, of_subscription);
  return after.service;
end
$$;

-- The agent that a checkout was for. One whose place was given back before a late payment gets it again, if there is room.
create function creel.agent_of_intent(intent public.checkout_intents) returns public.agents
language plpgsql set search_path = '' as $$
declare
  agent public.agents;
  host public.hosts;
begin
  if intent.project_id is null then
    raise exception 'the project of the checkout is gone' using errcode = 'PT409';
  end if;
  select * into agent from public.agents a where a.project_id = intent.project_id and a.agent_key = intent.agent_key;
  if agent.id is not null then
    -- Lanes before hosts, as where a checkout begins.
    perform creel.lock_agent_lane(agent, false);
    select * into agent from public.agents a where a.id = agent.id for no key update;
  end if;
  if agent.id is null or agent.billing = 'unpaid' and agent.openclaw_id is null and agent.status = 'removed' then
    perform 1 from public.hosts h where h.id = intent.host_id for no key update;
    select * into host from public.hosts h where h.id = intent.host_id;
    if host.id is null then
      raise exception 'the host of the checkout is gone' using errcode = 'PT409';
    end if;
    perform creel.check_place(host, intent.project_id, intent.agent);
    agent.id := creel.reserve(intent.project_id, intent.agent_key, host, intent.agent, agent);
    select * into agent from public.agents a where a.id = agent.id;
    perform creel.lock_agent_lane(agent, false);
  end if;
  if agent.billing = 'free' then
    raise exception 'agent % is there, and nobody asks money for it', intent.agent_key using errcode = 'PT409';
  end if;
  return agent;
end
$$;

-- What is wrong with the price that a subscription or session has, or null. Both are the smallest unit of the currency.
create function creel.fault_of_amount(intent public.checkout_intents, amount jsonb, currency jsonb) returns text
language sql immutable set search_path = '' as $$
  select case
    when coalesce(amount, 'null') <> 'null' and amount <> to_jsonb(intent.amount_minor)
      or coalesce(currency, 'null') <> 'null' and lower(currency #>> '{}') <> intent.currency
    then format('Stripe says %s %s, and the checkout was for %s %s',
      amount #>> '{}', currency #>> '{}', intent.amount_minor, intent.currency) end
$$;

-- A subscription as Stripe showed it at as_of; first_paid is when the event says that money came, if it does. Answers a
-- verdict.
create function creel.save_subscription(
  object jsonb, as_of timestamptz, is_fetched boolean, event jsonb, first_paid timestamptz default null) returns jsonb
language plpgsql set search_path = '' as $$
declare
  sub_id constant text := object ->> 'id';
  said constant text := object ->> 'status';
  item constant jsonb := object #> '{items,data,0}';
  is_final constant boolean := said in ('canceled', 'incomplete_expired');
  received timestamptz;
  known public.subscriptions;
  shown public.subscriptions;
  intent public.checkout_intents;
  agent public.agents;
  fault text;
  note text;
begin
  if coalesce(said, '') not in (
    'incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid', 'paused') then
    return jsonb_build_object('outcome', 'waiting', 'note', format('there is no subscription status %s', left(said, 100)));
  end if;
  select e.received_at into received from public.stripe_events e where e.id = event ->> 'id';
  shown.status := said;
  shown.current_period_start := coalesce(
    creel.read_time(object -> 'current_period_start'), creel.read_time(item -> 'current_period_start'));
  shown.current_period_end := coalesce(
    creel.read_time(object -> 'current_period_end'), creel.read_time(item -> 'current_period_end'));
  shown.cancel_at_period_end :=
    coalesce(object -> 'cancel_at_period_end' = 'true' or creel.read_time(object -> 'cancel_at') is not null, false);
  shown.ended_at := case when is_final then coalesce(
    creel.read_time(object -> 'ended_at'), creel.read_time(object -> 'canceled_at'), as_of) end;

  select * into known from public.subscriptions s where s.id = sub_id for no key update;
  if known.id is null then
    if creel.read_uuid(object #>> '{metadata,creel_intent}') is null then
      return jsonb_build_object('outcome', 'ignored', 'note', 'this subscription is not of Creel');
    end if;
    select * into intent from public.checkout_intents i
    where i.id = creel.read_uuid(object #>> '{metadata,creel_intent}') for no key update;
    if intent.id is null then
      return jsonb_build_object('outcome', 'ignored', 'note', 'the checkout of this subscription is not of this database');
    end if;
    fault := creel.fault_of_amount(
      intent, coalesce(item #> '{price,unit_amount}', item #> '{plan,amount}'),
      coalesce(item #> '{price,currency}', object -> 'currency'));
    if fault is not null then
      return jsonb_build_object('outcome', 'waiting', 'note', fault, 'mismatch', intent.id);
    end if;
    select * into agent from public.agents a
    where a.project_id = intent.project_id and a.agent_key = intent.agent_key and a.billing <> 'free';
    insert into public.subscriptions (
      id, project_id, agent_id, agent_key, host_id, intent_id, customer_id, plan, amount_minor, currency, status,
      current_period_start, current_period_end, cancel_at_period_end, ended_at, as_of, livemode)
    values (
      sub_id, intent.project_id, agent.id, intent.agent_key, intent.host_id, intent.id,
      creel.stripe_ref(object -> 'customer'), intent.plan, intent.amount_minor, intent.currency, said,
      shown.current_period_start, shown.current_period_end, shown.cancel_at_period_end, shown.ended_at, as_of,
      coalesce(object -> 'livemode' = 'true', false));
    insert into public.stripe_customers (project_id, customer_id)
    select intent.project_id, creel.stripe_ref(object -> 'customer')
    where creel.stripe_ref(object -> 'customer') is not null and intent.project_id is not null
    on conflict do nothing;
  elsif known.status in ('canceled', 'incomplete_expired') then
    -- That is final. When it ended does not depend on who said it first; the rest the end of its customer did not say.
    if is_final then
      update public.subscriptions s set
        status = said, ended_at = least(s.ended_at, shown.ended_at),
        current_period_start = coalesce(shown.current_period_start, s.current_period_start),
        current_period_end = coalesce(shown.current_period_end, s.current_period_end),
        cancel_at_period_end = shown.cancel_at_period_end
      where s.id = sub_id;
    end if;
    note := 'this subscription has ended';
  elsif not is_final and as_of < known.as_of then
    note := 'older than what is known';
  elsif not is_final and not is_fetched and as_of = known.as_of
    and (known.status, known.current_period_start, known.current_period_end, known.cancel_at_period_end)
      is distinct from (said, shown.current_period_start, shown.current_period_end, shown.cancel_at_period_end) then
    return creel.want_fetched('subscription', sub_id, '{}', 'two states of one second: Stripe is asked which is the last');
  else
    update public.subscriptions s set
      status = said, current_period_start = coalesce(shown.current_period_start, s.current_period_start),
      current_period_end = coalesce(shown.current_period_end, s.current_period_end),
      cancel_at_period_end = shown.cancel_at_period_end, ended_at = shown.ended_at,
      as_of = greatest(s.as_of, save_subscription.as_of)
    where s.id = sub_id;
  end if;
  if first_paid is not null then
    update public.subscriptions s set first_paid_at = first_paid
    where s.id = sub_id and coalesce(s.first_paid_at, 'infinity') > first_paid;
  end if;
  if as_of is not null then
    insert into creel.subscription_states (subscription_id, as_of, status)
    values (sub_id, save_subscription.as_of, said)
    on conflict do nothing;
  end if;
  perform creel.settle_subscription(sub_id, received, creel.read_time(event -> 'created'));
  select * into known from public.subscriptions s where s.id = sub_id;
  return jsonb_strip_nulls(jsonb_build_object(
    'outcome', 'applied', 'note', note, 'knows', jsonb_build_array(sub_id, known.customer_id),
    'led_to', jsonb_build_object('subscription', sub_id, 'service', known.service, 'agent_id', known.agent_id,
      'item_id', known.item_id)));
end
$$;

revoke all on function creel.stripe_ref(jsonb), creel.fetched(jsonb, text), creel.want_fetched(text, text, text[], text),
  creel.settle_subscription(text, timestamptz, timestamptz), creel.agent_of_intent(public.checkout_intents),
  creel.fault_of_amount(public.checkout_intents, jsonb, jsonb),
  creel.write_wished_docs(public.checkout_intents),
  creel.save_subscription(jsonb, timestamptz, boolean, jsonb, timestamptz)
  from public, anon, authenticated, service_role;
