-- What Stripe is asked to do: a correction is carried out by a reversal of the transfer, and a dispute that was won by
-- another transfer.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- Where an earning's money went, and how much of it came back.
create table creel.earning_transfers (
  transfer_id text primary key,
  earning_id bigint not null references public.host_earnings (id),
  amount_minor bigint not null,
  left_minor bigint not null,
  returned_minor bigint not null default 0,
  asked_minor bigint not null default 0,
  is_back boolean not null default false,
  created_at timestamptz not null default now(),
  constraint earning_transfers_amounts check (least(amount_minor, left_minor, asked_minor) >= 0)
);

create index earning_transfers_earning on creel.earning_transfers (earning_id);

comment on table creel.earning_transfers is
  'The transfer of an earning''s charge, which is all of the charge (the fee is taken of the account afterwards), and those '
  'that gave back what had been reversed (is_back). left_minor: what can be reversed still. returned_minor: what was '
  'reversed, less what was refunded of the fee; asked_minor: so much of that because of us.';

create table creel.stripe_requests (
  id uuid primary key default gen_random_uuid(),
  earning_id bigint not null references public.host_earnings (id),
  kind text not null,
  transfer_id text not null,
  amount_minor bigint not null,
  form jsonb not null,
  status text not null default 'waiting',
  attempts int not null default 0,
  refusals int not null default 0,
  not_before timestamptz not null default '-infinity',
  error text,
  stripe_id text,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  constraint stripe_requests_kind check (kind in ('reversal', 'payback')),
  constraint stripe_requests_status check (status in ('waiting', 'done', 'failed')),
  constraint stripe_requests_settled check ((status = 'waiting') = (settled_at is null)),
  constraint stripe_requests_amount check (amount_minor > 0)
);

create unique index stripe_requests_one_open on creel.stripe_requests (earning_id) where status = 'waiting';
create index stripe_requests_due on creel.stripe_requests (not_before) where status = 'waiting';
create index stripe_requests_earning on creel.stripe_requests (earning_id, created_at desc);

comment on table creel.stripe_requests is
  'One at a time of an earning. reversal: as much as that is to have come back of the transfer in all (what was reversed, '
  'less what was refunded of the fee), so that it is done once however often it is asked for. payback: another transfer to the same account, '
  'found again by metadata.creel_request. refusals: how often Stripe was heard to refuse it; it is part of the key, as '
  'Stripe answers a key what it answered it first. Who asks has a lease: not_before '
  'is its end. What fails is asked for again after a pause; failed: it would fail for ever, as error says, and nothing of '
  'the kind is asked for until another correction.';

-- What is to come back of an earning, less what did. Below nothing: what is to be given back.
create function creel.still_to_return(earning bigint) returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (
    coalesce((select -sum(c.amount_minor) from public.host_earnings c where c.corrects = earning), 0)
    - coalesce((
      select sum(t.returned_minor - case when t.is_back then t.amount_minor else 0 end)
      from creel.earning_transfers t where t.earning_id = earning), 0))::bigint;
end
$$;

-- Asks for the next step, if there is one and none is under way. The facts of the earning are locked.
create function creel.ask_for_return(earning bigint) returns void
language plpgsql set search_path = '' as $$
declare
  due constant bigint := creel.still_to_return(earning);
  earned public.host_earnings;
  intent uuid;
  request constant uuid := gen_random_uuid();
  metadata jsonb;
  transfer creel.earning_transfers;
  amount bigint;
