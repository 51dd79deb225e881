-- What hosts' owners earn: a ledger in which nothing is ever changed, and the arithmetic of its corrections.
--
-- All amounts are in the currency's minor unit, as Stripe's are: cents of a dollar, and whole yen, which has none.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.settings
  add column earning_settle_secs int not null default 3600,
  add column outage_allowance_bp int not null default 100
    constraint settings_earnings check (earning_settle_secs >= 0 and outage_allowance_bp between 0 and 10000);

comment on column creel.settings.earning_settle_secs is
  'So long after its period an earning is corrected for outages: what a canary found until then is known by then.';
comment on column creel.settings.outage_allowance_bp is
  'How much of a period an agent may be away at no loss of its host''s owner, in basis points: 100 are 7 hours of a month.';

-- Without foreign keys: it names what was, when agents, hosts, projects and people are long gone.
create table public.host_earnings (
  id bigint generated always as identity primary key,
  host_id uuid,
  owner_id uuid not null,
  subscription_id text not null,
  agent_id uuid,
  kind text not null,
  amount_minor bigint not null,
  currency text not null,
  gross_minor bigint not null,
  fee_minor bigint not null,
  invoice_id text,
  charge_id text,
  payment_intent_id text,
  transfer_id text,
  destination text,
  period_start timestamptz not null,
  period_end timestamptz not null,
  source text not null,
  corrects bigint references public.host_earnings (id),
  paid_at timestamptz not null,
  created_at timestamptz not null default now(),
  constraint host_earnings_kind check (
    kind in ('earning', 'refund', 'dispute', 'dispute_won', 'outage', 'adjustment')),
  constraint host_earnings_currency check (currency ~ '^[a-z]{3}$'),
  constraint host_earnings_period check (period_start <= period_end),
  constraint host_earnings_of_earning check (
    case when kind = 'earning'
      then corrects is null and invoice_id is not null and amount_minor = gross_minor - fee_minor and fee_minor >= 0
        and amount_minor >= 0
      else corrects is not null and gross_minor = 0 and fee_minor = 0 end),
  constraint host_earnings_sizes check (
    octet_length(source) between 1 and 300 and octet_length(subscription_id) between 1 and 300
    and octet_length(concat(invoice_id, charge_id, payment_intent_id, transfer_id, destination)) <= 1500)
);

create unique index host_earnings_invoice on public.host_earnings (invoice_id) where kind = 'earning';
create index host_earnings_corrects on public.host_earnings (corrects);
create index host_earnings_charge on public.host_earnings (charge_id) where kind = 'earning';
create index host_earnings_owner on public.host_earnings (owner_id, created_at desc);
create index host_earnings_paid on public.host_earnings (paid_at);
create index host_earnings_destination on public.host_earnings (destination, id desc) where kind = 'earning';

comment on table public.host_earnings is
  'Append-only, kept for good. An earning is what a paid invoice gave to the host''s owner: gross_minor, as charged, '
  'less fee_minor, the platform''s. The other kinds are rows that take from one, or give back: corrects says which. '
  'The sum of an owner''s rows is what he has; each correction is carried out by a reversal of the transfer at Stripe. '
  'source is the id of Stripe''s event, or sweep. paid_at is Stripe''s time, created_at ours.';

create function creel.keep_earnings() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception 'host_earnings is append-only'
    using errcode = '42501', hint = 'Correct an earning by another row: creel.adjust_earning.';
end
$$;

create trigger host_earnings_append_only
  before update or delete on public.host_earnings for each row execute function creel.keep_earnings();
create trigger host_earnings_not_emptied
  before truncate on public.host_earnings for each statement execute function creel.keep_earnings();

-- What is known by now of an earning's corrections: the newest of what was told, so that neither order nor repetition
-- matters; the ledger gets the difference to what it has.
create table creel.earning_facts (
  earning_id bigint primary key references public.host_earnings (id),
  refunded_minor bigint not null default 0,
  refunded_as_of timestamptz not null default '-infinity',
  outage_secs bigint,
  outage_minor bigint not null default 0,
  outage_parts int not null default 0,
  due_at timestamptz,
  constraint earning_facts_not_negative check (least(refunded_minor, outage_secs, outage_minor) >= 0)
);

create index earning_facts_due on creel.earning_facts (due_at) where due_at is not null;

comment on table creel.earning_facts is
  'refunded_minor: of the charge, as Stripe counted at refunded_as_of; less than before when a refund failed. outage_secs: beyond the allowance, in the outage_parts of the period (of a month each) that are settled; null before '
  'the first. outage_minor: what that costs. due_at: when the next part is over; null after the last.';

create table creel.earning_disputes (
  dispute_id text primary key,
  earning_id bigint not null references public.host_earnings (id),
  amount_minor bigint not null,
  status text not null,
  constraint earning_disputes_amount check (amount_minor >= 0),
  constraint earning_disputes_sizes check (octet_length(dispute_id) <= 300 and octet_length(status) <= 100)
);

create index earning_disputes_earning on creel.earning_disputes (earning_id);

comment on table creel.earning_disputes is
  'Disputes of a charge; status is Stripe''s own. One that is won or lost stays so.';

