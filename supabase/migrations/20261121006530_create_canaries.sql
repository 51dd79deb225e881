-- Canaries: does a paid agent answer? The agent is asked itself, by a turn that a host's word cannot stand in for, and its
-- answer is compared here. What of that is surely the host's fault makes an outage; what may be the deployer's or a model's
-- is told to people.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.settings
  add column canary_every_secs int not null default 3600,
  add column canary_retry_secs int not null default 300,
  add column canary_limit_secs int not null default 300,
  add column canary_retention_days int not null default 90
    constraint settings_canaries check (
      least(canary_every_secs, canary_retry_secs, canary_limit_secs, canary_retention_days) > 0);

comment on column creel.settings.canary_every_secs is
  'Between two canaries of an agent, on average: half as long to half as long again, at random.';
comment on column creel.settings.canary_retry_secs is 'The same while an agent does not answer.';
comment on column creel.settings.canary_limit_secs is
  'An agent that has not answered by then does not: a first turn on a busy host takes minutes.';

create table public.agent_canaries (
  id uuid primary key default gen_random_uuid(),
  project_id text not null,
  agent_key text not null,
  agent_id uuid not null references public.agents (id) on delete cascade,
  host_id uuid not null,
  generation bigint not null,
  challenge text not null,
  status text not null default 'queued',
  fault text,
  result jsonb,
  waiting_for text,
  woken_by text,
  deadline_at timestamptz not null,
  asked_at timestamptz not null default now(),
  taken_at timestamptz,
  answered_at timestamptz,
  constraint agent_canaries_status check (status in ('queued', 'running', 'done', 'failed')),
  constraint agent_canaries_fault check (fault in ('unanswered', 'error', 'model', 'wrong')),
  constraint agent_canaries_answered check ((status in ('done', 'failed')) = (answered_at is not null)),
  constraint agent_canaries_fault_of_failed check (fault is null or status = 'failed'),
  constraint agent_canaries_waiting check (waiting_for is null or status = 'queued'),
  constraint agent_canaries_woken_by check (woken_by in ('push', 'poll')),
  constraint agent_canaries_sizes check (
    octet_length(agent_key) between 1 and 1024 and octet_length(challenge) between 1 and 4096
    and coalesce(octet_length(waiting_for), 0) <= 1000 and coalesce(pg_column_size(result), 0) <= 65536)
);

create unique index agent_canaries_open on public.agent_canaries (agent_id) where status in ('queued', 'running');
create index agent_canaries_by_agent on public.agent_canaries (agent_id, asked_at desc);
create index agent_canaries_by_project on public.agent_canaries (project_id, asked_at desc);
create index agent_canaries_by_host on public.agent_canaries (host_id, asked_at desc);
create index agent_canaries_by_time on public.agent_canaries (asked_at);

comment on table public.agent_canaries is
  'A question that is put to a paid agent which is wished running. The sweep makes it, the agent''s host claims it (running), '
  'lets the agent answer challenge, and finishes it with result.answer; done when the answer is right. failed: fault says '
  'why. unanswered, nothing came from the host by deadline_at; error, the host says that the agent is not there; model, '
  'that its model gave an error; wrong, the answer is another one. Only the first two can begin an outage.';

-- What the answer has to be. The host's machine is its owner's: he may read the challenge, but not this.
create table creel.canary_answers (
  canary_id uuid primary key references public.agent_canaries (id) on delete cascade,
  answer text not null
);

comment on table creel.canary_answers is 'The words that an open canary''s answer has to have; for the eyes of nobody.';

-- One row for each agent that is asked. Gone as soon as it is not paid, not wished running, or not on that host any more.
create table creel.canary_plans (
  agent_id uuid primary key references public.agents (id) on delete cascade,
  host_id uuid not null,
  since timestamptz not null default now(),
  due_at timestamptz not null,
  running_at timestamptz,
  proven_generation bigint,
  doubts int not null default 0,
  doubted_since timestamptz
);

create index canary_plans_due on creel.canary_plans (due_at);
create index canary_plans_not_running on creel.canary_plans (agent_id) where running_at is null;

comment on table creel.canary_plans is
  'since: since when the agent is owed. running_at: since when it was seen running; until then it is not asked, but for '
  'one that still is not after an hour. due_at: when it is asked next. proven_generation: with these settings it answered '
  'on this host, so that they are not at fault when it does not. doubts: how many canaries failed, since doubted_since, '
  'of which nobody knows whose fault they are.';

