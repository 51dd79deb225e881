-- A host enrols itself by a code that its owner made: good once, for a quarter of an hour. The host makes its own key,
-- and only the key's hash leaves it.

set local lock_timeout = '10s';
set local statement_timeout = '60s';

alter table creel.settings
  add column max_hosts_per_user int not null default 100,
  add column max_open_codes_per_user int not null default 20;

alter table creel.host_keys
  add column lifetime_days int,
  add column replaced_at timestamptz;

comment on table creel.host_keys is
  'Hosts that come by HTTPS: the SHA-256 of a random key of 256 bits. A key that is revoked or expired opens nothing. '
  'replaced_at: another key took its place, and it ends some minutes after that. lifetime_days: for how long a key is '
  'good, the one that replaces it too; null, until it is revoked.';

create table creel.enrolment_codes (
  code_sha256 bytea primary key,
  id uuid not null unique default gen_random_uuid(),
  owner_id uuid not null references auth.users (id) on delete cascade,
  wish jsonb not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  host_id uuid references public.hosts (id) on delete cascade,
  constraint enrolment_codes_sha256_size check (octet_length(code_sha256) = 32),
  constraint enrolment_codes_wish check (jsonb_typeof(wish) = 'object' and pg_column_size(wish) <= 65536),
  constraint enrolment_codes_used_by_a_host check (used_at is null or host_id is not null)
);

create index enrolment_codes_owner on creel.enrolment_codes (owner_id);
create index enrolment_codes_host on creel.enrolment_codes (host_id);

comment on table creel.enrolment_codes is
  'The SHA-256 of each code, and the host that is to be: {name, platform, capacity, tags, price, project_ids, '
  'key_days}. host_id: the host that came of it; before that, one which is there and is to get another key.';

revoke all on creel.enrolment_codes from public, anon, authenticated, service_role;

-- Twenty characters of five bits each, without those that are mistaken for another one.
create function creel.random_code() returns text
language sql volatile set search_path = '' as $$
  select string_agg(
    substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 1 + (get_byte(r.bytes, n.i) & 31), 1)
      || case when n.i in (4, 9, 14) then '-' else '' end,
    '' order by n.i)
  from (select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) as bytes) r,
    generate_series(0, 19) as n (i)
$$;

-- As people type it: with or without hyphens, in either case, and with letters for digits.
create function creel.hash_of_code(code text) returns bytea
language sql immutable set search_path = '' as $$
  select sha256(convert_to(
    translate(upper(regexp_replace(code, '[^0-9A-Za-z]', '', 'g')), 'OIL', '011'), 'utf8'))
$$;

-- A text of 64 hexadecimal digits as bytes.
create function creel.read_sha256(digits text) returns bytea
language plpgsql immutable set search_path = '' as $$
begin
  if digits is null or digits !~ '^[0-9a-fA-F]{64}$' then
    raise exception 'key_sha256 is no SHA-256'
      using errcode = '22023', hint = 'Send the SHA-256 of the host''s key as 64 hexadecimal digits.';
  end if;
  return decode(digits, 'hex');
end
$$;