-- part of whole, of this amount: rounded half up to the minor unit, never below nothing or above all.
create function creel.prorate(amount bigint, part bigint, whole bigint) returns bigint
language sql immutable set search_path = '' as $$
  select case when whole <= 0 or part >= whole then case when part > 0 then amount else 0 end
    when part <= 0 then 0
    -- By div, as a quotient of numeric has only so many digits.
    else div(amount::numeric * part * 2 + whole, 2 * whole::numeric)::bigint end
$$;

-- The platform's fee, where Stripe does not say it: rounded half up to the minor unit.
create function creel.fee_of(gross bigint, fee_bp int) returns bigint
language sql immutable set search_path = '' as $$
  select creel.prorate(greatest(gross, 0), fee_bp, 10000)
$$;

-- What the corrections of an earning come to, each kind after the one before, and never more than was earned.
-- refunded and disputed are of the charge, outage is of the earning.
-- adjusted is what people corrected by hand: what they took is not taken again, what they gave is not taken back.
create function creel.correction_targets(
  net bigint, gross bigint, refunded bigint, disputed bigint, outage bigint, adjusted bigint)
returns table (kind text, target bigint)
language sql immutable set search_path = '' as $$
  with room as (select greatest(net + least(adjusted, 0), 0) as minor),
  by_refund as (select least(creel.prorate(net, refunded, gross), o.minor) as minor from room o),
  by_dispute as (
    select least(r.minor + creel.prorate(net, disputed, gross), o.minor) - r.minor as minor from by_refund r, room o)
  select 'refund', r.minor from by_refund r
  union all
  select 'dispute', d.minor from by_dispute d
  union all
  select 'outage', least(greatest(outage, 0), o.minor - r.minor - d.minor) from room o, by_refund r, by_dispute d
$$;

-- Whether Stripe has taken a dispute's money: not by an inquiry, and not any more when it was won.
create function creel.dispute_takes(status text) returns boolean
language sql immutable set search_path = '' as $$
  select status not in ('won', 'prevented') and status not like 'warning\_%'
$$;

-- How far a dispute has come. Stripe's deliveries overtake each other, a dispute does not go back.
create function creel.dispute_rank(status text) returns int
language sql immutable set search_path = '' as $$
  select case when status in ('won', 'lost', 'warning_closed', 'prevented') then 2 when status like 'warning\_%' then 0 else 1 end
$$;

-- A period is settled in equal parts of about a month: what was not there in January of a year is not paid for until
-- December, when nothing of it may be left.
create function creel.part_count(period_start timestamptz, period_end timestamptz) returns int
language sql immutable set search_path = '' as $$
  select greatest(round(extract(epoch from period_end - period_start) / 2629800), 1)::int
$$;

create function creel.part_end(period_start timestamptz, period_end timestamptz, part int) returns timestamptz
language sql immutable set search_path = '' as $$
  select case when part >= creel.part_count(period_start, period_end) then period_end
    else period_start + (period_end - period_start) * (part::float8 / creel.part_count(period_start, period_end)) end
$$;

-- Seconds of an outage that are beyond the allowance of a period.
create function creel.outage_beyond(outage_secs bigint, period_secs bigint, allowance_bp int) returns bigint
language sql immutable set search_path = '' as $$
  select greatest(least(outage_secs, period_secs) - creel.prorate(greatest(period_secs, 0), allowance_bp, 10000), 0)
$$;

create view public.host_statements with (security_invoker = true) as
select
  e.owner_id, e.host_id, to_char(e.created_at at time zone 'utc', 'YYYY-MM') as month, e.currency,
  coalesce(sum(e.amount_minor) filter (where e.kind = 'earning'), 0)::bigint as earned_minor,
  coalesce(sum(e.amount_minor) filter (where e.kind <> 'earning'), 0)::bigint as corrected_minor,
  sum(e.amount_minor)::bigint as net_minor,
  count(*) filter (where e.kind = 'earning') as earning_count,
  count(*) filter (where e.kind <> 'earning') as correction_count
from public.host_earnings e
group by 1, 2, 3, 4;

comment on view public.host_statements is
  'What a host earned, month by month of UTC and currency by currency, in minor units; for its owner.';

alter table public.host_earnings enable row level security;

create policy host_earnings_select on public.host_earnings for select to authenticated
  using (owner_id = (select auth.uid()));

revoke all on public.host_earnings, public.host_statements, creel.earning_facts, creel.earning_disputes
  from public, anon, authenticated, service_role;
revoke all on sequence public.host_earnings_id_seq from public, anon, authenticated, service_role;
grant select on public.host_earnings, public.host_statements to authenticated, service_role;
revoke all on function creel.keep_earnings(), creel.prorate(bigint, bigint, bigint), creel.fee_of(bigint, int),
  creel.correction_targets(bigint, bigint, bigint, bigint, bigint, bigint), creel.dispute_takes(text),
  creel.dispute_rank(text), creel.part_count(timestamptz, timestamptz),
  creel.part_end(timestamptz, timestamptz, int), creel.outage_beyond(bigint, bigint, int)
  from public, anon, authenticated, service_role;
