-- What a host may write, and how often; and which versions of the host functions are still understood.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.settings
  add column min_api int not null default 1,
  add column max_ticks_per_minute int not null default 600,
  add column max_report_bytes_per_hour bigint not null default 33554432,
  add column max_shown_per_minute int not null default 1200;

comment on column creel.settings.min_api is
  'Workers that speak an older version of the host functions are told to upgrade and get no work.';
comment on column creel.settings.max_ticks_per_minute is
  'Of one host. A worker ticks six times a minute, and five times a second at most.';
comment on column creel.settings.max_report_bytes_per_hour is
  'How much one host may tell of its runtime, which it does when that changes.';
comment on column creel.settings.max_shown_per_minute is
  'How often one host may show progress or tell states of agents, which every open page hears; or 30 times for each of '
  'its agents, if that is more.';

-- What each host has used up of what is bounded, since when.
create table creel.host_budgets (
  host_id uuid not null references public.hosts (id) on delete cascade,
  kind text not null,
  began_at timestamptz not null,
  spent bigint not null,
  primary key (host_id, kind)
);

revoke all on creel.host_budgets from public, anon, authenticated, service_role;

-- Whether the host may; if so, it is taken from its budget. One that may not writes nothing here either.
create function creel.spend(host uuid, kind text, amount bigint, budget bigint, span interval) returns boolean
language plpgsql set search_path = '' as $$
begin
  if amount > budget then
    return false;
  end if;
  insert into creel.host_budgets as b (host_id, kind, began_at, spent)
  values (spend.host, spend.kind, now(), spend.amount)
  on conflict on constraint host_budgets_pkey do update set
    began_at = case when b.began_at <= now() - span then now() else b.began_at end,
    spent = case when b.began_at <= now() - span then 0 else b.spent end + excluded.spent
  where b.began_at <= now() - span or b.spent + excluded.spent <= budget;
  return found;
end
$$;

-- Whether a host may write so much that every open page hears of. Many agents are allowed much.
create function creel.may_show(host uuid, kind text, amount int) returns boolean
language plpgsql set search_path = '' as $$
begin
  return creel.spend(host, kind, amount, (creel.knobs()).max_shown_per_minute, '1 minute')
    or creel.spend(
      host, kind, amount, 30 * (select count(*) from public.agents a where a.host_id = host), '1 minute');
end
$$;

create function creel.may_tell_states(host uuid, amount int) returns boolean
language sql set search_path = '' as $$
  select amount = 0 or creel.may_show(host, 'states', amount)
$$;

