-- What is paid for, what Stripe told, and who is to be paid.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.settings
  add column billing_fee_bp int not null default 1500
    constraint settings_billing_fee check (billing_fee_bp between 0 and 10000),
  add column billing_grace_secs int not null default 604800
    constraint settings_billing_grace check (billing_grace_secs >= 0),
  add column billing_retention_secs int not null default 2592000
    constraint settings_billing_retention check (billing_retention_secs >= 0),
  add column billing_currency text not null default 'usd'
    constraint settings_billing_currency check (billing_currency ~ '^[a-z]{3}$'),
  add column checkout_ttl_secs int not null default 1800
    constraint settings_checkout_ttl check (checkout_ttl_secs between 1800 and 86400),
  add column checkout_release_secs int not null default 86400
    constraint settings_checkout_release check (checkout_release_secs > 0),
  add column max_open_checkouts_per_project int not null default 20
    constraint settings_max_open_checkouts check (max_open_checkouts_per_project >= 0),
  add column max_unpaid_checkouts_per_day int not null default 100
    constraint settings_max_unpaid_checkouts check (max_unpaid_checkouts_per_day >= 0),
  add column max_unpaid_places_bp int not null default 2500
    constraint settings_max_unpaid_places check (max_unpaid_places_bp between 0 and 10000),
  add column stripe_payload_days int not null default 400
    constraint settings_stripe_payload check (stripe_payload_days > 0);

comment on column creel.settings.billing_fee_bp is 'What the platform keeps of each payment, in hundredths of a percent.';
comment on column creel.settings.billing_grace_secs is 'For how long an agent runs on after a payment that failed.';
comment on column creel.settings.billing_retention_secs is
  'For how long a host keeps the agent of a subscription that has ended, before it is archived and undeployed.';
comment on column creel.settings.checkout_ttl_secs is
  'For how long a checkout can be paid, and its place on the host is kept. Stripe allows no less than half an hour.';
comment on column creel.settings.max_unpaid_checkouts_per_day is
  'Of one person: of the checkouts that he began in 24 hours, those that are not paid.';
comment on column creel.settings.max_unpaid_places_bp is
  'How much of a host''s capacity may be kept for checkouts that are open, in hundredths of a percent; two always.';
comment on column creel.settings.checkout_release_secs is
  'After so long without a word of Stripe an expired checkout gives its place back all the same.';

alter table public.agents
  add column billing text not null default 'free'
    constraint agents_billing check (billing in ('free', 'unpaid', 'paid'));

comment on column public.agents.billing is
  'free: nobody asks for money. unpaid: it waits for its payment, or is not paid for any more; it can be neither deployed '
  'nor started. paid: a subscription covers it. Written by Creel alone.';

alter table public.project_hosts
  add column terms text not null default 'own'
    constraint project_hosts_terms check (terms in ('own', 'rented'));

comment on column public.project_hosts.terms is
  'own: the host runs whatever the project wants. rented: it runs the project''s agents that are paid for, and no others.';

create table public.checkout_intents (
  id uuid primary key default gen_random_uuid(),
  project_id text references public.projects (id) on delete set null,
  agent_key text not null,
  agent_id uuid references public.agents (id) on delete set null,
  host_id uuid references public.hosts (id) on delete set null,
  plan text not null,
  amount_minor bigint not null,
  currency text not null,
  fee_bp int not null,
  destination text not null,
  agent jsonb not null,
  session_id text,
  session_url text,
  customer_id text,
  status text not null default 'open',
  awaits_payment boolean not null default false,
  expires_at timestamptz not null,
  created_by uuid references auth.users (id) on delete set null,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  constraint checkout_intents_plan check (plan in ('month', 'year')),
  constraint checkout_intents_status check (status in ('open', 'paid', 'expired', 'failed')),
  constraint checkout_intents_ended check ((status = 'open') = (ended_at is null)),
  constraint checkout_intents_amount check (amount_minor > 0 and fee_bp between 0 and 10000),
  constraint checkout_intents_sizes check (
    octet_length(agent_key) between 1 and 1024 and octet_length(currency) = 3 and octet_length(destination) <= 255
    and coalesce(octet_length(session_id), 0) <= 255 and coalesce(octet_length(session_url), 0) <= 4096
    and coalesce(octet_length(customer_id), 0) <= 255)
);