begin
  if due = 0 or exists (
    select from creel.stripe_requests r where r.earning_id = earning and r.status = 'waiting') then
    return;
  end if;
  select * into strict earned from public.host_earnings e where e.id = earning;
  select s.intent_id into intent from public.subscriptions s where s.id = earned.subscription_id;
  metadata := jsonb_strip_nulls(jsonb_build_object('creel_intent', intent, 'creel_request', request));

  if due < 0 then
    -- Only what was reversed because of us: what somebody reversed by hand stays reversed.
    select least(-due, sum(case when t.is_back then t.asked_minor - t.amount_minor else t.asked_minor end)) into amount
    from creel.earning_transfers t where t.earning_id = earning;
    if amount > 0 then
      insert into creel.stripe_requests (id, earning_id, kind, transfer_id, amount_minor, form)
      values (request, earning, 'payback', earned.transfer_id, amount, jsonb_build_object(
        'amount', amount, 'currency', earned.currency, 'destination', earned.destination,
        'transfer_group', 'creel_' || earned.transfer_id, 'metadata', metadata));
    end if;
    return;
  end if;

  select * into transfer from creel.earning_transfers t
  where t.earning_id = earning and t.left_minor > 0
  order by t.is_back desc, t.created_at desc, t.transfer_id limit 1;
  if not found then
    return;
  end if;
  amount := transfer.returned_minor + least(due, transfer.left_minor);
  insert into creel.stripe_requests (id, earning_id, kind, transfer_id, amount_minor, form)
  select request, earning, 'reversal', transfer.transfer_id, amount, jsonb_build_object('amount', amount, 'metadata', metadata)
  where not exists (
    select from creel.stripe_requests r
    where r.earning_id = earning and r.status = 'failed' and r.kind = 'reversal'
      and r.transfer_id = transfer.transfer_id and r.amount_minor = amount);
end
$$;

create or replace function creel.due_stripe_requests() returns jsonb
language plpgsql set search_path = '' as $$
declare
  leased jsonb;
begin
  -- Asked by every event, and there is nothing mostly.
  if not exists (select from creel.stripe_requests r where r.status = 'waiting' and r.not_before <= now()) then
    return '[]'::jsonb;
  end if;
  with due as (
    select r.id from creel.stripe_requests r where r.status = 'waiting' and r.not_before <= now()
    order by r.not_before, r.created_at limit 20 for update skip locked),
  taken as (
    update creel.stripe_requests r set attempts = r.attempts + 1, not_before = now() + interval '5 minutes'
    from due d where r.id = d.id returning r.*)
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'request_id', t.id, 'method', 'POST',
    'path', case t.kind when 'reversal' then '/v1/transfers/' || t.transfer_id || '/reversals' else '/v1/transfers' end,
    'form', t.form, 'idempotency_key', 'creel_' || t.id || '_' || t.refusals,
    'find_first', case t.kind when 'payback' then
      '/v1/transfers?transfer_group=' || (t.form ->> 'transfer_group') || '&destination=' || (t.form ->> 'destination') end,
    'read_first', case t.kind when 'reversal' then '/v1/transfers/' || t.transfer_id end,
    'read_expand', case t.kind when 'reversal' then '["source_transaction.application_fee"]'::jsonb end)) order by t.created_at)
  into leased from taken t;
  return coalesce(leased, '[]');
end
$$;