-- Whether this database looked at all: what a host sent while nobody looked is not missing because of the host.
create table creel.canary_watch (
  id boolean primary key default true,
  looked_at timestamptz not null default now(),
  gap_until timestamptz not null default '-infinity',
  constraint canary_watch_one_row check (id)
);

insert into creel.canary_watch default values;

comment on table creel.canary_watch is
  'looked_at: when canaries were asked last. gap_until: until then nobody had for more than two minutes.';

create table public.agent_outages (
  id bigint generated always as identity primary key,
  project_id text not null,
  agent_key text not null,
  agent_id uuid not null,
  host_id uuid not null,
  began_at timestamptz not null,
  ended_at timestamptz,
  ended_by text,
  canary_id uuid,
  constraint agent_outages_ended_by check (ended_by in ('answer', 'wish')),
  constraint agent_outages_ended check ((ended_at is null) = (ended_by is null) and ended_at >= began_at)
);

create unique index agent_outages_open on public.agent_outages (agent_id) where ended_at is null;
create index agent_outages_by_agent on public.agent_outages (agent_id, began_at);
create index agent_outages_by_project on public.agent_outages (project_id, began_at desc);
create index agent_outages_by_host on public.agent_outages (host_id, began_at desc);

comment on table public.agent_outages is
  'Paid, wished running, and not there because of the host: from the first canary that failed to the answer of the next '
  'one. It counts that nothing came from the host (unanswered), and that the host says that the agent is not there (error), '
  'this only when the agent has answered with the same settings on that host before: what a deployer broke is not its '
  'owner''s fault. A model''s error and a wrong answer begin none, and end none. Without canary_id: the host itself is '
  'gone. ended_by: answer; wish, it was stopped, moved or not paid any more. Kept for good: earnings are corrected by it.';

-- Whether an agent is to be asked: somebody pays for it, and wants it running.
create function creel.is_owed(agent public.agents) returns boolean
language sql immutable set search_path = '' as $$
  select agent.billing = 'paid' and agent.desired_state = 'running' and agent.host_id is not null
    and agent.deleting_since is null
$$;

create function creel.end_outage(agent uuid, ended timestamptz, because text) returns void
language plpgsql set search_path = '' as $$
declare
  outage public.agent_outages;
begin
  update public.agent_outages o set ended_at = greatest(ended, o.began_at), ended_by = because
  where o.agent_id = agent and o.ended_at is null returning * into outage;
  if found then
    perform creel.log_event('outage.ended', p.id, outage.agent_key, h.id, outage.canary_id, jsonb_build_object(
      'began_at', outage.began_at, 'ended_at', outage.ended_at, 'ended_by', because))
    from (values (true)) as one
    left join public.projects p on p.id = outage.project_id left join public.hosts h on h.id = outage.host_id;
  end if;
end
$$;

create function creel.begin_outage(agent public.agents, host uuid, began timestamptz, canary uuid, details jsonb)
returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.agent_outages as o (project_id, agent_key, agent_id, host_id, began_at, canary_id)
  values (agent.project_id, agent.agent_key, agent.id, host, began, canary)
  on conflict (agent_id) where ended_at is null do nothing;
  if found then
    perform creel.log_event('outage.began', p.id, agent.agent_key, h.id, canary,
      details || jsonb_build_object('began_at', began))
    from (values (true)) as one
    left join public.projects p on p.id = agent.project_id left join public.hosts h on h.id = host;
  end if;
end
$$;

-- Not all are asked at once after a long pause, and none at a time that its host could foresee.
create function creel.plan_canaries() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op <> 'INSERT' and (
    tg_op = 'DELETE' or not creel.is_owed(new) or new.host_id is distinct from old.host_id) then
    delete from creel.canary_plans p where p.agent_id = old.id;
    if tg_op = 'UPDATE' and new.host_id is null and old.host_id is not null and new.billing = 'paid'
      and new.desired_state = 'running' and new.deleting_since is null
      and not exists (select from public.hosts h where h.id = old.host_id) then
      -- Nobody wished that: the host is gone, and with it what was paid for.
      perform creel.begin_outage(new, old.host_id, now(), null, '{"fault": "host_gone"}');
      return null;
    end if;
    perform creel.end_outage(old.id, now(), 'wish');
  end if;
  if tg_op <> 'DELETE' and creel.is_owed(new) then
    insert into creel.canary_plans (agent_id, host_id, due_at)
    values (new.id, new.host_id, now() + random() * (creel.knobs()).canary_every_secs * interval '1 second')
    on conflict (agent_id) do nothing;
  end if;
  return null;