create unique index checkout_intents_one_open
  on public.checkout_intents (project_id, agent_key) where status = 'open';
create unique index checkout_intents_session on public.checkout_intents (session_id);
create index checkout_intents_project on public.checkout_intents (project_id, created_at desc);
create index checkout_intents_agent on public.checkout_intents (agent_id);
create index checkout_intents_host on public.checkout_intents (host_id);
create index checkout_intents_created_by on public.checkout_intents (created_by, created_at desc);
create index checkout_intents_unpaid on public.checkout_intents (ended_at) where status in ('expired', 'failed');
create index checkout_intents_expiring on public.checkout_intents (expires_at) where status = 'open';

comment on table public.checkout_intents is
  'A wish for an agent that is to be paid for, made by begin_checkout: the price as it was decided, and the agent as it is '
  'wished. While it is open the agent''s row keeps the place on the host. awaits_payment: the deployer is '
  'through, and his bank takes its time. open -> paid, expired or failed. The documents that were wished for are taken '
  'from it when they have been written, or some days after it ended. It outlives its project.';

create table public.subscriptions (
  id text primary key,
  project_id text references public.projects (id) on delete set null,
  agent_id uuid references public.agents (id) on delete set null,
  agent_key text not null,
  host_id uuid references public.hosts (id) on delete set null,
  intent_id uuid references public.checkout_intents (id) on delete set null,
  customer_id text,
  plan text not null,
  amount_minor bigint not null,
  currency text not null,
  status text not null,
  service text not null default 'awaiting',
  current_period_start timestamptz,
  current_period_end timestamptz,
  cancel_at_period_end boolean not null default false,
  past_due_since timestamptz,
  grace_until timestamptz,
  ended_at timestamptz,
  remove_at timestamptz,
  first_paid_at timestamptz,
  paid_at timestamptz,
  received_at timestamptz,
  asked_at timestamptz,
  item_id uuid,
  as_of timestamptz not null,
  livemode boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint subscriptions_status check (
    status in ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid', 'paused')),
  constraint subscriptions_service check (
    service in ('awaiting', 'active', 'grace', 'suspended', 'ended', 'removed')),
  constraint subscriptions_plan check (plan in ('month', 'year')),
  constraint subscriptions_sizes check (
    octet_length(id) between 1 and 255 and octet_length(agent_key) between 1 and 1024
    and coalesce(octet_length(customer_id), 0) <= 255)
);

create index subscriptions_project on public.subscriptions (project_id);
create index subscriptions_agent on public.subscriptions (agent_id);
create index subscriptions_host on public.subscriptions (host_id);
create index subscriptions_intent on public.subscriptions (intent_id);
create index subscriptions_customer on public.subscriptions (customer_id);
create index subscriptions_grace on public.subscriptions (grace_until) where service = 'grace';
create index subscriptions_removal on public.subscriptions (remove_at) where remove_at is not null;

create trigger subscriptions_touch before update on public.subscriptions for each row execute function creel.touch();

comment on table public.subscriptions is
  'What Stripe says of each subscription (status, as of as_of), and what follows for its agent (service): awaiting its '
  'first payment, active, grace (a payment failed, and it runs on until grace_until), suspended (stopped), ended (stopped; '
  'undeployed when remove_at has passed), removed (undeployed). canceled and incomplete_expired are final. first_paid_at: '
  'when money came for the first time; until then it is awaited, whatever its status, as a bank that takes its time may '
  'refuse in the end. paid_at: when, '
  'by Stripe''s clock, it came to be paid; received_at: when Creel was told; asked_at and item_id: the request or command '
  'by which its agent was asked to run. Written by apply_stripe_event and the sweep alone. A subscription outlives its '
  'project, its agent and its host.';

-- What a subscription was at which time: from this follows since when it is past due, in whatever order it was told. In one
-- second it may have been several things, and nobody says which came first.
create table creel.subscription_states (
  subscription_id text not null references public.subscriptions (id) on delete cascade,
  as_of timestamptz not null,
  status text not null,
  primary key (subscription_id, as_of, status)
);

create table public.stripe_customers (
  project_id text not null references public.projects (id) on delete cascade,
  customer_id text not null,
  created_at timestamptz not null default now(),
  primary key (project_id, customer_id),
  constraint stripe_customers_customer unique (customer_id),
  constraint stripe_customers_sizes check (octet_length(customer_id) between 1 and 255)
);

comment on table public.stripe_customers is
  'Who pays for a project: its next checkout and its billing portal are of the newest customer of Stripe. Checkouts that '
  'were open at the same time may have made several; each subscription names its own.';

create table public.stripe_accounts (
  owner_id uuid primary key references auth.users (id) on delete cascade,
  account_id text not null,
  transfers_active boolean not null default false,
  charges_enabled boolean not null default false,
  payouts_enabled boolean not null default false,
  requirements jsonb not null default '{}',
  payout_failed text,
  payout_as_of timestamptz,
  livemode boolean,
  as_of timestamptz not null,
  created_at timestamptz not null default now(),
  constraint stripe_accounts_account unique (account_id),
  constraint stripe_accounts_sizes check (
    octet_length(account_id) between 1 and 255 and pg_column_size(requirements) <= 65536
    and coalesce(octet_length(payout_failed), 0) <= 4000)
);

comment on table public.stripe_accounts is
  'Where the earnings of a host''s owner go: an account connected to the platform''s own at Stripe. requirements is what '
  'Stripe wants to know of him; transfers_active: he can be paid, whatever the account may charge by itself; '
  'payout_failed why Stripe could not pay him. livemode: whether real money is meant; null as '
  'long as nothing said so. Written by apply_stripe_event alone.';

create table public.stripe_events (
  id text primary key,
  endpoint text not null,
  type text not null,
  account text,
  livemode boolean not null default false,
  api_version text,
  created timestamptz,
  received_at timestamptz not null default now(),
  last_delivered_at timestamptz not null default now(),
  looked_at timestamptz not null default now(),
  deliveries int not null default 1,
  status text not null,
  subjects text[] not null default '{}',
  payload jsonb,
  led_to jsonb not null default '{}',
  note text,
  constraint stripe_events_endpoint check (endpoint in ('platform', 'connect', 'answer')),
  constraint stripe_events_status check (status in ('waiting', 'applied', 'ignored')),
  constraint stripe_events_sizes check (
    octet_length(id) between 1 and 255 and octet_length(type) between 1 and 255
    and coalesce(octet_length(account), 0) <= 255 and coalesce(octet_length(api_version), 0) <= 100
    and coalesce(octet_length(note), 0) <= 4000)
);

create index stripe_events_waiting on public.stripe_events (looked_at) where status = 'waiting';
-- Looked into by every event, and next to empty: a list of what is still to be sorted in would be read whole each time.
create index stripe_events_subjects on public.stripe_events using gin (subjects) with (fastupdate = off)
  where status <> 'applied' and (status = 'waiting' or type = 'customer.deleted');
create index stripe_events_old on public.stripe_events (received_at) where payload is not null;

comment on table public.stripe_events is
  'Every event of Stripe once, by its own id, with what it led to. waiting: it cannot be applied yet, as note says, and is '
  'looked at again when one of its subjects becomes known and when Stripe sends it again. ignored: it is nothing that '
  'Creel acts upon. payload is emptied after settings.stripe_payload_days.';

alter table public.checkout_intents enable row level security;
alter table public.subscriptions enable row level security;
alter table public.stripe_customers enable row level security;
alter table public.stripe_accounts enable row level security;
alter table public.stripe_events enable row level security;

create policy checkout_intents_select on public.checkout_intents for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
create policy subscriptions_select on public.subscriptions for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));
-- Whoever knows it can open the billing portal.
create policy stripe_customers_select on public.stripe_customers for select to authenticated
  using (project_id = any ((select creel.writable_projects())::text[]));
create policy stripe_accounts_select on public.stripe_accounts for select to authenticated
  using (owner_id = (select auth.uid()));
-- Row security without a policy: the advisors want one.
create policy stripe_events_select on public.stripe_events for select to service_role using (true);

revoke all on public.checkout_intents, public.subscriptions, public.stripe_customers, public.stripe_accounts,
  public.stripe_events, creel.subscription_states
  from public, anon, authenticated, service_role;
grant select on public.checkout_intents, public.subscriptions, public.stripe_customers, public.stripe_accounts
  to authenticated, service_role;
grant select on public.stripe_events to service_role;
