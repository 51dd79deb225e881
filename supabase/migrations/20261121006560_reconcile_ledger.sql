-- What the ledger says of a time, for somebody to hold beside what Stripe says.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create function creel.secs_of(at timestamptz) returns bigint
language sql immutable set search_path = '' as $$ select floor(extract(epoch from at))::bigint $$;

create function creel.ledger_for_reconciliation(since timestamptz, until timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'accounts', (select coalesce(jsonb_agg(distinct d.account), '[]') from (
      select a.account_id as account from public.stripe_accounts a
      union select e.destination from public.host_earnings e where e.destination is not null) d),
    'earnings', (select coalesce(jsonb_agg(jsonb_build_object(
        'id', e.id, 'subscription', e.subscription_id, 'invoice', e.invoice_id, 'charge', e.charge_id,
        'payment_intent', e.payment_intent_id, 'transfer', e.transfer_id, 'destination', e.destination,
        'currency', e.currency, 'gross_minor', e.gross_minor, 'fee_minor', e.fee_minor,
        'paid_at', creel.secs_of(e.paid_at),
        'corrected_minor', (
          select -coalesce(sum(c.amount_minor), 0)::bigint from public.host_earnings c where c.corrects = e.id),
        'paybacks', (
          select coalesce(jsonb_agg(jsonb_build_object('transfer', t.transfer_id, 'amount_minor', t.amount_minor)
            order by t.transfer_id), '[]')
          from creel.earning_transfers t where t.earning_id = e.id and t.is_back),
        'request', (
          select r.status || coalesce(': ' || r.error, '') from creel.stripe_requests r
          where r.earning_id = e.id and r.status <> 'done' order by r.created_at desc limit 1)) order by e.id), '[]')
      from public.host_earnings e where e.kind = 'earning' and e.paid_at >= since and e.paid_at < until),
    'known_transfers', (select coalesce(jsonb_agg(t.transfer_id order by t.transfer_id), '[]')
      from creel.earning_transfers t where t.created_at >= since - interval '4 days'),
    'subscriptions', (select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'status', s.status) order by s.id), '[]')
      from public.subscriptions s),
    'paid_invoices', (select coalesce(jsonb_agg(distinct i.id), '[]') from (
      select u.id from public.stripe_events v cross join unnest(v.subjects) u (id)
      where v.type = 'invoice.paid' and u.id like 'in\_%'
        and (v.created >= since and v.created < until or v.status = 'waiting')) i))
$$;

comment on function creel.ledger_for_reconciliation(timestamptz, timestamptz) is
  'Earnings that were paid from since to until, with what corrects them; the transfers that are known, all subscriptions, '
  'and the invoices of which '
  'Creel was told that they are paid. For whoever has the database''s own URL: creel billing reconcile.';

revoke all on function creel.secs_of(timestamptz), creel.ledger_for_reconciliation(timestamptz, timestamptz)
  from public, anon, authenticated, service_role;