end
$$;

create trigger agents_insert_plans_canaries
  after insert on public.agents for each row when (new.billing = 'paid') execute function creel.plan_canaries();
create trigger agents_wish_plans_canaries
  after update of billing, desired_state, host_id, deleting_since on public.agents for each row
  when (old.billing = 'paid' or new.billing = 'paid') execute function creel.plan_canaries();
create trigger agents_removal_ends_outage
  after delete on public.agents for each row
  when (old.billing = 'paid') execute function creel.plan_canaries();

-- Six different words, and their order turned round. No machine of a host's owner is kept from that; but whoever does it
-- lies about each turn of each hour.
create function creel.make_challenge(out challenge text, out answer text)
language plpgsql volatile set search_path = '' as $$
declare
  words constant text[] := array[
    'amber', 'anchor', 'autumn', 'barley', 'basket', 'beacon', 'birch', 'border', 'bridge', 'bronze', 'candle', 'canyon',
    'cedar', 'cherry', 'circle', 'clover', 'cobalt', 'copper', 'coral', 'cotton', 'crystal', 'dancer', 'desert', 'dragon',
    'ember', 'falcon', 'feather', 'forest', 'garden', 'ginger', 'glacier', 'granite', 'hammer', 'harbor', 'hazel',
    'hollow', 'island', 'ivory', 'jasmine', 'jungle', 'kettle', 'ladder', 'lantern', 'lemon', 'magnet', 'maple', 'marble',
    'meadow', 'mirror', 'nutmeg', 'ocean', 'olive', 'orchard', 'oyster', 'paper', 'pebble', 'pepper', 'pillow', 'planet',
    'pocket', 'prairie', 'quartz', 'rabbit', 'ribbon', 'river', 'saddle', 'saffron', 'sandal', 'silver', 'sparrow',
    'spiral', 'stable', 'summer', 'sunset', 'tabby', 'thistle', 'thunder', 'timber', 'tulip', 'tunnel', 'valley',
    'velvet', 'violet', 'walnut', 'willow', 'winter', 'yellow', 'zephyr'];
  chosen text[];
begin
  chosen := array(select w from unnest(words) w order by random() limit 6);
  answer := (select string_agg(c.word, ' ' order by c.place desc) from unnest(chosen) with ordinality c (word, place));
  challenge := 'This is an automatic check that you are there; nobody reads it. Use no tool, remember nothing of it, and '
    'reply with nothing but these six words in reverse order, the last one first: ' || array_to_string(chosen, ' ');
end
$$;

-- Whether an answer has the words, whatever is around them: quotes, commas, a friendly sentence.
create function creel.is_answer(said text, wanted text) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(
    ' ' || trim(regexp_replace(lower(left(said, 20000)), '[^a-z]+', ' ', 'g')) || ' ' like '% ' || wanted || ' %', false)
$$;

-- Whether a command may keep an agent from answering: one that its host is at, one that was just made, or one that has
-- just ended. Not for ever, as a host that takes a command and never ends it has to be there, too.
create function creel.is_under_command(agent uuid, at timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.agent_commands c
    where c.agent_id = agent and (
      c.status = 'sent' and c.sent_at > at - interval '1 hour'
      or c.status = 'pending' and c.created_at > at - interval '5 minutes'
      or c.acked_at > at - interval '5 minutes'))
$$;

-- Why a failed canary says nothing of the host, or null.
create function creel.excuse_of(canary public.agent_canaries) returns text
language sql stable set search_path = '' as $$
  select case
    when w.gap_until > canary.asked_at or w.looked_at < now() - interval '2 minutes' then 'nobody_looked'
    when not creel.is_owed(a) or a.host_id <> canary.host_id then 'not_owed'
    when a.generation <> canary.generation or exists (
        select from public.brain_doc_versions v
        where v.project_id = a.project_id and v.agent_key = a.agent_key and v.author_kind = 'person'
          and v.created_at >= canary.asked_at)
      then 'changed'
    when creel.is_under_command(a.id, canary.asked_at) or creel.is_under_command(a.id, now()) then 'under_command'
  end
  from creel.canary_watch w left join public.agents a on a.id = canary.agent_id
$$;