-- What a host can run agents by. What it says beside that is left away, as a newer worker may know more.
create function creel.keep_backends(host uuid, told jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  known text[];
begin
  if jsonb_typeof(told) <> 'array' or jsonb_array_length(told) > 20 then
    return;
  end if;
  known := array(
    select b from unnest(array['shared', 'profile', 'docker', 'multipass']) b where told ? b);
  update public.hosts h set backends = known where h.id = host and h.backends <> known;
end
$$;

alter table public.host_heartbeats
  add column counted_from timestamptz,
  add column counted int not null default 0;

comment on column public.host_heartbeats.counted is 'Heartbeats since counted_from, at most a minute ago.';

-- A heartbeat of a worker, or of a daemon that looks once a minute: such a one names itself as the session.
create function creel.count_heartbeat() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  most constant int := (creel.knobs()).max_ticks_per_minute;
begin
  new.quiet_secs := case when new.session_id = new.host_id then 120 else 0 end;
  if old.counted_from > now() - interval '1 minute' then
    if old.counted >= most then
      raise exception 'host % ticks too often: the limit is % a minute', new.host_id, most
        using errcode = 'PT429', hint = 'Tick as often as the answer of the last tick says.';
    end if;
    new.counted := old.counted + 1;
  else
    new.counted_from := now();
    new.counted := 1;
  end if;
  update public.hosts h set outdated_since = null where h.id = new.host_id and h.outdated_since is not null;
  return new;
end
$$;

create trigger host_heartbeats_count
  before update of last_seen_at on public.host_heartbeats for each row
  -- Of two at the same moment the one that began first may come last.
  when (new.last_seen_at > now() - interval '1 minute') execute function creel.count_heartbeat();

create function creel.begin_heartbeat() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.quiet_secs := case when new.session_id = new.host_id then 120 else 0 end;
  new.counted_from := now();
  new.counted := 1;
  return new;
end
$$;

create trigger host_heartbeats_begin
  before insert on public.host_heartbeats for each row execute function creel.begin_heartbeat();

-- Every host function asks this first. What is wrong with the version is said by name, so that an older worker says
-- "upgrade" and not "syntax error"; and what nobody sends in good faith is not read any further.
create or replace function creel.require_api(args jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  newest constant int := 1;
  oldest constant int := (creel.knobs()).min_api;
  api constant jsonb := case when jsonb_typeof(args) = 'object' then args -> 'api' end;
begin
  if pg_column_size(args) > 8388608 then
    raise exception 'the argument is too large: % bytes', pg_column_size(args)
      using errcode = 'PT413', hint = 'Send 8 MB at most.';
  end if;
  if jsonb_typeof(api) = 'number' and api::numeric between oldest and newest and api::numeric % 1 = 0 then
    return;
  end if;
  raise exception 'this database speaks version % of the host functions, not %',
    case when oldest < newest then oldest || ' to ' || newest else greatest(oldest, newest)::text end,
    coalesce(left(api #>> '{}', 20), 'none')
    using errcode = 'PT426',
      hint = case when jsonb_typeof(api) = 'number' and api::numeric < oldest
        then 'Upgrade Creel on the host.'
        else 'Upgrade Creel on the host or in the database, so that both are of one version.' end;
end
$$;

create or replace function public.claim(jsonb) returns json
language plpgsql security definer
set search_path = '' set enable_seqscan = off set jit = off set lock_timeout = '800ms'
set plan_cache_mode = force_generic_plan as $$
declare
  host constant uuid := creel.require_host();
  session constant uuid := ($1 ->> 'session')::uuid;
  most constant int := least(greatest(($1 ->> 'limit')::int, 0), 1000);
  woken constant text := $1 ->> 'woken_by';
  lease_ms int;
  min_api int;
  lease interval;
  projects text[];
  may_take boolean;
  claimed json[];
  more json[];
  part record;
  taken int;
begin
  select s.lease_secs * 1000, h.status not in ('draining', 'retired'),
    array(select p.project_id from public.project_hosts p where p.host_id = host), s.min_api
  into lease_ms, may_take, projects, min_api
  from creel.settings s cross join public.hosts h where h.id = host;
  -- What is right most of the time is seen without a call.
  if $1 -> 'api' is distinct from '1' or min_api > 1 or pg_column_size($1) > 8388608 then
    perform creel.require_api($1);
  end if;
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;
  lease := lease_ms * interval '1 millisecond';
  if most > 0 and may_take then
    part := creel.claim_some(host, projects, session, most, woken, lease);
    claimed := part.items;
    taken := part.taken;
    if coalesce(cardinality(claimed), 0) < taken then
      select c.items into more
      from creel.claim_some(host, projects, session, most - coalesce(cardinality(claimed), 0), woken, lease) c;
      claimed := claimed || more;
      taken := coalesce(cardinality(claimed), 0);
    end if;
    if taken < most and creel.place(host, projects, most - taken) > 0 then
      select c.items into more from creel.claim_some(host, projects, session, most - taken, woken, lease) c;
      claimed := claimed || more;
    end if;
  end if;
  return json_build_object('items', array_to_json(coalesce(claimed, '{}')), 'lease_ms', lease_ms);
end
$$;

-- What a worker that was refused for its version says before it ends, in any version; so that people see why nothing
-- comes from this host.
create function public.report_outdated(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  said_version constant text := left($1 ->> 'worker_version', 100);
begin
  begin
    perform creel.require_api($1);
    return jsonb_build_object('outdated', false);
  exception when sqlstate 'PT426' then
    null;
  end;
  update public.hosts h
  set outdated_since = now(), worker_version = coalesce(said_version, h.worker_version)
  where h.id = host and h.outdated_since is null;
  if found and creel.spend(host, 'outdated', 1, 10, '1 hour') then
    perform creel.log_event('host.upgrade_needed', null, null, host, null,
      jsonb_strip_nulls(jsonb_build_object('api', left($1 ->> 'api', 20), 'worker_version', said_version)));
  end if;
  return jsonb_build_object('outdated', true);
end
$$;

comment on function public.report_outdated(jsonb) is
  'Host function, for every version of these functions: {api, worker_version} -> {outdated}. Said by a worker that was '
  'refused with PT426; the next tick that is not refused ends it.';

create or replace function public.progress(jsonb) returns jsonb
language plpgsql security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  host constant uuid := creel.require_host();
  held creel.items;
begin
  perform creel.require_api($1);
  held := creel.held_item(host, ($1 ->> 'token')::uuid);
  if held.seq is null then
    return jsonb_build_object('held', false);
  end if;
  -- What a page would show for a moment is left away where there is too much of it.
  if creel.may_show(host, 'progress', 1) then
    perform creel.show_result(held.queue, held.item_id, $1 -> 'result');
  end if;
  return jsonb_build_object('held', true);
end
$$;

revoke all on function creel.spend(uuid, text, bigint, bigint, interval), creel.may_show(uuid, text, int),
  creel.may_tell_states(uuid, int), creel.keep_backends(uuid, jsonb), creel.count_heartbeat(), creel.begin_heartbeat(),
  public.report_outdated(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.report_outdated(jsonb) to creel_host;
