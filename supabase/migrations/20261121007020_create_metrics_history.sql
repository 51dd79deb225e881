-- What agents used before: one row of each agent for each minute of the last hour, each five minutes of the last day and
-- each hour of the last two weeks. The rows are rings: a slot is written again when its time comes round, so that there
-- are never more, and nothing is to be swept.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table public.agent_metric_slots (
  step_secs int not null,
  slot int not null,
  agent_id uuid not null references public.agents (id) on delete cascade,
  at timestamptz not null,
  samples int not null,
  cpu_percent real,
  cpu_percent_max real,
  ram_mb real,
  ram_mb_max real,
  disk_mb real,
  uptime_secs bigint,
  -- By time first: what is written together lies together.
  primary key (step_secs, slot, agent_id),
  constraint agent_metric_slots_step check (step_secs in (60, 300, 3600)),
  constraint agent_metric_slots_slot check (slot >= 0 and slot < 336)
) with (fillfactor = 70);

create index agent_metric_slots_agent on public.agent_metric_slots (agent_id);

comment on table public.agent_metric_slots is
  'Rings of samples, written by the tick once a minute; not published. Read by agent_metrics_history, which leaves out '
  'what was left in a slot from an earlier round.';

-- How much of a ring there is: its steps, their number, and of which ring's steps a mean is made.
create function creel.metric_rings() returns table (step_secs int, slots int, made_of int)
language sql immutable set search_path = '' as $$
  values (60, 60, null::int), (300, 288, 60), (3600, 336, 300)
$$;

create table creel.metric_clock (
  step_secs int primary key,
  -- The last minute that is in the ring of minutes; in the others is what began before this.
  kept_until timestamptz not null,
  -- Which time is being kept, and up to which agent it was: so many are done at a time that no tick is held up.
  keeping timestamptz,
  kept_agent uuid,
  constraint metric_clock_keeping check ((kept_agent is null) or (keeping is not null))
);

comment on table creel.metric_clock is 'How far each ring of agent_metric_slots was written.';

insert into creel.metric_clock (step_secs, kept_until)
select r.step_secs, date_bin(r.step_secs * interval '1 second', now(), 'epoch') from creel.metric_rings() r;

-- Keeps the newest sample of some agents as that of the minute.
create function creel.keep_metric_samples(moment timestamptz, after_agent uuid, last_agent uuid) returns void
language sql set search_path = '' set enable_seqscan = off as $$
  insert into public.agent_metric_slots as s (
    step_secs, slot, agent_id, at, samples, cpu_percent, cpu_percent_max, ram_mb, ram_mb_max, disk_mb, uptime_secs)
  select 60, extract(epoch from moment)::bigint / 60 % 60, m.agent_id, moment, 1,
    m.cpu_percent, m.cpu_percent, m.ram_mb, m.ram_mb, m.disk_mb, m.uptime_secs
  from public.agent_metrics m
  where m.agent_id > after_agent and m.agent_id <= last_agent
    -- A worker tells what has not changed once a minute.
    and m.sampled_at > moment - interval '80 seconds'
  on conflict (step_secs, slot, agent_id) do update set
    at = excluded.at, samples = excluded.samples, cpu_percent = excluded.cpu_percent,
    cpu_percent_max = excluded.cpu_percent_max, ram_mb = excluded.ram_mb, ram_mb_max = excluded.ram_mb_max,
    disk_mb = excluded.disk_mb, uptime_secs = excluded.uptime_secs
$$;

-- Makes means of what a finer ring has of some agents from one time until another. Of that ring there is no more than one
-- round: what was missed before that is gone.
create function creel.keep_metric_means(
  ring_secs int, begins timestamptz, ends timestamptz, after_agent uuid, last_agent uuid
) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  step constant interval := ring_secs * interval '1 second';
  ring_slots int;
  finer_secs int;
  finer_slots int[];
