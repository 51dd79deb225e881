-- The queue: one lane for each agent and kind of work; one item of a lane at a time, in order.
--
-- What a queue table needs to join: columns id, project_id, agent_key, status, result, waiting_for, woken_by and
-- deadline_at, a row in creel.queues, and the two triggers of creel.join_queue(). Its words for the states are its own.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table creel.queues (
  queue text primary key,
  tbl regclass not null unique,
  lane_kind text not null,
  priority int not null,
  waiting text not null,
  taken text not null,
  done text not null,
  dead text not null,
  taken_at name not null,
  done_at name not null,
  max_attempts int not null default 5,
  on_taken name,
  on_settled name,
  constraint queues_lane_kind check (lane_kind in ('control', 'work')),
  constraint queues_max_attempts check (max_attempts > 0)
);

create table creel.lanes (
  id bigint generated always as identity primary key,
  project_id text not null,
  agent_key text not null,
  kind text not null,
  host_id uuid references public.hosts (id) on delete set null,
  priority int not null default 0,
  head bigint,
  item_id uuid,
  queue text,
  attempts int not null default 0,
  max_attempts int,
  given_back int not null default 0,
  not_before timestamptz not null default '-infinity',
  hopeless_since timestamptz,
  session_id uuid,
  token uuid,
  expires_at timestamptz,
  constraint lanes_agent_kind unique (project_id, agent_key, kind),
  constraint lanes_agent foreign key (project_id, agent_key)
    references public.agents (project_id, agent_key) on delete cascade,
  constraint lanes_kind check (kind in ('control', 'work')),
  constraint lanes_head_together check (
    (head is null) = (item_id is null) and (head is null) = (queue is null)),
  constraint lanes_leased_together check (
    (token is null) = (expires_at is null) and (token is null) = (session_id is null)),
  constraint lanes_leased_has_head check (token is null or head is not null),
  constraint lanes_attempts check (attempts between 0 and max_attempts)
)
-- Each item writes its lane twice: room in the pages, and a vacuum before the index is full of what was.
with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0);

create index lanes_claimable on creel.lanes (host_id, priority desc, head) where token is null and head is not null;
create index lanes_unplaced on creel.lanes (project_id, priority desc, head)
  where host_id is null and token is null and head is not null;
create index lanes_expiring on creel.lanes (expires_at) where token is not null;
-- With the id, as thousands of equal keys would make it slow to write.
create index lanes_held on creel.lanes (host_id, id) where token is not null;
create index lanes_pausing on creel.lanes (not_before) where token is null and not_before > '-infinity';

-- Found by lane or by its own id, never by seq alone: with an index on that, the planner may look for a lane's next
-- item among all.
create table creel.items (
  seq bigint generated always as identity,
  item_id uuid not null,
  queue text not null,
  lane_id bigint not null references creel.lanes (id) on delete cascade,
  max_attempts int not null,
  enqueued_at timestamptz not null default now(),
  deadline_at timestamptz,
  cancel boolean not null default false,
  constraint items_pkey primary key (lane_id, seq),
  constraint items_item unique (item_id)
)
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

create index items_deadline on creel.items (deadline_at) where deadline_at is not null;

create table creel.dead_letters (
  item_id uuid primary key,
  queue text not null references creel.queues (queue),
  project_id text not null references public.projects (id) on delete cascade,
  agent_key text not null,
  attempts int not null,
  reason text not null,
  died_at timestamptz not null default now(),
  constraint dead_letters_reason check (reason in ('attempts', 'failed', 'deadline', 'no_host'))
);

create index dead_letters_queue on creel.dead_letters (queue);
create index dead_letters_project on creel.dead_letters (project_id, died_at desc);

comment on table creel.queues is
  'The registry: a queue table''s words for waiting, taken, done and dead, its columns for when, and what else '
  'happens in the same transaction (on_taken and on_settled are functions of this schema; they take the ids of the rows).';
comment on table creel.lanes is
  'head is the first item, with what a claim needs to know of it: item_id, queue, and attempts, which counts claims '
  '(what a shutting-down worker gives back is counted by given_back instead). Whoever may work on it holds token, '
  'until expires_at, for the process session_id. The row''s lock orders enqueue against finish. host_id follows the '
  'agent''s. hopeless_since: since when no host may take it.';
comment on table creel.items is
  'What waits or is at work. Gone when it is done or dead.';
comment on table creel.dead_letters is 'What is tried no more, until redrive(id).';

create view public.dead_letters with (security_invoker = true) as
select d.item_id as id, d.queue, d.project_id, d.agent_key, d.attempts, d.reason, d.died_at
from creel.dead_letters d;

alter table creel.dead_letters enable row level security;

create policy dead_letters_select on creel.dead_letters for select to authenticated
  using (project_id = any ((select creel.readable_projects())::text[]));

revoke all on creel.queues, creel.lanes, creel.items, creel.dead_letters, public.dead_letters
  from public, anon, authenticated, service_role;
grant select on creel.dead_letters, public.dead_letters to authenticated, service_role;
