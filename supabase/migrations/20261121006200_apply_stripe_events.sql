-- The one door for what Stripe tells.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- What becomes of what Stripe tells of money. Each of the four is a stub here, and is replaced by the ledger.
--
-- A verdict is {outcome: applied | ignored | waiting | fetch, note?, fetch?: [{object, id, expand}], led_to?: {...},
-- knows?: [ids]}; null is applied. With waiting and fetch nothing of what was written in the call stays. knows names
-- objects which from now on are known: what waits for them is applied in the same transaction.

-- invoice.paid of a subscription that is known. invoice is the newest that there is of it, the event's or that of current.
create function creel.earn_invoice(event jsonb, invoice jsonb, subscription public.subscriptions, current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
begin
  return null;
end
$$;

-- charge.refunded, charge.refund.*, refund.*, charge.dispute.* and transfer.*: object is the event's object.
create function creel.correct_charge(event jsonb, object jsonb, current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
begin
  return null;
end
$$;

-- What Stripe is asked to do now, twenty at most, leased to whoever asks: [{request_id, method, path, form,
-- idempotency_key, read_first?}].
create function creel.due_stripe_requests() returns jsonb
language plpgsql set search_path = '' as $$
begin
  return '[]';
end
$$;

-- What Stripe said to these: [{request_id, ok, stripe_id?, object?, error?, permanent?}].
create function creel.settle_stripe_requests(done jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  return;
end
$$;

-- Everything that an event is about: what is locked against other events, and by what it is found when it waits.
create function creel.stripe_subjects(event jsonb, current jsonb) returns text[]
language plpgsql stable set search_path = '' as $$
declare
  object constant jsonb := event #> '{data,object}';
  ids text[] := array[
    event ->> 'id', event ->> 'account', object ->> 'id', object ->> 'account',
    creel.stripe_ref(object -> 'customer'), creel.stripe_ref(object -> 'subscription'),
    creel.stripe_ref(object #> '{parent,subscription_details,subscription}'),
    creel.stripe_ref(object -> 'invoice'), creel.stripe_ref(object -> 'payment_intent'),
    creel.stripe_ref(object -> 'charge'), creel.stripe_ref(object -> 'latest_charge'),
    creel.stripe_ref(object -> 'transfer'),
    creel.stripe_ref(object #> '{payments,data,0,payment,payment_intent}'),
    creel.stripe_ref(object #> '{payments,data,0,payment,charge}'),
    object ->> 'client_reference_id', object #>> '{metadata,creel_intent}', object #>> '{metadata,creel_owner}',
    object #>> '{parent,subscription_details,metadata,creel_intent}'];
begin
  if jsonb_typeof(current) = 'object' then
    ids := ids || array(select jsonb_object_keys(current));
  end if;
  return array(select distinct left(u.id, 255) from unnest(ids) u (id) where u.id <> '' order by 1);
end
$$;

-- A checkout session: open, paid, to be paid by a bank that takes its time, failed or expired.
create function creel.handle_session(event jsonb, current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  kind constant text := event ->> 'type';
  session constant jsonb := event #> '{data,object}';
  sub_id constant text := creel.stripe_ref(session -> 'subscription');
  intent_id constant uuid := creel.read_uuid(
    coalesce(session ->> 'client_reference_id', session #>> '{metadata,creel_intent}'));
  intent public.checkout_intents;
  fetched record;
  fault text;
begin
  if intent_id is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'this checkout is not of Creel');
  end if;
  select * into intent from public.checkout_intents i where i.id = intent_id for no key update;
  if intent.id is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'this checkout is not of this database');
  end if;
  update public.checkout_intents i set
    session_id = coalesce(i.session_id, session ->> 'id'),
    session_url = coalesce(session ->> 'url', i.session_url),
    customer_id = coalesce(creel.stripe_ref(session -> 'customer'), i.customer_id)
  where i.id = intent_id;

  if kind in ('checkout.session.async_payment_failed', 'checkout.session.expired') then
    if intent.status <> 'open' then
      return jsonb_build_object('note', 'the checkout had ended already: ' || intent.status);
    end if;
    update public.checkout_intents i set
      status = case kind when 'checkout.session.expired' then 'expired' else 'failed' end, awaits_payment = false,
      ended_at = now()
    where i.id = intent_id;
    perform creel.release_reservation(intent.agent_id, intent_id);
    return jsonb_build_object('led_to', jsonb_build_object('released', intent_id));
  elsif kind = 'checkout.session.completed' and session ->> 'payment_status' = 'unpaid' then
    update public.checkout_intents i set awaits_payment = true where i.id = intent_id and i.status = 'open';
    return jsonb_build_object('note', 'the payment is under way');
  elsif kind in ('checkout.session.completed', 'checkout.session.async_payment_succeeded') then
    fault := creel.fault_of_amount(
      intent, case when session ->> 'payment_status' = 'paid' then session -> 'amount_total' end, session -> 'currency');
    if fault is not null then
      return jsonb_build_object('outcome', 'waiting', 'note', fault, 'mismatch', intent_id);
    end if;
    if sub_id is null then
      return jsonb_build_object('outcome', 'waiting', 'note', 'the paid checkout has no subscription');
    end if;
    -- What came of it meanwhile this event does not know.
    fetched := creel.fetched(current, sub_id);
    if fetched.object is null then
      return creel.want_fetched('subscription', sub_id, '{}', 'asks Stripe what became of the subscription');
    end if;
    if creel.read_uuid(fetched.object #>> '{metadata,creel_intent}') is distinct from intent_id
       and not exists (select from public.subscriptions s where s.id = sub_id) then
      return jsonb_build_object('outcome', 'waiting', 'note', 'the subscription does not name the checkout');
    end if;
    return creel.save_subscription(
      fetched.object, fetched.as_of, true, event, creel.read_time(event -> 'created'));
  end if;
  return null;
end
$$;

create function creel.handle_subscription(event jsonb, current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  object constant jsonb := event #> '{data,object}';
  told_at constant timestamptz := creel.read_time(event -> 'created');
  fetched record;
begin
  fetched := creel.fetched(current, object ->> 'id');
  if fetched.object is not null then
    -- What the event says is known for good, whatever is said of later.
    insert into creel.subscription_states (subscription_id, as_of, status)
    select s.id, told_at, object ->> 'status' from public.subscriptions s where s.id = object ->> 'id'
    on conflict do nothing;
    if object ->> 'status' not in ('canceled', 'incomplete_expired') then
      return creel.save_subscription(fetched.object, fetched.as_of, true, event);
    end if;
  end if;
  return creel.save_subscription(object, told_at, false, event);
end
$$;

create function creel.handle_invoice(event jsonb, current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  kind constant text := event ->> 'type';
  told constant jsonb := event #> '{data,object}';
  fetched record;
  invoice jsonb;
  sub_id text;
  intent_id uuid;
  known public.subscriptions;
  first_paid constant timestamptz := case when kind = 'invoice.paid' then creel.read_time(event -> 'created') end;
  verdict jsonb;
begin
  fetched := creel.fetched(current, told ->> 'id');
  invoice := coalesce(fetched.object, told);
  sub_id := coalesce(
    creel.stripe_ref(invoice -> 'subscription'),
    creel.stripe_ref(invoice #> '{parent,subscription_details,subscription}'));
  if sub_id is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'this invoice is of no subscription');
  end if;
  select * into known from public.subscriptions s where s.id = sub_id;
  if known.id is null then
    -- Its metadata are those of its subscription; where it has none, the subscription says.
    intent_id := creel.read_uuid(coalesce(
      invoice #>> '{parent,subscription_details,metadata,creel_intent}',
      invoice #>> '{subscription_details,metadata,creel_intent}'));
    if intent_id is null and jsonb_typeof(coalesce(
        invoice #> '{parent,subscription_details,metadata}', invoice #> '{subscription_details,metadata}')) = 'object' then
      return jsonb_build_object('outcome', 'ignored', 'note', 'this invoice is not of Creel');
    end if;
    fetched := creel.fetched(current, sub_id);
    if fetched.object is null then
      return creel.want_fetched('subscription', sub_id, '{}', 'nothing is known of this subscription yet');
    end if;
    verdict := creel.save_subscription(fetched.object, fetched.as_of, true, event, first_paid);
    if verdict ->> 'outcome' <> 'applied' then
      return verdict;
    end if;
    select * into known from public.subscriptions s where s.id = sub_id;
  elsif first_paid < coalesce(known.first_paid_at, 'infinity') then
    update public.subscriptions s set first_paid_at = first_paid
    where s.id = sub_id and first_paid < coalesce(s.first_paid_at, 'infinity');
    perform creel.settle_subscription(
      sub_id, (select e.received_at from public.stripe_events e where e.id = event ->> 'id'), first_paid);
    select * into known from public.subscriptions s where s.id = sub_id;
  end if;

  if kind = 'invoice.paid' then
    verdict := coalesce(verdict, '{}')
      || coalesce(creel.earn_invoice(event, invoice, known, coalesce(current, '{}')), '{}');
    return verdict || jsonb_build_object('knows',
      coalesce(verdict -> 'knows', '[]') || jsonb_build_array(invoice ->> 'id', sub_id));
  end if;
  if known.project_id is not null then
    perform creel.log_event(
      case kind when 'invoice.payment_failed' then 'billing.payment_failed' else 'billing.action_required' end,
      known.project_id, known.agent_key, known.host_id, known.intent_id,
      jsonb_strip_nulls(jsonb_build_object(
        'subscription', sub_id, 'invoice', invoice -> 'id', 'amount_due', invoice -> 'amount_due',
        'currency', invoice -> 'currency', 'attempt_count', invoice -> 'attempt_count',
        'next_payment_attempt', invoice -> 'next_payment_attempt',
        'pay_at', left(invoice ->> 'hosted_invoice_url', 2000))));
  end if;
  return coalesce(verdict, '{}') || jsonb_build_object('led_to', jsonb_build_object('subscription', sub_id));
end
$$;

-- Stripe ends the subscriptions of a customer who is deleted. Who is not known yet may become so: then this is looked at
-- again.
create function creel.handle_customer_deleted(event jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  customer constant text := event #>> '{data,object,id}';
  told_at constant timestamptz := creel.read_time(event -> 'created');
  sub_ids text[];
  sub_id text;
begin
  perform 1 from public.subscriptions s where s.customer_id = customer order by s.id for no key update;
  sub_ids := array(select s.id from public.subscriptions s where s.customer_id = customer order by s.id);
  perform 1 from creel.lanes l
  join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
  join public.subscriptions s on s.agent_id = a.id
  where s.id = any (sub_ids) and l.kind = 'control' order by l.id for no key update of l;
  delete from public.stripe_customers c where c.customer_id = customer;
  foreach sub_id in array sub_ids loop
    update public.subscriptions s set
      -- One that was never paid does not come to be paid by this.
      status = case s.status when 'incomplete' then 'incomplete_expired' else 'canceled' end,
      as_of = greatest(s.as_of, told_at), ended_at = told_at
    where s.id = sub_id and s.status not in ('canceled', 'incomplete_expired');
    insert into creel.subscription_states (subscription_id, as_of, status)
    values (sub_id, told_at, 'canceled') on conflict do nothing;
    perform creel.settle_subscription(sub_id, null, null);
  end loop;
  if sub_ids = '{}' then
    return jsonb_build_object('outcome', 'ignored', 'note', 'nothing is known of this customer');
  end if;
  return jsonb_build_object('led_to', jsonb_build_object('subscriptions', to_jsonb(sub_ids)));
end
$$;

-- The account of a host's owner: it is his because the function made it for him, and says so.
create function creel.handle_account(event jsonb, current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  kind constant text := event ->> 'type';
  told constant jsonb := event #> '{data,object}';
  told_at constant timestamptz := creel.read_time(event -> 'created');
  acct constant text := coalesce(
    case when kind in ('account.created', 'account.updated') then told ->> 'id' end,
    event ->> 'account', creel.stripe_ref(told -> 'account'));
  known public.stripe_accounts;
  fetched record;
  object jsonb;
  taken_at timestamptz := told_at;
  owner uuid;
begin
  if acct is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it names no account');
  end if;
  select * into known from public.stripe_accounts s where s.account_id = acct for no key update;
  -- An endpoint of live mode hears of test mode as well, and an account has both.
  if known.livemode and event -> 'livemode' = 'false' then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it is of test mode, and the account is not');
  end if;
  if known.owner_id is not null and kind <> 'account.created' and jsonb_typeof(event -> 'livemode') = 'boolean'
     and known.livemode is distinct from (event ->> 'livemode')::boolean then
    -- What was said in test mode was not said of this.
    update public.stripe_accounts s set
      livemode = (event ->> 'livemode')::boolean,
      payout_failed = case when known.livemode is null then s.payout_failed end,
      payout_as_of = case when known.livemode is null then s.payout_as_of end,
      as_of = case when known.livemode is null then s.as_of else '-infinity' end
    where s.owner_id = known.owner_id;
    select * into known from public.stripe_accounts s where s.owner_id = known.owner_id;
  end if;
  if kind in ('payout.failed', 'payout.paid') then
    if known.owner_id is null then
      return jsonb_build_object('outcome', 'ignored', 'note', 'this account is not of Creel');
    end if;
    update public.stripe_accounts s set
      payout_failed = case kind when 'payout.failed' then left(coalesce(
        told ->> 'failure_message', told ->> 'failure_code', 'the bank did not say why'), 2000) end,
      payout_as_of = told_at
    where s.owner_id = known.owner_id and coalesce(s.payout_as_of, '-infinity') <= told_at;
    return null;
  end if;
  if kind = 'account.application.deauthorized' then
    update public.stripe_accounts s set transfers_active = false, charges_enabled = false, payouts_enabled = false,
      as_of = told_at
    where s.owner_id = known.owner_id and s.as_of <= told_at;
    return null;
  end if;

  fetched := creel.fetched(current, acct);
  if fetched.object -> 'deleted' = 'true' then
    -- Closed or disconnected: nothing that is said of it will ever be known better.
    update public.stripe_accounts s set transfers_active = false, charges_enabled = false, payouts_enabled = false,
      as_of = fetched.as_of
    where s.owner_id = known.owner_id and s.as_of <= fetched.as_of;
    return jsonb_build_object('outcome', 'ignored', 'note', 'this account is not at Stripe any more');
  end if;
  object := case when kind in ('account.created', 'account.updated') then told end;
  if fetched.object is not null then
    object := fetched.object;
    taken_at := fetched.as_of;
  end if;
  if known.owner_id is null then
    owner := creel.read_uuid((coalesce(object, told)) #>> '{metadata,creel_owner}');
    if object is not null and owner is null then
      return jsonb_build_object('outcome', 'ignored', 'note', 'this account is not of Creel');
    end if;
  elsif object is not null and fetched.object is null and taken_at = known.as_of and (
    known.transfers_active, known.charges_enabled, known.payouts_enabled, known.requirements) is distinct from (
    coalesce(object #>> '{capabilities,transfers}' = 'active', false),
    coalesce(object -> 'charges_enabled' = 'true', false), coalesce(object -> 'payouts_enabled' = 'true', false),
    coalesce(object -> 'requirements', '{}')) then
    object := null;
  end if;
  if object is null then
    return creel.want_fetched('account', acct, '{}', 'asks Stripe for the state of the account');
  end if;
  if known.owner_id is null then
    if not exists (select from auth.users u where u.id = owner) then
      return jsonb_build_object('outcome', 'ignored', 'note', 'the owner of this account is not of this database');
    end if;
    -- The function makes another one where Stripe does not know the first any more.
    if kind <> 'account.created' and exists (select from public.stripe_accounts s where s.owner_id = owner) then
      return jsonb_build_object('outcome', 'ignored', 'note', 'its owner has another account already');
    end if;
    insert into public.stripe_accounts as s (owner_id, account_id, as_of) values (owner, acct, '-infinity')
    on conflict (owner_id) do update set account_id = excluded.account_id, as_of = excluded.as_of,
      livemode = null, payout_failed = null, payout_as_of = null;
    known.owner_id := owner;
  end if;
  update public.stripe_accounts s set
    transfers_active = coalesce(object #>> '{capabilities,transfers}' = 'active', false),
    charges_enabled = coalesce(object -> 'charges_enabled' = 'true', false),
    payouts_enabled = coalesce(object -> 'payouts_enabled' = 'true', false),
    requirements = case when pg_column_size(object -> 'requirements') <= 32768 then object -> 'requirements' else '{}' end,
    as_of = taken_at
  where s.owner_id = known.owner_id and s.as_of <= taken_at;
  return jsonb_build_object(
    'note', case when not found then 'older than what is known' end,
    'knows', jsonb_build_array(acct), 'led_to', jsonb_build_object('account', acct));
end
$$;

-- What an event leads to. Answers a verdict.
create function creel.handle_event(event jsonb, current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  kind constant text := event ->> 'type';
begin
  if kind in (
    'account.created', 'account.updated', 'account.application.deauthorized', 'capability.updated', 'payout.failed',
    'payout.paid') then
    return creel.handle_account(event, current);
  elsif event ->> 'account' is not null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it is a matter of the connected account alone');
  elsif kind in (
    'checkout.session.created', 'checkout.session.completed', 'checkout.session.async_payment_succeeded',
    'checkout.session.async_payment_failed', 'checkout.session.expired') then
    return creel.handle_session(event, current);
  elsif kind in (
    'customer.subscription.created', 'customer.subscription.updated', 'customer.subscription.deleted',
    'customer.subscription.paused', 'customer.subscription.resumed', 'customer.subscription.trial_will_end') then
    return creel.handle_subscription(event, current);
  elsif kind in ('invoice.paid', 'invoice.payment_failed', 'invoice.payment_action_required') then
    return creel.handle_invoice(event, current);
  elsif kind = 'customer.deleted' then
    return creel.handle_customer_deleted(event);
  elsif kind = 'charge.refunded' or kind like 'charge.refund.%' or kind like 'refund.%'
    or kind like 'charge.dispute.%' or kind like 'transfer.%' then
    return creel.correct_charge(event, event #> '{data,object}', coalesce(current, '{}'));
  end if;
  return jsonb_build_object('outcome', 'ignored', 'note', 'Creel does nothing with events of this kind');
end
$$;

-- The checkout that an event is about, or null.
create function creel.intent_of_event(event jsonb) returns uuid
language sql stable set search_path = '' as $$
  select coalesce(
    creel.read_uuid(object ->> 'client_reference_id'), creel.read_uuid(object #>> '{metadata,creel_intent}'),
    creel.read_uuid(object #>> '{parent,subscription_details,metadata,creel_intent}'),
    (select s.intent_id from public.subscriptions s
     where s.id in (
       object ->> 'id', creel.stripe_ref(object -> 'subscription'),
       creel.stripe_ref(object #> '{parent,subscription_details,subscription}')) limit 1))
  from (values (event #> '{data,object}')) o (object)
$$;

-- The same, with nothing left of what could not be done wholly. What is only a matter of the moment is raised again.
create function creel.try_event(event jsonb, current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  verdict jsonb;
begin
  begin
    verdict := jsonb_build_object('outcome', 'applied') || coalesce(creel.handle_event(event, current), '{}');
    if verdict ->> 'outcome' in ('waiting', 'fetch') then
      raise exception 'not yet' using errcode = 'CR000';
    end if;
  exception
    when sqlstate 'CR000' then
      return verdict;
    when others then
      if left(sqlstate, 2) in ('25', '40', '53', '55', '57', '58', 'XX') then
        raise;
      end if;
      return jsonb_strip_nulls(jsonb_build_object(
        'outcome', 'waiting', 'note', left('it failed: ' || sqlerrm, 1000),
        -- Somebody has paid, and does not get it: he is told.
        'mismatch', case when sqlstate = 'PT409' then creel.intent_of_event(event) end));
  end;
  return verdict;
end
$$;

-- Tells of a price that is not the one asked for, and the like.
create function creel.tell_mismatch(event_id text, verdict jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  intent public.checkout_intents;
begin
  select * into intent from public.checkout_intents i where i.id = creel.read_uuid(verdict ->> 'mismatch');
  perform creel.log_event('billing.mismatch', intent.project_id, intent.agent_key, intent.host_id, intent.id,
    jsonb_build_object('event', event_id, 'message', verdict ->> 'note'));
end
$$;

-- Writes into the ledger what an event that is in it came to. What is wrong is told once.
create function creel.note_verdict(event_id text, verdict jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  before public.stripe_events;
begin
  select * into before from public.stripe_events e where e.id = event_id;
  update public.stripe_events e set
    status = case verdict ->> 'outcome' when 'applied' then 'applied' when 'ignored' then 'ignored' else 'waiting' end,
    note = left(verdict ->> 'note', 1000), led_to = coalesce(verdict -> 'led_to', '{}')
  where e.id = event_id
    and (e.status, e.note, e.led_to) is distinct from (
      case verdict ->> 'outcome' when 'applied' then 'applied' when 'ignored' then 'ignored' else 'waiting' end,
      left(verdict ->> 'note', 1000), coalesce(verdict -> 'led_to', '{}'));
  if verdict ? 'mismatch' and before.note is distinct from verdict ->> 'note' then
    perform creel.tell_mismatch(event_id, verdict);
  end if;
end
$$;

-- What waited for one of these is applied, and what waited for that. Nobody waits here for another transaction.
create function creel.apply_waiting_for(known text[], current jsonb) returns int
language plpgsql set search_path = '' as $$
declare
  sought text[] := known;
  tried text[] := '{}'::text[];
  waiting public.stripe_events;
  verdict jsonb;
  applied int := 0;
begin
  for turn in 1..100 loop
    select * into waiting from public.stripe_events e
    where e.subjects && sought and e.id <> all (tried) and e.payload is not null
      and e.status <> 'applied'
      and (e.status = 'waiting' or e.type = 'customer.deleted')
    order by e.created, e.id limit 1 for no key update skip locked;
    exit when waiting.id is null;
    tried := tried || waiting.id;
    -- What is wrong with this one does not undo what it waited for.
    begin
      verdict := creel.try_event(waiting.payload, current);
    exception when others then
      verdict := jsonb_build_object('outcome', 'waiting', 'note', left('it failed: ' || sqlerrm, 1000));
    end;
    if verdict ->> 'outcome' <> 'fetch' then
      perform creel.note_verdict(waiting.id, verdict);
    end if;
    if verdict ->> 'outcome' = 'applied' then
      applied := applied + 1;
      sought := sought || array(select jsonb_array_elements_text(coalesce(verdict -> 'knows', '[]')));
    end if;
  end loop;
  return applied;
end
$$;

-- What waits is looked at again from time to time, as Stripe stops repeating it after some days. Answers what is to be
-- fetched for it. What was fetched is for those that wanted it; they come first, however many others wait.
create function creel.retry_waiting(current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  waiting public.stripe_events;
  verdict jsonb;
  wanted jsonb := '[]'::jsonb;
begin
  for waiting in
    select * from public.stripe_events e
    where e.status = 'waiting' and e.payload is not null
      and (e.looked_at < now() - interval '10 minutes' or current is not null and e.subjects && array(
        select jsonb_object_keys(current)))
    order by (current is not null and e.subjects && array(select jsonb_object_keys(coalesce(current, '{}')))) desc,
      e.looked_at
    limit 10 for no key update skip locked
  loop
    -- This stays whatever comes of it, so that one which always fails does not stand before all others.
    update public.stripe_events e set looked_at = now() where e.id = waiting.id;
    begin
      verdict := creel.try_event(waiting.payload, current);
      perform creel.note_verdict(waiting.id, verdict);
      if verdict ->> 'outcome' = 'applied' then
        perform creel.apply_waiting_for(
          array(select jsonb_array_elements_text(coalesce(verdict -> 'knows', '[]'))), current);
      elsif verdict ->> 'outcome' = 'fetch' then
        wanted := wanted || coalesce(verdict -> 'fetch', '[]');
      end if;
    exception
      when query_canceled then
        raise warning 'event % took too long', waiting.id;
        -- Nothing limits the statement any more.
        exit;
      when others then
        raise warning 'event % failed: %', waiting.id, sqlerrm;
    end;
  end loop;
  return wanted;
end
$$;

-- What Stripe is asked to do is given to whoever does it: not to the checkout, whose key may not, nor to a person's tool.
create function creel.requests_for(endpoint text) returns jsonb
language plpgsql set search_path = '' as $$
begin
  if endpoint = 'answer' or current_setting('role', true) is distinct from 'creel_stripe' then
    return '[]'::jsonb;
  end if;
  return creel.due_stripe_requests();
end
$$;

create function public.apply_stripe_event(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  endpoint constant text := $1 ->> 'endpoint';
  event constant jsonb := nullif($1 -> 'event', 'null');
  current constant jsonb := nullif($1 -> 'current', 'null');
  kind constant text := event ->> 'type';
  -- One that comes again because its objects were fetched, or requests were done, is not delivered once more.
  is_delivery constant boolean := current is null and nullif($1 -> 'done', 'null') is null;
  done constant jsonb := coalesce(nullif($1 -> 'done', 'null'), '[]');
  about text[];
  lock_key int;
  kept public.stripe_events;
  verdict jsonb;
begin
  perform creel.require_stripe();
  if coalesce($1 ->> 'api', '') <> '1' then
    raise exception 'api must be 1' using errcode = '22023', hint = 'Upgrade whichever of the two is older.';
  end if;
  if coalesce(endpoint, '') not in ('platform', 'connect', 'answer', 'clock')
     or current is not null and jsonb_typeof(current) <> 'object'
     or coalesce(jsonb_typeof($1 -> 'done'), 'null') not in ('array', 'null') then
    raise exception 'endpoint must be platform, connect, answer or clock; current an object, and done an array'
      using errcode = '22023', hint = 'See the comment of apply_stripe_event.';
  end if;
  if endpoint = 'clock' then
    perform creel.settle_stripe_requests(done);
    verdict := creel.retry_waiting(current);
    return jsonb_build_object(
      'outcome', case when verdict = '[]' then 'applied' else 'fetch' end, 'note', null, 'fetch', verdict,
      'requests', creel.requests_for(endpoint), 'waiting_count', creel.count_what_waits());
  end if;

  if jsonb_typeof(event) is distinct from 'object' or jsonb_typeof(event -> 'id') is distinct from 'string'
     or jsonb_typeof(event -> 'type') is distinct from 'string'
     or octet_length(event ->> 'id') not between 1 and 255 or octet_length(kind) not between 1 and 255
     or jsonb_typeof(event #> '{data,object}') is distinct from 'object'
     or creel.read_time(event -> 'created') is null
     or (endpoint = 'answer') <> (
       event ->> 'id' like 'answer\_%' and kind in ('checkout.session.created', 'account.created')) then
    raise exception 'this is no event of Stripe'
      using errcode = '22023', hint = 'Send the whole event: id, type, created and data.object.';
  end if;
  about := creel.stripe_subjects(event, current);
  -- Whatever shares a subject takes turns; in one order, so that two do not wait for each other.
  for lock_key in select distinct hashtext(s) from unnest(about) s order by 1 loop
    perform pg_advisory_xact_lock(1129465168, lock_key);
  end loop;
  -- Behind those locks, as an event locks its earning behind them.
  if done <> '[]' then
    perform creel.settle_stripe_requests(done);
  end if;

  -- Its id is one of its subjects, so that no other transaction brings it in meanwhile.
  update public.stripe_events e set
    deliveries = e.deliveries + is_delivery::int,
    last_delivered_at = case when is_delivery then now() else e.last_delivered_at end,
    looked_at = now(),
    subjects = array(select distinct s from unnest(e.subjects || about) s order by s)
  where e.id = event ->> 'id'
  returning * into kept;
  if kept.status <> 'waiting' then
    return jsonb_build_object(
      'outcome', 'repeated', 'note', kept.note, 'fetch', '[]'::jsonb, 'requests', creel.requests_for(endpoint));
  end if;

  -- What was kept is what counts: a repetition cannot change what an event says.
  verdict := creel.try_event(coalesce(kept.payload, event), current);
  if kept.id is not null then
    perform creel.note_verdict(kept.id, verdict);
  else
    -- Written once, as what it came to: one that is done with was never among those that wait.
    insert into public.stripe_events (
      id, endpoint, type, account, livemode, api_version, created, status, subjects, payload, led_to, note)
    values (
      event ->> 'id', endpoint, kind, left(event ->> 'account', 255), coalesce(event -> 'livemode' = 'true', false),
      left(event ->> 'api_version', 100), creel.read_time(event -> 'created'),
      case verdict ->> 'outcome' when 'applied' then 'applied' when 'ignored' then 'ignored' else 'waiting' end,
      about, event, coalesce(verdict -> 'led_to', '{}'), left(verdict ->> 'note', 1000));
    if verdict ? 'mismatch' then
      perform creel.tell_mismatch(event ->> 'id', verdict);
    end if;
  end if;
  if verdict ->> 'outcome' = 'applied' and jsonb_array_length(coalesce(verdict -> 'knows', '[]')) > 0 then
    perform creel.apply_waiting_for(array(
      select k from jsonb_array_elements_text(verdict -> 'knows') k where k is not null), current);
  end if;
  return jsonb_build_object(
    'outcome', verdict ->> 'outcome', 'note', verdict ->> 'note', 'fetch', coalesce(verdict -> 'fetch', '[]'),
    'requests', case when verdict ->> 'outcome' = 'fetch' then '[]' else creel.requests_for(endpoint) end);
end
$$;

comment on function public.apply_stripe_event(jsonb) is
  '{api: 1, endpoint: platform | connect | answer | clock, event, current, done} -> {outcome: applied | repeated | ignored '
  '| waiting | fetch, note, fetch, requests}. For the Stripe function alone, by its key; requests are given to it alone, '
  'and not with an answer.';

revoke all on function creel.earn_invoice(jsonb, jsonb, public.subscriptions, jsonb),
  creel.correct_charge(jsonb, jsonb, jsonb), creel.due_stripe_requests(), creel.requests_for(text),
  creel.settle_stripe_requests(jsonb),
  creel.stripe_subjects(jsonb, jsonb), creel.handle_session(jsonb, jsonb), creel.handle_subscription(jsonb, jsonb),
  creel.handle_invoice(jsonb, jsonb), creel.handle_customer_deleted(jsonb), creel.handle_account(jsonb, jsonb),
  creel.handle_event(jsonb, jsonb), creel.intent_of_event(jsonb), creel.try_event(jsonb, jsonb),
  creel.tell_mismatch(text, jsonb), creel.note_verdict(text, jsonb),
  creel.apply_waiting_for(text[], jsonb), creel.retry_waiting(jsonb),
  public.apply_stripe_event(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.apply_stripe_event(jsonb) to creel_stripe;
