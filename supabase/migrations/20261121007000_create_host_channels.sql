-- Where a host that cannot LISTEN hears that there may be work: a Realtime channel that nobody else can guess.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

create table creel.host_channels (
  host_id uuid primary key references public.hosts (id) on delete cascade,
  -- Whoever knows it hears when the host has work, and may wake it in vain.
  topic text not null default 'creel-host:' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
  constraint host_channels_topic unique (topic)
);

comment on table creel.host_channels is
  'The Realtime topic of a host that asks for one by its tick. What is sent there is empty: work, cancel or docs. '
  'Another key of the host is another topic.';

alter table public.host_heartbeats
  add column listens boolean not null default false,
  add column lost_hints bigint not null default 0;

comment on column public.host_heartbeats.listens is
  'Whether the host hears at once that there is work, by its Realtime channel. A host with a login always does, and is '
  'not counted here.';
comment on column public.host_heartbeats.lost_hints is
  'How often a host with a key found work by a tick for which its channel had said nothing.';

-- The host's topic, made when it is asked for first.
create function creel.host_topic(host uuid) returns text
language plpgsql set search_path = '' as $$
declare
  topic text;
begin
  select c.topic into topic from creel.host_channels c where c.host_id = host;
  if not found then
    insert into creel.host_channels (host_id) values (host) on conflict (host_id) do nothing;
    select c.topic into topic from creel.host_channels c where c.host_id = host;
  end if;
  return topic;
end
$$;

-- Whoever had a key that ended is not to hear more by what that key was told.
create function creel.forget_host_channels() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from creel.host_channels c where c.host_id in (
    select n.host_id from new_rows n join old_rows o on o.id = n.id
    where (o.replaced_at is null and n.replaced_at is not null) or (o.revoked_at is null and n.revoked_at is not null));
  return null;
end
$$;

create trigger host_keys_forget_channels
  after update on creel.host_keys referencing old table as old_rows new table as new_rows
  for each statement execute function creel.forget_host_channels();

revoke all on creel.host_channels from public, anon, authenticated, service_role;
revoke all on function creel.host_topic(uuid), creel.forget_host_channels()
  from public, anon, authenticated, service_role;