-- What is wrong with the host that a code is wished for, or null.
create function creel.fault_of_host_wish(wish jsonb) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case
    when pg_column_size(wish) > 65536 then 'the wish has more than 65536 bytes'
    when jsonb_typeof(wish) <> 'object' then 'the wish must be an object'
    when exists (
        select from jsonb_object_keys(wish) k
        where k not in ('name', 'platform', 'capacity', 'tags', 'price', 'project_ids', 'key_days'))
      then 'a wish has name, platform, capacity, tags, price, project_ids and key_days, and nothing else'
    when jsonb_typeof(wish -> 'name') <> 'string' or octet_length(wish ->> 'name') not between 1 and 200
      then 'name must be a text of 1 to 200 bytes'
    when wish ->> 'platform' not in ('linux', 'macos') then 'platform must be linux or macos'
    when wish ? 'capacity' and case
        when jsonb_typeof(wish -> 'capacity') <> 'number' then true
        else (wish ->> 'capacity')::numeric not between 0 and 100000 or (wish ->> 'capacity')::numeric % 1 <> 0 end
      then 'capacity must be a whole number from 0 to 100000'
    when wish ? 'key_days' and case
        when jsonb_typeof(wish -> 'key_days') <> 'number' then true
        else (wish ->> 'key_days')::numeric not between 1 and 3650 or (wish ->> 'key_days')::numeric % 1 <> 0 end
      then 'key_days must be a whole number from 1 to 3650'
    when wish ? 'tags' and case
        when jsonb_typeof(wish -> 'tags') <> 'array' then true
        else jsonb_array_length(wish -> 'tags') > 50
          or exists (
            select from jsonb_array_elements(wish -> 'tags') t
            where jsonb_typeof(t) <> 'string' or octet_length(t #>> '{}') not between 1 and 100) end
      then 'tags must be an array of at most 50 texts of 1 to 100 bytes'
    when wish ? 'project_ids' and case
        when jsonb_typeof(wish -> 'project_ids') <> 'array' then true
        else jsonb_array_length(wish -> 'project_ids') > 100
          or exists (
            select from jsonb_array_elements(wish -> 'project_ids') p where jsonb_typeof(p) <> 'string') end
      then 'project_ids must be an array of at most 100 texts'
    when wish ? 'price' and (jsonb_typeof(wish -> 'price') <> 'object' or pg_column_size(wish -> 'price') > 4096)
      then 'price must be an object of at most 4096 bytes'
  end;
end
$$;

-- Whether a person may have another host. What one person makes at the same time is counted one after the other.
create function creel.may_own_another_host(person uuid) returns boolean
language plpgsql set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(1129465165, hashtext(person::text));
  return (select count(*) from public.hosts h where h.owner_id = person and h.status <> 'retired')
    < (creel.knobs()).max_hosts_per_user;
end
$$;

create function public.create_enrolment_code(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  asker constant uuid := auth.uid();
  -- What is null is as good as not there.
  wish constant jsonb := jsonb_strip_nulls(
    case when jsonb_typeof($1) = 'object' then $1 - 'host_id' - 'api' else coalesce($1, '[]') end);
  for_host constant uuid := case when jsonb_typeof($1) = 'object' then ($1 ->> 'host_id')::uuid end;
  knobs constant creel.settings := creel.knobs();
  fault text;
  code text;
begin
  if asker is null then
    raise exception 'only a signed-in person may make a code for a host'
      using errcode = '42501', hint = 'Sign in as the owner of the host.';
  end if;
  fault := creel.fault_of_host_wish(wish);
  if fault is not null then
    raise exception '%', fault using errcode = '22023', hint = 'Correct it, and ask for the code again.';
  end if;
  if for_host is not null then
    if for_host <> all (creel.owned_hosts()) then
      raise exception 'you own no host %', for_host
        using errcode = '42501', hint = 'Only the owner of a host may let it enrol again.';
    end if;
    if (select h.status from public.hosts h where h.id = for_host) = 'retired' then
      raise exception 'host % is retired', for_host
        using errcode = 'PT409', hint = 'Enrol the machine as a new host.';
    end if;
  else
    if exists (
      select from jsonb_array_elements_text(coalesce(wish -> 'project_ids', '[]')) p
      where p <> all (creel.owned_projects())) then
      raise exception 'only an owner of a project may let a host serve it'
        using errcode = '42501', hint = 'Ask an owner of the project for the code.';
    end if;
    if not creel.may_own_another_host(asker) then
      raise exception 'too many hosts: the limit for one person is %', knobs.max_hosts_per_user
        using errcode = 'PT429', hint = 'Retire a host, or ask the operator to raise max_hosts_per_user.';
    end if;
  end if;
  delete from creel.enrolment_codes c where c.owner_id = asker and c.expires_at < now() - interval '1 day';
  if (select count(*) from creel.enrolment_codes c
      where c.owner_id = asker and c.used_at is null and c.expires_at > now()) >= knobs.max_open_codes_per_user then
    raise exception 'too many codes that nobody has used yet: the limit for one person is %',
      knobs.max_open_codes_per_user
      using errcode = 'PT429', hint = 'Use them, or wait a quarter of an hour until they have ended.';
  end if;
  code := creel.random_code();
  insert into creel.enrolment_codes (code_sha256, owner_id, wish, expires_at, host_id)
  values (creel.hash_of_code(code), asker, wish, now() + interval '15 minutes', for_host);
  return jsonb_build_object('code', code, 'expires_at', now() + interval '15 minutes');
end
$$;

comment on function public.create_enrolment_code(jsonb) is
  '{name?, project_ids[]?, platform?, capacity?, tags[]?, price?, key_days?} -> {code, expires_at}. For a signed-in '
  'person, who becomes the host''s owner, and must be an owner of each project. With {host_id} in their place an own '
  'host that is there gets another key, and those that it had end. Anything else is refused. A code is good once, for '
  '15 minutes.';

-- Makes a host. Nobody is asked here whether that is allowed.
create or replace function creel.enroll_host(args jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  host uuid;
  login name;
begin
  insert into public.hosts (name, owner_id, platform, capacity, tags, price, tenancy, backends)
  values (
    args ->> 'name', (args ->> 'owner_id')::uuid, args ->> 'platform',
    coalesce((args ->> 'capacity')::numeric::int, 10),
    array(select jsonb_array_elements_text(coalesce(args -> 'tags', '[]'))), args -> 'price',
    -- Whoever gets a login of the database is trusted.
    case when args #>> '{login,verifier}' is not null then 'trusted' else 'single' end,
    array(select jsonb_array_elements_text(coalesce(args -> 'backends', '["shared"]'))))
  returning id into host;

  insert into public.project_hosts (project_id, host_id)
  select distinct p.id, host from jsonb_array_elements_text(coalesce(args -> 'project_ids', '[]')) as p (id);

  if args #>> '{login,verifier}' is not null then
    login := 'creel_host_' || substr(replace(host::text, '-', ''), 1, 16);
    execute format(
      'create role %I login inherit connection limit 10 password %L in role creel_host',
      login, args #>> '{login,verifier}');
    execute format('alter role %I set statement_timeout = %L', login, '15s');
    execute format('alter role %I set idle_in_transaction_session_timeout = %L', login, '10s');
    insert into creel.host_logins (role_name, host_id) values (login, host);
  end if;

  if args #>> '{key,sha256}' is not null then
    insert into creel.host_keys (host_id, key_sha256, label, expires_at, lifetime_days)
    values (
      host, decode(args #>> '{key,sha256}', 'hex'), coalesce(args #>> '{key,label}', ''),
      coalesce(
        (args #>> '{key,expires_at}')::timestamptz,
        now() + (args ->> 'key_days')::numeric::int * interval '1 day'),
      (args ->> 'key_days')::numeric::int);
  end if;

  return jsonb_build_object('host_id', host, 'role', login);
end
$$;

comment on function creel.enroll_host(jsonb) is
  'Makes a host: {name, project_ids[], owner_id?, platform?, capacity?, tags[]?, price?, backends[]?, key_days?, '
  'login?: {verifier}, key?: {sha256, label?, expires_at?}} -> {host_id, role}. The verifier is the SCRAM one, so that no password is in '
  'any log.';

-- Another key for a host that is there; those that it had end.
create function creel.replace_host_keys(host uuid, sha256 bytea, key_days int) returns void
language plpgsql set search_path = '' as $$
begin
  update creel.host_keys k set revoked_at = now() where k.host_id = host and k.revoked_at is null;
  insert into creel.host_keys (host_id, key_sha256, expires_at, lifetime_days)
  values (host, sha256, now() + key_days * interval '1 day', key_days);
end
$$;

create function public.enroll_host_by_code(jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  given creel.enrolment_codes;
  sha constant bytea := creel.read_sha256($1 ->> 'key_sha256');
  known creel.host_keys;
  wish jsonb;
  host uuid;
begin
  if octet_length($1 ->> 'code') > 100 or octet_length($1 ->> 'name') > 200
     or $1 ->> 'platform' not in ('linux', 'macos') then
    raise exception 'code, name or platform cannot be one'
      using errcode = '22023', hint = 'A name has 200 bytes at most, and platform is linux or macos.';
  end if;
  -- A host that is there is locked before its codes and keys, as by whoever ends them; what they are now is read after.
  perform 1 from public.hosts h
  where h.id = (
    select c.host_id from creel.enrolment_codes c where c.code_sha256 = creel.hash_of_code($1 ->> 'code'))
  for no key update;
  select * into given from creel.enrolment_codes c
  where c.code_sha256 = creel.hash_of_code($1 ->> 'code') and c.expires_at > clock_timestamp()
  for update;
  select * into known from creel.host_keys k where k.key_sha256 = sha;
  -- Whoever did not hear the answer asks again, with the same key.
  if given.used_at is not null and known.host_id = given.host_id and known.revoked_at is null then
    return jsonb_build_object('host_id', given.host_id);
  end if;
  if given.code_sha256 is null or given.used_at is not null then
    raise exception 'the code is not known, was used, or has ended'
      using errcode = 'PT404', detail = 'unknown_code',
        hint = 'Let the owner of the host make another one: creel host code. It is good once, for 15 minutes.';
  end if;
  if known.id is not null then
    raise exception 'a host has this key already'
      using errcode = 'PT409', detail = 'known_key', hint = 'Make a new random key for each enrolment.';
  end if;
  if given.host_id is not null then
    host := given.host_id;
    if not exists (
      select from public.hosts h where h.id = host and h.status <> 'retired' and h.owner_id = given.owner_id) then
      raise exception 'host % is retired', host
        using errcode = 'PT409', hint = 'Let its owner enrol the machine as a new host.';
    end if;
    perform creel.replace_host_keys(host, sha, (given.wish ->> 'key_days')::numeric::int);
  else
    if not creel.may_own_another_host(given.owner_id) then
      raise exception 'the owner of the code has too many hosts: the limit for one person is %',
        (creel.knobs()).max_hosts_per_user
        using errcode = 'PT429', hint = 'Retire a host, or ask the operator to raise max_hosts_per_user.';
    end if;
    -- Key by key: enroll_host can do more than a person may wish for.
    wish := jsonb_strip_nulls(jsonb_build_object(
      'owner_id', given.owner_id,
      'name', coalesce(given.wish ->> 'name', nullif($1 ->> 'name', ''), 'host'),
      'platform', coalesce(given.wish ->> 'platform', $1 ->> 'platform'),
      'capacity', given.wish -> 'capacity',
      'tags', given.wish -> 'tags',
      'price', given.wish -> 'price',
      'key_days', given.wish -> 'key_days',
      'key', jsonb_build_object('sha256', encode(sha, 'hex')),
      -- Whoever made the code may own less by now.
      'project_ids', (
        select coalesce(jsonb_agg(m.project_id), '[]') from public.project_members m
        where m.user_id = given.owner_id and m.role = 'owner'
          and given.wish -> 'project_ids' ? m.project_id)));
    host := (creel.enroll_host(wish) ->> 'host_id')::uuid;
  end if;
  update creel.enrolment_codes c set used_at = now(), host_id = host where c.code_sha256 = given.code_sha256;
  perform creel.log_event('host.enrolled', null, null, host, null);
  return jsonb_build_object('host_id', host);
end
$$;

comment on function public.enroll_host_by_code(jsonb) is
  'For a host that nobody knows yet: {code, key_sha256, platform?, name?} -> {host_id}; name is for a code without one. '
  'From then on the host sends the '
  'key itself as x-creel-host-key. Asked again with the same code and key it answers the same; 404 for a code that is '
  'not known, was used, or has ended.';

revoke all on function creel.random_code(), creel.hash_of_code(text), creel.read_sha256(text),
  creel.fault_of_host_wish(jsonb), creel.may_own_another_host(uuid), creel.replace_host_keys(uuid, bytea, int),
  public.create_enrolment_code(jsonb), public.enroll_host_by_code(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.create_enrolment_code(jsonb) to authenticated;
grant execute on function public.enroll_host_by_code(jsonb) to anon, authenticated;
