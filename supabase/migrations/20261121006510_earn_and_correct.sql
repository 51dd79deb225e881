-- An invoice that was paid is an earning; refunds, disputes and outages correct it. In the place of the stubs.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- An object of Stripe's is named by its id, or is there itself where it was expanded.
create function creel.id_in(value jsonb) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case jsonb_typeof(value) when 'string' then value #>> '{}' when 'object' then value ->> 'id' end;
end
$$;

create function creel.object_in(value jsonb, current jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return case when jsonb_typeof(value) = 'object' then value else current -> creel.id_in(value) end;
end
$$;

create function creel.time_in(value jsonb) returns timestamptz
language plpgsql immutable set search_path = '' as $$
begin
  return to_timestamp((case when jsonb_typeof(value) = 'number' then value #>> '{}' end)::double precision);
end
$$;

-- What was paid for: the line that reaches farthest. Those of a change of plan credit what is left of the old one.
create function creel.period_of_invoice(
  invoice jsonb, subscription public.subscriptions, out period_start timestamptz, out period_end timestamptz
)
language sql immutable set search_path = '' as $$
  select coalesce(l.period_start, subscription.current_period_start, creel.time_in(invoice -> 'created')),
    coalesce(l.period_end, subscription.current_period_end, subscription.current_period_start,
      creel.time_in(invoice -> 'created'))
  from (values (true)) as one
  left join lateral (
    select creel.time_in(line #> '{period,start}') as period_start, creel.time_in(line #> '{period,end}') as period_end
    from jsonb_path_query(invoice, '$.lines.data[*]') line
    where creel.time_in(line #> '{period,end}') >= creel.time_in(line #> '{period,start}')
    order by 2 desc, 1 desc limit 1) l on true
$$;

-- The payment of an invoice, wherever its version of the API has it: {charge, payment_intent}, each an id or an object.
create function creel.payment_of_invoice(invoice jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(
    (select jsonb_strip_nulls(jsonb_build_object('charge', invoice -> 'charge', 'payment_intent', invoice -> 'payment_intent'))
     where creel.id_in(invoice -> 'charge') is not null or creel.id_in(invoice -> 'payment_intent') is not null),
    (select jsonb_strip_nulls(jsonb_build_object(
       'charge', p #> '{payment,charge}', 'payment_intent', p #> '{payment,payment_intent}'))
     from jsonb_path_query(invoice, '$.payments.data[*]') p
     where coalesce(creel.id_in(p #> '{payment,charge}'), creel.id_in(p #> '{payment,payment_intent}')) is not null
       and coalesce(p ->> 'status', 'paid') = 'paid'
     order by (p -> 'amount_paid') desc nulls last limit 1));
end
$$;

create function creel.waits(note text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('outcome', 'waiting', 'note', note)
$$;

create function creel.wants(object text, id text, expand jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('outcome', 'fetch', 'fetch',
    jsonb_build_array(jsonb_build_object('object', object, 'id', id, 'expand', expand)))
$$;

create or replace function creel.earn_invoice(
  event jsonb, invoice jsonb, subscription public.subscriptions, current jsonb
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  told_invoice constant text := invoice ->> 'id';
  paid jsonb;
  intent jsonb;
  charge jsonb;
  transfer text;
  told_destination text;
  gross bigint;
  fee bigint;
  owner uuid;
  period record;
  earned bigint;
begin
  if coalesce((invoice ->> 'amount_paid')::bigint, 0) <= 0 then
    return jsonb_build_object('outcome', 'applied', 'note', 'nothing was charged');
  end if;
  if exists (select from public.host_earnings e where e.invoice_id = told_invoice and e.kind = 'earning') then
    return null;
  end if;

  paid := creel.payment_of_invoice(invoice);
  if paid is null and (
    coalesce((invoice ->> 'paid_out_of_band')::boolean, false) or jsonb_path_exists(invoice, '$.payments.data[*]')) then
    return jsonb_build_object('outcome', 'applied', 'note', 'it was paid without Stripe, so that nothing was transferred');
  elsif paid is null and current ? told_invoice then
    return creel.waits(format('invoice %s has no payment yet', told_invoice));
  elsif paid is null then
    return creel.wants('invoice', told_invoice, '["payments"]');
  end if;

  charge := creel.object_in(paid -> 'charge', current);
  if charge is null and paid ? 'payment_intent' then
    intent := creel.object_in(paid -> 'payment_intent', current);
    charge := creel.object_in(intent -> 'latest_charge', current);
    if charge is null and not coalesce(current ? creel.id_in(paid -> 'payment_intent'), false) then
      return creel.wants('payment_intent', creel.id_in(paid -> 'payment_intent'), '["latest_charge"]');
    end if;
  end if;
  if charge is null and creel.id_in(coalesce(paid -> 'charge', intent -> 'latest_charge')) is not null then
    return creel.wants('charge', creel.id_in(coalesce(paid -> 'charge', intent -> 'latest_charge')), '[]');
  elsif charge is null then
    return creel.waits(format('the payment of invoice %s has no charge yet', told_invoice));
  end if;

  told_destination := coalesce(creel.id_in(charge #> '{transfer_data,destination}'), creel.id_in(charge -> 'destination'));
  if told_destination is null then
    perform creel.log_event('billing.mismatch', p.id, subscription.agent_key, h.id, null, jsonb_build_object(
      'what', 'no_destination', 'subscription', subscription.id, 'invoice', told_invoice, 'charge', charge -> 'id'))
    from (values (true)) as one
    left join public.projects p on p.id = subscription.project_id left join public.hosts h on h.id = subscription.host_id;
    return jsonb_build_object('outcome', 'applied', 'note', 'the charge is for no connected account: nobody earned by it');
  end if;
  transfer := creel.id_in(charge -> 'transfer');
  if transfer is null then
    return creel.waits(format('charge %s has no transfer yet', charge ->> 'id'));
  end if;

  -- Whose account it is; or was, when he is gone. A host may have another owner since, and he has another account.
  owner := coalesce(
    (select a.owner_id from public.stripe_accounts a where a.account_id = told_destination),
    (select e.owner_id from public.host_earnings e where e.destination = told_destination and e.kind = 'earning' order by e.id desc limit 1),
    (select h.owner_id from public.hosts h where h.id = subscription.host_id
       and not exists (select from public.stripe_accounts a where a.owner_id = h.owner_id)));
  if owner is null then
    perform creel.log_event('billing.mismatch', p.id, subscription.agent_key, h.id, null, jsonb_build_object(
      'what', 'no_owner', 'subscription', subscription.id, 'invoice', told_invoice, 'destination', told_destination))
    from (values (true)) as one
    left join public.projects p on p.id = subscription.project_id left join public.hosts h on h.id = subscription.host_id;
    return jsonb_build_object('outcome', 'applied', 'note', format('nobody is known to have account %s', told_destination));
  end if;
  if (select count(*) from jsonb_path_query(invoice, '$.payments.data[*]') p
      where coalesce(p ->> 'status', 'paid') = 'paid') > 1 then
    -- The ledger knows one transfer of an invoice.
    perform creel.log_event('billing.mismatch', p.id, subscription.agent_key, h.id, null, jsonb_build_object(
      'what', 'several_payments', 'subscription', subscription.id, 'invoice', told_invoice, 'charge', charge -> 'id'))
    from (values (true)) as one
    left join public.projects p on p.id = subscription.project_id left join public.hosts h on h.id = subscription.host_id;
  end if;
  gross := coalesce((charge ->> 'amount_captured')::bigint, (charge ->> 'amount')::bigint);
  fee := least(gross, coalesce(
    (charge ->> 'application_fee_amount')::bigint,
    (invoice ->> 'application_fee_amount')::bigint,
    creel.fee_of(gross, coalesce(
      (select i.fee_bp from public.checkout_intents i where i.id = subscription.intent_id),
      (creel.knobs()).billing_fee_bp))));
  period := creel.period_of_invoice(invoice, subscription);

  insert into public.host_earnings (
    host_id, owner_id, subscription_id, agent_id, kind, amount_minor, currency, gross_minor, fee_minor, invoice_id,
    charge_id, payment_intent_id, transfer_id, destination, period_start, period_end, source, paid_at)
  values (
    subscription.host_id, owner, subscription.id, subscription.agent_id, 'earning', gross - fee,
    lower(charge ->> 'currency'), gross, fee, told_invoice, charge ->> 'id',
    coalesce(creel.id_in(paid -> 'payment_intent'), creel.id_in(charge -> 'payment_intent')), transfer, told_destination,
    period.period_start, greatest(period.period_end, period.period_start), event ->> 'id',
    coalesce(creel.time_in(invoice #> '{status_transitions,paid_at}'), creel.time_in(event -> 'created'), now()))
  on conflict (invoice_id) where kind = 'earning' do nothing
  returning id into earned;
  if earned is null then
    return null;
  end if;
  insert into creel.earning_facts (earning_id, due_at)
  select earned, creel.part_end(e.period_start, e.period_end, 1) from public.host_earnings e where e.id = earned;
  insert into creel.earning_transfers (transfer_id, earning_id, amount_minor, left_minor)
  values (transfer, earned, gross, gross);
  return jsonb_build_object(
    'outcome', 'applied', 'led_to', jsonb_build_object('earning', earned),
    'knows', jsonb_build_array(charge ->> 'id', transfer));
end
$$;

-- What is held back of an earning by now, and what is to be: the ledger gets the difference, kind by kind. Answers how
-- many rows it wrote.
create function creel.write_corrections(earning bigint, source text) returns int
language plpgsql set search_path = '' as $$
declare
  facts creel.earning_facts;
  earned public.host_earnings;
  disputed bigint;
  adjusted bigint;
  written int;
begin
  select * into strict facts from creel.earning_facts f where f.earning_id = earning for update;
  select * into strict earned from public.host_earnings e where e.id = earning;
  select coalesce(sum(d.amount_minor), 0) into disputed
  from creel.earning_disputes d where d.earning_id = earning and creel.dispute_takes(d.status);
  select coalesce(sum(c.amount_minor), 0) into adjusted
  from public.host_earnings c where c.corrects = earning and c.kind = 'adjustment';

  insert into public.host_earnings (
    host_id, owner_id, subscription_id, agent_id, kind, amount_minor, currency, gross_minor, fee_minor, invoice_id,
    charge_id, payment_intent_id, transfer_id, destination, period_start, period_end, source, corrects, paid_at)
  select
    earned.host_id, earned.owner_id, earned.subscription_id, earned.agent_id,
    case when t.kind = 'dispute' and t.target < w.minor then 'dispute_won' else t.kind end, w.minor - t.target,
    earned.currency, 0, 0, earned.invoice_id, earned.charge_id, earned.payment_intent_id, earned.transfer_id,
    earned.destination, earned.period_start, earned.period_end, write_corrections.source, earned.id, earned.paid_at
  from creel.correction_targets(
    earned.amount_minor, earned.gross_minor, facts.refunded_minor, disputed, facts.outage_minor, adjusted) t
  cross join lateral (
    select -coalesce(sum(c.amount_minor), 0)::bigint as minor from public.host_earnings c
    where c.corrects = earned.id and case c.kind when 'dispute_won' then 'dispute' else c.kind end = t.kind) w
  where t.target <> w.minor;
  get diagnostics written = row_count;
  if written > 0 then
    perform creel.ask_for_return(earning);
  end if;
  return written;
end
$$;

create or replace function creel.correct_charge(event jsonb, object jsonb, current jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  kind constant text := object ->> 'object';
  fetched record;
  charge jsonb;
  told_at timestamptz := coalesce(creel.time_in(event -> 'created'), now());
  told_charge text;
  earning bigint;
  facts creel.earning_facts;
  written int;
begin
  if kind is null or kind not in ('charge', 'dispute', 'refund') then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it changes no earning');
  end if;
  told_charge := case kind when 'charge' then object ->> 'id' else creel.id_in(object -> 'charge') end;
  if told_charge is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it is about no charge');
  end if;
  charge := case when kind = 'charge' then object when jsonb_typeof(object -> 'charge') = 'object' then object -> 'charge' end;
  fetched := creel.fetched(current, told_charge);
  if fetched.object is not null then
    charge := fetched.object;
    told_at := fetched.as_of;
  end if;
  select e.id into earning from public.host_earnings e where e.charge_id = told_charge and e.kind = 'earning';

  -- A refund says what it is itself, and only its charge how much there was of all of them.
  if charge is null and (earning is null or kind = 'refund') then
    return creel.wants('charge', told_charge, '[]');
  end if;
  if earning is null then
    if exists (
      select from public.stripe_accounts a
      where a.account_id = coalesce(creel.id_in(charge #> '{transfer_data,destination}'), creel.id_in(charge -> 'destination'))) then
      return creel.waits(format('nobody has earned by charge %s yet', told_charge));
    end if;
    return jsonb_build_object('outcome', 'ignored', 'note', 'the charge is for nobody who has hosts here');
  end if;

  select * into strict facts from creel.earning_facts f where f.earning_id = earning for update;
  if kind = 'dispute' then
    insert into creel.earning_disputes as d (dispute_id, earning_id, amount_minor, status)
    values (object ->> 'id', earning, greatest((object ->> 'amount')::bigint, 0), object ->> 'status')
    on conflict (dispute_id) do update set
      amount_minor = greatest(d.amount_minor, excluded.amount_minor),
      status = case
        when creel.dispute_rank(d.status) < 2 and creel.dispute_rank(excluded.status) >= creel.dispute_rank(d.status)
          then excluded.status
        else d.status end;
  elsif told_at = facts.refunded_as_of and fetched.object is null
    and facts.refunded_minor <> (charge ->> 'amount_refunded')::bigint then
    -- Two within a second: which of them is the newer one only Stripe knows.
    return creel.wants('charge', told_charge, '[]');
  else
    update creel.earning_facts f
    set refunded_minor = coalesce((charge ->> 'amount_refunded')::bigint, 0), refunded_as_of = told_at
    where f.earning_id = earning and f.refunded_as_of <= told_at;
  end if;
  written := creel.write_corrections(earning, event ->> 'id');
  return jsonb_build_object(
    'outcome', 'applied', 'led_to', jsonb_build_object('earning', earning, 'corrections', written));
end
$$;

-- A correction by hand, of an operator: minor units that are taken (below nothing) or given.
create function creel.adjust_earning(earning bigint, amount bigint, reason text) returns bigint
language plpgsql set search_path = '' as $$
declare
  earned public.host_earnings;
  made bigint;
begin
  select * into earned from public.host_earnings e where e.id = earning and e.kind = 'earning';
  if not found then
    raise exception 'there is no earning %', earning
      using errcode = 'PT404', hint = 'Name the row of kind earning that is to be corrected.';
  end if;
  perform 1 from creel.earning_facts f where f.earning_id = earning for update;
  if (select sum(e.amount_minor) + amount from public.host_earnings e where e.id = earning or e.corrects = earning)
    not between 0 and earned.amount_minor then
    raise exception 'an earning comes to no less than nothing, and to no more than it was'
      using errcode = 'PT409', hint = 'Look at the rows that correct it already.';
  end if;
  insert into public.host_earnings (
    host_id, owner_id, subscription_id, agent_id, kind, amount_minor, currency, gross_minor, fee_minor, invoice_id,
    charge_id, payment_intent_id, transfer_id, destination, period_start, period_end, source, corrects, paid_at)
  values (
    earned.host_id, earned.owner_id, earned.subscription_id, earned.agent_id, 'adjustment', amount, earned.currency, 0, 0,
    earned.invoice_id, earned.charge_id, earned.payment_intent_id, earned.transfer_id, earned.destination,
    earned.period_start, earned.period_end, 'adjusted: ' || left(reason, 200), earned.id, earned.paid_at)
  returning id into made;
  -- What was held back only because of an earlier one.
  perform creel.write_corrections(earning, 'adjusted: ' || left(reason, 200));
  perform creel.ask_for_return(earning);
  return made;
end
$$;

revoke all on function creel.id_in(jsonb), creel.object_in(jsonb, jsonb), creel.time_in(jsonb),
  creel.period_of_invoice(jsonb, public.subscriptions), creel.payment_of_invoice(jsonb), creel.waits(text),
  creel.wants(text, text, jsonb), creel.write_corrections(bigint, text), creel.adjust_earning(bigint, bigint, text)
  from public, anon, authenticated, service_role;
