-- The knobs of the queue and the quotas, in one row that an operator changes.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table creel.settings (
  id boolean primary key default true,
  lease_secs int not null default 25,
  tick_secs int not null default 10,
  queue_ttl_secs int not null default 120,
  offline_after_secs int not null default 30,
  backoff_base_secs int not null default 1,
  backoff_max_secs int not null default 300,
  event_retention_days int not null default 90,
  max_projects_per_user int not null default 20,
  max_members_per_project int not null default 100,
  max_agents_per_project int not null default 2000,
  max_open_requests_per_project int not null default 2000,
  max_requests_per_day int not null default 10000,
  max_doc_bytes_per_project bigint not null default 268435456,
  constraint settings_one_row check (id),
  constraint settings_positive check (
    least(
      lease_secs, tick_secs, queue_ttl_secs, offline_after_secs, backoff_base_secs, backoff_max_secs,
      event_retention_days
    ) > 0
  ),
  constraint settings_quotas_not_negative check (
    least(
      max_projects_per_user, max_members_per_project, max_agents_per_project,
      max_open_requests_per_project, max_requests_per_day, max_doc_bytes_per_project
    ) >= 0
  )
);

comment on table creel.settings is
  'One row. lease_secs: how long a claim lasts without a tick (two ticks may be missed, and a dead worker is '
  'noticed within 30 s). tick_secs: what workers are told. queue_ttl_secs: how long an item waits when no host '
  'may take it. offline_after_secs: silence after which a host counts as offline. backoff: first and longest '
  'pause between attempts.';

insert into creel.settings default values;

revoke all on creel.settings from public, anon, authenticated, service_role;
