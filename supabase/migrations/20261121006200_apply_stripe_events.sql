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

-- charge.refunded, charge.refund.*, charge.dispute.* and transfer.*: object is the event's object.
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

create function public.apply_stripe_event(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform creel.require_stripe();
  if coalesce($1 ->> 'api', '') <> '1' then
    raise exception 'api must be 1' using errcode = '22023', hint = 'Upgrade whichever of the two is older.';
  end if;
  perform creel.settle_stripe_requests(coalesce($1 -> 'done', '[]'));
  return jsonb_build_object(
    'outcome', 'ignored', 'note', 'nothing is applied yet', 'fetch', '[]'::jsonb,
    'requests', creel.due_stripe_requests());
end
$$;

comment on function public.apply_stripe_event(jsonb) is
  '{api: 1, endpoint: platform | connect | answer | clock, event, current, done} -> {outcome: applied | repeated | ignored '
  '| waiting | fetch, note, fetch, requests}. For the Stripe function alone, by its key.';

revoke all on function creel.earn_invoice(jsonb, jsonb, public.subscriptions, jsonb),
  creel.correct_charge(jsonb, jsonb, jsonb), creel.due_stripe_requests(), creel.settle_stripe_requests(jsonb),
  public.apply_stripe_event(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.apply_stripe_event(jsonb) to creel_stripe;