-- What became of canaries: compared, and told to plan and outage. The lanes are locked.
create function creel.canary_settled(ids uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  -- So many in a row are told to people.
  doubts_told constant int := 3;
  soon constant timestamptz := now() + (creel.knobs()).canary_retry_secs * interval '1 second';
  canary public.agent_canaries;
  plan creel.canary_plans;
  wanted text;
  is_right boolean;
begin
  for canary in
    select * from public.agent_canaries c where c.id = any (ids) and c.status in ('done', 'failed') order by c.id
  loop
    delete from creel.canary_answers a where a.canary_id = canary.id returning a.answer into wanted;
    -- What the host sent is kept, as far as people look at it.
    is_right := canary.status = 'done' and creel.is_answer(canary.result ->> 'answer', wanted);
    update public.agent_canaries c set
      status = case when is_right then 'done' else 'failed' end,
      fault = case when is_right then null when canary.status = 'done' then 'wrong'
        when canary.result #>> '{error,code}' in ('deadline_passed', 'no_host', 'lease_expired') then 'unanswered'
        when canary.result #>> '{error,code}' = 'model_failed' then 'model'
        else 'error' end,
      result = jsonb_strip_nulls(jsonb_build_object(
        'answer', left(canary.result ->> 'answer', 1000), 'error', canary.result -> 'error',
        'ms', case when jsonb_typeof(canary.result -> 'ms') = 'number' then canary.result -> 'ms' end))
    where c.id = canary.id returning * into canary;

    select * into plan from creel.canary_plans p
    where p.agent_id = canary.agent_id and p.host_id = canary.host_id and p.since <= canary.asked_at for no key update;
    continue when not found;
    if is_right then
      update creel.canary_plans p
      set proven_generation = canary.generation, running_at = coalesce(p.running_at, now()), doubts = 0, doubted_since = null
      where p.agent_id = canary.agent_id;
      perform creel.end_outage(canary.agent_id, now(), 'answer');
      continue;
    end if;
    if creel.excuse_of(canary) is not null then
      update creel.canary_plans p set due_at = least(p.due_at, soon) where p.agent_id = canary.agent_id;
      continue;
    end if;
    if canary.fault = 'unanswered'
      or canary.fault = 'error' and plan.proven_generation is not distinct from canary.generation then
      update creel.canary_plans p set due_at = least(p.due_at, soon) where p.agent_id = canary.agent_id;
      perform creel.begin_outage(a, canary.host_id, canary.asked_at, canary.id,
        jsonb_build_object('fault', canary.fault, 'error', canary.result -> 'error'))
      from public.agents a where a.id = canary.agent_id;
      continue;
    end if;
    -- The deployer's settings, his model or his host: a person has to look. An outage that is open stays, as only an
    -- answer shows that the host is back.
    update creel.canary_plans p set doubts = p.doubts + 1, doubted_since = coalesce(p.doubted_since, canary.asked_at)
    where p.agent_id = canary.agent_id returning * into plan;
    if plan.doubts = doubts_told then
      perform creel.log_event('canary.unproven', canary.project_id, canary.agent_key, h.id, canary.id, jsonb_build_object(
        'since', plan.doubted_since, 'fault', canary.fault, 'error', canary.result -> 'error'))
      from (values (true)) as one left join public.hosts h on h.id = canary.host_id;
    end if;
  end loop;
end
$$;

-- For an operator: what was earned in whose time more canaries are in doubt than were answered. He looks whose fault that
-- was, and corrects it by creel.adjust_earning.
create view creel.unproven_earnings as
select
  e.id as earning_id, e.host_id, e.agent_id, e.subscription_id, e.period_start, e.period_end, e.amount_minor, e.currency,
  c.answered_count, c.doubtful_count, c.last_fault, c.last_error
from public.host_earnings e
cross join lateral (
  select
    count(*) filter (where c.status = 'done') as answered_count,
    count(*) filter (where c.fault in ('error', 'model', 'wrong')) as doubtful_count,
    (array_agg(c.fault order by c.asked_at desc) filter (where c.fault is not null))[1] as last_fault,
    (array_agg(c.result #>> '{error,message}' order by c.asked_at desc) filter (where c.fault is not null))[1] as last_error
  from public.agent_canaries c
  where c.agent_id = e.agent_id and c.host_id = e.host_id and c.asked_at >= e.period_start and c.asked_at < e.period_end) c
where e.kind = 'earning' and c.doubtful_count > c.answered_count
  -- Canaries are not kept for longer.
  and e.period_end > now() - interval '400 days';

insert into creel.queues (
  queue, tbl, lane_kind, priority, waiting, taken, done, dead, taken_at, done_at, on_settled)
values (
  'agent_canaries', 'public.agent_canaries', 'work', 0,
  'queued', 'running', 'done', 'failed', 'taken_at', 'answered_at', 'canary_settled');

select creel.join_queue('public.agent_canaries');

-- One that failed is asked anew by the next one, and not brought back by anybody.
create function creel.skip_row() returns trigger
language plpgsql set search_path = '' as $$
begin
  return null;
end
$$;

create trigger dead_letters_without_canaries
  before insert on creel.dead_letters for each row
  when (new.queue = 'agent_canaries') execute function creel.skip_row();

-- Asks whom it is time to ask. Lanes are locked before plans, as by a finish.
create function creel.ask_canaries() returns int
language plpgsql set search_path = '' as $$
declare
  knobs constant creel.settings := creel.knobs();
  agent public.agents;
  canary uuid;
  question record;
  asked int := 0;
begin
  update creel.canary_watch w set
    gap_until = case when w.looked_at < now() - interval '2 minutes' then now() else w.gap_until end, looked_at = now()
  where w.id;
  for agent in
    select a.* from creel.canary_plans p join public.agents a on a.id = p.agent_id and a.host_id = p.host_id
    where p.due_at <= now() and creel.is_owed(a)
      -- One that is not there an hour after it was paid for is asked all the same.
      and (p.running_at is not null or p.since < now() - interval '1 hour')
      and not creel.is_under_command(a.id, now())
    order by p.due_at limit 1000
  loop
    question := creel.make_challenge();
    insert into public.agent_canaries (project_id, agent_key, agent_id, host_id, generation, challenge, deadline_at)
    values (
      agent.project_id, agent.agent_key, agent.id, agent.host_id, agent.generation, question.challenge,
      now() + knobs.canary_limit_secs * interval '1 second')
    on conflict (agent_id) where status in ('queued', 'running') do nothing
    returning id into canary;
    if found then
      insert into creel.canary_answers (canary_id, answer) values (canary, question.answer);
      asked := asked + 1;
    end if;
    update creel.canary_plans p
    set due_at = now() + case
      when exists (select from public.agent_outages o where o.agent_id = p.agent_id and o.ended_at is null)
        then knobs.canary_retry_secs
      else (0.5 + random()) * knobs.canary_every_secs end * interval '1 second'
    where p.agent_id = agent.id;
  end loop;

  update creel.canary_plans p set running_at = now() where p.agent_id in (
    select o.agent_id from creel.canary_plans o join public.agents a on a.id = o.agent_id
    where o.running_at is null and a.status = 'running' for no key update of o skip locked);

  delete from public.agent_canaries c where c.id in (
    select o.id from public.agent_canaries o
    where o.asked_at < now() - knobs.canary_retention_days * interval '1 day' order by o.asked_at limit 500
    for update of o skip locked);
  return asked;
end
$$;

alter table public.agent_canaries enable row level security;
alter table public.agent_outages enable row level security;

create policy agent_canaries_select on public.agent_canaries for select to authenticated using (
  project_id = any ((select creel.readable_projects())::text[]) or host_id = any ((select creel.owned_hosts())::uuid[]));
create policy agent_outages_select on public.agent_outages for select to authenticated using (
  project_id = any ((select creel.readable_projects())::text[]) or host_id = any ((select creel.owned_hosts())::uuid[]));

revoke all on public.agent_canaries, public.agent_outages, creel.canary_answers, creel.canary_plans,
  creel.canary_watch, creel.unproven_earnings
  from public, anon, authenticated, service_role;
revoke all on sequence public.agent_outages_id_seq from public, anon, authenticated, service_role;
grant select on public.agent_canaries, public.agent_outages to authenticated, service_role;
revoke all on function creel.is_owed(public.agents), creel.end_outage(uuid, timestamptz, text),
  creel.begin_outage(public.agents, uuid, timestamptz, uuid, jsonb), creel.plan_canaries(),
  creel.is_under_command(uuid, timestamptz), creel.excuse_of(public.agent_canaries),
  creel.make_challenge(), creel.is_answer(text, text), creel.canary_settled(uuid[]), creel.skip_row(),
  creel.ask_canaries()
  from public, anon, authenticated, service_role;