begin
  select r.slots, r.made_of into ring_slots, finer_secs from creel.metric_rings() r where r.step_secs = ring_secs;
  select array_agg(distinct (extract(epoch from t)::bigint / f.step_secs % f.slots)::int) into finer_slots
  from creel.metric_rings() f
  cross join lateral generate_series(
    greatest(begins, ends - (f.slots * f.step_secs) * interval '1 second'),
    ends - f.step_secs * interval '1 second', f.step_secs * interval '1 second') t
  where f.step_secs = finer_secs;
  insert into public.agent_metric_slots as s (
    step_secs, slot, agent_id, at, samples, cpu_percent, cpu_percent_max, ram_mb, ram_mb_max, disk_mb, uptime_secs)
  select ring_secs, extract(epoch from g.at)::bigint / ring_secs % ring_slots, g.agent_id, g.at,
    g.samples, g.cpu_percent, g.cpu_percent_max, g.ram_mb, g.ram_mb_max, g.disk_mb, g.uptime_secs
  from (
    select f.agent_id, date_bin(step, f.at, 'epoch') as at, sum(f.samples)::int as samples,
      (sum(f.cpu_percent * f.samples) / sum(f.samples))::real as cpu_percent,
      max(f.cpu_percent_max) as cpu_percent_max,
      (sum(f.ram_mb * f.samples) / sum(f.samples))::real as ram_mb, max(f.ram_mb_max) as ram_mb_max,
      (array_agg(f.disk_mb order by f.at desc))[1] as disk_mb,
      (array_agg(f.uptime_secs order by f.at desc))[1] as uptime_secs
    from public.agent_metric_slots f
    where f.step_secs = finer_secs and f.slot = any (finer_slots)
      and f.agent_id > after_agent and f.agent_id <= last_agent and f.at >= begins and f.at < ends
    group by 1, 2) g
  on conflict (step_secs, slot, agent_id) do update set
    at = excluded.at, samples = excluded.samples, cpu_percent = excluded.cpu_percent,
    cpu_percent_max = excluded.cpu_percent_max, ram_mb = excluded.ram_mb, ram_mb_max = excluded.ram_mb_max,
    disk_mb = excluded.disk_mb, uptime_secs = excluded.uptime_secs
  where excluded.at >= s.at;
end
$$;

-- The newest sample of each agent becomes that of the minute; minutes that are over become the mean of five, and these
-- the mean of an hour. Of each ring some agents at a time. Whoever finds another one at it leaves it to that one.
create function creel.keep_metrics_history(moment timestamptz, most int default 5000) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  first_agent constant uuid := '00000000-0000-0000-0000-000000000000'::uuid;
  last_of_all constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid;
  ring record;
  moment_kept timestamptz;
  after_agent uuid;
  last_agent uuid;
begin
  for ring in
    select k.step_secs, k.kept_until, k.keeping, k.kept_agent, r.made_of
    from creel.metric_clock k join creel.metric_rings() r on r.step_secs = k.step_secs
    -- The samples last: what they take the place of was looked at before.
    order by k.step_secs = 60, k.step_secs for no key update of k skip locked
  loop
    moment_kept := coalesce(ring.keeping, date_bin(ring.step_secs * interval '1 second', moment, 'epoch'));
    continue when moment_kept <= ring.kept_until;
    -- What it is made of is there as a whole.
    continue when not coalesce((
      select k.kept_until >= moment_kept - case when k.step_secs = 60 then interval '1 minute' else interval '0' end
      from creel.metric_clock k where k.step_secs = ring.made_of), true);
    after_agent := coalesce(ring.kept_agent, first_agent);
    -- Who never had a sample is not read.
    select m.agent_id into last_agent from public.agent_metrics m
    where m.agent_id > after_agent order by m.agent_id offset most - 1 limit 1;
    if ring.made_of is null then
      perform creel.keep_metric_samples(moment_kept, after_agent, coalesce(last_agent, last_of_all));
    else
      perform creel.keep_metric_means(
        ring.step_secs, ring.kept_until, moment_kept, after_agent, coalesce(last_agent, last_of_all));
    end if;
    update creel.metric_clock k
    set kept_until = case when last_agent is null then moment_kept else k.kept_until end,
        keeping = case when last_agent is not null then moment_kept end, kept_agent = last_agent
    where k.step_secs = ring.step_secs;
  end loop;
end
$$;

alter table public.agent_metric_slots enable row level security;
create policy agent_metric_slots_select on public.agent_metric_slots for select to authenticated using (
  agent_id in (
    select a.id from public.agents a where a.project_id = any ((select creel.readable_projects())::text[]))
);

create view public.agent_metrics_history with (security_invoker = true) as
select s.agent_id, s.step_secs, s.at, s.cpu_percent, s.cpu_percent_max, s.ram_mb, s.ram_mb_max, s.disk_mb,
  s.uptime_secs, s.samples
from public.agent_metric_slots s
where s.at > now() - case s.step_secs
  when 60 then interval '1 hour' when 300 then interval '1 day' else interval '14 days' end;

comment on view public.agent_metrics_history is
  'What an agent used, by step_secs: 60 for each minute of the last hour, 300 for the last day, 3600 for the last two '
  'weeks. Means and the highest; disk and uptime as they were last; samples says of how many minutes. A step of which '
  'nothing is known has no row. Ask for one agent and one step.';

revoke all on public.agent_metric_slots, public.agent_metrics_history, creel.metric_clock
  from public, anon, authenticated, service_role;
grant select on public.agent_metric_slots, public.agent_metrics_history to authenticated, service_role;
revoke all on function creel.metric_rings(), creel.keep_metric_samples(timestamptz, uuid, uuid),
  creel.keep_metric_means(int, timestamptz, timestamptz, uuid, uuid), creel.keep_metrics_history(timestamptz, int)
  from public, anon, authenticated, service_role;