-- What was refunded of the fee of a transfer's charge, where it is told.
create function creel.fee_refunded_of(transfer jsonb) returns bigint
language sql immutable set search_path = '' as $$
  select coalesce((transfer #>> '{source_transaction,application_fee,amount_refunded}')::bigint, 0)
$$;

create or replace function creel.settle_stripe_requests(done jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  one jsonb;
  told jsonb;
  request creel.stripe_requests;
  earning bigint;
begin
  -- In one order, so that two do not wait for each other.
  for one in
    select d.said from jsonb_array_elements(done) d (said)
    join creel.stripe_requests o on o.id = creel.uuid_of(d.said -> 'request_id') order by o.earning_id, o.id
  loop
    select r.earning_id into earning from creel.stripe_requests r where r.id = creel.uuid_of(one -> 'request_id');
    continue when not found;
    perform 1 from creel.earning_facts f where f.earning_id = earning for update;
    select * into request from creel.stripe_requests r
    where r.id = creel.uuid_of(one -> 'request_id') and r.status = 'waiting' for update;
    continue when not found;
    if not coalesce((one ->> 'ok')::boolean, false) then
      update creel.stripe_requests r set
        status = case when coalesce((one ->> 'permanent')::boolean, false) then 'failed' else 'waiting' end,
        settled_at = case when coalesce((one ->> 'permanent')::boolean, false) then now() end,
        -- A refusal is answered again to the same key, and nothing was done under it. Where nobody knows what was done,
        -- the key stays.
        refusals = r.refusals + coalesce((one ->> 'refused')::boolean, false)::int,
        error = left(coalesce(one ->> 'error', 'Stripe did not say why'), 1000),
        not_before = now() + least(power(2, least(r.attempts, 12)) * interval '30 seconds', interval '6 hours')
      where r.id = request.id returning * into request;
      if request.status = 'failed' then
        perform creel.log_event('billing.request_failed', null, null, h.id, request.id, jsonb_build_object(
          'kind', request.kind, 'transfer', request.transfer_id, 'amount_minor', request.amount_minor,
          'currency', e.currency, 'error', request.error))
        from public.host_earnings e left join public.hosts h on h.id = e.host_id where e.id = request.earning_id;
      end if;
      continue;
    end if;

    told := one -> 'object';
    update creel.stripe_requests r
    set status = 'done', settled_at = now(), error = null, stripe_id = coalesce(one ->> 'stripe_id', told ->> 'id')
    where r.id = request.id returning * into request;
    if request.kind = 'payback' then
      insert into creel.earning_transfers (transfer_id, earning_id, amount_minor, left_minor, is_back)
      select request.stripe_id, request.earning_id, a.minor, a.minor, true
      from (select coalesce((told ->> 'amount')::bigint, request.amount_minor) as minor) a
      on conflict (transfer_id) do nothing;
    elsif told ->> 'object' = 'transfer' then
      -- Nothing was left to be reversed: by an answer of ours that nobody heard, or by a person.
      update creel.earning_transfers t set
        left_minor = greatest(t.amount_minor - (told ->> 'amount_reversed')::bigint, 0),
        returned_minor = (told ->> 'amount_reversed')::bigint - creel.fee_refunded_of(told),
        asked_minor = greatest(t.asked_minor, coalesce((
          select sum((v ->> 'amount')::bigint) from jsonb_path_query(told, '$.reversals.data[*]') v
          where coalesce(v #>> '{metadata,creel_request}', v #>> '{metadata,creel_intent}') is not null), 0))
      where t.transfer_id = request.transfer_id;
    else
      update creel.earning_transfers t set
        left_minor = greatest(t.left_minor - a.minor, 0), returned_minor = t.returned_minor + a.minor,
        asked_minor = t.asked_minor + a.minor
      from (select coalesce((told ->> 'amount')::bigint, 0) as minor) a
      where t.transfer_id = request.transfer_id;
    end if;
    -- The next step, when there is another; not over and over what Stripe has done already.
    perform creel.ask_for_return(request.earning_id);
  end loop;
end
$$;

-- Brings back what failed for good, once what was wrong is right.
create function creel.retry_stripe_request(id uuid) returns boolean
language plpgsql set search_path = '' as $$
begin
  update creel.stripe_requests r set status = 'waiting', settled_at = null, not_before = '-infinity'
  where r.id = retry_stripe_request.id and r.status = 'failed'
    and not exists (select from creel.stripe_requests o where o.earning_id = r.earning_id and o.status = 'waiting');
  return found;
end
$$;

revoke all on creel.earning_transfers, creel.stripe_requests from public, anon, authenticated, service_role;
revoke all on function creel.still_to_return(bigint), creel.ask_for_return(bigint), creel.fee_refunded_of(jsonb),
  creel.retry_stripe_request(uuid)
  from public, anon, authenticated, service_role;
