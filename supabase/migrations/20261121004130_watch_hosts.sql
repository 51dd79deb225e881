-- A host that falls silent is told once, and so is its return.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

-- A host has a row for as long as it is silent. Without a foreign key: the sweep waits for nobody who changes a host.
create table creel.host_outages (
  host_id uuid primary key,
  silent_since timestamptz not null,
  noticed_at timestamptz not null default now()
);

comment on table creel.host_outages is 'Hosts that are silent right now: what is in here was told already.';

-- Who was not looking cannot say who was silent: after a pause of the sweeps, hosts have time to be heard again.
alter table creel.sweep_state
  add column watched_at timestamptz not null default '-infinity',
  add column watching_since timestamptz not null default '-infinity';

revoke all on creel.host_outages from public, anon, authenticated, service_role;

-- Tells each project that has agents on a host.
create function creel.tell_of_host(host uuid, kind text, since timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  shown constant jsonb := creel.host_in_notification(host);
  project text;
  agent_count bigint;
begin
  for project, agent_count in
    select a.project_id, count(*) from public.agents a
    where a.host_id = host and a.status <> 'removed'
      and exists (select from public.webhooks w where w.project_id = a.project_id and w.enabled)
    group by a.project_id order by a.project_id
  loop
    perform creel.tell_webhooks(project, kind, host, jsonb_build_object(
      'host', shown,
      'summary', format(
        case kind when 'host.offline' then 'Host %s is silent; agents of this project there: %s.'
          else 'Host %s is back; agents of this project there: %s.' end, shown ->> 'name', agent_count),
      'details', jsonb_build_object(
        'silent_since', to_char(since at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'agents', agent_count, 'held_back', 0)));
  end loop;
end
$$;

-- One look at all heartbeats, a row each. What creel.heard_until says is written out: it cannot be inlined.
create function creel.sweep_outages() returns int
language plpgsql set search_path = '' as $$
declare
  patience constant interval := (creel.knobs()).offline_after_secs * interval '1 second';
  watched timestamptz;
  outage record;
  told int := 0;
begin
  update creel.sweep_state w set
    watching_since = case when w.watched_at < now() - patience then now() else w.watching_since end,
    watched_at = now()
  where w.id returning w.watching_since into watched;

  for outage in
    with ended as (
      delete from creel.host_outages o where o.host_id = any (array(
        select p.host_id from creel.host_outages p
        left join public.hosts h on h.id = p.host_id
        left join public.host_heartbeats b on b.host_id = p.host_id
        where h.id is null or h.status = 'retired'
          or b.last_seen_at + b.quiet_secs * interval '1 second' >= now() - patience
        order by p.host_id limit 200 for update of p skip locked))
      returning o.host_id, o.silent_since)
    select e.host_id, e.silent_since from ended e join public.hosts h on h.id = e.host_id
    where h.status <> 'retired' order by e.host_id
  loop
    perform creel.tell_of_host(outage.host_id, 'host.online', outage.silent_since);
    told := told + 1;
  end loop;

  if watched > now() - patience then
    return told;
  end if;
  for outage in
    with begun as (
      insert into creel.host_outages as o (host_id, silent_since)
      select b.host_id, b.last_seen_at from public.host_heartbeats b join public.hosts h on h.id = b.host_id
      where b.last_seen_at + b.quiet_secs * interval '1 second' < now() - patience and h.status <> 'retired'
        and not exists (select from creel.host_outages p where p.host_id = b.host_id)
      order by b.host_id limit 200
      on conflict (host_id) do nothing
      returning o.host_id, o.silent_since)
    select * from begun n order by n.host_id
  loop
    perform creel.tell_of_host(outage.host_id, 'host.offline', outage.silent_since);
    told := told + 1;
  end loop;
  return told;
end
$$;

-- What is told to webhooks must not keep the rest of a sweep from being done.
create function creel.sweep_webhooks() returns int
language plpgsql set search_path = '' as $$
begin
  return creel.sweep_outages() + creel.sweep_notifications();
exception when others then
  raise warning 'sweep notifications: %', sqlerrm;
  return null;
end
$$;

-- Answers null when somebody did it within min_age: a thousand hosts that tick need not sweep a hundred times a
-- second. One that takes too long, or does not end its transaction, is not waited for: what all of them do to one row,
-- they do under its lock.
create or replace function creel.sweep_once(min_age interval) returns jsonb
language plpgsql set search_path = '' as $$
declare
  reason_count int;
  told int;
begin
  perform 1 from creel.sweep_state w where w.swept_at <= clock_timestamp() - min_age for update skip locked;
  if found then
    update creel.sweep_state w set swept_at = clock_timestamp() where w.id;
  elsif exists (
    select from creel.sweep_state w
    where w.swept_at > clock_timestamp() - greatest(min_age, interval '15 seconds')) then
    return null;
  end if;
  -- What people read may be some seconds old, and looks at all that waits.
  update creel.sweep_state w set reasoned_at = clock_timestamp()
  where w.id and w.reasoned_at <= clock_timestamp() - 5 * min_age;
  if found then
    perform creel.sweep_needing_no_host();
    reason_count := creel.sweep_reasons();
    told := creel.sweep_webhooks();
  end if;
  return jsonb_build_object(
    'leases', creel.sweep_leases(), 'placements', creel.sweep_placements(), 'hope', creel.sweep_hope(),
    'hopeless', creel.sweep_hopeless(), 'reasons', coalesce(reason_count, 0), 'events', creel.sweep_old_events(),
    'webhooks', coalesce(told, 0));
end
$$;

revoke all on function creel.tell_of_host(uuid, text, timestamptz), creel.sweep_outages(), creel.sweep_webhooks()
  from public, anon, authenticated, service_role;
