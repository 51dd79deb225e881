--
-- PostgreSQL database dump
--



SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: creel; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA creel;


--
-- Name: public; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA public;


--
-- Name: SCHEMA public; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA public IS 'standard public schema';


--
-- Name: settlement; Type: TYPE; Schema: creel; Owner: -
--

CREATE TYPE creel.settlement AS (
	lane_id bigint,
	seq bigint,
	item_id uuid,
	queue text,
	attempts integer,
	max_attempts integer,
	given_back integer,
	token uuid,
	disposition text,
	reason text,
	result jsonb,
	pause boolean
);


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: agents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agents (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    name text,
    role text,
    emoji text,
    color text,
    agent_id_short text,
    workspace_path text,
    provisioned boolean DEFAULT false NOT NULL,
    host_id uuid,
    host_pinned boolean DEFAULT false NOT NULL,
    openclaw_id text,
    backend text DEFAULT 'shared'::text NOT NULL,
    profile text,
    port integer,
    config jsonb DEFAULT '{}'::jsonb NOT NULL,
    limits jsonb DEFAULT '{}'::jsonb NOT NULL,
    desired_state text DEFAULT 'running'::text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    status text DEFAULT 'pending_deploy'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleting_since timestamp with time zone,
    billing text DEFAULT 'free'::text NOT NULL,
    CONSTRAINT agents_backend CHECK ((backend = ANY (ARRAY['shared'::text, 'profile'::text, 'docker'::text, 'multipass'::text]))),
    CONSTRAINT agents_billing CHECK ((billing = ANY (ARRAY['free'::text, 'unpaid'::text, 'paid'::text]))),
    CONSTRAINT agents_desired_state CHECK ((desired_state = ANY (ARRAY['running'::text, 'stopped'::text, 'removed'::text]))),
    CONSTRAINT agents_port CHECK (((port >= 1) AND (port <= 65535))),
    CONSTRAINT agents_provisioned_is_placed CHECK (((NOT provisioned) OR ((openclaw_id IS NOT NULL) AND (workspace_path IS NOT NULL)))),
    CONSTRAINT agents_sizes CHECK ((((octet_length(agent_key) >= 1) AND (octet_length(agent_key) <= 1024)) AND (COALESCE(octet_length(name), 0) <= 16384) AND (COALESCE(octet_length(role), 0) <= 16384) AND (COALESCE(octet_length(emoji), 0) <= 1024) AND (COALESCE(octet_length(color), 0) <= 1024) AND (COALESCE(octet_length(agent_id_short), 0) <= 1024) AND (COALESCE(octet_length(workspace_path), 0) <= 4096) AND (pg_column_size(config) <= 65536) AND (pg_column_size(limits) <= 8192))),
    CONSTRAINT agents_status CHECK ((status = ANY (ARRAY['pending_deploy'::text, 'deploying'::text, 'running'::text, 'stopped'::text, 'error'::text, 'removed'::text])))
);


--
-- Name: TABLE agents; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.agents IS 'One row an agent, unique by (project_id, agent_key). A member writes name, role, emoji, color, agent_id_short (derived from the key where it is not given), config, limits, desired_state, backend, and host_id as long as it is not placed. provisioned, workspace_path, openclaw_id, status, port and profile belong to the worker: what a member writes into them is ignored. status: pending_deploy -> deploying -> running | stopped, or error. Deleting the row of an agent that a host has sets desired_state to removed; the host undeploys it first.';


--
-- Name: COLUMN agents.billing; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.agents.billing IS 'free: nobody asks for money. unpaid: it waits for its payment, or is not paid for any more; it can be neither deployed nor started. paid: a subscription covers it. Written by Creel alone.';


--
-- Name: accepts_billing(uuid, public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.accepts_billing(host_id uuid, agent public.agents) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return case agent.billing when 'unpaid' then false else
    not exists (
      select from public.project_hosts p
      where p.host_id = accepts_billing.host_id and p.project_id = agent.project_id and p.terms = 'rented')
    or agent.billing = 'paid' and exists (
      select from public.subscriptions s
      where s.agent_id = agent.id and s.host_id = accepts_billing.host_id and s.service in ('active', 'grace')) end;
end
$$;


--
-- Name: actor(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.actor() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  host constant uuid := creel.current_host_id();
begin
  return case
    when host is not null then 'host:' || host
    when session_user = 'authenticator' and auth.uid() is not null then 'user:' || auth.uid()
    else 'creel'
  end;
end
$$;


--
-- Name: add_doc_bytes(text, bigint); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.add_doc_bytes(of_project text, size_bytes bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  most constant bigint := (select s.max_doc_bytes_per_project from creel.settings s);
  total bigint;
begin
  insert into creel.doc_usage as u (project_id, size_bytes) values (of_project, add_doc_bytes.size_bytes)
  on conflict (project_id) do update set size_bytes = u.size_bytes + excluded.size_bytes
  returning u.size_bytes into total;
  if total > most then
    raise exception 'project % keeps too much text in its documents and their versions: the limit is % bytes',
      of_project, most
      using errcode = 'PT429', hint = 'Ask the operator to raise max_doc_bytes_per_project.';
  end if;
end
$$;


--
-- Name: brain_docs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.brain_docs (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    doc_type text NOT NULL,
    content text DEFAULT ''::text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    sha256 text DEFAULT ''::text NOT NULL,
    doc_date date,
    updated_by text,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    last_version integer DEFAULT 1 NOT NULL,
    base_version integer,
    disk_sha256 text,
    disk_version integer DEFAULT 0 NOT NULL,
    disk_at timestamp with time zone,
    sync_state text DEFAULT 'waiting'::text NOT NULL,
    sync_note text,
    held_version integer,
    conflict_version integer,
    erased_sha256s text[] DEFAULT '{}'::text[] NOT NULL,
    warning text,
    changed xid8 DEFAULT '0'::xid8 NOT NULL,
    CONSTRAINT brain_docs_doc_type CHECK ((doc_type = ANY (ARRAY['soul'::text, 'agents'::text, 'user'::text, 'identity'::text, 'memory_long'::text, 'memory_today'::text]))),
    CONSTRAINT brain_docs_sizes CHECK (((octet_length(content) <= 1048576) AND ((octet_length(agent_key) >= 1) AND (octet_length(agent_key) <= 1024)) AND (COALESCE(octet_length(updated_by), 0) <= 1024))),
    CONSTRAINT brain_docs_sync_note_size CHECK ((octet_length(sync_note) <= 4096)),
    CONSTRAINT brain_docs_sync_state CHECK ((sync_state = ANY (ARRAY['waiting'::text, 'synced'::text, 'held'::text, 'blocked'::text])))
);


--
-- Name: TABLE brain_docs; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.brain_docs IS 'One row a document, unique by (project_id, agent_key, doc_type). Who writes content gets a new version; the other columns are computed. A write with base_version, the version that it was based on (0: there was none), fails with PT409 when the row is another one by now; without it the last writer wins, and what he replaced is a version. disk_sha256 is the text of the disk that the row has taken in last, and disk_version the version that the row had then: the host that the agent lives on sets them. sync_state waiting: the disk does not have the row''s text yet; synced; held: the disk has nothing or a template (held_version) and the row more, until resolve_doc, another write or another change of the disk; blocked: sync_note says why. conflict_version is a text that lost against the disk, to be looked at. erased_sha256s are texts that were erased while they may have been on their way to the disk. changed is the transaction in which somebody other than the agent''s host wrote.';


--
-- Name: add_doc_version(public.brain_docs, integer, text, text, text, boolean); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.add_doc_version(doc public.brain_docs, number integer, content text, author_kind text, reason text, side boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  host constant uuid := creel.current_host_id();
  hash constant text := creel.text_sha256(content);
begin
  -- What a version costs beside its text. It comes first, so that writers of one project take turns here.
  perform creel.add_doc_bytes(
    doc.project_id, 256 + octet_length(doc.agent_key) + coalesce(octet_length(doc.updated_by), 0));
  insert into public.brain_doc_contents (project_id, sha256, content)
  values (doc.project_id, hash, add_doc_version.content) on conflict do nothing;
  insert into public.brain_doc_versions (
    doc_id, project_id, agent_key, doc_type, version, base_version, sha256, author_kind, author_id, updated_by, reason,
    side, doc_date)
  values (
    doc.id, doc.project_id, doc.agent_key, doc.doc_type, number,
    case when number > 1 then doc.version end, hash, add_doc_version.author_kind,
    case when host is null then auth.uid() end, doc.updated_by, add_doc_version.reason, add_doc_version.side,
    doc.doc_date);
end
$$;


--
-- Name: add_function_key(text, text, text, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.add_function_key(opens text, sha256 text, label text, days integer DEFAULT NULL::integer) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  made uuid;
begin
  insert into creel.function_keys (opens, key_sha256, label, expires_at)
  values (
    add_function_key.opens, creel.read_sha256(add_function_key.sha256), coalesce(add_function_key.label, ''),
    now() + add_function_key.days * interval '1 day')
  returning id into made;
  return made;
end
$$;


--
-- Name: FUNCTION add_function_key(opens text, sha256 text, label text, days integer); Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON FUNCTION creel.add_function_key(opens text, sha256 text, label text, days integer) IS 'Another key of the function stripe or notifications, by its SHA-256 as 64 hexadecimal digits; good for so many days, or until it is revoked. For whoever has the database''s own URL.';


--
-- Name: queues; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.queues (
    queue text NOT NULL,
    tbl regclass NOT NULL,
    lane_kind text NOT NULL,
    priority integer NOT NULL,
    waiting text NOT NULL,
    taken text NOT NULL,
    done text NOT NULL,
    dead text NOT NULL,
    taken_at name NOT NULL,
    done_at name NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    on_taken name,
    on_settled name,
    CONSTRAINT queues_lane_kind CHECK ((lane_kind = ANY (ARRAY['control'::text, 'work'::text]))),
    CONSTRAINT queues_max_attempts CHECK ((max_attempts > 0))
);


--
-- Name: TABLE queues; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.queues IS 'The registry: a queue table''s words for waiting, taken, done and dead, its columns for when, and what else happens in the same transaction (on_taken and on_settled are functions of this schema; they take the ids of the rows).';


--
-- Name: add_lanes(creel.queues, text[], text[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.add_lanes(registered creel.queues, project_ids text[], agent_keys text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- A new lane has its agent's host: an agent that is being placed at this moment is waited for.
  perform 1 from public.agents a
  where (a.project_id, a.agent_key) in (select n.* from unnest(project_ids, agent_keys) n)
    and not exists (
      select from creel.lanes l
      where l.project_id = a.project_id and l.agent_key = a.agent_key and l.kind = registered.lane_kind)
  order by a.id for share of a;
  insert into creel.lanes (project_id, agent_key, kind, priority, host_id)
  select distinct a.project_id, a.agent_key, registered.lane_kind, registered.priority, a.host_id
  from unnest(project_ids, agent_keys) as n (project_id, agent_key)
  join public.agents a on a.project_id = n.project_id and a.agent_key = n.agent_key
  order by 1, 2
  on conflict do nothing;
end
$$;


--
-- Name: webhooks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhooks (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    project_id text NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    disabled_reason text,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT webhooks_events CHECK ((events <@ ARRAY['agent.down'::text, 'limit.exceeded'::text, 'host.offline'::text, 'host.online'::text])),
    CONSTRAINT webhooks_events_count CHECK (((cardinality(events) >= 1) AND (cardinality(events) <= 10))),
    CONSTRAINT webhooks_sizes CHECK (((octet_length(url) <= 2000) AND (COALESCE(octet_length(disabled_reason), 0) <= 1000)))
);


--
-- Name: TABLE webhooks; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.webhooks IS 'An address that a project''s notifications are sent to, in the form of Standard Webhooks. Made by create_webhook, which shows its secret once. enabled is taken away by an answer of 410; disabled_reason says so. All members read the address.';


--
-- Name: add_notification(public.webhooks, text, uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.add_notification(webhook public.webhooks, kind text, subject uuid, said jsonb) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  knobs constant creel.settings := creel.knobs();
  made constant uuid := gen_random_uuid();
  told constant jsonb := jsonb_build_object(
    'id', made, 'kind', kind, 'project_id', webhook.project_id,
    'created_at', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) || said;
  before public.notifications;
begin
  if subject is not null then
    select * into before from public.notifications n
    where n.webhook_id = webhook.id and n.kind = add_notification.kind and n.subject = add_notification.subject
    order by n.due_at desc limit 1;
    if before.due_at > now() and before.status = 'pending' then
      update public.notifications n set
        held_back = n.held_back + 1,
        payload = told || jsonb_build_object('id', n.id, 'details',
          told -> 'details' || jsonb_build_object('held_back', n.held_back + 1))
      where n.id = before.id;
      return before.id;
    end if;
  end if;
  if (select count(*) from public.notifications n where n.webhook_id = webhook.id and n.status = 'pending')
     >= knobs.max_open_notifications_per_webhook then
    -- Said once in an hour.
    if not exists (
      select from public.events e
      where e.project_id = webhook.project_id and e.kind = 'webhook.overflowed' and e.item_id = webhook.id
        and e.at > now() - interval '1 hour') then
      perform creel.log_event('webhook.overflowed', webhook.project_id, null, null, webhook.id,
        jsonb_build_object('most', knobs.max_open_notifications_per_webhook));
    end if;
    return null;
  end if;
  insert into public.notifications (id, project_id, webhook_id, kind, subject, payload, due_at, not_before)
  select made, webhook.project_id, webhook.id, add_notification.kind, add_notification.subject,
    told, d.due, d.due
  from (
    select greatest(now(), before.due_at + knobs.notification_damping_secs * interval '1 second') as due) d;
  return made;
end
$$;


--
-- Name: adjust_earning(bigint, bigint, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.adjust_earning(earning bigint, amount bigint, reason text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  earned public.host_earnings;
  made bigint;
begin
  select * into earned from public.host_earnings e where e.id = earning and e.kind = 'earning';
  if not found then
    raise exception 'there is no earning %', earning
      using errcode = 'PT404', hint = 'Name the row of kind earning that is to be corrected.';
  end if;
  perform 1 from creel.earning_facts f where f.earning_id = earning for update;
  if (select sum(e.amount_minor) + amount from public.host_earnings e where e.id = earning or e.corrects = earning)
    not between 0 and earned.amount_minor then
    raise exception 'an earning comes to no less than nothing, and to no more than it was'
      using errcode = 'PT409', hint = 'Look at the rows that correct it already.';
  end if;
  insert into public.host_earnings (
    host_id, owner_id, subscription_id, agent_id, kind, amount_minor, currency, gross_minor, fee_minor, invoice_id,
    charge_id, payment_intent_id, transfer_id, destination, period_start, period_end, source, corrects, paid_at)
  values (
    earned.host_id, earned.owner_id, earned.subscription_id, earned.agent_id, 'adjustment', amount, earned.currency, 0, 0,
    earned.invoice_id, earned.charge_id, earned.payment_intent_id, earned.transfer_id, earned.destination,
    earned.period_start, earned.period_end, 'adjusted: ' || left(reason, 200), earned.id, earned.paid_at)
  returning id into made;
  -- What was held back only because of an earlier one.
  perform creel.write_corrections(earning, 'adjusted: ' || left(reason, 200));
  perform creel.ask_for_return(earning);
  return made;
end
$$;


--
-- Name: adopt_agent(text, uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.adopt_agent(of_project text, of_host uuid, wish jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  wished constant text := wish ->> 'openclaw_id';
  key constant text := 'agent:' || (wish ->> 'openclaw_id') || ':main';
  agent public.agents;
  request uuid;
begin
  if not coalesce(creel.is_agent_id(wished), false) then
    return creel.refuse_adoption(wished, 'agent_id', case when wished = 'main'
        then 'main is OpenClaw''s own agent'
        else 'this is no agent id that Creel can have: a-z, 0-9, _ and -, a letter or digit first, at most 63' end,
      'Leave it to OpenClaw, or make an agent with another id from its files.');
  end if;

  select * into agent from public.agents a where a.host_id = of_host and a.openclaw_id = wished;
  if found and agent.project_id <> of_project then
    return creel.refuse_adoption(wished, 'other_project', 'it is an agent of another project already',
      'Remove it there first.');
  end if;
  if not found then
    select * into agent from public.agents a where a.project_id = of_project and a.agent_key = key;
  end if;
  if agent.id is not null then
    if agent.provisioned and agent.host_id = of_host then
      return jsonb_build_object('openclaw_id', wished, 'outcome', 'exists', 'agent_key', agent.agent_key);
    end if;
    if agent.provisioned or agent.host_id <> of_host or agent.openclaw_id <> wished then
      return creel.refuse_adoption(wished, 'key_taken', 'the project has another agent ' || agent.agent_key,
        'Remove that agent, or adopt this one in another project.');
    end if;
    if agent.desired_state = 'removed' then
      return creel.refuse_adoption(wished, 'being_removed', agent.agent_key || ' is being removed',
        'Wait until it is gone, then adopt the agent.');
    end if;
    select r.id into request from public.agent_provision_requests r
    where r.project_id = of_project and r.agent_key = agent.agent_key and r.status in ('queued', 'running')
      and r.adopt;
    if request is not null then
      return jsonb_build_object(
        'openclaw_id', wished, 'outcome', 'exists', 'agent_key', agent.agent_key, 'request_id', request);
    end if;
    if exists (
      select from public.agent_provision_requests r
      where r.project_id = of_project and r.agent_key = agent.agent_key and r.status in ('queued', 'running')
    ) then
      return creel.refuse_adoption(wished, 'open_request', 'a request for ' || agent.agent_key || ' is open',
        'Wait until it has ended, then adopt the agent.');
    end if;
    update public.agents a set host_id = of_host, host_pinned = true, openclaw_id = wished,
      agent_id_short = coalesce(a.agent_id_short, wished)
    where a.id = agent.id;
  else
    insert into public.agents (
      project_id, agent_key, name, emoji, agent_id_short, host_id, host_pinned, openclaw_id)
    values (
      of_project, key, coalesce(nullif(wish ->> 'name', ''), wished), nullif(wish ->> 'emoji', ''), wished, of_host,
      true, wished)
    returning * into agent;
  end if;
  insert into public.agent_provision_requests (
    project_id, agent_key, agent_id_short, display_name, emoji, adopt)
  values (of_project, agent.agent_key, wished, agent.name, agent.emoji, true)
  returning agent_provision_requests.id into request;
  return jsonb_build_object(
    'openclaw_id', wished, 'outcome', 'adopted', 'agent_key', agent.agent_key, 'request_id', request);
exception
  -- One that cannot be had costs the others nothing.
  when sqlstate 'PT402' or sqlstate 'PT409' or sqlstate 'PT429' or check_violation or unique_violation then
    return creel.refuse_adoption(wished, 'refused',
      case when sqlstate like 'PT%' then sqlerrm else 'its name, emoji or key cannot be written' end,
      'Shorten what is too long, make room for it, or adopt fewer agents at a time.');
end
$$;


--
-- Name: after_settled(text, uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.after_settled(for_queue text, row_ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if for_queue = 'agent_canaries' then
    perform creel.canary_settled(row_ids);
  end if;
  if for_queue = 'agent_commands' then
    perform creel.command_settled(row_ids);
  end if;
  if for_queue = 'agent_provision_requests' then
    perform creel.provision_settled(row_ids);
  end if;
end
$$;


--
-- Name: after_taken(text, uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.after_taken(for_queue text, row_ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if for_queue = 'agent_commands' then
    perform creel.command_taken(row_ids);
  end if;
  if for_queue = 'agent_provision_requests' then
    perform creel.provision_taken(row_ids);
  end if;
end
$$;


--
-- Name: checkout_intents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.checkout_intents (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    project_id text,
    agent_key text NOT NULL,
    agent_id uuid,
    host_id uuid,
    plan text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    fee_bp integer NOT NULL,
    destination text NOT NULL,
    agent jsonb NOT NULL,
    session_id text,
    session_url text,
    customer_id text,
    status text DEFAULT 'open'::text NOT NULL,
    awaits_payment boolean DEFAULT false NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT checkout_intents_amount CHECK (((amount_minor > 0) AND ((fee_bp >= 0) AND (fee_bp <= 10000)))),
    CONSTRAINT checkout_intents_ended CHECK (((status = 'open'::text) = (ended_at IS NULL))),
    CONSTRAINT checkout_intents_plan CHECK ((plan = ANY (ARRAY['month'::text, 'year'::text]))),
    CONSTRAINT checkout_intents_sizes CHECK ((((octet_length(agent_key) >= 1) AND (octet_length(agent_key) <= 1024)) AND (octet_length(currency) = 3) AND (octet_length(destination) <= 255) AND (COALESCE(octet_length(session_id), 0) <= 255) AND (COALESCE(octet_length(session_url), 0) <= 4096) AND (COALESCE(octet_length(customer_id), 0) <= 255))),
    CONSTRAINT checkout_intents_status CHECK ((status = ANY (ARRAY['open'::text, 'paid'::text, 'expired'::text, 'failed'::text])))
);


--
-- Name: TABLE checkout_intents; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.checkout_intents IS 'A wish for an agent that is to be paid for, made by begin_checkout: the price as it was decided, and the agent as it is wished. While it is open the agent''s row keeps the place on the host. awaits_payment: the deployer is through, and his bank takes its time. open -> paid, expired or failed. The documents that were wished for are taken from it when they have been written, or some days after it ended. It outlives its project.';


--
-- Name: agent_of_intent(public.checkout_intents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.agent_of_intent(intent public.checkout_intents) RETURNS public.agents
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  agent public.agents;
  host public.hosts;
begin
  if intent.project_id is null then
    raise exception 'the project of the checkout is gone' using errcode = 'PT409';
  end if;
  select * into agent from public.agents a where a.project_id = intent.project_id and a.agent_key = intent.agent_key;
  if agent.id is not null then
    -- Lanes before hosts, as where a checkout begins.
    perform creel.lock_agent_lane(agent, false);
    select * into agent from public.agents a where a.id = agent.id for no key update;
  end if;
  if agent.id is null or agent.billing = 'unpaid' and agent.openclaw_id is null and agent.status = 'removed' then
    perform 1 from public.hosts h where h.id = intent.host_id for no key update;
    select * into host from public.hosts h where h.id = intent.host_id;
    if host.id is null then
      raise exception 'the host of the checkout is gone' using errcode = 'PT409';
    end if;
    perform creel.check_place(host, intent.project_id, intent.agent);
    agent.id := creel.reserve(intent.project_id, intent.agent_key, host, intent.agent, agent);
    select * into agent from public.agents a where a.id = agent.id;
    perform creel.lock_agent_lane(agent, false);
  end if;
  if agent.billing = 'free' then
    raise exception 'agent % is there, and nobody asks money for it', intent.agent_key using errcode = 'PT409';
  end if;
  return agent;
end
$$;


--
-- Name: agent_on_host(uuid, uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.agent_on_host(host uuid, agent_id uuid) RETURNS public.agents
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  agent public.agents;
begin
  select * into agent from public.agents a
  where a.id = agent_id and a.host_id = host and a.status <> 'removed'
    and exists (select from public.project_hosts p where p.host_id = host and p.project_id = a.project_id);
  return agent;
end
$$;


--
-- Name: all_docs_warning(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.all_docs_warning(project text, key text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  most constant int := (creel.doc_limits() ->> 'openclaw_all_chars')::int;
  total bigint;
begin
  select sum(octet_length(d.content)) into total from public.brain_docs d
  where d.project_id = project and d.agent_key = key and d.doc_type <> 'memory_today';
  if coalesce(total, 0) > most then
    select sum(char_length(d.content)) into total from public.brain_docs d
    where d.project_id = project and d.agent_key = key and d.doc_type <> 'memory_today';
  end if;
  return case when total > most then format(
    'OpenClaw reads %s characters of all documents of an agent together and these have %s: it leaves some out. Nothing '
    'is lost; shorten them.', most, total) end;
end
$$;


--
-- Name: apply_waiting_for(text[], jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.apply_waiting_for(known text[], current jsonb) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  sought text[] := known;
  tried text[] := '{}'::text[];
  waiting public.stripe_events;
  verdict jsonb;
  applied int := 0;
begin
  for turn in 1..100 loop
    select * into waiting from public.stripe_events e
    where e.subjects && sought and e.id <> all (tried) and e.payload is not null
      and e.status <> 'applied'
      and (e.status = 'waiting' or e.type = 'customer.deleted')
    order by e.created, e.id limit 1 for no key update skip locked;
    exit when waiting.id is null;
    tried := tried || waiting.id;
    -- What is wrong with this one does not undo what it waited for.
    begin
      verdict := creel.try_event(waiting.payload, current);
    exception when others then
      verdict := jsonb_build_object('outcome', 'waiting', 'note', left('it failed: ' || sqlerrm, 1000));
    end;
    if verdict ->> 'outcome' <> 'fetch' then
      perform creel.note_verdict(waiting.id, verdict);
    end if;
    if verdict ->> 'outcome' = 'applied' then
      applied := applied + 1;
      sought := sought || array(select jsonb_array_elements_text(coalesce(verdict -> 'knows', '[]')));
    end if;
  end loop;
  return applied;
end
$$;


--
-- Name: ask_canaries(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.ask_canaries() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: ask_for_return(bigint); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.ask_for_return(earning bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  due constant bigint := creel.still_to_return(earning);
  earned public.host_earnings;
  intent uuid;
  request constant uuid := gen_random_uuid();
  metadata jsonb;
  transfer creel.earning_transfers;
  amount bigint;
begin
  if due = 0 or exists (
    select from creel.stripe_requests r where r.earning_id = earning and r.status = 'waiting') then
    return;
  end if;
  select * into strict earned from public.host_earnings e where e.id = earning;
  select s.intent_id into intent from public.subscriptions s where s.id = earned.subscription_id;
  metadata := jsonb_strip_nulls(jsonb_build_object('creel_intent', intent, 'creel_request', request));

  if due < 0 then
    -- Only what was reversed because of us: what somebody reversed by hand stays reversed.
    select least(-due, sum(case when t.is_back then t.asked_minor - t.amount_minor else t.asked_minor end)) into amount
    from creel.earning_transfers t where t.earning_id = earning;
    if amount > 0 then
      insert into creel.stripe_requests (id, earning_id, kind, transfer_id, amount_minor, form)
      values (request, earning, 'payback', earned.transfer_id, amount, jsonb_build_object(
        'amount', amount, 'currency', earned.currency, 'destination', earned.destination,
        'transfer_group', 'creel_' || earned.transfer_id, 'metadata', metadata));
    end if;
    return;
  end if;

  select * into transfer from creel.earning_transfers t
  where t.earning_id = earning and t.left_minor > 0
  order by t.is_back desc, t.created_at desc, t.transfer_id limit 1;
  if not found then
    return;
  end if;
  amount := transfer.returned_minor + least(due, transfer.left_minor);
  insert into creel.stripe_requests (id, earning_id, kind, transfer_id, amount_minor, form)
  select request, earning, 'reversal', transfer.transfer_id, amount, jsonb_build_object('amount', amount, 'metadata', metadata)
  where not exists (
    select from creel.stripe_requests r
    where r.earning_id = earning and r.status = 'failed' and r.kind = 'reversal'
      and r.transfer_id = transfer.transfer_id and r.amount_minor = amount);
end
$$;


--
-- Name: ask_to_run(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.ask_to_run(agent public.agents) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  made uuid;
begin
  if agent.desired_state <> 'removed' and (
    agent.provisioned and creel.is_on_host(agent)
    or creel.has_open(agent, array['deploy', 'agent_provision_requests'])) then
    return creel.send_own_command(agent, 'start');
  end if;
  if agent.backend <> 'shared' then
    return creel.send_own_command(agent, 'deploy');
  end if;
  update public.agents a set desired_state = 'running', generation = a.generation + 1
  where a.id = agent.id and a.desired_state = 'stopped';
  insert into public.agent_provision_requests (
    project_id, agent_key, agent_id_short, display_name, emoji, role_short, requested_by)
  values (
    agent.project_id, agent.agent_key, agent.agent_id_short, coalesce(agent.name, agent.agent_id_short), agent.emoji,
    agent.role, null)
  on conflict do nothing
  returning id into made;
  return made;
end
$$;


--
-- Name: ask_to_stop(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.ask_to_stop(agent public.agents) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform creel.settle_superseded(array(
    select (
      o.lane_id, o.seq, o.item_id, o.queue, case when o.seq = l.head then l.attempts else 0 end, o.max_attempts, 0,
      null, 'dead', 'failed',
      creel.failure('superseded', 'the agent is not paid for any more', 'Pay for it again; then it is deployed by itself.'),
      false)::creel.settlement
    from creel.lanes l join creel.items o on o.lane_id = l.id and not (l.token is not null and o.seq = l.head)
    left join public.agent_commands c on c.id = o.item_id and o.queue = 'agent_commands'
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control'
      and (o.queue = 'agent_provision_requests' or c.type in ('deploy', 'start', 'restart'))
    order by o.seq));
  update public.agents a set status = 'pending_deploy'
  where a.id = agent.id and a.openclaw_id is null and a.status = 'error';
  if agent.desired_state = 'removed' then
    return null;
  end if;
  return creel.send_own_command(agent, 'stop');
end
$$;


--
-- Name: asked_doc(jsonb, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.asked_doc(args jsonb, needed text) RETURNS public.brain_docs
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  project constant text := creel.asked_project(args, needed);
  key constant text := creel.wanted_text(args, 'agent_key');
  kind constant text := creel.wanted_text(args, 'doc_type');
  doc public.brain_docs;
begin
  if not creel.is_doc_type(kind) then
    raise exception 'there is no document %', left(kind, 100)
      using errcode = 'PT404', detail = 'unknown_type', hint = 'The types are ' || creel.doc_types() || '.';
  end if;
  if needed = 'read' then
    select * into doc from public.brain_docs d
    where d.project_id = project and d.agent_key = key and d.doc_type = kind;
  else
    select * into doc from public.brain_docs d
    where d.project_id = project and d.agent_key = key and d.doc_type = kind for no key update;
  end if;
  if doc.id is null then
    -- The documents of an agent outlive it.
    if not exists (select from public.agents a where a.project_id = project and a.agent_key = key)
       and not exists (select from public.brain_docs d where d.project_id = project and d.agent_key = key) then
      raise exception 'there is no agent % in this project', left(key, 200)
        using errcode = 'PT404', detail = 'unknown_agent',
          hint = coalesce('There are ' || (
            select string_agg(n.agent_key, ', ') from (
              select a.agent_key from public.agents a where a.project_id = project order by a.agent_key limit 20) n)
            || '.', 'The project has no agents.');
    end if;
    doc.project_id := project;
    doc.agent_key := key;
    doc.doc_type := kind;
    doc.version := 0;
    doc.last_version := 0;
    doc.disk_version := 0;
    doc.content := '';
    doc.sha256 := creel.empty_sha256();
    doc.sync_state := 'synced';
  end if;
  return doc;
end
$$;


--
-- Name: asked_project(jsonb, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.asked_project(args jsonb, needed text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  project constant text := creel.wanted_text(args, 'project_id');
begin
  if not coalesce(project = any (creel.readable_projects()), false) then
    raise exception 'there is no project %', left(project, 100)
      using errcode = 'PT404', detail = 'unknown_project', hint = 'Look at the projects that you are a member of.';
  end if;
  if needed = 'write' and not project = any (creel.writable_projects())
     or needed = 'own' and not project = any (creel.owned_projects()) then
    raise exception 'you may not do this in project %', project
      using errcode = '42501', hint = case needed
        when 'own' then 'Ask an owner of the project to do it.'
        else 'Ask an owner of the project to make you an editor.' end;
  end if;
  return project;
end
$$;


--
-- Name: brain_doc_versions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.brain_doc_versions (
    id bigint NOT NULL,
    doc_id uuid NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    doc_type text NOT NULL,
    version integer NOT NULL,
    base_version integer,
    sha256 text NOT NULL,
    author_kind text NOT NULL,
    author_id uuid,
    updated_by text,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    doc_date date,
    pinned boolean DEFAULT false NOT NULL,
    side boolean DEFAULT false NOT NULL,
    CONSTRAINT brain_doc_versions_author_kind CHECK ((author_kind = ANY (ARRAY['person'::text, 'agent'::text, 'template'::text, 'update'::text]))),
    CONSTRAINT brain_doc_versions_doc_type CHECK ((doc_type = ANY (ARRAY['soul'::text, 'agents'::text, 'user'::text, 'identity'::text, 'memory_long'::text, 'memory_today'::text]))),
    CONSTRAINT brain_doc_versions_reason CHECK ((reason = ANY (ARRAY['merged'::text, 'conflict'::text, 'held'::text, 'went_back'::text, 'restored'::text, 'day'::text, 'earlier_day'::text, 'merge_side'::text, 'accepted'::text])))
);


--
-- Name: TABLE brain_doc_versions; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.brain_doc_versions IS 'Every version: who (person, agent, template, update), when, on which base, and why if it was no plain write. Its text is in brain_doc_contents, once a hash. side: it never was the row''s text. doc_date: whose day it is, of memory_today. What is older than settings.doc_versions_days and not among the newest settings.doc_versions_keep goes, unless it is pinned or still needed.';


--
-- Name: asked_version(public.brain_docs, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.asked_version(doc public.brain_docs, number integer) RETURNS public.brain_doc_versions
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  found_version public.brain_doc_versions;
begin
  select * into found_version from public.brain_doc_versions v where v.doc_id = doc.id and v.version = number;
  if not found then
    raise exception 'the document has no version %', number
      using errcode = 'PT404', detail = 'unknown_version',
        hint = 'Look at its history; old versions go after a while, and an owner may have erased it.';
  end if;
  return found_version;
end
$$;


--
-- Name: settings; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.settings (
    id boolean DEFAULT true NOT NULL,
    lease_secs integer DEFAULT 25 NOT NULL,
    tick_secs integer DEFAULT 10 NOT NULL,
    queue_ttl_secs integer DEFAULT 120 NOT NULL,
    offline_after_secs integer DEFAULT 30 NOT NULL,
    backoff_base_secs integer DEFAULT 1 NOT NULL,
    backoff_max_secs integer DEFAULT 300 NOT NULL,
    event_retention_days integer DEFAULT 90 NOT NULL,
    max_projects_per_user integer DEFAULT 20 NOT NULL,
    max_members_per_project integer DEFAULT 100 NOT NULL,
    max_agents_per_project integer DEFAULT 2000 NOT NULL,
    max_open_requests_per_project integer DEFAULT 2000 NOT NULL,
    max_requests_per_day integer DEFAULT 10000 NOT NULL,
    max_doc_bytes_per_project bigint DEFAULT 268435456 NOT NULL,
    max_open_commands_per_agent integer DEFAULT 50 NOT NULL,
    max_commands_per_day integer DEFAULT 10000 NOT NULL,
    max_command_bytes integer DEFAULT 1310720 NOT NULL,
    max_hosts_per_user integer DEFAULT 100 NOT NULL,
    max_open_codes_per_user integer DEFAULT 20 NOT NULL,
    min_api integer DEFAULT 1 NOT NULL,
    max_ticks_per_minute integer DEFAULT 600 NOT NULL,
    max_report_bytes_per_hour bigint DEFAULT 33554432 NOT NULL,
    max_shown_per_minute integer DEFAULT 1200 NOT NULL,
    max_log_bytes_per_agent integer DEFAULT 131072 NOT NULL,
    max_log_bytes_per_hour bigint DEFAULT 33554432 NOT NULL,
    max_webhooks_per_project integer DEFAULT 10 NOT NULL,
    max_open_notifications_per_webhook integer DEFAULT 500 NOT NULL,
    notification_damping_secs integer DEFAULT 300 NOT NULL,
    notification_retention_days integer DEFAULT 14 NOT NULL,
    webhooks_to_loopback boolean DEFAULT false NOT NULL,
    doc_versions_keep integer DEFAULT 200 NOT NULL,
    doc_versions_days integer DEFAULT 90 NOT NULL,
    billing_fee_bp integer DEFAULT 1500 NOT NULL,
    billing_grace_secs integer DEFAULT 604800 NOT NULL,
    billing_retention_secs integer DEFAULT 2592000 NOT NULL,
    billing_currency text DEFAULT 'usd'::text NOT NULL,
    checkout_ttl_secs integer DEFAULT 1800 NOT NULL,
    checkout_release_secs integer DEFAULT 86400 NOT NULL,
    max_open_checkouts_per_project integer DEFAULT 20 NOT NULL,
    max_unpaid_checkouts_per_day integer DEFAULT 100 NOT NULL,
    max_unpaid_places_bp integer DEFAULT 2500 NOT NULL,
    stripe_payload_days integer DEFAULT 400 NOT NULL,
    earning_settle_secs integer DEFAULT 3600 NOT NULL,
    outage_allowance_bp integer DEFAULT 100 NOT NULL,
    canary_every_secs integer DEFAULT 3600 NOT NULL,
    canary_retry_secs integer DEFAULT 300 NOT NULL,
    canary_limit_secs integer DEFAULT 300 NOT NULL,
    canary_retention_days integer DEFAULT 90 NOT NULL,
    CONSTRAINT settings_billing_currency CHECK ((billing_currency ~ '^[a-z]{3}$'::text)),
    CONSTRAINT settings_billing_fee CHECK (((billing_fee_bp >= 0) AND (billing_fee_bp <= 10000))),
    CONSTRAINT settings_billing_grace CHECK ((billing_grace_secs >= 0)),
    CONSTRAINT settings_billing_retention CHECK ((billing_retention_secs >= 0)),
    CONSTRAINT settings_canaries CHECK ((LEAST(canary_every_secs, canary_retry_secs, canary_limit_secs, canary_retention_days) > 0)),
    CONSTRAINT settings_checkout_release CHECK ((checkout_release_secs > 0)),
    CONSTRAINT settings_checkout_ttl CHECK (((checkout_ttl_secs >= 1800) AND (checkout_ttl_secs <= 86400))),
    CONSTRAINT settings_doc_versions_days_positive CHECK ((doc_versions_days > 0)),
    CONSTRAINT settings_doc_versions_keep_positive CHECK ((doc_versions_keep > 0)),
    CONSTRAINT settings_earnings CHECK (((earning_settle_secs >= 0) AND ((outage_allowance_bp >= 0) AND (outage_allowance_bp <= 10000)))),
    CONSTRAINT settings_max_command_bytes_not_negative CHECK ((max_command_bytes >= 0)),
    CONSTRAINT settings_max_commands_not_negative CHECK ((max_commands_per_day >= 0)),
    CONSTRAINT settings_max_open_checkouts CHECK ((max_open_checkouts_per_project >= 0)),
    CONSTRAINT settings_max_open_commands_not_negative CHECK ((max_open_commands_per_agent >= 0)),
    CONSTRAINT settings_max_unpaid_checkouts CHECK ((max_unpaid_checkouts_per_day >= 0)),
    CONSTRAINT settings_max_unpaid_places CHECK (((max_unpaid_places_bp >= 0) AND (max_unpaid_places_bp <= 10000))),
    CONSTRAINT settings_one_row CHECK (id),
    CONSTRAINT settings_positive CHECK ((LEAST(lease_secs, tick_secs, queue_ttl_secs, offline_after_secs, backoff_base_secs, backoff_max_secs, event_retention_days) > 0)),
    CONSTRAINT settings_quotas_not_negative CHECK ((LEAST((max_projects_per_user)::bigint, (max_members_per_project)::bigint, (max_agents_per_project)::bigint, (max_open_requests_per_project)::bigint, (max_requests_per_day)::bigint, max_doc_bytes_per_project) >= 0)),
    CONSTRAINT settings_stripe_payload CHECK ((stripe_payload_days > 0))
);


--
-- Name: TABLE settings; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.settings IS 'One row. lease_secs: how long a claim lasts without a tick (two ticks may be missed, and a dead worker is noticed within 30 s). tick_secs: what workers are told. queue_ttl_secs: how long an item waits when no host may take it. offline_after_secs: silence after which a host counts as offline. backoff: first and longest pause between attempts.';


--
-- Name: COLUMN settings.min_api; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.min_api IS 'Workers that speak an older version of the host functions are told to upgrade and get no work.';


--
-- Name: COLUMN settings.max_ticks_per_minute; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.max_ticks_per_minute IS 'Of one host. A worker ticks six times a minute, and five times a second at most.';


--
-- Name: COLUMN settings.max_report_bytes_per_hour; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.max_report_bytes_per_hour IS 'How much one host may tell of its runtime, which it does when that changes.';


--
-- Name: COLUMN settings.max_shown_per_minute; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.max_shown_per_minute IS 'How often one host may show progress or tell states of agents, which every open page hears; or 30 times for each of its agents, if that is more.';


--
-- Name: COLUMN settings.max_log_bytes_per_agent; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.max_log_bytes_per_agent IS 'What is kept of one agent''s log, with 256 bytes for each time that it was told of; older lines go.';


--
-- Name: COLUMN settings.max_log_bytes_per_hour; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.max_log_bytes_per_hour IS 'What one host may tell of its agents'' logs, counted in the same way. A host that has more leaves it away, and says how much.';


--
-- Name: COLUMN settings.notification_damping_secs; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.notification_damping_secs IS 'At most one notification of a kind about an agent or a host within this time; what comes meanwhile is in the next one.';


--
-- Name: COLUMN settings.webhooks_to_loopback; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.webhooks_to_loopback IS 'Whether a webhook may be at http://127.0.0.1: on one''s own machine only. Who delivers must allow it, too.';


--
-- Name: COLUMN settings.doc_versions_keep; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.doc_versions_keep IS 'So many versions of a document are kept, however old they are.';


--
-- Name: COLUMN settings.doc_versions_days; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.doc_versions_days IS 'So long every version is kept, however many there are. What is both older and beyond doc_versions_keep goes. When a project has used up three quarters of max_doc_bytes_per_project, versions by agents beyond doc_versions_keep go at any age: an agent that writes without end must not keep people from writing.';


--
-- Name: COLUMN settings.billing_fee_bp; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.billing_fee_bp IS 'What the platform keeps of each payment, in hundredths of a percent.';


--
-- Name: COLUMN settings.billing_grace_secs; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.billing_grace_secs IS 'For how long an agent runs on after a payment that failed.';


--
-- Name: COLUMN settings.billing_retention_secs; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.billing_retention_secs IS 'For how long a host keeps the agent of a subscription that has ended, before it is archived and undeployed.';


--
-- Name: COLUMN settings.checkout_ttl_secs; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.checkout_ttl_secs IS 'For how long a checkout can be paid, and its place on the host is kept. Stripe allows no less than half an hour.';


--
-- Name: COLUMN settings.checkout_release_secs; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.checkout_release_secs IS 'After so long without a word of Stripe an expired checkout gives its place back all the same.';


--
-- Name: COLUMN settings.max_unpaid_checkouts_per_day; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.max_unpaid_checkouts_per_day IS 'Of one person: of the checkouts that he began in 24 hours, those that are not paid.';


--
-- Name: COLUMN settings.max_unpaid_places_bp; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.max_unpaid_places_bp IS 'How much of a host''s capacity may be kept for checkouts that are open, in hundredths of a percent; two always.';


--
-- Name: COLUMN settings.earning_settle_secs; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.earning_settle_secs IS 'So long after its period an earning is corrected for outages: what a canary found until then is known by then.';


--
-- Name: COLUMN settings.outage_allowance_bp; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.outage_allowance_bp IS 'How much of a period an agent may be away at no loss of its host''s owner, in basis points: 100 are 7 hours of a month.';


--
-- Name: COLUMN settings.canary_every_secs; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.canary_every_secs IS 'Between two canaries of an agent, on average: half as long to half as long again, at random.';


--
-- Name: COLUMN settings.canary_retry_secs; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.canary_retry_secs IS 'The same while an agent does not answer.';


--
-- Name: COLUMN settings.canary_limit_secs; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON COLUMN creel.settings.canary_limit_secs IS 'An agent that has not answered by then does not: a first turn on a busy host takes minutes.';


--
-- Name: backoff(integer, creel.settings); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.backoff(attempts integer, knobs creel.settings) RETURNS interval
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return least(
    knobs.backoff_base_secs * power(2, least(greatest(attempts, 1) - 1, 20)),
    knobs.backoff_max_secs) * interval '1 second';
end
$$;


--
-- Name: begin_heartbeat(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.begin_heartbeat() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  new.quiet_secs := case when new.session_id = new.host_id then 120 else 0 end;
  new.counted_from := now();
  new.counted := 1;
  return new;
end
$$;


--
-- Name: begin_outage(public.agents, uuid, timestamp with time zone, uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.begin_outage(agent public.agents, host uuid, began timestamp with time zone, canary uuid, details jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: block_doc(uuid, public.agents, text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.block_doc(host uuid, agent public.agents, kind text, note text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  told constant text := left(note, 1000);
  doc public.brain_docs;
begin
  select * into doc from public.brain_docs d
  where d.project_id = agent.project_id and d.agent_key = agent.agent_key and d.doc_type = kind
  for no key update skip locked;
  if doc.id is null or (doc.sync_state, doc.sync_note) is not distinct from ('blocked', told) then
    return;
  end if;
  update public.brain_docs d set sync_state = 'blocked', sync_note = told where d.id = doc.id;
  if doc.sync_state <> 'blocked' then
    perform creel.log_doc_event('doc.blocked', doc, jsonb_build_object('note', told), host);
  end if;
end
$$;


--
-- Name: canary_settled(uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.canary_settled(ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: cancels(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.cancels(newer text, older text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case newer
    when 'undeploy' then older in ('deploy', 'start', 'restart', 'update_config', 'agent_provision_requests')
    when 'stop' then older in ('start', 'restart')
    else false end
$$;


--
-- Name: check_commands_paid(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.check_commands_paid() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform creel.refuse_unpaid((
    select min(n.agent_key) from new_rows n join public.agents a on a.id = n.agent_id
    where n.type in ('deploy', 'start', 'restart') and a.billing = 'unpaid'));
  -- Deleting a row by undeploying its agent first.
  perform creel.refuse_subscribed(a) from new_rows n join public.agents a on a.id = n.agent_id
  where n.type = 'undeploy' and n.payload -> 'delete_row' = 'true' and current_setting('role', true) = 'authenticated'
    and a.billing <> 'free';
  return null;
end
$$;


--
-- Name: hosts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.hosts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    owner_id uuid,
    name text NOT NULL,
    platform text,
    capacity integer DEFAULT 10 NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    price jsonb,
    status text DEFAULT 'enrolled'::text NOT NULL,
    worker_version text,
    openclaw_version text,
    runtime jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    backends text[] DEFAULT '{shared}'::text[] NOT NULL,
    tenancy text DEFAULT 'single'::text NOT NULL,
    outdated_since timestamp with time zone,
    CONSTRAINT hosts_backends CHECK ((backends <@ ARRAY['shared'::text, 'profile'::text, 'docker'::text, 'multipass'::text])),
    CONSTRAINT hosts_capacity CHECK (((capacity >= 0) AND (capacity <= 100000))),
    CONSTRAINT hosts_platform CHECK ((platform = ANY (ARRAY['linux'::text, 'macos'::text]))),
    CONSTRAINT hosts_sizes CHECK ((((octet_length(name) >= 1) AND (octet_length(name) <= 200)) AND (cardinality(tags) <= 50) AND (COALESCE(octet_length(worker_version), 0) <= 100) AND (COALESCE(octet_length(openclaw_version), 0) <= 100) AND (COALESCE(pg_column_size(runtime), 0) <= 262144) AND (COALESCE(pg_column_size(price), 0) <= 4096))),
    CONSTRAINT hosts_status CHECK ((status = ANY (ARRAY['enrolled'::text, 'online'::text, 'draining'::text, 'retired'::text]))),
    CONSTRAINT hosts_tenancy CHECK ((tenancy = ANY (ARRAY['single'::text, 'trusted'::text])))
);


--
-- Name: TABLE hosts; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.hosts IS 'A machine that runs agents. enrolled until its worker ticks for the first time, then online; a person makes it draining (finishes, takes nothing new) or retired (nothing waits for it). Offline is no status: see host_status.';


--
-- Name: COLUMN hosts.runtime; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.hosts.runtime IS 'What the host reported last of its OpenClaw: {reported_at, openclaw: {version, driver, gateway: {state, ready, port} or null}, agent_count, models: [provider/model]}. Which agents it has is in host_rosters; agent_count is larger than that list where it was cut.';


--
-- Name: COLUMN hosts.backends; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.hosts.backends IS 'What its worker can run agents by, as it told with its last tick.';


--
-- Name: COLUMN hosts.tenancy; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.hosts.tenancy IS 'trusted: agents of several projects may run as one user of this machine, and could read each other''s files. single: agents without a container or virtual machine of their own are of one project. A host with a login begins as trusted, one with a key as single.';


--
-- Name: COLUMN hosts.outdated_since; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.hosts.outdated_since IS 'Since when its worker is refused because it is too old for this database.';


--
-- Name: check_place(public.hosts, text, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.check_place(host public.hosts, project text, agent_wish jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  -- Who rents is not somebody whom its owner may have trusted.
  without_trust public.hosts := host;
begin
  without_trust.tenancy := 'single';
  if host.status not in ('online', 'enrolled') then
    raise exception 'host % takes nothing new: it is %', host.id, host.status
      using errcode = 'PT409', detail = host.status, hint = 'Choose another host.';
  end if;
  if not (agent_wish ->> 'backend') = any (host.backends) then
    raise exception 'host % cannot run agents by %', host.id, agent_wish ->> 'backend'
      using errcode = 'PT409', detail = 'backend',
        hint = 'Choose another host or backend; this one runs ' || array_to_string(host.backends, ', ') || '.';
  end if;
  if not creel.has_tags(host, coalesce(agent_wish -> 'config', '{}')) then
    raise exception 'host % does not have the tags that the agent asks for', host.id
      using errcode = 'PT409', detail = 'tags', hint = 'Choose another host, or other tags.';
  end if;
  if not creel.may_neighbour(without_trust, project, agent_wish ->> 'backend') then
    raise exception 'host % runs agents of another project, and this one would not be kept from their files', host.id
      using errcode = 'PT409', detail = 'isolation',
        hint = 'Choose another host, or a backend with a container or virtual machine of its own.';
  end if;
end
$$;


--
-- Name: check_price(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.check_price() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if creel.fault_of_price(new.price) is not null then
    raise exception '%', creel.fault_of_price(new.price)
      using errcode = '22023', hint = 'As in {"month": 900, "year": 9000}.';
  end if;
  return new;
end
$$;


--
-- Name: check_redriven_paid(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.check_redriven_paid() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- Whoever takes the payment away at this moment has the lane: he is waited for.
  perform creel.lock_agent_lane(a, false) from public.agents a
  where a.project_id = new.project_id and a.agent_key = new.agent_key and a.billing <> 'free';
  perform creel.refuse_unpaid((
    select a.agent_key from public.agents a
    where a.project_id = new.project_id and a.agent_key = new.agent_key and a.billing = 'unpaid'));
  return new;
end
$$;


--
-- Name: check_requests_paid(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.check_requests_paid() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform creel.refuse_unpaid((
    select min(n.agent_key) from new_rows n join public.agents a using (project_id, agent_key)
    where a.billing = 'unpaid'));
  return null;
end
$$;


--
-- Name: check_tenancy(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.check_tenancy() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if current_setting('role', true) = 'authenticated' and exists (
    select from public.project_hosts p
    where p.host_id = new.id and p.project_id <> all (creel.owned_projects())) then
    raise exception 'host % serves a project that is not yours', new.id
      using errcode = '42501', hint = 'Only where all its projects are yours may they share a machine.';
  end if;
  return new;
end
$$;


--
-- Name: check_update(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.check_update(payload jsonb) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  key text;
  part jsonb;
begin
  for key, part in select * from jsonb_each(payload) loop
    if key in ('name', 'emoji', 'role') then
      if jsonb_typeof(part) not in ('string', 'null') or octet_length(part #>> '{}') > 16384 then
        perform creel.refuse_payload(key || ' is no text of at most 16 KB');
      end if;
    elsif key in ('config', 'limits', 'docs') then
      if jsonb_typeof(part) <> 'object' then
        perform creel.refuse_payload(key || ' is no object');
      end if;
    elsif key <> 'changed' then
      perform creel.refuse_payload('it has no key ' || left(key, 100));
    end if;
  end loop;
  for key, part in select * from jsonb_each(coalesce(payload -> 'limits', '{}')) loop
    if key not in ('cpu_percent', 'ram_mb', 'disk_mb') then
      perform creel.refuse_payload('limits has no key ' || left(key, 100));
    elsif jsonb_typeof(part) not in ('number', 'null') or jsonb_typeof(part) = 'number' and part::numeric <= 0 then
      perform creel.refuse_payload('limits.' || key || ' is no number above zero');
    end if;
  end loop;
  for key, part in select * from jsonb_each(coalesce(payload -> 'docs', '{}')) loop
    if key not in ('soul', 'agents', 'user', 'identity', 'memory_long') then
      perform creel.refuse_payload('docs has no key ' || left(key, 100));
    elsif jsonb_typeof(part) <> 'string' or octet_length(part #>> '{}') > 1048576 then
      perform creel.refuse_payload('docs.' || key || ' is no text of at most 1 MB');
    end if;
  end loop;
end
$$;


--
-- Name: check_wished_host(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.check_wished_host() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  host public.hosts;
  known public.agents := new;
begin
  if new.host_id is null
     or tg_op = 'UPDATE' and (new.host_id, new.backend) is not distinct from (old.host_id, old.backend) then
    return new;
  end if;
  perform 1 from public.hosts h where h.id = new.host_id for no key update;
  select * into host from public.hosts h where h.id = new.host_id;
  if tg_op = 'INSERT' then
    -- Whoever writes whole rows names an agent that is there: his becomes an update, or is refused.
    select * into known from public.agents a
    where a.project_id = new.project_id and a.agent_key = new.agent_key for key share;
    if known.id is null then
      known := new;
    elsif known.host_id = new.host_id then
      return new;
    end if;
  end if;
  if new.billing <> 'free' then
    host.tenancy := 'single';
  end if;
  if not creel.may_neighbour(host, new.project_id, new.backend) then
    raise exception 'host % runs agents of another project, and this one would not be kept from their files', new.host_id
      using errcode = 'PT409', hint = 'Choose another host, or a backend with a container or virtual machine of its own.';
  end if;
  if not new.backend = any (host.backends) then
    raise exception 'host % cannot run agents by %', new.host_id, new.backend
      using errcode = 'PT409', hint = 'Choose another host or backend; hosts.backends says what each can run.';
  end if;
  if tg_op = 'UPDATE' and new.host_id is not distinct from old.host_id then
    return new;
  end if;
  -- What is not paid for yet only keeps a place. The host serves the project from the payment on.
  if known.billing <> 'unpaid' and not exists (
    select from public.project_hosts p where p.project_id = new.project_id and p.host_id = new.host_id) then
    raise exception 'host % does not serve project %', new.host_id, new.project_id
      using errcode = 'PT409', hint = 'Choose a host of the project, or leave host_id empty.';
  end if;
  if known.billing <> 'unpaid' and not creel.accepts_billing(new.host_id, known) then
    raise exception 'host % is rented, and runs only what is paid for', new.host_id
      using errcode = 'PT409', hint = 'Pay for the agent by a checkout, or choose a host of your own.';
  end if;
  if host.capacity <= (
    select count(*) from public.agents a
    where a.host_id = new.host_id and (a.status <> 'removed' or a.billing = 'paid')
      and (a.project_id, a.agent_key) <> (new.project_id, new.agent_key)) then
    raise exception 'host % is full', new.host_id
      using errcode = 'PT409', hint = 'Choose another host of the project, or leave host_id empty.';
  end if;
  return new;
end
$$;


--
-- Name: choose_openclaw_id(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.choose_openclaw_id(agent public.agents) RETURNS text
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select c.id
  from (select coalesce(agent.agent_id_short, creel.short_of_key(agent.agent_key)) as wish) w
  cross join lateral (values
    (1, w.wish),
    (2, left(w.wish, 50) || '-' || substr(replace(agent.id::text, '-', ''), 1, 12)),
    (3, left(w.wish, 30) || '-' || replace(gen_random_uuid()::text, '-', ''))
  ) as c (rank, id)
  where creel.is_agent_id(w.wish) and not exists (
    select from public.agents o where o.host_id = agent.host_id and o.openclaw_id = c.id and o.id <> agent.id)
  order by c.rank limit 1
$$;


--
-- Name: claim_notifications(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.claim_notifications(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET jit TO 'off'
    AS $_$
declare
  most constant int := coalesce(creel.whole_number($1 -> 'limit', 1, 100), 20);
  ids uuid[];
  claimed jsonb;
begin
  perform creel.require_api($1);
  -- A few of each webhook at a time, so that a slow one does not keep the others waiting.
  ids := array(
    select d.id from (
      select n.id, n.not_before, row_number() over (partition by n.webhook_id order by n.not_before, n.id) as place
      from (
        select p.id, p.webhook_id, p.not_before from public.notifications p
        where p.status = 'pending' and p.not_before <= now() order by p.not_before limit 2000) n
      join public.webhooks w on w.id = n.webhook_id
      where w.enabled) d
    where d.place <= 5 order by d.not_before limit most);
  ids := array(
    select n.id from public.notifications n where n.id = any (ids) and n.status = 'pending'
    order by n.not_before for update skip locked);
  update public.notifications n set status = 'sent', attempts = n.attempts + 1 where n.id = any (ids);
  insert into creel.notification_leases as l (notification_id, token, expires_at)
  select i.id, gen_random_uuid(), now() + interval '60 seconds' from unnest(ids) as i (id)
  on conflict (notification_id) do update set token = excluded.token, expires_at = excluded.expires_at;
  select jsonb_agg(jsonb_build_object(
    'id', n.id, 'token', l.token, 'attempt', n.attempts, 'url', w.url, 'body', n.payload::text,
    'secrets', to_jsonb(array_remove(
      array[s.secret, case when s.previous_until > now() then s.previous end], null))) order by n.created_at)
  into claimed
  from public.notifications n
  join creel.notification_leases l on l.notification_id = n.id
  join public.webhooks w on w.id = n.webhook_id
  join creel.webhook_secrets s on s.webhook_id = w.id
  where n.id = any (ids);
  return jsonb_build_object('notifications', coalesce(claimed, '[]'), 'lease_ms', 60000);
end
$_$;


--
-- Name: FUNCTION claim_notifications(jsonb); Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON FUNCTION creel.claim_notifications(jsonb) IS 'For who delivers: {api, limit} -> {notifications: [{id, token, attempt, url, body, secrets[]}], lease_ms}. The body is to be sent and signed as it is.';


--
-- Name: claim_some(uuid, text[], uuid, integer, text, interval); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.claim_some(host uuid, projects text[], session uuid, most integer, woken text, lease interval, OUT items json[], OUT taken integer) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
declare
  leased record;
  docs json[];
  doc json;
  agent json;
  agent_is_named boolean;
  some_unnamed boolean;
begin
  leased := creel.lease_lanes(host, projects, session, most, lease);
  taken := coalesce(cardinality(leased.lane_ids), 0);
  if taken = 0 then
    return;
  end if;
  if taken = 1 then
    doc := creel.take_row(leased.queues[1], leased.item_ids[1], woken);
    if doc is not null then
      select row_to_json(a.*), a.openclaw_id is not null into agent, agent_is_named
      from public.agents a where a.project_id = leased.project_ids[1] and a.agent_key = leased.agent_keys[1];
      if agent_is_named then
        items := array[json_build_object(
          'id', leased.item_ids[1], 'queue', leased.queues[1], 'token', leased.tokens[1],
          'attempt', leased.attempts[1], 'max_attempts', leased.max_attempts[1], 'row', doc, 'agent', agent)];
        return;
      end if;
    end if;
    docs := array[doc];
  else
    docs := creel.take_all_rows(leased.queues, leased.item_ids, woken);
  end if;
  if cardinality(creel.ids_with_row(leased.item_ids, docs)) < taken then
    -- Somebody is deleting these: their lease is undone. For a second they are not in the way of the others.
    update creel.lanes l
    set token = null, session_id = null, expires_at = null, attempts = l.attempts - 1,
        not_before = now() + interval '1 second'
    where l.id = any (array(
      select n.lane_id from unnest(leased.lane_ids, docs) as n (lane_id, doc) where n.doc is null));
  end if;
  loop
    select
      array_agg(json_build_object(
        'id', n.item_id, 'queue', n.queue, 'token', n.token, 'attempt', n.attempts, 'max_attempts', n.max_attempts,
        'row', n.doc, 'agent', a.doc)),
      bool_or(a.openclaw_id is null)
    into items, some_unnamed
    from unnest(
      leased.item_ids, leased.queues, leased.tokens, leased.attempts, leased.max_attempts, leased.project_ids,
      leased.agent_keys, docs)
      as n (item_id, queue, token, attempts, max_attempts, project_id, agent_key, doc)
    cross join lateral (
      select row_to_json(g.*) as doc, g.openclaw_id
      from public.agents g where g.project_id = n.project_id and g.agent_key = n.agent_key limit 1) a
    where n.doc is not null;
    exit when not coalesce(some_unnamed, false) or not creel.name_agents(host, leased.lane_ids);
  end loop;
end
$$;


--
-- Name: command_settled(uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.command_settled(command_ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  command public.agent_commands;
  agent public.agents;
  code text;
  observed text;
  gone boolean;
begin
  perform 1 from public.agents a
  where a.id = any (array(select c.agent_id from public.agent_commands c where c.id = any (command_ids)))
  order by a.id for no key update;
  for command in
    select c.* from unnest(command_ids) with ordinality as n (id, position)
    join public.agent_commands c on c.id = n.id order by n.position
  loop
    select * into agent from public.agents a where a.id = command.agent_id;
    code := command.result #>> '{error,code}';
    observed := case
      when command.type = 'undeploy' then 'removed'
      when command.result ->> 'state' in ('running', 'stopped') then command.result ->> 'state' end;
    -- A host that will never be told any more has what it has.
    gone := command.type = 'undeploy' and (
      command.status = 'acked' or command.status = 'failed' and code = 'no_host' and not creel.is_on_host(agent));

    if command.status <> 'pending' or command.result ? 'error' then
      perform creel.log_event(
        case when command.status = 'acked' then 'agent.command_done'
          when command.status = 'pending' then 'agent.command_retried'
          when code = 'superseded' then 'agent.command_superseded'
          else 'agent.command_failed' end,
        command.project_id, command.agent_key, agent.host_id, command.id,
        jsonb_strip_nulls(jsonb_build_object(
          'type', command.type, 'error', command.result -> 'error', 'steps', command.result -> 'steps',
          'note', case when command.result -> 'on_host' = 'false' then command.result -> 'note' end)));
    end if;

    if gone then
      if agent.deleting_since is not null and agent.desired_state = 'removed' then
        perform creel.log_event('agent.removed', agent.project_id, agent.agent_key, agent.host_id, command.id);
        delete from public.agents a where a.id = agent.id;
        continue;
      end if;
      -- Where somebody wishes for it again by now, it is made anew.
      update public.agents a set
        status = case a.desired_state when 'removed' then 'removed' else 'pending_deploy' end,
        provisioned = false, workspace_path = null, openclaw_id = null, port = null, profile = null,
        host_id = case when a.host_pinned then a.host_id end
      where a.id = agent.id;
      delete from public.agent_metrics m where m.agent_id = agent.id;
    elsif command.status = 'acked' and command.result -> 'on_host' is distinct from 'false' then
      update public.agents a set
        provisioned = a.provisioned or command.type <> 'undeploy' and a.openclaw_id is not null
          and creel.short_text(command.result -> 'workspace', 4096) is not null,
        workspace_path = case when command.type <> 'undeploy' and a.openclaw_id is not null
          then coalesce(creel.short_text(command.result -> 'workspace', 4096), a.workspace_path)
          else a.workspace_path end,
        port = case when command.result ? 'port'
          then creel.whole_number(command.result -> 'port', 1, 65535) else a.port end,
        profile = coalesce(creel.short_text(command.result -> 'profile', 200), a.profile),
        status = coalesce(observed, a.status)
      where a.id = agent.id;
    elsif command.status = 'failed' and code is distinct from 'superseded' then
      update public.agents a set status = 'error'
      where a.id = agent.id and command.type in ('deploy', 'start', 'restart') and a.status <> 'error';
    else
      update public.agents a set status = 'pending_deploy'
      where a.id = agent.id and command.type = 'deploy' and not a.provisioned and a.status = 'deploying';
    end if;

    if command.status = 'acked' and observed is not null and (gone or command.result -> 'on_host' is distinct from 'false')
       or command.status = 'failed' and code is distinct from 'superseded'
         and command.type in ('deploy', 'start', 'restart') then
      insert into public.agent_status as s (project_id, agent_key, state, note, last_heartbeat_at)
      values (
        command.project_id, command.agent_key,
        case when command.status = 'failed' then 'error' when observed = 'running' then 'idle' else 'offline' end,
        case when command.status = 'failed' then command.error when observed <> 'running' then observed end, now())
      on conflict (project_id, agent_key) do update set
        state = excluded.state, note = excluded.note, last_heartbeat_at = excluded.last_heartbeat_at;
    end if;
  end loop;
end
$$;


--
-- Name: command_taken(uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.command_taken(command_ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.agent_commands c set host_id = a.host_id from public.agents a
  where c.id = any (command_ids) and a.id = c.agent_id and c.host_id is distinct from a.host_id;
  -- Only what is to be written is locked: a claim should wait for as few as possible.
  perform 1 from public.agents a
  where a.id = any (array(
      select c.agent_id from public.agent_commands c where c.id = any (command_ids) and c.type = 'deploy'))
    and not a.provisioned and a.status <> 'deploying'
  order by a.id for no key update;
  update public.agents a set status = 'deploying' from public.agent_commands c
  where c.id = any (command_ids) and c.type = 'deploy' and a.id = c.agent_id
    and not a.provisioned and a.status <> 'deploying';
end
$$;


--
-- Name: agent_commands; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_commands (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    agent_id uuid NOT NULL,
    host_id uuid,
    type text NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    result jsonb,
    error text,
    waiting_for text,
    woken_by text,
    deadline_at timestamp with time zone,
    idempotency_key text,
    created_by uuid DEFAULT auth.uid(),
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    sent_at timestamp with time zone,
    acked_at timestamp with time zone,
    CONSTRAINT agent_commands_acked CHECK (((status = ANY (ARRAY['acked'::text, 'failed'::text])) = (acked_at IS NOT NULL))),
    CONSTRAINT agent_commands_payload CHECK (((jsonb_typeof(payload) = 'object'::text) AND (pg_column_size(payload) <= 131072))),
    CONSTRAINT agent_commands_sent CHECK (((status <> 'sent'::text) OR (sent_at IS NOT NULL))),
    CONSTRAINT agent_commands_sizes CHECK ((((octet_length(agent_key) >= 1) AND (octet_length(agent_key) <= 1024)) AND (COALESCE(octet_length(idempotency_key), 0) <= 200) AND (COALESCE(octet_length(waiting_for), 0) <= 1000) AND (COALESCE(octet_length(error), 0) <= 16384) AND (COALESCE(pg_column_size(result), 0) <= 65536))),
    CONSTRAINT agent_commands_status CHECK ((status = ANY (ARRAY['pending'::text, 'sent'::text, 'acked'::text, 'failed'::text]))),
    CONSTRAINT agent_commands_type CHECK ((type = ANY (ARRAY['deploy'::text, 'start'::text, 'stop'::text, 'restart'::text, 'undeploy'::text, 'update_config'::text]))),
    CONSTRAINT agent_commands_waiting CHECK (((waiting_for IS NULL) OR (status = 'pending'::text))),
    CONSTRAINT agent_commands_woken_by CHECK ((woken_by = ANY (ARRAY['push'::text, 'poll'::text])))
);


--
-- Name: TABLE agent_commands; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.agent_commands IS 'A member inserts {agent_id, type, payload} or {project_id, agent_key, type, payload}; the rest is filled in. A host claims it (sent, sent_at) and finishes it (acked or failed, acked_at, result, and error, the message of result.error). Each command is also a wish, written to the agent''s row: deploy, start and restart want it running, stop stopped, undeploy removed; update_config {name, emoji, role, config, limits, docs} changes the row and the documents. Keys of config and limits that are null are taken away. docs holds texts by doc_type; of each the row keeps the SHA-256 alone. undeploy with {"delete_row": true} deletes the agent''s row when it is acked, as deleting the row does. deploy with {"previous_backend"} moves an agent from another backend. Start or restart of an agent that is not deployed is a deploy. A newer command supersedes older ones that it makes needless: these end failed with result.error.code superseded. The same idempotency_key with the same content is the same command, with other content a conflict.';


--
-- Name: commanded_agent(public.agent_commands); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.commanded_agent(command public.agent_commands) RETURNS public.agents
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  is_member constant boolean := current_setting('role', true) = 'authenticated';
  agent public.agents;
begin
  if command.agent_id is not null then
    select * into agent from public.agents a where a.id = command.agent_id;
  elsif command.project_id is not null and command.agent_key is not null then
    select * into agent from public.agents a
    where a.project_id = command.project_id and a.agent_key = command.agent_key;
  else
    raise exception 'a command needs agent_id, or project_id and agent_key'
      using errcode = '22023', hint = 'Name the agent by one of the two.';
  end if;
  if agent.id is null or is_member and not coalesce(agent.project_id = any (creel.readable_projects()), false) then
    raise exception 'there is no agent %', coalesce(command.agent_id::text, command.agent_key)
      using errcode = 'PT404', detail = 'unknown_agent', hint = 'Look at the agents of the project.';
  end if;
  if is_member and not coalesce(agent.project_id = any (creel.writable_projects()), false) then
    raise exception 'you may not write project %', agent.project_id
      using errcode = '42501', hint = 'Ask an owner of the project to make you an editor.';
  end if;
  if coalesce(command.project_id, agent.project_id) <> agent.project_id
     or coalesce(command.agent_key, agent.agent_key) <> agent.agent_key then
    raise exception 'agent_id is of another agent than project_id and agent_key'
      using errcode = '22023', hint = 'Name the agent by one of the two.';
  end if;
  return agent;
end
$$;


--
-- Name: commands_of_daemon(uuid, uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.commands_of_daemon(host uuid, working uuid[]) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return coalesce((
    select jsonb_agg(
      jsonb_build_object(
        'id', l.item_id, 'type', creel.daemon_word(l.queue, c.type), 'agent_id', a.id, 'agent_key', l.agent_key,
        'project_id', l.project_id, 'payload', case
          when q.id is null then creel.without_secrets(coalesce(c.payload, '{}'))
          else jsonb_build_object('challenge', q.challenge, 'deadline_at', q.deadline_at) end,
        'attempt', l.attempts)
      order by l.head)
    from creel.lanes l
    join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
    join creel.items i on i.lane_id = l.id and i.seq = l.head
    left join public.agent_commands c on c.id = l.item_id and l.queue = 'agent_commands'
    left join public.agent_canaries q on q.id = l.item_id and l.queue = 'agent_canaries'
    where l.host_id = host and l.token is not null and l.session_id = creel.daemon_session(host)
      and l.expires_at > now() and l.item_id <> all (working) and not i.cancel), '[]');
end
$$;


--
-- Name: correct_charge(jsonb, jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.correct_charge(event jsonb, object jsonb, current jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  kind constant text := object ->> 'object';
  fetched record;
  charge jsonb;
  told_at timestamptz := coalesce(creel.time_in(event -> 'created'), now());
  told_charge text;
  earning bigint;
  facts creel.earning_facts;
  written int;
begin
  if kind is null or kind not in ('charge', 'dispute', 'refund') then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it changes no earning');
  end if;
  told_charge := case kind when 'charge' then object ->> 'id' else creel.id_in(object -> 'charge') end;
  if told_charge is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it is about no charge');
  end if;
  charge := case when kind = 'charge' then object when jsonb_typeof(object -> 'charge') = 'object' then object -> 'charge' end;
  fetched := creel.fetched(current, told_charge);
  if fetched.object is not null then
    charge := fetched.object;
    told_at := fetched.as_of;
  end if;
  select e.id into earning from public.host_earnings e where e.charge_id = told_charge and e.kind = 'earning';

  -- A refund says what it is itself, and only its charge how much there was of all of them.
  if charge is null and (earning is null or kind = 'refund') then
    return creel.wants('charge', told_charge, '[]');
  end if;
  if earning is null then
    if exists (
      select from public.stripe_accounts a
      where a.account_id = coalesce(creel.id_in(charge #> '{transfer_data,destination}'), creel.id_in(charge -> 'destination'))) then
      return creel.waits(format('nobody has earned by charge %s yet', told_charge));
    end if;
    return jsonb_build_object('outcome', 'ignored', 'note', 'the charge is for nobody who has hosts here');
  end if;

  select * into strict facts from creel.earning_facts f where f.earning_id = earning for update;
  if kind = 'dispute' then
    insert into creel.earning_disputes as d (dispute_id, earning_id, amount_minor, status)
    values (object ->> 'id', earning, greatest((object ->> 'amount')::bigint, 0), object ->> 'status')
    on conflict (dispute_id) do update set
      amount_minor = greatest(d.amount_minor, excluded.amount_minor),
      status = case
        when creel.dispute_rank(d.status) < 2 and creel.dispute_rank(excluded.status) >= creel.dispute_rank(d.status)
          then excluded.status
        else d.status end;
  elsif told_at = facts.refunded_as_of and fetched.object is null
    and facts.refunded_minor <> (charge ->> 'amount_refunded')::bigint then
    -- Two within a second: which of them is the newer one only Stripe knows.
    return creel.wants('charge', told_charge, '[]');
  else
    update creel.earning_facts f
    set refunded_minor = coalesce((charge ->> 'amount_refunded')::bigint, 0), refunded_as_of = told_at
    where f.earning_id = earning and f.refunded_as_of <= told_at;
  end if;
  written := creel.write_corrections(earning, event ->> 'id');
  return jsonb_build_object(
    'outcome', 'applied', 'led_to', jsonb_build_object('earning', earning, 'corrections', written));
end
$$;


--
-- Name: correct_outages(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.correct_outages() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  knobs constant creel.settings := creel.knobs();
  facts creel.earning_facts;
  earned public.host_earnings;
  part_start timestamptz;
  period_secs bigint;
  away bigint;
  corrected int := 0;
begin
  for facts in
    select * from creel.earning_facts f
    where f.due_at < now() - knobs.earning_settle_secs * interval '1 second'
    order by f.due_at limit 100 for update of f skip locked
  loop
    select * into strict earned from public.host_earnings e where e.id = facts.earning_id;
    period_secs := floor(extract(epoch from earned.period_end - earned.period_start))::bigint;
    part_start := case when facts.outage_parts = 0 then earned.period_start
      else creel.part_end(earned.period_start, earned.period_end, facts.outage_parts) end;
    away := coalesce(facts.outage_secs, 0) + creel.outage_beyond(
      creel.outage_secs(earned.agent_id, earned.host_id, part_start, facts.due_at),
      floor(extract(epoch from facts.due_at - part_start))::bigint, knobs.outage_allowance_bp);
    update creel.earning_facts f set
      outage_secs = away,
      outage_minor = case when period_secs > 0 then creel.prorate(earned.amount_minor, away, period_secs) else 0 end,
      outage_parts = facts.outage_parts + 1,
      due_at = case when facts.outage_parts + 1 < creel.part_count(earned.period_start, earned.period_end)
        then creel.part_end(earned.period_start, earned.period_end, facts.outage_parts + 2) end
    where f.earning_id = earned.id;
    perform creel.write_corrections(earned.id, 'sweep');
    corrected := corrected + 1;
  end loop;
  return corrected;
end
$$;


--
-- Name: correction_targets(bigint, bigint, bigint, bigint, bigint, bigint); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.correction_targets(net bigint, gross bigint, refunded bigint, disputed bigint, outage bigint, adjusted bigint) RETURNS TABLE(kind text, target bigint)
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
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


--
-- Name: could_take(public.hosts, public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.could_take(host public.hosts, agent public.agents) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return agent.backend = any (host.backends) and creel.has_tags(host, agent.config)
    and creel.accepts_billing(host.id, agent)
    and creel.may_neighbour(host, agent.project_id, agent.backend) and creel.has_room(host);
end
$$;


--
-- Name: count_doc_bytes(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.count_doc_bytes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform creel.add_doc_bytes(new.project_id, octet_length(new.content));
  return null;
end
$$;


--
-- Name: count_heartbeat(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.count_heartbeat() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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


--
-- Name: count_what_waits(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.count_what_waits() RETURNS integer
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select (
    (select count(*) from public.stripe_events e
      where e.status = 'waiting' and e.received_at < now() - interval '5 minutes')
    + (select count(*) from creel.stripe_requests r
      where r.status = 'failed' and r.settled_at > now() - interval '1 day'))::int
$$;


--
-- Name: current_host_id(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.current_host_id() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- Only the pre-request function takes a request of the Data API to this role: a person who sends a host's key
  -- along is still a person.
  if session_user = 'authenticator' then
    return case when current_setting('role', true) = 'creel_host' then creel.host_of_key() end;
  end if;
  return (select l.host_id from creel.host_logins l where l.role_name = session_user and l.revoked_at is null);
end
$$;


--
-- Name: FUNCTION current_host_id(); Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON FUNCTION creel.current_host_id() IS 'The host that asks, or null. session_user decides; nothing that a client can set itself is believed.';


--
-- Name: daemon_session(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.daemon_session(host uuid) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select md5(host || ' daemon')::uuid
$$;


--
-- Name: daemon_word(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.daemon_word(queue text, command_type text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case queue when 'agent_canaries' then 'canary' else coalesce(command_type, 'deploy') end
$$;


--
-- Name: dequeue(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.dequeue() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
declare
  lane_ids bigint[];
begin
  delete from creel.dead_letters d using old_rows o where d.item_id = o.id;
  select array_agg(distinct i.lane_id) into lane_ids from creel.items i join old_rows o on o.id = i.item_id;
  if lane_ids is null then
    return null;
  end if;
  perform 1 from creel.lanes l where l.id = any (lane_ids) order by l.id for no key update;
  delete from creel.items i using old_rows o where i.item_id = o.id;
  -- Whoever was at work on a deleted item has lost it.
  update creel.lanes l
  set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
      attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
        select i.seq, i.item_id, i.queue, i.max_attempts
        from creel.items i where i.lane_id = l.id order by i.seq limit 1)
  where l.id = any (lane_ids) and not exists (select from creel.items i where i.lane_id = l.id and i.seq = l.head);
  perform creel.notify_lanes(lane_ids);
  return null;
end
$$;


--
-- Name: details_of_event(text, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.details_of_event(kind text, detail jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $_$
  select jsonb_strip_nulls(jsonb_build_object(
    'event', kind,
    'restart_in_secs', creel.whole_number(detail -> 'restart_in_secs', 0, 1000000000),
    'failures', creel.whole_number(detail -> 'failures', 0, 1000000000),
    'limit', case when detail ->> 'limit' in ('cpu_percent', 'ram_mb', 'disk_mb') then detail ->> 'limit' end,
    'allowed', case when jsonb_typeof(detail -> 'allowed') = 'number' then detail -> 'allowed' end,
    'command', case when detail ->> 'type' in ('deploy', 'start', 'restart') then detail ->> 'type' end,
    'code', case when detail #>> '{error,code}' ~ '^[a-z0-9_]{1,60}$' then detail #>> '{error,code}' end,
    'held_back', 0))
$_$;


--
-- Name: dispute_rank(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.dispute_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case when status in ('won', 'lost', 'warning_closed', 'prevented') then 2 when status like 'warning\_%' then 0 else 1 end
$$;


--
-- Name: dispute_takes(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.dispute_takes(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select status not in ('won', 'prevented') and status not like 'warning\_%'
$$;


--
-- Name: doc_limits(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.doc_limits() RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'doc_max_bytes', 1048576, 'docs_call_max_bytes', 4194304, 'docs_call_max', 500,
    'openclaw_file_chars', 20000, 'openclaw_user_chars', 4000, 'openclaw_all_chars', 60000)
$$;


--
-- Name: doc_types(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.doc_types() RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select 'soul, agents, user, identity, memory_long, memory_today'
$$;


--
-- Name: doc_warning(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.doc_warning(doc_type text, content text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  most constant int := (creel.doc_limits() ->> case doc_type
    when 'user' then 'openclaw_user_chars' else 'openclaw_file_chars' end)::int;
begin
  -- No character has less than a byte.
  if octet_length(content) <= most or char_length(content) <= most then
    return null;
  end if;
  return format(
    'OpenClaw reads %s characters of this file and this has %s: it leaves out the middle. Nothing is lost; shorten it, or '
    'move some of it to another file.', most, char_length(content));
end
$$;


--
-- Name: due_stripe_requests(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.due_stripe_requests() RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  leased jsonb;
begin
  -- Asked by every event, and there is nothing mostly.
  if not exists (select from creel.stripe_requests r where r.status = 'waiting' and r.not_before <= now()) then
    return '[]'::jsonb;
  end if;
  with due as (
    select r.id from creel.stripe_requests r where r.status = 'waiting' and r.not_before <= now()
    order by r.not_before, r.created_at limit 20 for update skip locked),
  taken as (
    update creel.stripe_requests r set attempts = r.attempts + 1, not_before = now() + interval '5 minutes'
    from due d where r.id = d.id returning r.*)
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'request_id', t.id, 'method', 'POST',
    'path', case t.kind when 'reversal' then '/v1/transfers/' || t.transfer_id || '/reversals' else '/v1/transfers' end,
    'form', t.form, 'idempotency_key', 'creel_' || t.id || '_' || t.refusals,
    'find_first', case t.kind when 'payback' then
      '/v1/transfers?transfer_group=' || (t.form ->> 'transfer_group') || '&destination=' || (t.form ->> 'destination') end,
    'read_first', case t.kind when 'reversal' then '/v1/transfers/' || t.transfer_id end,
    'read_expand', case t.kind when 'reversal' then '["source_transaction.application_fee"]'::jsonb end)) order by t.created_at)
  into leased from taken t;
  return coalesce(leased, '[]');
end
$$;


--
-- Name: subscriptions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.subscriptions (
    id text NOT NULL,
    project_id text,
    agent_id uuid,
    agent_key text NOT NULL,
    host_id uuid,
    intent_id uuid,
    customer_id text,
    plan text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    status text NOT NULL,
    service text DEFAULT 'awaiting'::text NOT NULL,
    current_period_start timestamp with time zone,
    current_period_end timestamp with time zone,
    cancel_at_period_end boolean DEFAULT false NOT NULL,
    past_due_since timestamp with time zone,
    grace_until timestamp with time zone,
    ended_at timestamp with time zone,
    remove_at timestamp with time zone,
    first_paid_at timestamp with time zone,
    paid_at timestamp with time zone,
    received_at timestamp with time zone,
    asked_at timestamp with time zone,
    item_id uuid,
    as_of timestamp with time zone NOT NULL,
    livemode boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT subscriptions_plan CHECK ((plan = ANY (ARRAY['month'::text, 'year'::text]))),
    CONSTRAINT subscriptions_service CHECK ((service = ANY (ARRAY['awaiting'::text, 'active'::text, 'grace'::text, 'suspended'::text, 'ended'::text, 'removed'::text]))),
    CONSTRAINT subscriptions_sizes CHECK ((((octet_length(id) >= 1) AND (octet_length(id) <= 255)) AND ((octet_length(agent_key) >= 1) AND (octet_length(agent_key) <= 1024)) AND (COALESCE(octet_length(customer_id), 0) <= 255))),
    CONSTRAINT subscriptions_status CHECK ((status = ANY (ARRAY['incomplete'::text, 'incomplete_expired'::text, 'trialing'::text, 'active'::text, 'past_due'::text, 'canceled'::text, 'unpaid'::text, 'paused'::text])))
);


--
-- Name: TABLE subscriptions; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.subscriptions IS 'What Stripe says of each subscription (status, as of as_of), and what follows for its agent (service): awaiting its first payment, active, grace (a payment failed, and it runs on until grace_until), suspended (stopped), ended (stopped; undeployed when remove_at has passed), removed (undeployed). canceled and incomplete_expired are final. first_paid_at: when money came for the first time; until then it is awaited, whatever its status, as a bank that takes its time may refuse in the end. paid_at: when, by Stripe''s clock, it came to be paid; received_at: when Creel was told; asked_at and item_id: the request or command by which its agent was asked to run. Written by apply_stripe_event and the sweep alone. A subscription outlives its project, its agent and its host.';


--
-- Name: earn_invoice(jsonb, jsonb, public.subscriptions, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.earn_invoice(event jsonb, invoice jsonb, subscription public.subscriptions, current jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  told_invoice constant text := invoice ->> 'id';
  paid jsonb;
  intent jsonb;
  charge jsonb;
  transfer text;
  told_destination text;
  gross bigint;
  fee bigint;
  owner uuid;
  period record;
  earned bigint;
begin
  if coalesce((invoice ->> 'amount_paid')::bigint, 0) <= 0 then
    return jsonb_build_object('outcome', 'applied', 'note', 'nothing was charged');
  end if;
  if exists (select from public.host_earnings e where e.invoice_id = told_invoice and e.kind = 'earning') then
    return null;
  end if;

  paid := creel.payment_of_invoice(invoice);
  if paid is null and (
    coalesce((invoice ->> 'paid_out_of_band')::boolean, false) or jsonb_path_exists(invoice, '$.payments.data[*]')) then
    return jsonb_build_object('outcome', 'applied', 'note', 'it was paid without Stripe, so that nothing was transferred');
  elsif paid is null and current ? told_invoice then
    return creel.waits(format('invoice %s has no payment yet', told_invoice));
  elsif paid is null then
    return creel.wants('invoice', told_invoice, '["payments"]');
  end if;

  charge := creel.object_in(paid -> 'charge', current);
  if charge is null and paid ? 'payment_intent' then
    intent := creel.object_in(paid -> 'payment_intent', current);
    charge := creel.object_in(intent -> 'latest_charge', current);
    if charge is null and not coalesce(current ? creel.id_in(paid -> 'payment_intent'), false) then
      return creel.wants('payment_intent', creel.id_in(paid -> 'payment_intent'), '["latest_charge"]');
    end if;
  end if;
  if charge is null and creel.id_in(coalesce(paid -> 'charge', intent -> 'latest_charge')) is not null then
    return creel.wants('charge', creel.id_in(coalesce(paid -> 'charge', intent -> 'latest_charge')), '[]');
  elsif charge is null then
    return creel.waits(format('the payment of invoice %s has no charge yet', told_invoice));
  end if;

  told_destination := coalesce(creel.id_in(charge #> '{transfer_data,destination}'), creel.id_in(charge -> 'destination'));
  if told_destination is null then
    perform creel.log_event('billing.mismatch', p.id, subscription.agent_key, h.id, null, jsonb_build_object(
      'what', 'no_destination', 'subscription', subscription.id, 'invoice', told_invoice, 'charge', charge -> 'id'))
    from (values (true)) as one
    left join public.projects p on p.id = subscription.project_id left join public.hosts h on h.id = subscription.host_id;
    return jsonb_build_object('outcome', 'applied', 'note', 'the charge is for no connected account: nobody earned by it');
  end if;
  transfer := creel.id_in(charge -> 'transfer');
  if transfer is null then
    return creel.waits(format('charge %s has no transfer yet', charge ->> 'id'));
  end if;

  -- Whose account it is; or was, when he is gone. A host may have another owner since, and he has another account.
  owner := coalesce(
    (select a.owner_id from public.stripe_accounts a where a.account_id = told_destination),
    (select e.owner_id from public.host_earnings e where e.destination = told_destination and e.kind = 'earning' order by e.id desc limit 1),
    (select h.owner_id from public.hosts h where h.id = subscription.host_id
       and not exists (select from public.stripe_accounts a where a.owner_id = h.owner_id)));
  if owner is null then
    perform creel.log_event('billing.mismatch', p.id, subscription.agent_key, h.id, null, jsonb_build_object(
      'what', 'no_owner', 'subscription', subscription.id, 'invoice', told_invoice, 'destination', told_destination))
    from (values (true)) as one
    left join public.projects p on p.id = subscription.project_id left join public.hosts h on h.id = subscription.host_id;
    return jsonb_build_object('outcome', 'applied', 'note', format('nobody is known to have account %s', told_destination));
  end if;
  if (select count(*) from jsonb_path_query(invoice, '$.payments.data[*]') p
      where coalesce(p ->> 'status', 'paid') = 'paid') > 1 then
    -- The ledger knows one transfer of an invoice.
    perform creel.log_event('billing.mismatch', p.id, subscription.agent_key, h.id, null, jsonb_build_object(
      'what', 'several_payments', 'subscription', subscription.id, 'invoice', told_invoice, 'charge', charge -> 'id'))
    from (values (true)) as one
    left join public.projects p on p.id = subscription.project_id left join public.hosts h on h.id = subscription.host_id;
  end if;
  gross := coalesce((charge ->> 'amount_captured')::bigint, (charge ->> 'amount')::bigint);
  fee := least(gross, coalesce(
    (charge ->> 'application_fee_amount')::bigint,
    (invoice ->> 'application_fee_amount')::bigint,
    creel.fee_of(gross, coalesce(
      (select i.fee_bp from public.checkout_intents i where i.id = subscription.intent_id),
      (creel.knobs()).billing_fee_bp))));
  period := creel.period_of_invoice(invoice, subscription);

  insert into public.host_earnings (
    host_id, owner_id, subscription_id, agent_id, kind, amount_minor, currency, gross_minor, fee_minor, invoice_id,
    charge_id, payment_intent_id, transfer_id, destination, period_start, period_end, source, paid_at)
  values (
    subscription.host_id, owner, subscription.id, subscription.agent_id, 'earning', gross - fee,
    lower(charge ->> 'currency'), gross, fee, told_invoice, charge ->> 'id',
    coalesce(creel.id_in(paid -> 'payment_intent'), creel.id_in(charge -> 'payment_intent')), transfer, told_destination,
    period.period_start, greatest(period.period_end, period.period_start), event ->> 'id',
    coalesce(creel.time_in(invoice #> '{status_transitions,paid_at}'), creel.time_in(event -> 'created'), now()))
  on conflict (invoice_id) where kind = 'earning' do nothing
  returning id into earned;
  if earned is null then
    return null;
  end if;
  insert into creel.earning_facts (earning_id, due_at)
  select earned, creel.part_end(e.period_start, e.period_end, 1) from public.host_earnings e where e.id = earned;
  insert into creel.earning_transfers (transfer_id, earning_id, amount_minor, left_minor)
  values (transfer, earned, gross, gross);
  return jsonb_build_object(
    'outcome', 'applied', 'led_to', jsonb_build_object('earning', earned),
    'knows', jsonb_build_array(charge ->> 'id', transfer));
end
$_$;


--
-- Name: empty_sha256(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.empty_sha256() RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
$$;


--
-- Name: enable_webhook(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.enable_webhook() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if new.enabled then
    new.disabled_reason := null;
  end if;
  return new;
end
$$;


--
-- Name: end_given_back(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.end_given_back() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  item creel.items;
  ended creel.settlement;
begin
  select * into item from creel.items i where i.item_id = new.id;
  if not found then
    return null;
  end if;
  perform 1 from creel.lanes l where l.id = item.lane_id for no key update;
  if not item.cancel then
    perform creel.settle_without_host(array[new.id]);
    return null;
  end if;
  select l.id, i.seq, i.item_id, i.queue, l.attempts, i.max_attempts, 0, null::uuid, 'dead', 'failed',
    creel.superseded('command'), false
  into ended
  from creel.items i join creel.lanes l on l.id = i.lane_id and l.head = i.seq
  where i.item_id = new.id and i.cancel and l.token is null;
  if found then
    perform creel.settle(array[ended]);
    perform creel.notify_lanes(array[ended.lane_id]);
  end if;
  return null;
end
$$;


--
-- Name: end_outage(uuid, timestamp with time zone, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.end_outage(agent uuid, ended timestamp with time zone, because text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: enqueue(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.enqueue() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  registered creel.queues;
  item_ids uuid[];
  project_ids text[];
  agent_keys text[];
  deadlines timestamptz[];
begin
  select * into strict registered from creel.queues q where q.tbl = tg_relid;
  select array_agg(n.id), array_agg(n.project_id), array_agg(n.agent_key), array_agg(n.deadline_at)
  into item_ids, project_ids, agent_keys, deadlines
  from new_rows n where n.status = registered.waiting;
  if item_ids is not null then
    if exists (select from creel.items i where i.item_id = any (item_ids))
       or exists (select from creel.dead_letters d where d.item_id = any (item_ids)) then
      raise exception 'something else in a queue has this id'
        using errcode = 'PT409', detail = 'known_id', hint = 'Leave id away, or send a new random one.';
    end if;
    perform creel.enqueue_items(registered, item_ids, project_ids, agent_keys, deadlines);
  end if;
  return null;
end
$$;


--
-- Name: enqueue_items(creel.queues, uuid[], text[], text[], timestamp with time zone[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.enqueue_items(registered creel.queues, item_ids uuid[], project_ids text[], agent_keys text[], deadlines timestamp with time zone[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  lane_of bigint[] := creel.find_lanes(project_ids, agent_keys, registered.lane_kind);
  lane_ids bigint[];
  hosts text[];
  some_idle boolean;
  host text;
begin
  if array_position(lane_of, null) is not null then
    perform creel.add_lanes(registered, project_ids, agent_keys);
    lane_of := creel.find_lanes(project_ids, agent_keys, registered.lane_kind);
  end if;

  insert into creel.items (item_id, queue, lane_id, max_attempts, deadline_at)
  select n.item_id, registered.queue, n.lane_id, registered.max_attempts, n.deadline_at
  from unnest(item_ids, lane_of, deadlines) with ordinality as n (item_id, lane_id, deadline_at, position)
  where n.lane_id is not null
  order by n.position;

  -- Locked in one order, so that two of these do not wait for each other; and locked at all, so that a finish
  -- that is under way sees these items or is seen by this.
  select array_agg(l.id), array_agg(distinct coalesce(l.host_id::text, '')), bool_or(l.head is null)
  into lane_ids, hosts, some_idle
  from (
    select k.id, k.host_id, k.head from creel.lanes k where k.id = any (lane_of) order by k.id for no key update) l;
  if lane_ids is null then
    return;
  end if;
  if some_idle then
    update creel.lanes l
    set hopeless_since = null, attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
      select i.seq, i.item_id, i.queue, i.max_attempts
      from creel.items i where i.lane_id = l.id order by i.seq limit 1)
    where l.id = any (lane_ids) and l.head is null;
  end if;
  -- The payload is a hint which host is meant, empty for all.
  foreach host in array hosts loop
    perform pg_notify('creel_work', host);
  end loop;
  perform creel.hint_lanes(lane_ids);
end
$$;


--
-- Name: enroll_host(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.enroll_host(args jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: FUNCTION enroll_host(args jsonb); Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON FUNCTION creel.enroll_host(args jsonb) IS 'Makes a host: {name, project_ids[], owner_id?, platform?, capacity?, tags[]?, price?, backends[]?, key_days?, login?: {verifier}, key?: {sha256, label?, expires_at?}} -> {host_id, role}. The verifier is the SCRAM one, so that no password is in any log.';


--
-- Name: agent_canaries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_canaries (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    agent_id uuid NOT NULL,
    host_id uuid NOT NULL,
    generation bigint NOT NULL,
    challenge text NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    fault text,
    result jsonb,
    waiting_for text,
    woken_by text,
    deadline_at timestamp with time zone NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    taken_at timestamp with time zone,
    answered_at timestamp with time zone,
    CONSTRAINT agent_canaries_answered CHECK (((status = ANY (ARRAY['done'::text, 'failed'::text])) = (answered_at IS NOT NULL))),
    CONSTRAINT agent_canaries_fault CHECK ((fault = ANY (ARRAY['unanswered'::text, 'error'::text, 'model'::text, 'wrong'::text]))),
    CONSTRAINT agent_canaries_fault_of_failed CHECK (((fault IS NULL) OR (status = 'failed'::text))),
    CONSTRAINT agent_canaries_sizes CHECK ((((octet_length(agent_key) >= 1) AND (octet_length(agent_key) <= 1024)) AND ((octet_length(challenge) >= 1) AND (octet_length(challenge) <= 4096)) AND (COALESCE(octet_length(waiting_for), 0) <= 1000) AND (COALESCE(pg_column_size(result), 0) <= 65536))),
    CONSTRAINT agent_canaries_status CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text]))),
    CONSTRAINT agent_canaries_waiting CHECK (((waiting_for IS NULL) OR (status = 'queued'::text))),
    CONSTRAINT agent_canaries_woken_by CHECK ((woken_by = ANY (ARRAY['push'::text, 'poll'::text])))
);


--
-- Name: TABLE agent_canaries; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.agent_canaries IS 'A question that is put to a paid agent which is wished running. The sweep makes it, the agent''s host claims it (running), lets the agent answer challenge, and finishes it with result.answer; done when the answer is right. failed: fault says why. unanswered, nothing came from the host by deadline_at; error, the host says that the agent is not there; model, that its model gave an error; wrong, the answer is another one. Only the first two can begin an outage.';


--
-- Name: excuse_of(public.agent_canaries); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.excuse_of(canary public.agent_canaries) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
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


--
-- Name: failure(text, text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.failure(code text, message text, hint text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object('ok', false, 'error', jsonb_build_object('code', code, 'message', message, 'hint', hint))
$$;


--
-- Name: fault_of_acks(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fault_of_acks(acks jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  one jsonb;
  position int := 0;
begin
  if acks is null or jsonb_typeof(acks) = 'null' then
    return null;
  end if;
  if jsonb_typeof(acks) <> 'array' or jsonb_array_length(acks) > 1000 then
    return 'acks must be an array of at most 1000';
  end if;
  for one in select e from jsonb_array_elements(acks) e loop
    if jsonb_typeof(one) <> 'object' or creel.uuid_of(one -> 'command_id') is null then
      return format('acks[%s] must be an object with command_id, a uuid', position);
    end if;
    if jsonb_typeof(one -> 'ok') is distinct from 'boolean' then
      return format('acks[%s].ok must be true or false', position);
    end if;
    if jsonb_typeof(coalesce(one -> 'error', 'null')) not in ('null', 'string', 'object') then
      return format('acks[%s].error must be a text, or an object with code, message and hint', position);
    end if;
    if jsonb_typeof(coalesce(one -> 'result', 'null')) not in ('null', 'object') then
      return format('acks[%s].result must be an object', position);
    end if;
    position := position + 1;
  end loop;
  return null;
end
$$;


--
-- Name: fault_of_amount(public.checkout_intents, jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fault_of_amount(intent public.checkout_intents, amount jsonb, currency jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case
    when coalesce(amount, 'null') <> 'null' and amount <> to_jsonb(intent.amount_minor)
      or coalesce(currency, 'null') <> 'null' and lower(currency #>> '{}') <> intent.currency
    then format('Stripe says %s %s, and the checkout was for %s %s',
      amount #>> '{}', currency #>> '{}', intent.amount_minor, intent.currency) end
$$;


--
-- Name: fault_of_doc_change(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fault_of_doc_change(change jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $_$
declare
  op constant text := change ->> 'op';
  name text;
begin
  if not creel.is_doc_type(change ->> 'doc_type') then
    return 'there is no document of this type';
  end if;
  if op is null or op not in ('ack', 'text', 'merge', 'conflict', 'hold', 'note', 'day', 'keep_day') then
    return 'this is not known how to be done to a document';
  end if;
  if op in ('day', 'keep_day') and change ->> 'doc_type' <> 'memory_today' then
    return 'only memory_today has a day';
  end if;
  if op in ('text', 'merge', 'conflict', 'hold', 'day')
     and not coalesce(change ->> 'base_version' ~ '^[0-9]{1,9}$', false) then
    return 'base_version is no number';
  end if;
  foreach name in array case op
    when 'merge' then array['content', 'disk_content']
    when 'ack' then array['sha256']
    when 'note' then array['state']
    else array['content'] end
  loop
    if jsonb_typeof(change -> name) is distinct from 'string' then
      return name || ' is no text';
    elsif octet_length(change ->> name) > 1048576 then
      return name || ' is larger than 1 MB';
    end if;
  end loop;
  if op in ('day', 'keep_day') and change ->> 'doc_date' is null
     or change ->> 'doc_date' is not null and change ->> 'doc_date' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then
    return 'doc_date is no day';
  end if;
  if op = 'note' and change ->> 'state' not in ('blocked', 'ok') then
    return 'state is neither blocked nor ok';
  end if;
  if op = 'text' and change ->> 'author' is not null and change ->> 'author' not in ('agent', 'template', 'update') then
    return 'author is neither agent, template nor update';
  end if;
  return null;
end
$_$;


--
-- Name: fault_of_heartbeat(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fault_of_heartbeat(beat jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  host constant jsonb := coalesce(nullif(beat -> 'host', 'null'), '{}');
  working constant jsonb := coalesce(nullif(beat -> 'working', 'null'), '[]');
  agents constant jsonb := coalesce(nullif(beat -> 'agents', 'null'), '[]');
begin
  if jsonb_typeof(host) <> 'object' then
    return 'host must be an object';
  elsif not (creel.is_number(host -> 'cpu_percent', 0, 1000000) and creel.is_number(host -> 'ram_mb', 0, 1000000000))
    or (host ->> 'ram_mb')::numeric % 1 <> 0 then
    return 'host.cpu_percent and host.ram_mb must be numbers, not below 0, and ram_mb a whole one';
  elsif not (creel.is_text(host -> 'worker_version', 100) and creel.is_text(host -> 'openclaw_version', 100)) then
    return 'host.worker_version and host.openclaw_version must be texts of at most 100 bytes';
  elsif not coalesce(coalesce(host ->> 'platform', 'linux') in ('linux', 'macos'), false) then
    return 'host.platform must be linux or macos';
  elsif jsonb_typeof(working) <> 'array' or jsonb_array_length(working) > 1000
    or exists (select from jsonb_array_elements(working) w where creel.uuid_of(w) is null) then
    return 'working must be an array of at most 1000 ids of commands';
  elsif jsonb_typeof(agents) <> 'array' or jsonb_array_length(agents) > 1000 then
    return 'agents must be an array of at most 1000';
  end if;
  return coalesce(creel.fault_of_metrics(beat -> 'metrics'), creel.fault_of_acks(beat -> 'acks'));
end
$$;


--
-- Name: fault_of_host_wish(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fault_of_host_wish(wish jsonb) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
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
    when creel.fault_of_price(wish -> 'price') is not null then creel.fault_of_price(wish -> 'price')
  end;
end
$$;


--
-- Name: fault_of_metrics(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fault_of_metrics(metrics jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  one jsonb;
  position int := 0;
begin
  if metrics is null or jsonb_typeof(metrics) = 'null' then
    return null;
  end if;
  if jsonb_typeof(metrics) <> 'array' or jsonb_array_length(metrics) > 1000 then
    return 'metrics must be an array of at most 1000';
  end if;
  for one in select e from jsonb_array_elements(metrics) e loop
    if jsonb_typeof(one) <> 'object' or creel.uuid_of(one -> 'agent_id') is null then
      return format('metrics[%s] must be an object with agent_id, a uuid', position);
    end if;
    if not (creel.is_number(one -> 'cpu_percent', 0, 1000000) and creel.is_number(one -> 'ram_mb', 0, 1000000000)
      and creel.is_number(one -> 'disk_mb', 0, 1000000000)) then
      return format('metrics[%s]: cpu_percent, ram_mb and disk_mb must be numbers, not below 0', position);
    end if;
    if not creel.is_number(one -> 'uptime_secs', 0, 1e12) or (one ->> 'uptime_secs')::numeric % 1 <> 0 then
      return format('metrics[%s].uptime_secs must be a whole number, not below 0', position);
    end if;
    position := position + 1;
  end loop;
  return null;
end
$$;


--
-- Name: fault_of_place(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fault_of_place(agent public.agents) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  host public.hosts;
begin
  if agent.host_id is null or agent.status <> 'removed' then
    return null;
  end if;
  perform 1 from public.hosts h where h.id = agent.host_id for no key update;
  select * into host from public.hosts h where h.id = agent.host_id;
  host.tenancy := 'single';
  return case
    when host.status = 'retired' then 'its host is retired'
    when not agent.backend = any (host.backends) then 'its host cannot run it any more'
    when not creel.may_neighbour(host, agent.project_id, agent.backend) then 'its host runs agents of another project by now'
    when not creel.has_room(host) then 'its host is full' end;
end
$$;


--
-- Name: fault_of_price(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fault_of_price(price jsonb) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $_$
begin
  return case
    when price is null or price = 'null' then null
    when jsonb_typeof(price) <> 'object' then 'price must be an object of at most 4096 bytes'
    when exists (select from jsonb_object_keys(price) k where k not in ('currency', 'month', 'year'))
      then 'a price has currency, month and year, and nothing else'
    when price ? 'currency' and (
        jsonb_typeof(price -> 'currency') <> 'string' or price ->> 'currency' !~ '^[a-z]{3}$')
      then 'price.currency must be a code of three small letters, as eur'
    -- Stripe changes any other into its own before it is the host's, and no figure of ours were true any more.
    when price ->> 'currency' <> (creel.knobs()).billing_currency
      then 'price.currency must be ' || (creel.knobs()).billing_currency || ', which is what is charged here'
    when exists (
        select from jsonb_each(price - 'currency') e
        where case when jsonb_typeof(e.value) <> 'number' then true
          else e.value::numeric not between 50 and 99999999 or e.value::numeric % 1 <> 0 end)
      then 'price.month and price.year must be whole numbers of the currency''s smallest unit, from 50, as '
        'Stripe takes no less, to 99999999: 900 for 9 euros'
  end;
end
$_$;


--
-- Name: fault_of_webhook_url(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fault_of_webhook_url(url text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $_$
begin
  return case
    when url is null then 'url is missing'
    when octet_length(url) > 2000 then 'url has more than 2000 bytes'
    when url !~ '^[!-~]+$' then 'url has characters that are not allowed in one'
    when url ~ '^https?://[^/?#]*@' then 'url must have neither user nor password'
    when url ~ '#' then 'url must have no fragment'
    when url ~ '^https://[^/?#@\\]+([/?][^\\]*)?$' then null
    when url ~ '^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?([/?][^\\]*)?$'
      and (creel.knobs()).webhooks_to_loopback then null
    else 'url must begin with https://'
  end;
end
$_$;


--
-- Name: fee_of(bigint, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fee_of(gross bigint, fee_bp integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select creel.prorate(greatest(gross, 0), fee_bp, 10000)
$$;


--
-- Name: fee_refunded_of(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fee_refunded_of(transfer jsonb) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select coalesce((transfer #>> '{source_transaction,application_fee,amount_refunded}')::bigint, 0)
$$;


--
-- Name: fetched(jsonb, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.fetched(current jsonb, id text, OUT object jsonb, OUT as_of timestamp with time zone) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  if jsonb_typeof(current -> id) = 'object' then
    object := current -> id;
    as_of := coalesce(creel.read_time(object -> 'fetched_at'), date_trunc('second', now()));
  end if;
end
$$;


--
-- Name: find_lanes(text[], text[], text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.find_lanes(project_ids text[], agent_keys text[], lane_kind text) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
begin
  return (
    select array_agg(l.id order by n.position)
    from unnest(project_ids, agent_keys) with ordinality as n (project_id, agent_key, position)
    left join lateral (
      select l.id from creel.lanes l
      where l.project_id = n.project_id and l.agent_key = n.agent_key and l.kind = lane_kind limit 1) l on true);
end
$$;


--
-- Name: finish_notifications(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.finish_notifications(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET jit TO 'off'
    AS $_$
declare
  told jsonb;
  held uuid;
  ended uuid;
  applied jsonb := '[]'::jsonb;
begin
  perform creel.require_api($1);
  if jsonb_typeof($1 -> 'items') is distinct from 'array' or jsonb_array_length($1 -> 'items') > 100 then
    raise exception 'items is no list of at most 100' using errcode = '22023', hint = 'Finish the others in another call.';
  end if;
  for told in select e from jsonb_array_elements($1 -> 'items') e order by e ->> 'id' loop
    if coalesce(told ->> 'outcome', '') not in ('delivered', 'retry', 'refused', 'gone') then
      raise exception 'outcome must be delivered, retry, refused or gone' using errcode = '22023',
        hint = 'See what became of the request.';
    end if;
    delete from creel.notification_leases l
    where l.notification_id = creel.uuid_of(told -> 'id') and l.token = creel.uuid_of(told -> 'token')
    returning l.notification_id into held;
    if held is not null then
      perform creel.settle_notification(
        held, told ->> 'outcome', coalesce(told ->> 'error', 'it failed'),
        creel.whole_number(told -> 'retry_after_secs', 0, 2147483647)::int);
      if told ->> 'outcome' = 'gone' then
        update public.webhooks w set enabled = false, disabled_reason = 'its address answered 410: nobody wants it there'
        from public.notifications n where n.id = held and w.id = n.webhook_id and w.enabled
        returning w.id into ended;
        if ended is not null then
          perform creel.log_event('webhook.disabled', n.project_id, null, null, ended)
          from public.notifications n where n.id = held;
        end if;
        perform creel.settle_notification(n.id, 'failed', 'its webhook was disabled', null)
        from (
          select p.id from public.notifications p
          where p.status = 'pending' and p.webhook_id = (
            select h.webhook_id from public.notifications h where h.id = held)
          order by p.id limit 500 for update skip locked) n;
      end if;
    end if;
    applied := applied || jsonb_build_array(
      jsonb_build_object('id', told -> 'id', 'applied', held is not null));
    held := null;
  end loop;
  return jsonb_build_object('items', applied);
end
$_$;


--
-- Name: FUNCTION finish_notifications(jsonb); Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON FUNCTION creel.finish_notifications(jsonb) IS 'For who delivers: {api, items: [{id, token, outcome, error, retry_after_secs}]} -> {items: [{id, applied}]}. outcome is delivered, retry, refused or gone (410: the webhook is disabled). A token that is no longer in force changes nothing.';


--
-- Name: finish_of_ack(jsonb, uuid, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.finish_of_ack(ack jsonb, token uuid, type text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  is_ok constant boolean := (ack ->> 'ok')::boolean;
  told constant jsonb := coalesce(nullif(ack -> 'error', 'null'), '{}');
  result jsonb := coalesce(nullif(ack -> 'result', 'null'), '{}');
begin
  if is_ok then
    result := jsonb_build_object('state', case
        when type = 'undeploy' then 'removed' when type = 'stop' then 'stopped'
        when type in ('update_config', 'canary') then null
        else 'running' end)
      || result || jsonb_build_object('ok', true);
    -- What a provision request calls it.
    result := result || jsonb_build_object('served', result ->> 'state' is not distinct from 'running');
  else
    result := (result - 'workspace') || jsonb_build_object('ok', false, 'error', jsonb_build_object(
      'code', coalesce(left(told ->> 'code', 100), 'host_failed'),
      'message', coalesce(
        left(case jsonb_typeof(told) when 'string' then told #>> '{}' else told ->> 'message' end, 4000),
        'the host failed, and did not say why'),
      'hint', coalesce(left(told ->> 'hint', 4000), 'Look at the log of the daemon on the host.')));
  end if;
  return jsonb_build_object(
    'token', token, 'outcome', case when is_ok then 'done' else 'failed' end, 'result', result);
end
$$;


--
-- Name: finish_one(uuid, text[], jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.finish_one(host uuid, projects text[], finished jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
declare
  held_token constant uuid := (finished ->> 'token')::uuid;
  lane_id constant bigint := creel.lane_of_token(held_token);
  lane record;
  status text;
begin
  select l.queue, l.head, l.item_id into lane from creel.lanes l
  where l.id = lane_id and (
    l.token = held_token and l.host_id = host and l.expires_at > now() and l.project_id = any (projects)) is true
  for no key update;
  if found then
    status := creel.settle_done(lane.queue, lane_id, lane.head, lane.item_id, finished -> 'result');
  end if;
  return jsonb_build_object(
    'items', jsonb_build_array(
      jsonb_build_object('token', finished -> 'token', 'applied', status is not null, 'status', status)),
    'work', creel.has_work(host, projects));
end
$$;


--
-- Name: forget_host_channels(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.forget_host_channels() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  delete from creel.host_channels c where c.host_id in (
    select n.host_id from new_rows n join old_rows o on o.id = n.id
    where (o.replaced_at is null and n.replaced_at is not null) or (o.revoked_at is null and n.revoked_at is not null));
  return null;
end
$$;


--
-- Name: free_doc_bytes(text, bigint); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.free_doc_bytes(of_project text, freed_bytes bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update creel.doc_usage u set size_bytes = greatest(u.size_bytes - freed_bytes, 0) where u.project_id = of_project;
end
$$;


--
-- Name: free_doc_contents(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.free_doc_contents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform creel.free_doc_bytes(g.project_id, g.freed_bytes) from (
    select o.project_id, sum(octet_length(o.content)) as freed_bytes
    from old_rows o group by o.project_id order by o.project_id) g;
  return null;
end
$$;


--
-- Name: free_doc_versions(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.free_doc_versions() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform creel.free_doc_bytes(g.project_id, g.freed_bytes) from (
    select o.project_id, sum(256 + octet_length(o.agent_key) + coalesce(octet_length(o.updated_by), 0)) as freed_bytes
    from old_rows o group by o.project_id order by o.project_id) g;
  delete from public.brain_doc_contents c
  where (c.project_id, c.sha256) in (select o.project_id, o.sha256 from old_rows o)
    and not exists (
      select from public.brain_doc_versions v where v.project_id = c.project_id and v.sha256 = c.sha256);
  return null;
end
$$;


--
-- Name: handle_account(jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.handle_account(event jsonb, current jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  kind constant text := event ->> 'type';
  told constant jsonb := event #> '{data,object}';
  told_at constant timestamptz := creel.read_time(event -> 'created');
  acct constant text := coalesce(
    case when kind in ('account.created', 'account.updated') then told ->> 'id' end,
    event ->> 'account', creel.stripe_ref(told -> 'account'));
  known public.stripe_accounts;
  fetched record;
  object jsonb;
  taken_at timestamptz := told_at;
  owner uuid;
begin
  if acct is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it names no account');
  end if;
  select * into known from public.stripe_accounts s where s.account_id = acct for no key update;
  -- An endpoint of live mode hears of test mode as well, and an account has both.
  if known.livemode and event -> 'livemode' = 'false' then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it is of test mode, and the account is not');
  end if;
  if known.owner_id is not null and kind <> 'account.created' and jsonb_typeof(event -> 'livemode') = 'boolean'
     and known.livemode is distinct from (event ->> 'livemode')::boolean then
    -- What was said in test mode was not said of this.
    update public.stripe_accounts s set
      livemode = (event ->> 'livemode')::boolean,
      payout_failed = case when known.livemode is null then s.payout_failed end,
      payout_as_of = case when known.livemode is null then s.payout_as_of end,
      as_of = case when known.livemode is null then s.as_of else '-infinity' end
    where s.owner_id = known.owner_id;
    select * into known from public.stripe_accounts s where s.owner_id = known.owner_id;
  end if;
  if kind in ('payout.failed', 'payout.paid') then
    if known.owner_id is null then
      return jsonb_build_object('outcome', 'ignored', 'note', 'this account is not of Creel');
    end if;
    update public.stripe_accounts s set
      payout_failed = case kind when 'payout.failed' then left(coalesce(
        told ->> 'failure_message', told ->> 'failure_code', 'the bank did not say why'), 2000) end,
      payout_as_of = told_at
    where s.owner_id = known.owner_id and coalesce(s.payout_as_of, '-infinity') <= told_at;
    return null;
  end if;
  if kind = 'account.application.deauthorized' then
    update public.stripe_accounts s set transfers_active = false, charges_enabled = false, payouts_enabled = false,
      as_of = told_at
    where s.owner_id = known.owner_id and s.as_of <= told_at;
    return null;
  end if;

  fetched := creel.fetched(current, acct);
  if fetched.object -> 'deleted' = 'true' then
    -- Closed or disconnected: nothing that is said of it will ever be known better.
    update public.stripe_accounts s set transfers_active = false, charges_enabled = false, payouts_enabled = false,
      as_of = fetched.as_of
    where s.owner_id = known.owner_id and s.as_of <= fetched.as_of;
    return jsonb_build_object('outcome', 'ignored', 'note', 'this account is not at Stripe any more');
  end if;
  object := case when kind in ('account.created', 'account.updated') then told end;
  if fetched.object is not null then
    object := fetched.object;
    taken_at := fetched.as_of;
  end if;
  if known.owner_id is null then
    owner := creel.read_uuid((coalesce(object, told)) #>> '{metadata,creel_owner}');
    if object is not null and owner is null then
      return jsonb_build_object('outcome', 'ignored', 'note', 'this account is not of Creel');
    end if;
  elsif object is not null and fetched.object is null and taken_at = known.as_of and (
    known.transfers_active, known.charges_enabled, known.payouts_enabled, known.requirements) is distinct from (
    coalesce(object #>> '{capabilities,transfers}' = 'active', false),
    coalesce(object -> 'charges_enabled' = 'true', false), coalesce(object -> 'payouts_enabled' = 'true', false),
    coalesce(object -> 'requirements', '{}')) then
    object := null;
  end if;
  if object is null then
    return creel.want_fetched('account', acct, '{}', 'asks Stripe for the state of the account');
  end if;
  if known.owner_id is null then
    if not exists (select from auth.users u where u.id = owner) then
      return jsonb_build_object('outcome', 'ignored', 'note', 'the owner of this account is not of this database');
    end if;
    -- The function makes another one where Stripe does not know the first any more.
    if kind <> 'account.created' and exists (select from public.stripe_accounts s where s.owner_id = owner) then
      return jsonb_build_object('outcome', 'ignored', 'note', 'its owner has another account already');
    end if;
    insert into public.stripe_accounts as s (owner_id, account_id, as_of) values (owner, acct, '-infinity')
    on conflict (owner_id) do update set account_id = excluded.account_id, as_of = excluded.as_of,
      livemode = null, payout_failed = null, payout_as_of = null;
    known.owner_id := owner;
  end if;
  update public.stripe_accounts s set
    transfers_active = coalesce(object #>> '{capabilities,transfers}' = 'active', false),
    charges_enabled = coalesce(object -> 'charges_enabled' = 'true', false),
    payouts_enabled = coalesce(object -> 'payouts_enabled' = 'true', false),
    requirements = case when pg_column_size(object -> 'requirements') <= 32768 then object -> 'requirements' else '{}' end,
    as_of = taken_at
  where s.owner_id = known.owner_id and s.as_of <= taken_at;
  return jsonb_build_object(
    'note', case when not found then 'older than what is known' end,
    'knows', jsonb_build_array(acct), 'led_to', jsonb_build_object('account', acct));
end
$$;


--
-- Name: handle_customer_deleted(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.handle_customer_deleted(event jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  customer constant text := event #>> '{data,object,id}';
  told_at constant timestamptz := creel.read_time(event -> 'created');
  sub_ids text[];
  sub_id text;
begin
  perform 1 from public.subscriptions s where s.customer_id = customer order by s.id for no key update;
  sub_ids := array(select s.id from public.subscriptions s where s.customer_id = customer order by s.id);
  perform 1 from creel.lanes l
  join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
  join public.subscriptions s on s.agent_id = a.id
  where s.id = any (sub_ids) and l.kind = 'control' order by l.id for no key update of l;
  delete from public.stripe_customers c where c.customer_id = customer;
  foreach sub_id in array sub_ids loop
    update public.subscriptions s set
      -- One that was never paid does not come to be paid by this.
      status = case s.status when 'incomplete' then 'incomplete_expired' else 'canceled' end,
      as_of = greatest(s.as_of, told_at), ended_at = told_at
    where s.id = sub_id and s.status not in ('canceled', 'incomplete_expired');
    insert into creel.subscription_states (subscription_id, as_of, status)
    values (sub_id, told_at, 'canceled') on conflict do nothing;
    perform creel.settle_subscription(sub_id, null, null);
  end loop;
  if sub_ids = '{}' then
    return jsonb_build_object('outcome', 'ignored', 'note', 'nothing is known of this customer');
  end if;
  return jsonb_build_object('led_to', jsonb_build_object('subscriptions', to_jsonb(sub_ids)));
end
$$;


--
-- Name: handle_event(jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.handle_event(event jsonb, current jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  kind constant text := event ->> 'type';
begin
  if kind in (
    'account.created', 'account.updated', 'account.application.deauthorized', 'capability.updated', 'payout.failed',
    'payout.paid') then
    return creel.handle_account(event, current);
  elsif event ->> 'account' is not null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'it is a matter of the connected account alone');
  elsif kind in (
    'checkout.session.created', 'checkout.session.completed', 'checkout.session.async_payment_succeeded',
    'checkout.session.async_payment_failed', 'checkout.session.expired') then
    return creel.handle_session(event, current);
  elsif kind in (
    'customer.subscription.created', 'customer.subscription.updated', 'customer.subscription.deleted',
    'customer.subscription.paused', 'customer.subscription.resumed', 'customer.subscription.trial_will_end') then
    return creel.handle_subscription(event, current);
  elsif kind in ('invoice.paid', 'invoice.payment_failed', 'invoice.payment_action_required') then
    return creel.handle_invoice(event, current);
  elsif kind = 'customer.deleted' then
    return creel.handle_customer_deleted(event);
  elsif kind = 'charge.refunded' or kind like 'charge.refund.%' or kind like 'refund.%'
    or kind like 'charge.dispute.%' or kind like 'transfer.%' then
    return creel.correct_charge(event, event #> '{data,object}', coalesce(current, '{}'));
  end if;
  return jsonb_build_object('outcome', 'ignored', 'note', 'Creel does nothing with events of this kind');
end
$$;


--
-- Name: handle_invoice(jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.handle_invoice(event jsonb, current jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  kind constant text := event ->> 'type';
  told constant jsonb := event #> '{data,object}';
  fetched record;
  invoice jsonb;
  sub_id text;
  intent_id uuid;
  known public.subscriptions;
  first_paid constant timestamptz := case when kind = 'invoice.paid' then creel.read_time(event -> 'created') end;
  verdict jsonb;
begin
  fetched := creel.fetched(current, told ->> 'id');
  invoice := coalesce(fetched.object, told);
  sub_id := coalesce(
    creel.stripe_ref(invoice -> 'subscription'),
    creel.stripe_ref(invoice #> '{parent,subscription_details,subscription}'));
  if sub_id is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'this invoice is of no subscription');
  end if;
  select * into known from public.subscriptions s where s.id = sub_id;
  if known.id is null then
    -- Its metadata are those of its subscription; where it has none, the subscription says.
    intent_id := creel.read_uuid(coalesce(
      invoice #>> '{parent,subscription_details,metadata,creel_intent}',
      invoice #>> '{subscription_details,metadata,creel_intent}'));
    if intent_id is null and jsonb_typeof(coalesce(
        invoice #> '{parent,subscription_details,metadata}', invoice #> '{subscription_details,metadata}')) = 'object' then
      return jsonb_build_object('outcome', 'ignored', 'note', 'this invoice is not of Creel');
    end if;
    fetched := creel.fetched(current, sub_id);
    if fetched.object is null then
      return creel.want_fetched('subscription', sub_id, '{}', 'nothing is known of this subscription yet');
    end if;
    verdict := creel.save_subscription(fetched.object, fetched.as_of, true, event, first_paid);
    if verdict ->> 'outcome' <> 'applied' then
      return verdict;
    end if;
    select * into known from public.subscriptions s where s.id = sub_id;
  elsif first_paid < coalesce(known.first_paid_at, 'infinity') then
    update public.subscriptions s set first_paid_at = first_paid
    where s.id = sub_id and first_paid < coalesce(s.first_paid_at, 'infinity');
    perform creel.settle_subscription(
      sub_id, (select e.received_at from public.stripe_events e where e.id = event ->> 'id'), first_paid);
    select * into known from public.subscriptions s where s.id = sub_id;
  end if;

  if kind = 'invoice.paid' then
    verdict := coalesce(verdict, '{}')
      || coalesce(creel.earn_invoice(event, invoice, known, coalesce(current, '{}')), '{}');
    return verdict || jsonb_build_object('knows',
      coalesce(verdict -> 'knows', '[]') || jsonb_build_array(invoice ->> 'id', sub_id));
  end if;
  if known.project_id is not null then
    perform creel.log_event(
      case kind when 'invoice.payment_failed' then 'billing.payment_failed' else 'billing.action_required' end,
      known.project_id, known.agent_key, known.host_id, known.intent_id,
      jsonb_strip_nulls(jsonb_build_object(
        'subscription', sub_id, 'invoice', invoice -> 'id', 'amount_due', invoice -> 'amount_due',
        'currency', invoice -> 'currency', 'attempt_count', invoice -> 'attempt_count',
        'next_payment_attempt', invoice -> 'next_payment_attempt',
        'pay_at', left(invoice ->> 'hosted_invoice_url', 2000))));
  end if;
  return coalesce(verdict, '{}') || jsonb_build_object('led_to', jsonb_build_object('subscription', sub_id));
end
$$;


--
-- Name: handle_session(jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.handle_session(event jsonb, current jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  kind constant text := event ->> 'type';
  session constant jsonb := event #> '{data,object}';
  sub_id constant text := creel.stripe_ref(session -> 'subscription');
  intent_id constant uuid := creel.read_uuid(
    coalesce(session ->> 'client_reference_id', session #>> '{metadata,creel_intent}'));
  intent public.checkout_intents;
  fetched record;
  fault text;
begin
  if intent_id is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'this checkout is not of Creel');
  end if;
  select * into intent from public.checkout_intents i where i.id = intent_id for no key update;
  if intent.id is null then
    return jsonb_build_object('outcome', 'ignored', 'note', 'this checkout is not of this database');
  end if;
  update public.checkout_intents i set
    session_id = coalesce(i.session_id, session ->> 'id'),
    session_url = coalesce(session ->> 'url', i.session_url),
    customer_id = coalesce(creel.stripe_ref(session -> 'customer'), i.customer_id)
  where i.id = intent_id;

  if kind in ('checkout.session.async_payment_failed', 'checkout.session.expired') then
    if intent.status <> 'open' then
      return jsonb_build_object('note', 'the checkout had ended already: ' || intent.status);
    end if;
    update public.checkout_intents i set
      status = case kind when 'checkout.session.expired' then 'expired' else 'failed' end, awaits_payment = false,
      ended_at = now()
    where i.id = intent_id;
    perform creel.release_reservation(intent.agent_id, intent_id);
    return jsonb_build_object('led_to', jsonb_build_object('released', intent_id));
  elsif kind = 'checkout.session.completed' and session ->> 'payment_status' = 'unpaid' then
    update public.checkout_intents i set awaits_payment = true where i.id = intent_id and i.status = 'open';
    return jsonb_build_object('note', 'the payment is under way');
  elsif kind in ('checkout.session.completed', 'checkout.session.async_payment_succeeded') then
    fault := creel.fault_of_amount(
      intent, case when session ->> 'payment_status' = 'paid' then session -> 'amount_total' end, session -> 'currency');
    if fault is not null then
      return jsonb_build_object('outcome', 'waiting', 'note', fault, 'mismatch', intent_id);
    end if;
    if sub_id is null then
      return jsonb_build_object('outcome', 'waiting', 'note', 'the paid checkout has no subscription');
    end if;
    -- What came of it meanwhile this event does not know.
    fetched := creel.fetched(current, sub_id);
    if fetched.object is null then
      return creel.want_fetched('subscription', sub_id, '{}', 'asks Stripe what became of the subscription');
    end if;
    if creel.read_uuid(fetched.object #>> '{metadata,creel_intent}') is distinct from intent_id
       and not exists (select from public.subscriptions s where s.id = sub_id) then
      return jsonb_build_object('outcome', 'waiting', 'note', 'the subscription does not name the checkout');
    end if;
    return creel.save_subscription(
      fetched.object, fetched.as_of, true, event, creel.read_time(event -> 'created'));
  end if;
  return null;
end
$$;


--
-- Name: handle_subscription(jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.handle_subscription(event jsonb, current jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  object constant jsonb := event #> '{data,object}';
  told_at constant timestamptz := creel.read_time(event -> 'created');
  fetched record;
begin
  fetched := creel.fetched(current, object ->> 'id');
  if fetched.object is not null then
    -- What the event says is known for good, whatever is said of later.
    insert into creel.subscription_states (subscription_id, as_of, status)
    select s.id, told_at, object ->> 'status' from public.subscriptions s where s.id = object ->> 'id'
    on conflict do nothing;
    if object ->> 'status' not in ('canceled', 'incomplete_expired') then
      return creel.save_subscription(fetched.object, fetched.as_of, true, event);
    end if;
  end if;
  return creel.save_subscription(object, told_at, false, event);
end
$$;


--
-- Name: has_function_key(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.has_function_key(opens text) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  headers constant jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  key constant text := case has_function_key.opens
    when 'stripe' then headers ->> 'x-creel-stripe-key'
    when 'notifications' then headers ->> 'x-creel-notifier-key' end;
begin
  return session_user = 'authenticator' and key is not null and exists (
    select from creel.function_keys k
    where k.key_sha256 = sha256(convert_to(key, 'utf8')) and k.opens = has_function_key.opens
      and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()));
end
$$;


--
-- Name: has_members(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.has_members(project_id text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select exists (select from public.project_members m where m.project_id = has_members.project_id)
$$;


--
-- Name: has_open(public.agents, text[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.has_open(agent public.agents, types text[]) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select exists (
    select from creel.lanes l join creel.items i on i.lane_id = l.id
    left join public.agent_commands c on c.id = i.item_id and i.queue = 'agent_commands'
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control' and not i.cancel
      and coalesce(c.type, i.queue) = any (types))
$$;


--
-- Name: has_open_items(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.has_open_items(agent_id uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select exists (
    select from public.agents a
    join creel.lanes l on l.project_id = a.project_id and l.agent_key = a.agent_key and l.kind = 'control'
    where a.id = has_open_items.agent_id and l.head is not null)
$$;


--
-- Name: has_room(public.hosts); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.has_room(host public.hosts) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return host.capacity > (select count(*) from public.agents a where a.host_id = host.id and (a.status <> 'removed' or a.billing = 'paid'));
end
$$;


--
-- Name: has_tags(public.hosts, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.has_tags(host public.hosts, config jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select coalesce(nullif(config -> 'tags', 'null'), '[]') <@ to_jsonb(host.tags)
$$;


--
-- Name: has_work(uuid, text[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.has_work(host uuid, projects text[]) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
declare
  whole public.hosts;
begin
  if exists (
    select from creel.lanes l
    where l.host_id = host and l.token is null and l.head is not null and l.not_before <= now()
      and (l.project_id = any (projects)) is true) then
    return true;
  end if;
  if not exists (
    select from creel.lanes l
    where l.host_id is null and l.token is null and l.head is not null and l.not_before <= now()
      and l.project_id = any (projects)) then
    return false;
  end if;
  select * into whole from public.hosts h where h.id = host;
  return creel.has_room(whole) and creel.placeable(whole, projects, 1, 100) <> '{}';
end
$$;


--
-- Name: hash_of_code(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.hash_of_code(code text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select sha256(convert_to(
    translate(upper(regexp_replace(code, '[^0-9A-Za-z]', '', 'g')), 'OIL', '011'), 'utf8'))
$$;


--
-- Name: host_heartbeats; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.host_heartbeats (
    host_id uuid NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    session_id uuid,
    cpu_percent real,
    ram_mb bigint,
    quiet_secs integer DEFAULT 0 NOT NULL,
    counted_from timestamp with time zone,
    counted integer DEFAULT 0 NOT NULL,
    listens boolean DEFAULT false NOT NULL,
    lost_hints bigint DEFAULT 0 NOT NULL
);


--
-- Name: TABLE host_heartbeats; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.host_heartbeats IS 'One row a host, renewed by each tick; kept apart from hosts, so that a heartbeat is no change of the host.';


--
-- Name: COLUMN host_heartbeats.quiet_secs; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.host_heartbeats.quiet_secs IS 'For how much longer than others this host may be silent: a daemon that polls once a minute is there all the same.';


--
-- Name: COLUMN host_heartbeats.counted; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.host_heartbeats.counted IS 'Heartbeats since counted_from, at most a minute ago.';


--
-- Name: COLUMN host_heartbeats.listens; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.host_heartbeats.listens IS 'Whether the host hears at once that there is work, by its Realtime channel. A host with a login always does, and is not counted here.';


--
-- Name: COLUMN host_heartbeats.lost_hints; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.host_heartbeats.lost_hints IS 'How often a host with a key found work by a tick for which its channel had said nothing.';


--
-- Name: heard_until(public.host_heartbeats); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.heard_until(beat public.host_heartbeats) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select beat.last_seen_at + beat.quiet_secs * interval '1 second'
$$;


--
-- Name: items; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.items (
    seq bigint NOT NULL,
    item_id uuid NOT NULL,
    queue text NOT NULL,
    lane_id bigint NOT NULL,
    max_attempts integer NOT NULL,
    enqueued_at timestamp with time zone DEFAULT now() NOT NULL,
    deadline_at timestamp with time zone,
    cancel boolean DEFAULT false NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');


--
-- Name: TABLE items; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.items IS 'What waits or is at work. Gone when it is done or dead.';


--
-- Name: held_item(uuid, uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.held_item(host uuid, held_token uuid) RETURNS creel.items
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  lane_id constant bigint := creel.lane_of_token(held_token);
  projects constant text[] := creel.projects_of_host(host);
  held creel.items;
  lane creel.lanes;
begin
  select * into lane from creel.lanes l
  where l.id = lane_id and (
    l.token = held_token and l.host_id = host and l.expires_at > now() and l.project_id = any (projects)) is true
  for no key update;
  select * into held from creel.items i where i.lane_id = lane.id and i.seq = lane.head;
  return held;
end
$$;


--
-- Name: hint_hosts(uuid[], text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.hint_hosts(host_ids uuid[], event text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  since constant timestamptz := creel.listening_since();
  topics text[];
begin
  select array_agg(c.topic) into topics
  from creel.host_channels c join public.host_heartbeats b on b.host_id = c.host_id
  where c.host_id = any (host_ids) and b.listens and b.last_seen_at > since;
  if topics is not null then
    perform creel.send_hints(topics, event);
  end if;
end
$$;


--
-- Name: hint_lanes(bigint[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.hint_lanes(lane_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  since timestamptz;
  host_ids uuid[];
  unplaced text[];
begin
  if not exists (select from creel.host_channels) then
    return;
  end if;
  select
    array_agg(distinct l.host_id) filter (where l.host_id is not null),
    array_agg(distinct l.project_id) filter (where l.host_id is null)
  into host_ids, unplaced
  from creel.lanes l where l.id = any (lane_ids);
  if unplaced is not null then
    since := creel.listening_since();
    host_ids := coalesce(host_ids, '{}') || array(
      select distinct p.host_id from public.project_hosts p
      join creel.host_channels c on c.host_id = p.host_id
      join public.host_heartbeats b on b.host_id = p.host_id
      where p.project_id = any (unplaced) and b.listens and b.last_seen_at > since
      limit 100);
  end if;
  if host_ids <> '{}' then
    perform creel.hint_hosts(host_ids, 'work');
  end if;
end
$$;


--
-- Name: host_in_notification(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.host_in_notification(host_id uuid) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object('id', h.id, 'name', h.name) from public.hosts h where h.id = host_in_notification.host_id
$$;


--
-- Name: host_of_key(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.host_of_key() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  key constant text := nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-creel-host-key';
begin
  if session_user <> 'authenticator' or key is null then
    return null;
  end if;
  return (
    select k.host_id from creel.host_keys k
    where k.key_sha256 = sha256(convert_to(key, 'utf8'))
      and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
  );
end
$$;


--
-- Name: host_topic(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.host_topic(host uuid) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: id_in(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.id_in(value jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return case jsonb_typeof(value) when 'string' then value #>> '{}' when 'object' then value ->> 'id' end;
end
$$;


--
-- Name: ids_with_row(uuid[], json[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.ids_with_row(ids uuid[], docs json[]) RETURNS uuid[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return array(select n.id from unnest(ids, docs) as n (id, doc) where n.doc is not null);
end
$$;


--
-- Name: intent_of_event(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.intent_of_event(event jsonb) RETURNS uuid
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select coalesce(
    creel.read_uuid(object ->> 'client_reference_id'), creel.read_uuid(object #>> '{metadata,creel_intent}'),
    creel.read_uuid(object #>> '{parent,subscription_details,metadata,creel_intent}'),
    (select s.intent_id from public.subscriptions s
     where s.id in (
       object ->> 'id', creel.stripe_ref(object -> 'subscription'),
       creel.stripe_ref(object #> '{parent,subscription_details,subscription}')) limit 1))
  from (values (event #> '{data,object}')) o (object)
$$;


--
-- Name: is_agent_id(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_agent_id(id text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $_$
  select id ~ '^[a-z0-9][a-z0-9_-]{0,62}$' and id <> 'main'
$_$;


--
-- Name: is_answer(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_answer(said text, wanted text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select coalesce(
    ' ' || trim(regexp_replace(lower(left(said, 20000)), '[^a-z]+', ' ', 'g')) || ' ' like '% ' || wanted || ' %', false)
$$;


--
-- Name: is_confined(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_confined(backend text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select backend in ('docker', 'multipass')
$$;


--
-- Name: is_covered(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_covered(agent public.agents) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return exists (
    select from public.subscriptions s
    where s.agent_id = agent.id and s.service in ('active', 'grace')
      and (agent.host_id is null or s.host_id = agent.host_id or exists (
        select from public.project_hosts p
        where p.project_id = agent.project_id and p.host_id = agent.host_id and p.terms = 'own')));
end
$$;


--
-- Name: is_doc_type(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_doc_type(name text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select coalesce(name in ('soul', 'agents', 'user', 'identity', 'memory_long', 'memory_today'), false)
$$;


--
-- Name: is_host_event(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_host_event(kind text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select kind in (
    'openclaw.config_restored', 'openclaw.config_unusable', 'gateway.started', 'gateway.failed', 'gateway.given_up',
    'agent.started', 'agent.stopped', 'agent.crashed', 'agent.restarted', 'agent.given_up', 'agent.limit_exceeded',
    'host.upgrade_needed')
$$;


--
-- Name: is_host_online(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_host_online(project text, key text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select exists (
    select from public.agents a join public.host_status h on h.id = a.host_id
    where a.project_id = project and a.agent_key = key and h.shown_status in ('online', 'draining'))
$$;


--
-- Name: is_number(jsonb, numeric, numeric); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_number(value jsonb, lowest numeric, highest numeric) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  if value is null or jsonb_typeof(value) = 'null' then
    return true;
  end if;
  return case when jsonb_typeof(value) = 'number' then value::numeric between lowest and highest else false end;
end
$$;


--
-- Name: is_on_host(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_on_host(agent public.agents) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select agent.openclaw_id is not null and agent.host_id is not null and exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and p.host_id = agent.host_id and h.status <> 'retired')
$$;


--
-- Name: is_owed(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_owed(agent public.agents) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select agent.billing = 'paid' and agent.desired_state = 'running' and agent.host_id is not null
    and agent.deleting_since is null
$$;


--
-- Name: is_reservation(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_reservation(agent public.agents) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select agent.billing = 'unpaid' and agent.openclaw_id is null and not agent.provisioned
    and not exists (
      select from public.subscriptions s
      where s.project_id = agent.project_id and s.agent_key = agent.agent_key
        and s.first_paid_at is not null)
$$;


--
-- Name: is_text(jsonb, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_text(value jsonb, most integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select value is null or jsonb_typeof(value) = 'null'
    or jsonb_typeof(value) = 'string' and octet_length(value #>> '{}') <= most
$$;


--
-- Name: is_under_command(uuid, timestamp with time zone); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.is_under_command(agent uuid, at timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select exists (
    select from public.agent_commands c
    where c.agent_id = agent and (
      c.status = 'sent' and c.sent_at > at - interval '1 hour'
      or c.status = 'pending' and c.created_at > at - interval '5 minutes'
      or c.acked_at > at - interval '5 minutes'))
$$;


--
-- Name: join_queue(regclass); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.join_queue(tbl regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  execute format(
    'create trigger queue_enqueue after insert on %s referencing new table as new_rows
       for each statement execute function creel.enqueue()', tbl);
  execute format(
    'create trigger queue_dequeue after delete on %s referencing old table as old_rows
       for each statement execute function creel.dequeue()', tbl);
end
$$;


--
-- Name: keep_agent_billing(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_agent_billing() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.billing := 'free';
    return new;
  end if;
  new.billing := old.billing;
  if new.billing = 'unpaid' then
    -- Where it is to be is what is paid for.
    new.host_id := old.host_id;
  end if;
  if new.billing = 'unpaid' and new.desired_state = 'running' and old.desired_state <> 'running' then
    raise exception 'agent % is not paid for', old.agent_key
      using errcode = 'PT402', detail = 'unpaid', hint = 'Pay for it by a checkout; then it is deployed by itself.';
  end if;
  return new;
end
$$;


--
-- Name: keep_agent_columns(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_agent_columns() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  new.updated_at := now();
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.id := gen_random_uuid();
    new.agent_id_short := coalesce(nullif(new.agent_id_short, ''), creel.short_of_key(new.agent_key));
    new.provisioned := false;
    new.workspace_path := null;
    new.openclaw_id := null;
    new.port := null;
    new.profile := null;
    new.status := 'pending_deploy';
    new.generation := 1;
    new.deleting_since := null;
    new.created_at := now();
    new.host_pinned := new.host_id is not null;
    return new;
  end if;
  new.id := old.id;
  new.project_id := old.project_id;
  new.agent_key := old.agent_key;
  new.provisioned := old.provisioned;
  new.workspace_path := old.workspace_path;
  new.openclaw_id := old.openclaw_id;
  new.port := old.port;
  new.profile := old.profile;
  new.status := old.status;
  new.deleting_since := old.deleting_since;
  new.created_at := old.created_at;
  -- What is being removed is nothing that another host is to have.
  new.host_id := case when new.desired_state = 'removed' then old.host_id else coalesce(old.host_id, new.host_id) end;
  if old.host_id is null and new.host_id is not null then
    -- Whatever it was on a host that is gone, there it is to be made anew.
    new.provisioned := false;
    new.workspace_path := null;
    new.openclaw_id := null;
  end if;
  new.host_pinned := case when old.host_id is null then new.host_id is not null else old.host_pinned end;
  new.agent_id_short := case
    when old.openclaw_id is not null then old.agent_id_short
    else coalesce(nullif(new.agent_id_short, ''), old.agent_id_short)
  end;
  new.generation := old.generation + case
    when (new.name, new.role, new.emoji, new.config, new.limits, new.desired_state, new.backend)
      is distinct from (old.name, old.role, old.emoji, old.config, old.limits, old.desired_state, old.backend)
    then 1 else 0 end;
  return new;
end
$$;


--
-- Name: keep_agent_states(uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_agent_states(host uuid, told jsonb) RETURNS text[]
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  warnings text[] := array[]::text[];
  projects constant text[] := creel.projects_of_host(host);
  one jsonb;
  agent public.agents;
  observed text;
  told_note text;
  warned text;
  warning text;
begin
  if jsonb_typeof(told) <> 'array' or jsonb_array_length(told) > 1000 then
    return array['agents must be an array of at most 1000'];
  elsif not creel.may_tell_states(host, jsonb_array_length(told)) then
    return array['the states of agents change too often to be written; tell them again in a minute'];
  end if;
  -- In the order of the agents, as everywhere.
  for one in select e from jsonb_array_elements(told) e order by e ->> 'agent_id' loop
    observed := one ->> 'state';
    if jsonb_typeof(one) <> 'object' or creel.uuid_of(one -> 'agent_id') is null then
      warnings := warnings || 'each of agents is an object with agent_id, a uuid'::text;
      continue;
    elsif observed is null or observed not in ('running', 'stopped', 'starting', 'error') then
      warnings := warnings || format(
        'agent %s: state must be running, stopped, starting or error', one ->> 'agent_id');
      continue;
    end if;
    told_note := left(one ->> 'note', 4000);
    select * into agent from public.agents a
    where a.id = creel.uuid_of(one -> 'agent_id') and a.host_id = host and a.project_id = any (projects)
      and a.openclaw_id is not null and a.status <> 'removed'
    for no key update;
    if not found then
      warnings := warnings || format('agent %s is not on this host', one ->> 'agent_id');
      continue;
    end if;
    update public.agents a set status = observed
    where a.id = agent.id and a.status <> observed and observed <> 'starting'
      -- Before it was made, only what makes it says how that goes.
      and a.provisioned;
    -- What an agent that runs is warned of is said with since when, and once.
    warned := (select m.note from public.agent_metrics m where m.agent_id = agent.id);
    warning := case when observed = 'running' then told_note end;
    insert into public.agent_status as s (project_id, agent_key, state, note, last_heartbeat_at)
    values (
      agent.project_id, agent.agent_key,
      case observed when 'running' then 'idle' when 'error' then 'error' else 'offline' end,
      case when warning is not null then creel.said_since(warning) when observed <> 'running'
        then coalesce(told_note, observed) end, now())
    on conflict (project_id, agent_key) do update set
      -- One that runs may be at work; what it does then is told by others, except for what it is warned of.
      state = case when excluded.state = 'idle' and s.state not in ('offline', 'error') then s.state else excluded.state end,
      note = excluded.note, last_heartbeat_at = excluded.last_heartbeat_at
    where case when excluded.state = 'idle' and s.state not in ('offline', 'error')
      then case when warning is null then warned is not null and starts_with(s.note, warned) else warning is distinct from warned end
      else (s.state, s.note) is distinct from (excluded.state, excluded.note) end;
    insert into public.agent_metrics as m (agent_id, restarts, pid, note, sampled_at)
    values (
      agent.id, creel.whole_number(one -> 'restarts', 0, 2147483647), creel.whole_number(one -> 'pid', 1, 2147483647),
      warning, now())
    on conflict (agent_id) do update set restarts = excluded.restarts, pid = excluded.pid, note = excluded.note;
  end loop;
  return warnings[1:20];
end
$$;


--
-- Name: keep_agent_status_columns(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_agent_status_columns() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.id := gen_random_uuid();
    new.last_heartbeat_at := null;
    return new;
  end if;
  new.id := old.id;
  new.project_id := old.project_id;
  new.agent_key := old.agent_key;
  new.state := old.state;
  new.last_heartbeat_at := old.last_heartbeat_at;
  return new;
end
$$;


--
-- Name: keep_an_owner(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_an_owner() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- Two owners who remove each other take turns.
  perform 1 from public.projects p where p.id = old.project_id for no key update;
  if old.role = 'owner'
     and exists (select from public.projects p where p.id = old.project_id)
     and exists (select from auth.users u where u.id = old.user_id)
     and not exists (
       select from public.project_members m where m.project_id = old.project_id and m.role = 'owner') then
    raise exception 'project % would have no owner', old.project_id
      using errcode = 'PT409', hint = 'Make somebody else an owner first.';
  end if;
  return null;
end
$$;


--
-- Name: keep_backends(uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_backends(host uuid, told jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: keep_command_columns(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_command_columns() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if current_user in ('anon', 'authenticated', 'service_role') then
    new.status := 'pending';
    new.result := null;
    new.error := null;
    new.waiting_for := null;
    new.woken_by := null;
    new.created_by := auth.uid();
    new.created_at := now();
    new.sent_at := null;
    new.acked_at := null;
  end if;
  return new;
end
$$;


--
-- Name: keep_doc_columns(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_doc_columns() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if tg_op = 'UPDATE' then
    new.id := old.id;
    new.project_id := old.project_id;
    new.agent_key := old.agent_key;
    new.doc_type := old.doc_type;
  end if;
  if current_user not in ('anon', 'authenticated', 'service_role') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.id := gen_random_uuid();
    new.version := 1;
    new.doc_date := null;
    new.disk_sha256 := null;
    new.disk_version := 0;
    new.disk_at := null;
    new.sync_state := 'waiting';
    new.sync_note := null;
    new.held_version := null;
    new.conflict_version := null;
    new.erased_sha256s := '{}';
    return new;
  end if;
  new.version := old.version;
  new.last_version := old.last_version;
  new.doc_date := old.doc_date;
  new.sha256 := old.sha256;
  new.disk_sha256 := old.disk_sha256;
  new.disk_version := old.disk_version;
  new.disk_at := old.disk_at;
  new.sync_state := old.sync_state;
  new.sync_note := old.sync_note;
  new.held_version := old.held_version;
  new.conflict_version := old.conflict_version;
  new.erased_sha256s := old.erased_sha256s;
  new.warning := old.warning;
  new.changed := old.changed;
  new.updated_at := old.updated_at;
  return new;
end
$$;


--
-- Name: keep_doc_version(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_doc_version() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  by_host constant boolean := creel.current_host_id() is not null;
  doc public.brain_docs := new;
begin
  if tg_op = 'INSERT' and new.base_version > 0 then
    raise exception 'there is no such document any more, or not yet: version % is not the current one', new.base_version
      using errcode = 'PT409', detail = jsonb_build_object('version', 0, 'sha256', creel.empty_sha256()),
        hint = 'Write it without base_version, or with base_version 0.';
  end if;
  if tg_op = 'UPDATE' then
    if new.version = old.version or exists (
      select from public.brain_doc_versions v where v.doc_id = new.id and v.version = new.version) then
      return null;
    end if;
    doc.version := old.version;
  end if;
  perform creel.add_doc_version(
    doc, new.version, new.content,
    case when not by_host then 'person' when tg_op = 'INSERT' then 'template' else 'agent' end, null);
  if tg_op = 'INSERT' and new.base_version is not null then
    update public.brain_docs d set base_version = null where d.id = new.id;
  end if;
  return null;
end
$$;


--
-- Name: keep_earnings(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_earnings() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  raise exception 'host_earnings is append-only'
    using errcode = '42501', hint = 'Correct an earning by another row: creel.adjust_earning.';
end
$$;


--
-- Name: keep_host_report(uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_host_report(host uuid, report jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  told constant jsonb := report -> 'events';
  room int;
  agent_room int;
begin
  if jsonb_typeof(report -> 'runtime') = 'object' then
    if pg_column_size(report -> 'runtime') > 262144 then
      raise warning 'host % told too much of its runtime: % bytes', host, pg_column_size(report -> 'runtime');
    elsif not creel.spend(
      host, 'report_bytes', pg_column_size(report -> 'runtime'), (creel.knobs()).max_report_bytes_per_hour, '1 hour') then
      raise warning 'host % tells of its runtime too often', host;
    else
      update public.hosts h set runtime = (report -> 'runtime') - 'agents'
      where h.id = host and h.runtime is distinct from (report -> 'runtime') - 'agents';
      if jsonb_typeof(report #> '{runtime,agents}') = 'array' then
        insert into public.host_rosters as r (host_id, agents) values (host, report #> '{runtime,agents}')
        on conflict (host_id) do update set agents = excluded.agents where r.agents <> excluded.agents;
      end if;
    end if;
  end if;
  if report ? 'backends' then
    perform creel.keep_backends(host, report -> 'backends');
  end if;
  if jsonb_typeof(told) = 'array' and jsonb_array_length(told) > 0 then
    room := 100 - (
      select count(*) from public.events e
      where e.host_id = host and e.project_id is null and e.at > now() - interval '1 hour');
    agent_room := 1000 - (
      select count(*) from public.events e
      where e.host_id = host and e.project_id is not null and creel.is_host_event(e.kind)
        and e.at > now() - interval '1 hour');
    -- An event that names an agent is told to the agent's project; it must be one of this host.
    insert into public.events (kind, host_id, project_id, agent_key, actor, detail, told_id)
    select n.kind, host, n.project_id, n.agent_key, creel.actor(), n.payload, n.told_id
    from (
      select t.e ->> 'kind' as kind, t.position, a.project_id, a.agent_key, creel.uuid_of(t.e -> 'id') as told_id,
        row_number() over (partition by a.id is null order by t.position) as place,
        case when jsonb_typeof(t.e -> 'payload') = 'object' and octet_length(t.e ->> 'payload') <= 8192
          then t.e -> 'payload' else '{}' end as payload
      from (
        select e, position from jsonb_array_elements(told) with ordinality as t (e, position)
        where creel.is_host_event(e ->> 'kind') order by position limit 20) t
      left join public.agents a on a.id = creel.uuid_of(t.e -> 'agent_id') and a.host_id = host
      where coalesce(t.e -> 'agent_id', 'null') = 'null'
        or a.project_id = any (creel.projects_of_host(host))) n
    where n.place <= case when n.project_id is null then room else agent_room end
    order by n.position
    on conflict (host_id, told_id) where told_id is not null do nothing;
  end if;
end
$$;


--
-- Name: keep_metric_means(integer, timestamp with time zone, timestamp with time zone, uuid, uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_metric_means(ring_secs integer, begins timestamp with time zone, ends timestamp with time zone, after_agent uuid, last_agent uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
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


--
-- Name: keep_metric_samples(timestamp with time zone, uuid, uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_metric_samples(moment timestamp with time zone, after_agent uuid, last_agent uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
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


--
-- Name: keep_metrics_history(timestamp with time zone, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_metrics_history(moment timestamp with time zone, most integer DEFAULT 5000) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
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


--
-- Name: keep_request_columns(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_request_columns() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if current_user in ('anon', 'authenticated', 'service_role') then
    new.status := 'queued';
    new.result := null;
    new.waiting_for := null;
    new.woken_by := null;
    new.adopt := false;
    new.requested_at := now();
    new.requested_by := auth.uid();
    new.picked_up_at := null;
    new.completed_at := null;
  end if;
  new.agent_id_short := coalesce(nullif(new.agent_id_short, ''), creel.short_of_key(new.agent_key));
  return new;
end
$$;


--
-- Name: keep_side_text(public.brain_docs, text, text, date); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_side_text(doc public.brain_docs, content text, reason text, of_day date) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  number constant int := doc.last_version + 1;
  as_written public.brain_docs := doc;
begin
  as_written.doc_date := of_day;
  as_written.updated_by := 'agent';
  perform creel.add_doc_version(as_written, number, keep_side_text.content, 'agent', reason, true);
  update public.brain_docs d set last_version = number where d.id = doc.id;
  return number;
end
$$;


--
-- Name: keep_subscribed(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_subscribed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if current_setting('role', true) = 'authenticated' then
    perform creel.refuse_subscribed(old);
  end if;
  return old;
end
$$;


--
-- Name: keep_subscribed_project(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.keep_subscribed_project() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if exists (
    select from public.subscriptions s
    where s.project_id = old.id and s.status not in ('canceled', 'incomplete_expired') and not s.cancel_at_period_end) then
    raise exception 'project % has subscriptions that go on', old.id
      using errcode = 'PT409', detail = 'subscribed', hint = 'Cancel them at Stripe first; then delete the project.';
  end if;
  return old;
end
$$;


--
-- Name: knobs(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.knobs() RETURNS creel.settings
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  knobs creel.settings;
begin
  select * into strict knobs from creel.settings;
  return knobs;
end
$$;


--
-- Name: lane_of_token(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.lane_of_token(token uuid) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return ('x' || left(replace(token::text, '-', ''), 16))::bit(64)::bigint;
end
$$;


--
-- Name: lease_lanes(uuid, text[], uuid, integer, interval); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.lease_lanes(host uuid, projects text[], session uuid, most integer, lease interval, OUT lane_ids bigint[], OUT item_ids uuid[], OUT queues text[], OUT tokens uuid[], OUT attempts integer[], OUT max_attempts integer[], OUT project_ids text[], OUT agent_keys text[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
begin
  if most < 0 then
    with leased as (
      update creel.lanes u
      set token = (lpad(to_hex(u.id), 16, '0') || '-' || right(gen_random_uuid()::text, 17))::uuid,
          session_id = session, hopeless_since = null, expires_at = now() + lease, attempts = u.attempts + 1
      where u.id = any (array(
        select c.id from creel.lanes c
        where c.token is null and c.head is not null and c.host_id = host and c.not_before <= now()
          and (c.project_id = any (projects)) is true
          and (c.queue = 'agent_canaries' or c.queue = 'agent_commands' and exists (
            select from public.agent_commands k
            where k.id = c.item_id and k.type in ('stop', 'undeploy', 'update_config')))
        order by c.priority desc, c.head limit -most
        for no key update skip locked))
      returning u.id, u.head, u.item_id, u.queue, u.token, u.attempts, u.max_attempts, u.project_id, u.agent_key
    )
    select
      array_agg(l.id), array_agg(l.item_id), array_agg(l.queue), array_agg(l.token), array_agg(l.attempts),
      array_agg(l.max_attempts), array_agg(l.project_id), array_agg(l.agent_key)
    into lane_ids, item_ids, queues, tokens, attempts, max_attempts, project_ids, agent_keys
    from (select * from leased order by leased.head) l;
    return;
  end if;
  with leased as (
    update creel.lanes u
    set token = (lpad(to_hex(u.id), 16, '0') || '-' || right(gen_random_uuid()::text, 17))::uuid,
        session_id = session, hopeless_since = null, expires_at = now() + lease, attempts = u.attempts + 1
    where u.id = any (array(
      select c.id from creel.lanes c
      where c.token is null and c.head is not null and c.host_id = host and c.not_before <= now()
        and (c.project_id = any (projects)) is true
      order by c.priority desc, c.head limit most
      for no key update skip locked))
    returning u.id, u.head, u.item_id, u.queue, u.token, u.attempts, u.max_attempts, u.project_id, u.agent_key
  )
  select
    array_agg(l.id), array_agg(l.item_id), array_agg(l.queue), array_agg(l.token), array_agg(l.attempts),
    array_agg(l.max_attempts), array_agg(l.project_id), array_agg(l.agent_key)
  into lane_ids, item_ids, queues, tokens, attempts, max_attempts, project_ids, agent_keys
  from (select * from leased order by leased.head) l;
end
$$;


--
-- Name: ledger_for_reconciliation(timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.ledger_for_reconciliation(since timestamp with time zone, until timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'accounts', (select coalesce(jsonb_agg(distinct d.account), '[]') from (
      select a.account_id as account from public.stripe_accounts a
      union select e.destination from public.host_earnings e where e.destination is not null) d),
    'earnings', (select coalesce(jsonb_agg(jsonb_build_object(
        'id', e.id, 'subscription', e.subscription_id, 'invoice', e.invoice_id, 'charge', e.charge_id,
        'payment_intent', e.payment_intent_id, 'transfer', e.transfer_id, 'destination', e.destination,
        'currency', e.currency, 'gross_minor', e.gross_minor, 'fee_minor', e.fee_minor,
        'paid_at', creel.secs_of(e.paid_at),
        'corrected_minor', (
          select -coalesce(sum(c.amount_minor), 0)::bigint from public.host_earnings c where c.corrects = e.id),
        'paybacks', (
          select coalesce(jsonb_agg(jsonb_build_object('transfer', t.transfer_id, 'amount_minor', t.amount_minor)
            order by t.transfer_id), '[]')
          from creel.earning_transfers t where t.earning_id = e.id and t.is_back),
        'request', (
          select r.status || coalesce(': ' || r.error, '') from creel.stripe_requests r
          where r.earning_id = e.id and r.status <> 'done' order by r.created_at desc limit 1)) order by e.id), '[]')
      from public.host_earnings e where e.kind = 'earning' and e.paid_at >= since and e.paid_at < until),
    'known_transfers', (select coalesce(jsonb_agg(t.transfer_id order by t.transfer_id), '[]')
      from creel.earning_transfers t where t.created_at >= since - interval '4 days'),
    'subscriptions', (select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'status', s.status) order by s.id), '[]')
      from public.subscriptions s),
    'paid_invoices', (select coalesce(jsonb_agg(distinct i.id), '[]') from (
      select u.id from public.stripe_events v cross join unnest(v.subjects) u (id)
      where v.type = 'invoice.paid' and u.id like 'in\_%'
        and (v.created >= since and v.created < until or v.status = 'waiting')) i))
$$;


--
-- Name: FUNCTION ledger_for_reconciliation(since timestamp with time zone, until timestamp with time zone); Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON FUNCTION creel.ledger_for_reconciliation(since timestamp with time zone, until timestamp with time zone) IS 'Earnings that were paid from since to until, with what corrects them; the transfers that are known, all subscriptions, and the invoices of which Creel was told that they are paid. For whoever has the database''s own URL: creel billing reconcile.';


--
-- Name: limit_agents(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.limit_agents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  most constant int := (select s.max_agents_per_project from creel.settings s);
  full_project text;
begin
  select a.project_id into full_project from public.agents a
  where a.project_id in (select n.project_id from new_rows n)
  group by a.project_id having count(*) > most limit 1;
  if full_project is not null then
    raise exception 'project % has too many agents: the limit is %', full_project, most
      using errcode = 'PT429', hint = 'Remove agents, or ask the operator to raise max_agents_per_project.';
  end if;
  return null;
end
$$;


--
-- Name: limit_docs(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.limit_docs() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  most constant int := (select 6 * s.max_agents_per_project from creel.settings s);
  full_project text;
begin
  select d.project_id into full_project from public.brain_docs d
  where d.project_id in (select n.project_id from new_rows n)
  group by d.project_id having count(*) > most limit 1;
  if full_project is not null then
    raise exception 'project % has too many documents: the limit is %', full_project, most
      using errcode = 'PT429', hint = 'Remove agents, or ask the operator to raise max_agents_per_project.';
  end if;
  return null;
end
$$;


--
-- Name: limit_members(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.limit_members() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  most constant int := (select s.max_members_per_project from creel.settings s);
begin
  if (select count(*) from public.project_members m where m.project_id = new.project_id) > most then
    raise exception 'too many members: the limit for one project is %', most
      using errcode = 'PT429', hint = 'Remove a member, or ask the operator to raise max_members_per_project.';
  end if;
  return null;
end
$$;


--
-- Name: limit_requests(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.limit_requests() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  knobs creel.settings;
  full_project text;
begin
  select * into knobs from creel.settings;
  select r.project_id into full_project from public.agent_provision_requests r
  where r.project_id in (select n.project_id from new_rows n) and r.status in ('queued', 'running')
  group by r.project_id having count(*) > knobs.max_open_requests_per_project limit 1;
  if full_project is null then
    select r.project_id into full_project from public.agent_provision_requests r
    where r.project_id in (select n.project_id from new_rows n) and r.requested_at > now() - interval '1 day'
    group by r.project_id having count(*) > knobs.max_requests_per_day limit 1;
  end if;
  if full_project is not null then
    raise exception 'project % has too many requests: % may be open, % a day',
      full_project, knobs.max_open_requests_per_project, knobs.max_requests_per_day
      using errcode = 'PT429', hint = 'Wait until some are done, or ask the operator to raise the limit.';
  end if;
  return null;
end
$$;


--
-- Name: listening_since(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.listening_since() RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return now() - greatest(60, 3 * (creel.knobs()).tick_secs) * interval '1 second';
end
$$;


--
-- Name: lock_agent_lane(public.agents, boolean); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.lock_agent_lane(agent public.agents, nobody_waits boolean) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if not exists (
    select from creel.lanes l
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control') then
    perform creel.add_lanes(q, array[agent.project_id], array[agent.agent_key])
    from creel.queues q where q.queue = 'agent_commands';
  end if;
  if nobody_waits then
    perform 1 from creel.lanes l
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control'
    for no key update skip locked;
  else
    perform 1 from creel.lanes l
    where l.project_id = agent.project_id and l.agent_key = agent.agent_key and l.kind = 'control'
    for no key update;
  end if;
  return found;
end
$$;


--
-- Name: lock_doc_usage(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.lock_doc_usage(project text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select from creel.doc_usage u where u.project_id = project for update
$$;


--
-- Name: log_doc_event(text, public.brain_docs, jsonb, uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.log_doc_event(kind text, doc public.brain_docs, detail jsonb, host uuid DEFAULT NULL::uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if host is not null and not creel.spend(host, log_doc_event.kind, 1, 1000, '1 hour') then
    return;
  end if;
  perform creel.log_event(
    log_doc_event.kind, doc.project_id, doc.agent_key, log_doc_event.host, doc.id,
    jsonb_build_object('doc_type', doc.doc_type) || log_doc_event.detail);
end
$$;


--
-- Name: log_event(text, text, text, uuid, uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.log_event(kind text, project_id text, agent_key text, host_id uuid, item_id uuid, detail jsonb DEFAULT '{}'::jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into public.events (kind, project_id, agent_key, host_id, item_id, actor, detail)
  values (
    log_event.kind, log_event.project_id, log_event.agent_key, log_event.host_id, log_event.item_id, creel.actor(),
    log_event.detail);
end
$$;


--
-- Name: make_blocked_doc(uuid, public.agents, text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.make_blocked_doc(host uuid, agent public.agents, kind text, note text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  made uuid;
begin
  made := creel.make_disk_doc(agent, kind, '', 'agent', null);
  update public.brain_docs d set sync_state = 'blocked', sync_note = note where d.id = made;
  perform creel.log_doc_event('doc.blocked', d, jsonb_build_object('note', note), host)
  from public.brain_docs d where d.id = made;
  return made is not null;
end
$$;


--
-- Name: make_challenge(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.make_challenge(OUT challenge text, OUT answer text) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: make_disk_doc(public.agents, text, text, text, date); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.make_disk_doc(agent public.agents, kind text, content text, author_kind text, of_day date) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  made uuid;
begin
  insert into public.brain_docs (
    project_id, agent_key, doc_type, content, updated_by, doc_date, disk_sha256, disk_version, disk_at, sync_state)
  values (
    agent.project_id, agent.agent_key, kind, make_disk_doc.content, author_kind, of_day,
    creel.text_sha256(make_disk_doc.content), 1, now(), 'synced')
  on conflict on constraint brain_docs_key do nothing
  returning id into made;
  update public.brain_doc_versions v set author_kind = make_disk_doc.author_kind
  where v.doc_id = made and v.version = 1 and v.author_kind <> make_disk_doc.author_kind;
  return made;
end
$$;


--
-- Name: max_given_back(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.max_given_back() RETURNS integer
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$ select 20 $$;


--
-- Name: may_neighbour(public.hosts, text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.may_neighbour(host public.hosts, project text, backend text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return creel.tenancy_of(host) = 'trusted' or not exists (
    select from public.agents o
    where o.host_id = host.id and (o.status <> 'removed' or o.billing = 'paid') and o.project_id <> project
      and not (creel.is_confined(o.backend) and creel.is_confined(may_neighbour.backend)));
end
$$;


--
-- Name: may_own_another_host(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.may_own_another_host(person uuid) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform pg_advisory_xact_lock(1129465165, hashtext(person::text));
  return (select count(*) from public.hosts h where h.owner_id = person and h.status <> 'retired')
    < (creel.knobs()).max_hosts_per_user;
end
$$;


--
-- Name: may_serve(uuid, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.may_serve(host uuid, project text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = project and p.host_id = host and h.status <> 'retired')
$$;


--
-- Name: may_show(uuid, text, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.may_show(host uuid, kind text, amount integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  return creel.spend(host, kind, amount, (creel.knobs()).max_shown_per_minute, '1 minute')
    or creel.spend(
      host, kind, amount, 30 * (select count(*) from public.agents a where a.host_id = host), '1 minute');
end
$$;


--
-- Name: may_tell_states(uuid, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.may_tell_states(host uuid, amount integer) RETURNS boolean
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select amount = 0 or creel.may_show(host, 'states', amount)
$$;


--
-- Name: merged(jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.merged(base jsonb, change jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select (base || coalesce(change, '{}')) - array(
    select e.key from jsonb_each(coalesce(change, '{}')) e where e.value = 'null')
$$;


--
-- Name: metric_rings(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.metric_rings() RETURNS TABLE(step_secs integer, slots integer, made_of integer)
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  values (60, 60, null::int), (300, 288, 60), (3600, 336, 300)
$$;


--
-- Name: name_agents(uuid, bigint[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.name_agents(host uuid, lane_ids bigint[]) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  agent public.agents;
  chosen text;
  some_named boolean := false;
begin
  perform 1 from public.hosts h where h.id = host for no key update;
  for agent in
    select a.* from creel.lanes l join public.agents a using (project_id, agent_key)
    where l.id = any (lane_ids) and a.openclaw_id is null order by l.head
  loop
    chosen := creel.choose_openclaw_id(agent);
    if chosen is not null then
      update public.agents a set openclaw_id = chosen where a.id = agent.id;
      some_named := true;
    end if;
  end loop;
  return some_named;
end
$$;


--
-- Name: note_verdict(text, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.note_verdict(event_id text, verdict jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  before public.stripe_events;
begin
  select * into before from public.stripe_events e where e.id = event_id;
  update public.stripe_events e set
    status = case verdict ->> 'outcome' when 'applied' then 'applied' when 'ignored' then 'ignored' else 'waiting' end,
    note = left(verdict ->> 'note', 1000), led_to = coalesce(verdict -> 'led_to', '{}')
  where e.id = event_id
    and (e.status, e.note, e.led_to) is distinct from (
      case verdict ->> 'outcome' when 'applied' then 'applied' when 'ignored' then 'ignored' else 'waiting' end,
      left(verdict ->> 'note', 1000), coalesce(verdict -> 'led_to', '{}'));
  if verdict ? 'mismatch' and before.note is distinct from verdict ->> 'note' then
    perform creel.tell_mismatch(event_id, verdict);
  end if;
end
$$;


--
-- Name: notification_of_event(text, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.notification_of_event(kind text, detail jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case
    when kind in ('agent.crashed', 'agent.given_up', 'agent.provision_failed') then 'agent.down'
    when kind = 'agent.command_failed' and detail ->> 'type' in ('deploy', 'start', 'restart') then 'agent.down'
    when kind = 'agent.limit_exceeded' then 'limit.exceeded'
  end
$$;


--
-- Name: notification_pause(integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.notification_pause(attempts integer) RETURNS interval
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select least(15 * 4 ^ (attempts - 1), 86400) * (0.8 + 0.4 * random()) * interval '1 second'
$$;


--
-- Name: notify_docs(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.notify_docs() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  host_ids uuid[];
begin
  if creel.current_host_id() is null then
    select array_agg(distinct a.host_id) into host_ids from new_rows n
    join public.agents a on a.project_id = n.project_id and a.agent_key = n.agent_key
    where n.changed = pg_current_xact_id() and a.host_id is not null and a.status <> 'removed';
    perform pg_notify('creel_work', h.host_id || ' docs') from unnest(host_ids) as h (host_id);
    if host_ids is not null then
      perform creel.hint_hosts(host_ids, 'docs');
    end if;
  end if;
  return null;
end
$$;


--
-- Name: notify_lanes(bigint[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.notify_lanes(lane_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if coalesce(cardinality(lane_ids), 0) = 0 then
    return;
  end if;
  perform pg_notify('creel_work', coalesce(h.host_id::text, ''))
  from (select distinct l.host_id from creel.lanes l where l.id = any (lane_ids)) h;
  perform creel.hint_lanes(lane_ids);
end
$$;


--
-- Name: notify_of_event(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.notify_of_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  kind constant text := creel.notification_of_event(new.kind, new.detail);
  agent public.agents;
  called text;
begin
  if kind is null or not exists (select from public.webhooks w where w.project_id = new.project_id and w.enabled) then
    return null;
  end if;
  select * into agent from public.agents a where a.project_id = new.project_id and a.agent_key = new.agent_key;
  if not found then
    return null;
  end if;
  called := left(coalesce(nullif(agent.name, ''), agent.agent_key), 200);
  perform creel.tell_webhooks(new.project_id, kind, agent.id, jsonb_strip_nulls(jsonb_build_object(
    'agent', jsonb_build_object('id', agent.id, 'key', agent.agent_key, 'name', left(agent.name, 200)),
    'host', creel.host_in_notification(coalesce(new.host_id, agent.host_id)),
    'summary', case new.kind
      when 'agent.crashed' then format('Agent %s ended by itself and is started again.', called)
      when 'agent.given_up' then format('Agent %s ended too often and is given up; a person is to look at it.', called)
      when 'agent.limit_exceeded' then format('Agent %s used more than it may, and was stopped.', called)
      when 'agent.provision_failed' then format('Agent %s could not be made.', called)
      else format('Agent %s: %s failed.', called, new.detail ->> 'type') end,
    'details', creel.details_of_event(new.kind, new.detail))));
  return null;
exception when others then
  raise warning 'notify of event %: %', new.id, sqlerrm;
  return null;
end
$$;


--
-- Name: number_doc_version(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.number_doc_version() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  base int;
begin
  new.sha256 := creel.text_sha256(new.content);
  new.warning := creel.doc_warning(new.doc_type, new.content);
  new.updated_at := now();
  if tg_op = 'INSERT' then
    new.version := 1;
    new.last_version := 1;
    new.changed := case when creel.current_host_id() is null then pg_current_xact_id() else '0' end;
    if new.sync_state <> 'blocked' then
      new.sync_state := creel.settled_state(new.sha256, new.disk_sha256);
    end if;
    return new;
  end if;

  base := new.base_version;
  new.base_version := null;
  if new.version > old.version then
    new.last_version := greatest(new.version, old.last_version);
    return new;
  end if;
  if new.sha256 = old.sha256 then
    return new;
  end if;
  if base <> old.version then
    raise exception 'the document was changed by somebody else: version % is not the current one', base
      using errcode = 'PT409', detail = jsonb_build_object('version', old.version, 'sha256', old.sha256),
        hint = 'Read it again, put your change into it, and write that with its version as base_version.';
  end if;
  new.last_version := old.last_version + 1;
  new.version := new.last_version;
  if creel.current_host_id() is null then
    new.changed := pg_current_xact_id();
    if base is not null then
      new.conflict_version := null;
    end if;
    if old.held_version is not null then
      -- It is said which one it is to be: the disk's text may be replaced.
      new.disk_sha256 := coalesce((
        select v.sha256 from public.brain_doc_versions v where v.doc_id = old.id and v.version = old.held_version),
        old.disk_sha256);
      new.disk_version := old.version;
      new.held_version := null;
    end if;
    if old.sync_state <> 'blocked' then
      new.sync_state := creel.settled_state(new.sha256, new.disk_sha256);
    end if;
  end if;
  return new;
end
$$;


--
-- Name: object_in(jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.object_in(value jsonb, current jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return case when jsonb_typeof(value) = 'object' then value else current -> creel.id_in(value) end;
end
$$;


--
-- Name: outage_beyond(bigint, bigint, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.outage_beyond(outage_secs bigint, period_secs bigint, allowance_bp integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select greatest(least(outage_secs, period_secs) - creel.prorate(greatest(period_secs, 0), allowance_bp, 10000), 0)
$$;


--
-- Name: outage_secs(uuid, uuid, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.outage_secs(agent uuid, host uuid, period_start timestamp with time zone, period_end timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select coalesce(floor(sum(extract(epoch from
    least(coalesce(o.ended_at, now()), outage_secs.period_end) - greatest(o.began_at, outage_secs.period_start)))), 0)::bigint
  from public.agent_outages o
  where o.agent_id = agent and (host is null or o.host_id = host)
    and o.began_at < outage_secs.period_end and coalesce(o.ended_at, now()) > outage_secs.period_start
$$;


--
-- Name: own_new_project(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.own_new_project() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if new.created_by is null then
    return null;
  end if;
  if (select count(*) from public.projects p where p.created_by = new.created_by)
     > (select s.max_projects_per_user from creel.settings s) then
    raise exception 'too many projects: the limit for one person is %',
      (select s.max_projects_per_user from creel.settings s)
      using errcode = 'PT429', hint = 'Delete a project, or ask the operator to raise max_projects_per_user.';
  end if;
  insert into public.project_members (project_id, user_id, role) values (new.id, new.created_by, 'owner');
  return null;
end
$$;


--
-- Name: own_webhook(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.own_webhook(webhook_id uuid) RETURNS public.webhooks
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  webhook public.webhooks;
begin
  select * into webhook from public.webhooks w
  where w.id = own_webhook.webhook_id and w.project_id = any (creel.writable_projects());
  if not found then
    raise exception 'there is no webhook % in a project that you may write', own_webhook.webhook_id
      using errcode = 'PT404', hint = 'Look at the table webhooks, or ask an owner or editor of the project.';
  end if;
  return webhook;
end
$$;


--
-- Name: owned_hosts(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.owned_hosts() RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce(array_agg(h.id), '{}') from public.hosts h where h.owner_id = auth.uid()
$$;


--
-- Name: owned_projects(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.owned_projects() RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce(array_agg(m.project_id), '{}') from public.project_members m
  where m.user_id = auth.uid() and m.role = 'owner'
$$;


--
-- Name: part_count(timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.part_count(period_start timestamp with time zone, period_end timestamp with time zone) RETURNS integer
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select greatest(round(extract(epoch from period_end - period_start) / 2629800), 1)::int
$$;


--
-- Name: part_end(timestamp with time zone, timestamp with time zone, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.part_end(period_start timestamp with time zone, period_end timestamp with time zone, part integer) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case when part >= creel.part_count(period_start, period_end) then period_end
    else period_start + (period_end - period_start) * (part::float8 / creel.part_count(period_start, period_end)) end
$$;


--
-- Name: payment_of_invoice(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.payment_of_invoice(invoice jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $_$
begin
  return coalesce(
    (select jsonb_strip_nulls(jsonb_build_object('charge', invoice -> 'charge', 'payment_intent', invoice -> 'payment_intent'))
     where creel.id_in(invoice -> 'charge') is not null or creel.id_in(invoice -> 'payment_intent') is not null),
    (select jsonb_strip_nulls(jsonb_build_object(
       'charge', p #> '{payment,charge}', 'payment_intent', p #> '{payment,payment_intent}'))
     from jsonb_path_query(invoice, '$.payments.data[*]') p
     where coalesce(creel.id_in(p #> '{payment,charge}'), creel.id_in(p #> '{payment,payment_intent}')) is not null
       and coalesce(p ->> 'status', 'paid') = 'paid'
     order by (p -> 'amount_paid') desc nulls last limit 1));
end
$_$;


--
-- Name: period_of_invoice(jsonb, public.subscriptions); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.period_of_invoice(invoice jsonb, subscription public.subscriptions, OUT period_start timestamp with time zone, OUT period_end timestamp with time zone) RETURNS record
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $_$
  select coalesce(l.period_start, subscription.current_period_start, creel.time_in(invoice -> 'created')),
    coalesce(l.period_end, subscription.current_period_end, subscription.current_period_start,
      creel.time_in(invoice -> 'created'))
  from (values (true)) as one
  left join lateral (
    select creel.time_in(line #> '{period,start}') as period_start, creel.time_in(line #> '{period,end}') as period_end
    from jsonb_path_query(invoice, '$.lines.data[*]') line
    where creel.time_in(line #> '{period,end}') >= creel.time_in(line #> '{period,start}')
    order by 2 desc, 1 desc limit 1) l on true
$_$;


--
-- Name: place(uuid, text[], integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.place(host uuid, projects text[], most integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  whole public.hosts;
  room int;
  chosen bigint[];
begin
  if not exists (
    select from creel.lanes l
    where l.host_id is null and l.token is null and l.head is not null and l.project_id = any (projects)
  ) then
    return 0;
  end if;
  -- The host's row orders two claims of one host, so that neither capacity nor ids are given twice, and no two projects
  -- come to where one may be. What is there is looked at by statements of their own, after the wait for that row.
  perform 1 from public.hosts h where h.id = host for no key update;
  select * into whole from public.hosts h where h.id = host;
  room := whole.capacity - (select count(*) from public.agents a where a.host_id = host and (a.status <> 'removed' or a.billing = 'paid'));
  chosen := creel.placeable(whole, projects, least(most, room), null);
  -- Asked again of what is locked: somebody may have changed it in between.
  chosen := array(
    select l.id from creel.lanes l join public.agents a using (project_id, agent_key)
    where l.id = any (chosen) and l.host_id is null and l.token is null and l.head is not null
      and a.host_id is null and a.backend = any (whole.backends)
    order by l.priority desc, l.head
    for no key update of l, a skip locked
  );
  -- Whatever it was on a host that is gone, here it is to be made anew.
  update public.agents a set host_id = host, openclaw_id = null, provisioned = false, workspace_path = null
  from creel.lanes l
  where l.id = any (chosen) and a.project_id = l.project_id and a.agent_key = l.agent_key;
  return cardinality(chosen);
end
$$;


--
-- Name: place_lanes(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.place_lanes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  update creel.lanes l set host_id = new.host_id
  where l.project_id = new.project_id and l.agent_key = new.agent_key and l.host_id is distinct from new.host_id;
  return null;
end
$$;


--
-- Name: placeable(public.hosts, text[], integer, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.placeable(host public.hosts, projects text[], most integer, considered integer) RETURNS bigint[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  tenancy constant text := creel.tenancy_of(host);
  tenants text[];
  unconfined text[];
  rented constant text[] := array(
    select p.project_id from public.project_hosts p where p.host_id = host.id and p.terms = 'rented');
  lane_ids bigint[];
begin
  if tenancy = 'single' then
    select coalesce(array_agg(distinct a.project_id), '{}'),
      coalesce(array_agg(distinct a.project_id) filter (where not creel.is_confined(a.backend)), '{}')
    into tenants, unconfined
    from public.agents a where a.host_id = host.id and (a.status <> 'removed' or a.billing = 'paid');
  end if;
  select array_agg(f.id order by f.priority desc, f.head)
    -- What comes first decides what may come beside it.
    filter (
      where tenancy = 'trusted'
        or case when f.first_confined then creel.is_confined(f.backend) else f.project_id = f.first_project end)
  into lane_ids
  from (
    select c.*, first_value(c.project_id) over w as first_project,
      first_value(creel.is_confined(c.backend)) over w as first_confined
    from (
      select l.id, l.priority, l.head, a.project_id, a.backend
      from (
        select f.id, f.priority, f.head, f.project_id, f.agent_key from creel.lanes f
        where f.host_id is null and f.token is null and f.head is not null and f.not_before <= now()
          and f.project_id = any (projects)
          -- What needs no host brings no agent to one: see creel.settle_without_host.
          and not (f.queue = 'agent_commands' and exists (
            select from public.agent_commands c
            where c.id = f.item_id and c.type in ('stop', 'undeploy', 'update_config')))
        order by f.priority desc, f.head limit considered) l
      join public.agents a using (project_id, agent_key)
      where a.host_id is null
        and a.backend = any (host.backends) and creel.has_tags(host, a.config)
        -- What creel.accepts_billing says, written out.
        and (a.billing <> 'unpaid' and a.project_id <> all (rented)
          or a.billing = 'paid' and exists (
            select from public.subscriptions s
            where s.agent_id = a.id and s.host_id = host.id and s.service in ('active', 'grace')))
        and (tenancy = 'trusted'
          or case when creel.is_confined(a.backend) then unconfined else tenants end <@ array[a.project_id])
      order by l.priority desc, l.head limit greatest(most, 0)) c
    window w as (order by c.priority desc, c.head)) f;
  return coalesce(lane_ids, '{}');
end
$$;


--
-- Name: placement_reason(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.placement_reason(agent public.agents) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  wanted_tags text;
begin
  if agent.billing = 'unpaid' then
    return jsonb_build_object('code', 'unpaid',
      'message', 'the agent is not paid for',
      'hint', 'Pay for it by a checkout; then it is deployed by itself.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and creel.takes_work(h)) then
    if exists (
      select from public.project_hosts p join public.hosts h on h.id = p.host_id
      where p.project_id = agent.project_id and h.outdated_since is not null
        and h.status not in ('retired', 'draining')) then
      return jsonb_build_object('code', 'outdated',
        'message', 'every host that serves the project is offline, or has a Creel that is too old',
        'hint', 'Upgrade Creel on a host of the project, and start creel worker again.');
    end if;
    return jsonb_build_object('code', 'offline',
      'message', 'every host that serves the project is offline or draining',
      'hint', 'Start creel worker on a host of the project; the item waits for it.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and creel.takes_work(h)
      and creel.accepts_billing(h.id, agent)) then
    return jsonb_build_object('code', 'rented',
      'message', 'the hosts that are there are rented, and run only what is paid for',
      'hint', 'Pay for the agent by a checkout, or let a host of your own serve the project.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends) and creel.takes_work(h)
      and creel.accepts_billing(h.id, agent)) then
    return jsonb_build_object('code', 'backend',
      'message', format('no host of the project that is there can run agents by %s', agent.backend),
      'hint', 'Choose another backend for the agent, or prepare a host for this one; hosts.backends says what each can.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends)
      and creel.has_tags(h, agent.config) and creel.takes_work(h)) then
    wanted_tags := left(case jsonb_typeof(agent.config -> 'tags')
      when 'array' then (select string_agg(t, ', ') from jsonb_array_elements_text(agent.config -> 'tags') t)
      else agent.config ->> 'tags' end, 200);
    return jsonb_build_object('code', 'tags',
      'message', format('no host of the project that is there has the tags that the agent asks for: %s', wanted_tags),
      'hint', 'Give a host these tags, or the agent others in its config.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and agent.backend = any (h.backends)
      and creel.has_tags(h, agent.config) and creel.takes_work(h)
      and creel.may_neighbour(h, agent.project_id, agent.backend)) then
    return jsonb_build_object('code', 'isolation',
      'message', 'every host that could take it runs agents of another project, whose files it could read there',
      'hint', 'Enrol a host for this project alone, choose docker or multipass as backend, or trust the projects '
        'with each other: hosts.tenancy.');
  end if;
  if not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = agent.project_id and creel.takes_work(h) and creel.could_take(h, agent)) then
    return jsonb_build_object('code', 'capacity',
      'message', 'every host that serves the project is full',
      'hint', 'Raise a host''s capacity, remove agents, or enrol another host.');
  end if;
  return jsonb_build_object('code', 'ready',
    'message', 'the next host with room takes it',
    'hint', 'Raise the worker''s permits if this lasts.');
end
$$;


--
-- Name: placement_verdicts(creel.items); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.placement_verdicts(item creel.items) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select jsonb_agg(v.verdict order by v.name, v.id) from (
      select h.id, h.name,
        jsonb_build_object('host_id', h.id, 'name', h.name, 'code', creel.why_not_placed(h, a)) as verdict
      from creel.lanes l
      join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
      join public.project_hosts p on p.project_id = l.project_id
      join public.hosts h on h.id = p.host_id
      where l.id = item.lane_id and l.host_id is null
      order by h.name, h.id limit 50) v);
end
$$;


--
-- Name: plan_canaries(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.plan_canaries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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


--
-- Name: plan_price(public.hosts, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.plan_price(host public.hosts, plan text) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select case when plan in ('month', 'year') and creel.fault_of_price(host.price) is null
    then (host.price ->> plan)::numeric::bigint end
$$;


--
-- Name: pre_request(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.pre_request() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  headers jsonb;
begin
  if current_user <> 'anon' then
    return;
  end if;
  headers := nullif(current_setting('request.headers', true), '')::jsonb;
  if (headers ? 'x-creel-host-key')::int + (headers ? 'x-creel-stripe-key')::int
     + (headers ? 'x-creel-notifier-key')::int > 1 then
    raise exception 'a request has one key: that of a host, of the Stripe function or of the notifier'
      using errcode = 'PT401', hint = 'Send one of them.';
  end if;
  if headers ? 'x-creel-host-key' then
    if creel.host_of_key() is null then
      raise exception 'the host key is not known, expired or revoked'
        using errcode = 'PT401', hint = 'Enrol the host again and use the new key.';
    end if;
    perform set_config('role', 'creel_host', true);
  elsif headers ? 'x-creel-stripe-key' then
    if not creel.has_function_key('stripe') then
      raise exception 'the key of the Stripe function is not known, expired or revoked'
        using errcode = 'PT401', hint = 'Make another one with creel key create stripe.';
    end if;
    perform set_config('role', 'creel_stripe', true);
  elsif headers ? 'x-creel-notifier-key' then
    if not creel.has_function_key('notifications') then
      raise exception 'the key of the notifier is not known, expired or revoked'
        using errcode = 'PT401', hint = 'Make another one with creel key create notifications.';
    end if;
    perform set_config('role', 'creel_notifier', true);
  end if;
end
$$;


--
-- Name: prepare_command(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.prepare_command() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  knobs constant creel.settings := creel.knobs();
  agent constant public.agents := creel.commanded_agent(new);
  earlier public.agent_commands;
  docs jsonb;
begin
  new.agent_id := agent.id;
  new.project_id := agent.project_id;
  new.agent_key := agent.agent_key;
  new.host_id := agent.host_id;
  new.payload := coalesce(new.payload, '{}');
  if new.type is null or new.type not in ('deploy', 'start', 'stop', 'restart', 'undeploy', 'update_config') then
    raise exception 'there is no command %', coalesce(left(new.type, 100), 'without a type')
      using errcode = '22023', hint = 'type is deploy, start, stop, restart, undeploy or update_config.';
  end if;
  if jsonb_typeof(new.payload) <> 'object' then
    raise exception 'the payload of a command is an object, not %', jsonb_typeof(new.payload)
      using errcode = '22023', hint = 'Leave it away, or send {}.';
  end if;
  if octet_length(new.payload::text) > knobs.max_command_bytes then
    raise exception 'the payload is too large: % bytes, the limit is %',
      octet_length(new.payload::text), knobs.max_command_bytes
      using errcode = 'PT413', hint = 'Write large documents to brain_docs, one by one, and then send update_config.';
  end if;

  docs := new.payload -> 'docs';
  if new.type = 'update_config' then
    perform creel.check_update(new.payload);
    if docs is not null then
      new.payload := new.payload || jsonb_build_object('docs', (
        select coalesce(jsonb_object_agg(d.key, encode(sha256(convert_to(d.value, 'utf8')), 'hex')), '{}')
        from jsonb_each_text(docs) d));
    end if;
  end if;
  if pg_column_size(new.payload) > 131072 then
    raise exception 'the payload is too large without its documents: % bytes, the limit is 131072',
      pg_column_size(new.payload)
      using errcode = 'PT413', hint = 'Send less; a config may have 64 KB.';
  end if;

  if new.idempotency_key is not null then
    select * into earlier from public.agent_commands c
    where c.project_id = new.project_id and c.idempotency_key = new.idempotency_key;
    if found then
      if (earlier.agent_id, earlier.payload) is distinct from (new.agent_id, new.payload)
         or earlier.type <> new.type and not (earlier.type = 'deploy' and new.type in ('start', 'restart')) then
        raise exception 'idempotency key % was used for another command', quote_literal(new.idempotency_key)
          using errcode = 'PT409', hint = 'Use a new key for a new command.';
      end if;
      return new;  -- the unique index says the rest
    end if;
  end if;

  if agent.desired_state = 'removed' then
    if new.type = 'stop' or new.type = 'update_config' and creel.has_open(agent, array['undeploy']) then
      raise exception 'agent % is being removed, or was', agent.agent_key
        using errcode = 'PT409', detail = 'removed', hint = 'Send deploy to have it back.';
    end if;
  end if;
  if new.type in ('start', 'restart') and (
    agent.desired_state = 'removed'
    or not agent.provisioned and not creel.has_open(agent, array['deploy', 'agent_provision_requests'])) then
    new.type := 'deploy';
  end if;

  if new.type = 'update_config' and docs is not null then
    insert into public.brain_docs (project_id, agent_key, doc_type, content, updated_by)
    select new.project_id, new.agent_key, d.key, d.value, creel.actor() from jsonb_each_text(docs) d order by d.key
    on conflict on constraint brain_docs_key do update
      set content = excluded.content, updated_by = excluded.updated_by;
  end if;
  return new;
end
$$;


--
-- Name: prepare_request(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.prepare_request() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  earlier public.agent_provision_requests;
begin
  if current_setting('role', true) = 'authenticated'
     and not coalesce(new.project_id = any (creel.writable_projects()), false) then
    return new;  -- the policy refuses it
  end if;
  if new.idempotency_key is not null then
    select * into earlier from public.agent_provision_requests r
    where r.project_id = new.project_id and r.idempotency_key = new.idempotency_key;
    if found and (earlier.agent_key, earlier.agent_id_short, earlier.display_name, earlier.emoji, earlier.role_short)
       is distinct from (new.agent_key, new.agent_id_short, new.display_name, new.emoji, new.role_short) then
      raise exception 'idempotency key % was used for another request', quote_literal(new.idempotency_key)
        using errcode = 'PT409', hint = 'Use a new key for a new request.';
    end if;
  end if;
  -- No lock on a row that is there: a finish that is under way may hold it and wait for nothing of ours.
  insert into public.agents (project_id, agent_key, name, role, emoji, agent_id_short)
  values (
    new.project_id, new.agent_key, new.display_name, new.role_short, new.emoji, new.agent_id_short)
  on conflict (project_id, agent_key) do nothing;
  return new;
end
$$;


--
-- Name: price_currency(public.hosts); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.price_currency(host public.hosts) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return coalesce(host.price ->> 'currency', (creel.knobs()).billing_currency);
end
$$;


--
-- Name: projects_of_host(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.projects_of_host(host uuid) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return array(select p.project_id from public.project_hosts p where p.host_id = host);
end
$$;


--
-- Name: prorate(bigint, bigint, bigint); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.prorate(amount bigint, part bigint, whole bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case when whole <= 0 or part >= whole then case when part > 0 then amount else 0 end
    when part <= 0 then 0
    -- By div, as a quotient of numeric has only so many digits.
    else div(amount::numeric * part * 2 + whole, 2 * whole::numeric)::bigint end
$$;


--
-- Name: provision_settled(uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.provision_settled(ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform 1 from public.agents a join public.agent_provision_requests r using (project_id, agent_key)
  where r.id = any (ids) order by a.id for no key update of a;
  update public.agents a set
    provisioned = true,
    workspace_path = r.result ->> 'workspace',
    port = coalesce(creel.whole_number(r.result -> 'port', 1, 65535), a.port),
    agent_id_short = coalesce(a.agent_id_short, r.agent_id_short),
    status = case when r.result ->> 'served' = 'true' then 'running' else 'stopped' end
  from public.agent_provision_requests r
  where r.id = any (ids) and r.status = 'done' and r.result ->> 'workspace' is not null and a.openclaw_id is not null
    and a.project_id = r.project_id and a.agent_key = r.agent_key;

  -- What somebody took back is no failure.
  update public.agents a set status = case
    when r.status = 'error' and r.result #>> '{error,code}' is distinct from 'superseded' then 'error'
    else 'pending_deploy' end
  from public.agent_provision_requests r
  where r.id = any (ids) and r.status in ('error', 'queued') and not a.provisioned
    and a.project_id = r.project_id and a.agent_key = r.agent_key;

  insert into public.agent_status as s (project_id, agent_key, state, note, last_heartbeat_at)
  select r.project_id, r.agent_key, case r.status when 'done' then 'idle' else 'error' end,
    left(r.result #>> '{error,message}', 4000), now()
  from public.agent_provision_requests r
  join public.agents a on a.project_id = r.project_id and a.agent_key = r.agent_key
  where r.id = any (ids) and (
    r.status = 'done'
    or r.status = 'error' and not a.provisioned and r.result #>> '{error,code}' is distinct from 'superseded')
  on conflict (project_id, agent_key) do update set
    state = excluded.state, note = excluded.note, last_heartbeat_at = excluded.last_heartbeat_at;

  perform creel.log_event(
    case when r.status = 'done' then 'agent.provisioned' when r.status <> 'error' then 'agent.provision_retried'
      when r.result #>> '{error,code}' = 'superseded' then 'agent.provision_superseded'
      else 'agent.provision_failed' end,
    r.project_id, r.agent_key, a.host_id, r.id,
    jsonb_strip_nulls(jsonb_build_object('error', r.result -> 'error', 'steps', r.result -> 'steps')))
  from public.agent_provision_requests r
  join public.agents a on a.project_id = r.project_id and a.agent_key = r.agent_key
  -- What a host only gives back is nothing that happened to the agent.
  where r.id = any (ids) and (r.status <> 'queued' or r.result ? 'error');
end
$$;


--
-- Name: provision_taken(uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.provision_taken(ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform 1 from public.agents a join public.agent_provision_requests r using (project_id, agent_key)
  where r.id = any (ids) order by a.id for no key update of a;
  update public.agents a set status = 'deploying' from public.agent_provision_requests r
  where r.id = any (ids) and a.project_id = r.project_id and a.agent_key = r.agent_key
    and not a.provisioned and a.status <> 'deploying';
end
$$;


--
-- Name: put_doc(uuid, public.agents, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.put_doc(host uuid, agent public.agents, change jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  op constant text := change ->> 'op';
  kind constant text := change ->> 'doc_type';
  told constant text := change ->> 'content';
  hash constant text := case op when 'ack' then change ->> 'sha256' else creel.text_sha256(change ->> 'content') end;
  day constant date := (change ->> 'doc_date')::date;
  author constant text := coalesce(change ->> 'author', 'agent');
  doc public.brain_docs;
  latest public.brain_doc_versions;
  seen int;
  state text;
  note text;
begin
  select * into doc from public.brain_docs d
  where d.project_id = agent.project_id and d.agent_key = agent.agent_key and d.doc_type = kind
  for no key update;

  if doc.id is null then
    return case
      when op = 'ack' and hash = creel.empty_sha256() or op = 'note' and change ->> 'state' = 'ok' then 'done'
      when op = 'note' then case
        when creel.make_blocked_doc(host, agent, kind, left(change ->> 'note', 1000)) then 'done' else 'stale' end
      when op in ('text', 'day') and (change ->> 'base_version')::int = 0 then case
        when creel.make_disk_doc(agent, kind, told, author, day) is null then 'stale' else 'done' end
      else 'stale' end;
  end if;

  if op = 'note' then
    state := case
      when change ->> 'state' = 'blocked' then 'blocked'
      when doc.held_version is not null then 'held'
      else creel.settled_state(doc.sha256, doc.disk_sha256) end;
    note := case when state = 'blocked' then left(change ->> 'note', 1000) end;
    if (doc.sync_state, doc.sync_note) is distinct from (state, note)
       and (state = 'blocked' or doc.sync_state = 'blocked') then
      update public.brain_docs d set sync_state = state, sync_note = note where d.id = doc.id;
      if state = 'blocked' and doc.sync_state <> 'blocked' then
        perform creel.log_doc_event('doc.blocked', doc, jsonb_build_object('note', note), host);
      end if;
    end if;
    return 'done';
  end if;

  if op = 'keep_day' then
    if day is not distinct from doc.doc_date then
      return 'stale';
    end if;
    select * into latest from public.brain_doc_versions v where v.doc_id = doc.id and v.doc_date = day
    order by v.version desc limit 1;
    if hash is distinct from latest.sha256 then
      seen := creel.keep_side_text(doc, told, 'earlier_day', day);
      -- The file has what it had before: what came in between is nowhere else, such as the words of one who had a file
      -- open that was displaced.
      if exists (
        select from public.brain_doc_versions v
        where v.doc_id = doc.id and v.doc_date = day and v.sha256 = hash and v.version < latest.version) then
        perform creel.log_doc_event('doc.conflict', doc, jsonb_build_object(
          'version', seen, 'sha256', hash, 'conflict_version', latest.version, 'conflict_sha256', latest.sha256,
          'doc_date', day), host);
      end if;
    end if;
    return 'done';
  end if;

  -- The disk has the row's text, or one on the way to it: also when it is said by one who wanted to write just that.
  if op = 'ack' or op = 'text' and hash = doc.sha256 then
    seen := case when hash = doc.sha256 then doc.version else (
      select max(v.version) from public.brain_doc_versions v
      where v.doc_id = doc.id and v.sha256 = hash and v.version > doc.disk_version and not v.side) end;
    if seen is null and hash = any (doc.erased_sha256s) then
      -- It is on the disk, and is to go from there, too.
      seen := doc.disk_version;
    end if;
    if seen is null then
      return case when hash is not distinct from doc.disk_sha256 then 'done' else 'stale' end;
    end if;
    state := creel.settled_state(doc.sha256, hash);
    if (doc.disk_sha256, doc.disk_version, doc.sync_state, doc.held_version)
       is distinct from (hash, seen, state, null::int) then
      update public.brain_docs d set
        disk_sha256 = hash, disk_version = seen, disk_at = now(), sync_state = state, sync_note = null,
        held_version = null, erased_sha256s = case state when 'synced' then '{}' else d.erased_sha256s end
      where d.id = doc.id;
    end if;
    return 'done';
  end if;

  -- A repetition of what was taken, and its answer lost.
  if op = 'hold' then
    if hash = (select v.sha256 from public.brain_doc_versions v
               where v.doc_id = doc.id and v.version = doc.held_version) then
      return 'done';
    end if;
  elsif op = 'day' then
    if doc.doc_date = day then
      return case when hash = doc.sha256 then 'done' else 'stale' end;
    end if;
  elsif op = 'merge' then
    if hash = doc.sha256 and creel.text_sha256(change ->> 'disk_content') = doc.disk_sha256 then
      return 'done';
    end if;
  elsif op = 'conflict' and hash = doc.sha256 and hash = doc.disk_sha256 then
    return 'done';
  end if;
  if (change ->> 'base_version')::int <> doc.version then
    return 'stale';
  end if;

  case op
    when 'text' then
      perform creel.take_disk_text(
        doc, told, author,
        case when hash is distinct from doc.disk_sha256 and author = 'agent' and exists (
          select from public.brain_doc_versions v
          where v.doc_id = doc.id and v.sha256 = hash and v.version < doc.version and not v.side
            and v.doc_date is not distinct from doc.doc_date) then 'went_back' end,
        doc.doc_date);
    when 'merge' then
      if told = change ->> 'disk_content' then
        perform creel.take_disk_text(doc, told, 'agent', 'merged', doc.doc_date);
      else
        seen := creel.keep_side_text(doc, change ->> 'disk_content', 'merge_side', doc.doc_date);
        if hash <> doc.sha256 then
          doc.updated_by := 'agent';
          perform creel.add_doc_version(doc, seen + 1, told, 'agent', 'merged');
        end if;
        update public.brain_docs d set
          content = case when hash = d.sha256 then d.content else told end,
          version = case when hash = d.sha256 then d.version else seen + 1 end,
          updated_by = case when hash = d.sha256 then d.updated_by else 'agent' end,
          disk_sha256 = creel.text_sha256(change ->> 'disk_content'),
          disk_version = seen, disk_at = now(), sync_state = 'waiting', sync_note = null, held_version = null
        where d.id = doc.id;
      end if;
    when 'conflict' then
      perform creel.take_disk_text(doc, told, 'agent', 'conflict', doc.doc_date);
      perform creel.log_doc_event('doc.conflict', doc, jsonb_build_object(
        'version', doc.last_version + 1, 'sha256', hash, 'conflict_version', doc.version,
        'conflict_sha256', doc.sha256), host);
    when 'hold' then
      seen := creel.keep_side_text(doc, told, 'held', doc.doc_date);
      update public.brain_docs d set held_version = seen, sync_state = 'held', sync_note = null where d.id = doc.id;
      perform creel.log_doc_event('doc.held', doc, jsonb_build_object(
        'held_version', seen, 'held_sha256', hash, 'version', doc.version, 'sha256', doc.sha256), host);
    when 'day' then
      if doc.doc_date is null then
        -- From before there was a mirror: its text is compared with this day's file.
        update public.brain_docs d set
          doc_date = day, disk_sha256 = null, disk_version = 0,
          sync_state = creel.settled_state(d.sha256, null), held_version = null
        where d.id = doc.id;
      else
        perform creel.take_disk_text(doc, told, 'agent', 'day', day);
        -- What a person wrote on the day before and no host could write to its file.
        if doc.sha256 <> coalesce(doc.disk_sha256, creel.empty_sha256()) and doc.sha256 <> creel.empty_sha256() then
          update public.brain_docs d set conflict_version = doc.version where d.id = doc.id;
          perform creel.log_doc_event('doc.conflict', doc, jsonb_build_object(
            'version', doc.last_version + 1, 'sha256', hash, 'conflict_version', doc.version,
            'conflict_sha256', doc.sha256, 'doc_date', doc.doc_date), host);
        end if;
      end if;
  end case;
  return 'done';
end
$$;


--
-- Name: queue_branches(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.queue_branches(template text, only_with text DEFAULT NULL::text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select coalesce(string_agg(format(
      E'  if for_queue = %L then\n%s\n  end if;\n', q.queue,
      format(template, q.tbl, q.waiting, q.taken, q.done, q.dead, q.taken_at, q.done_at, q.on_taken, q.on_settled)),
    '' order by q.queue), '')
  from creel.queues q
  where case only_with when 'on_taken' then q.on_taken is not null when 'on_settled' then q.on_settled is not null
    else true end
$$;


--
-- Name: queues_written(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.queues_written() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform creel.write_queue_functions();
  perform creel.write_one_item_functions();
  return null;
end
$$;


--
-- Name: random_code(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.random_code() RETURNS text
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select string_agg(
    substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 1 + (get_byte(r.bytes, n.i) & 31), 1)
      || case when n.i in (4, 9, 14) then '-' else '' end,
    '' order by n.i)
  from (select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) as bytes) r,
    generate_series(0, 19) as n (i)
$$;


--
-- Name: read_agent_wish(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.read_agent_wish(wish jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  read jsonb := coalesce(wish, '{}');
begin
  if jsonb_typeof(read) = 'null' then
    read := '{}';
  end if;
  if jsonb_typeof(read) <> 'object' then
    raise exception 'agent must be an object' using errcode = '22023',
      hint = 'It takes name, emoji, role, config, limits, docs (texts by doc_type) and backend.';
  end if;
  read := coalesce((select jsonb_object_agg(e.key, e.value) from jsonb_each(read) e where e.value <> 'null'), '{}');
  if read ? 'backend' and coalesce(read ->> 'backend', '') not in ('shared', 'profile', 'docker', 'multipass') then
    raise exception 'agent.backend must be shared, profile, docker or multipass' using errcode = '22023',
      hint = 'Leave it away for profile: a gateway of its own.';
  end if;
  begin
    perform creel.check_update(read - 'backend' - 'changed');
  exception when invalid_parameter_value then
    raise exception 'agent is malformed: %', replace(sqlerrm, 'the payload of update_config is malformed: ', '')
      using errcode = '22023',
        hint = 'It takes name, emoji, role, config, limits, docs (texts by doc_type) and backend.';
  end;
  if octet_length(read::text) > 1310720 or pg_column_size(read -> 'config') > 65536
     or pg_column_size(read -> 'limits') > 8192 or octet_length(read ->> 'emoji') > 1024 then
    raise exception 'agent is too large' using errcode = 'PT413', hint = 'Write large documents when it is there.';
  end if;
  return jsonb_build_object('backend', 'profile') || (read - 'changed');
end
$$;


--
-- Name: read_sha256(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.read_sha256(digits text) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $_$
begin
  if digits is null or digits !~ '^[0-9a-fA-F]{64}$' then
    raise exception 'key_sha256 is no SHA-256'
      using errcode = '22023', hint = 'Send the SHA-256 of the host''s key as 64 hexadecimal digits.';
  end if;
  return decode(digits, 'hex');
end
$_$;


--
-- Name: read_time(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.read_time(given jsonb) RETURNS timestamp with time zone
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  if jsonb_typeof(given) = 'number' and given::numeric between 0 and 253402300799 then
    return to_timestamp(given::numeric::double precision);
  end if;
  return null;
end
$$;


--
-- Name: read_uuid(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.read_uuid(given text) RETURNS uuid
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $_$
begin
  if given ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then
    return given::uuid;
  end if;
  return null;
end
$_$;


--
-- Name: readable_projects(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.readable_projects() RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce(array_agg(m.project_id), '{}') from public.project_members m where m.user_id = auth.uid()
$$;


--
-- Name: ready_agents(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.ready_agents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform 1 from public.agents a join new_rows n using (project_id, agent_key)
  where not a.provisioned order by a.id for no key update of a;
  update public.agents a set
    agent_id_short = case when a.openclaw_id is null then n.agent_id_short else a.agent_id_short end,
    status = case when a.status = 'error' then 'pending_deploy' else a.status end
  from new_rows n
  where a.project_id = n.project_id and a.agent_key = n.agent_key and not a.provisioned and n.status = 'queued'
    and (a.status = 'error' or a.openclaw_id is null and a.agent_id_short is distinct from n.agent_id_short);
  return null;
end
$$;


--
-- Name: receive_commands(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.receive_commands() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  knobs constant creel.settings := creel.knobs();
  today constant date := (now() at time zone 'utc')::date;
  command_ids uuid[];
  crowded text;
  day_count int;
begin
  select array_agg(n.id) into command_ids from new_rows n where n.status = 'pending';
  if command_ids is null then
    return null;
  end if;
  perform creel.log_event('agent.commanded', n.project_id, n.agent_key, n.host_id, n.id,
    jsonb_build_object('type', n.type))
  from new_rows n where n.id = any (command_ids);
  perform creel.supersede_commands(command_ids);
  perform creel.write_wishes(command_ids, true);
  perform creel.settle_without_host(command_ids);

  select l.agent_key into crowded
  from creel.items i join creel.lanes l on l.id = i.lane_id
  where i.queue = 'agent_commands' and i.lane_id = any (array(
    select m.lane_id from creel.items m where m.item_id = any (command_ids)))
  group by l.id having count(*) > knobs.max_open_commands_per_agent limit 1;
  if found then
    raise exception 'agent % has too many open commands: the limit is %', crowded, knobs.max_open_commands_per_agent
      using errcode = 'PT429', hint = 'Wait until some are done; why_pending says what they wait for.';
  end if;
  for crowded, day_count in
    insert into creel.command_counts as k (project_id, day, sent_count)
    select n.project_id, today, count(*) from new_rows n group by n.project_id order by n.project_id
    on conflict (project_id) do update set
      sent_count = case k.day when excluded.day then k.sent_count else 0 end + excluded.sent_count, day = excluded.day
    returning k.project_id, k.sent_count
  loop
    if day_count > knobs.max_commands_per_day then
      raise exception 'project % has sent too many commands: the limit is % a day', crowded, knobs.max_commands_per_day
        using errcode = 'PT429', hint = 'Wait until tomorrow, or ask the operator to raise max_commands_per_day.';
    end if;
  end loop;
  return null;
end
$$;


--
-- Name: refuse_adoption(text, text, text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.refuse_adoption(openclaw_id text, code text, message text, hint text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'openclaw_id', openclaw_id, 'outcome', 'refused',
    'reason', jsonb_build_object('code', code, 'message', message, 'hint', hint))
$$;


--
-- Name: refuse_dead_letter(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.refuse_dead_letter() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if exists (select from creel.items i where i.item_id = new.item_id and i.cancel) then
    return null;
  end if;
  return new;
end
$$;


--
-- Name: refuse_full(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.refuse_full(host_id uuid) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  raise exception 'host % is full', host_id
    using errcode = 'PT409', detail = 'capacity', hint = 'Choose another host, or try again later.';
end
$$;


--
-- Name: refuse_payload(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.refuse_payload(what text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  raise exception 'the payload of update_config is malformed: %', what
    using errcode = '22023',
      hint = 'It takes name, emoji and role (texts), config (an object), limits (cpu_percent, ram_mb, disk_mb) and docs '
        '(texts by doc_type).';
end
$$;


--
-- Name: refuse_subscribed(public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.refuse_subscribed(agent public.agents) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if exists (
    select from public.subscriptions s
    where s.agent_id = agent.id and s.status not in ('canceled', 'incomplete_expired') and not s.cancel_at_period_end) then
    raise exception 'agent % has a subscription that goes on', agent.agent_key
      using errcode = 'PT409', detail = 'subscribed', hint = 'Cancel it in the billing portal first; then delete the agent.';
  end if;
end
$$;


--
-- Name: refuse_unpaid(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.refuse_unpaid(agent_key text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  if agent_key is not null then
    raise exception 'agent % is not paid for', agent_key
      using errcode = 'PT402', detail = 'unpaid', hint = 'Pay for it by a checkout; then it is deployed by itself.';
  end if;
end
$$;


--
-- Name: release_reservation(uuid, uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.release_reservation(of_agent uuid, of_intent uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  agent public.agents;
begin
  select * into agent from public.agents a where a.id = of_agent;
  if not found or agent.billing <> 'unpaid' or agent.openclaw_id is not null or agent.provisioned
     or exists (
       select from public.checkout_intents i
       where i.project_id = agent.project_id and i.agent_key = agent.agent_key and i.status = 'open') then
    return;
  end if;
  perform creel.lock_agent_lane(agent, false);
  select * into agent from public.agents a where a.id = of_agent for no key update;
  if not found or agent.billing <> 'unpaid' or agent.openclaw_id is not null then
    return;
  end if;
  perform creel.log_event('billing.released', agent.project_id, agent.agent_key, agent.host_id, of_intent);
  if creel.is_reservation(agent) then
    delete from public.agents a where a.id = of_agent;
  else
    -- It was paid for once, and has gone from its host: its row stays, without a place.
    update public.agents a set status = 'removed', desired_state = 'removed' where a.id = of_agent;
  end if;
end
$$;


--
-- Name: remove_retained(public.subscriptions); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.remove_retained(sub public.subscriptions) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  agent public.agents;
begin
  select * into agent from public.agents a where a.id = sub.agent_id;
  if agent.id is not null then
    if not creel.lock_agent_lane(agent, true) then
      return false;
    end if;
    select * into agent from public.agents a where a.id = sub.agent_id for no key update;
    if exists (select from public.checkout_intents i where i.agent_id = agent.id and i.status = 'open') then
      return false;  -- somebody is about to pay for it again
    end if;
    if agent.billing = 'unpaid' and agent.status <> 'removed' and not creel.has_open(agent, array['undeploy'])
       and not exists (
         select from public.subscriptions o
         where o.agent_id = agent.id and o.id <> sub.id
           -- A later one that has not ended keeps it, though it is not paid for at the moment.
           and case when o.remove_at is null then o.service <> 'removed' else o.remove_at > now() end) then
      perform creel.send_own_command(agent, 'undeploy');
    end if;
  end if;
  update public.subscriptions s set service = 'removed', remove_at = null where s.id = sub.id;
  if sub.project_id is not null then
    perform creel.log_event('billing.removed', sub.project_id, sub.agent_key, sub.host_id, sub.intent_id,
      jsonb_build_object('subscription', sub.id));
  end if;
  return true;
end
$$;


--
-- Name: rentable_host(uuid, text, jsonb, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.rentable_host(wished uuid, plan text, agent_wish jsonb, project text) RETURNS public.hosts
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  host public.hosts;
begin
  perform 1 from public.hosts h where h.id = wished for no key update;
  select * into host from public.hosts h where h.id = wished;
  if creel.plan_price(host, plan) is null then
    raise exception 'host % is not let by the %', wished, plan
      using errcode = 'PT404', detail = 'not_for_rent', hint = 'Choose another host, or another plan.';
  end if;
  if not exists (
    select from public.stripe_accounts s where s.owner_id = host.owner_id and s.transfers_active) then
    raise exception 'the owner of host % cannot be paid yet', wished
      using errcode = 'PT409', detail = 'not_payable', hint = 'Choose another host; its owner has to set up payments.';
  end if;
  perform creel.check_place(host, project, agent_wish);
  if (select count(*) from public.checkout_intents i where i.host_id = wished and i.status = 'open')
     >= greatest(host.capacity::bigint * (creel.knobs()).max_unpaid_places_bp / 10000, 2) then
    raise exception 'too many places of host % are kept for checkouts that are open', wished
      using errcode = 'PT409', detail = 'reserved', hint = 'Choose another host, or try again in half an hour.';
  end if;
  return host;
end
$$;


--
-- Name: replace_host_keys(uuid, bytea, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.replace_host_keys(host uuid, sha256 bytea, key_days integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update creel.host_keys k set revoked_at = now() where k.host_id = host and k.revoked_at is null;
  insert into creel.host_keys (host_id, key_sha256, expires_at, lifetime_days)
  values (host, sha256, now() + key_days * interval '1 day', key_days);
end
$$;


--
-- Name: reported_agents(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.reported_agents(of_project text) RETURNS TABLE(host_id uuid, place bigint, agent jsonb, agent_key text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select r.host_id, l.place, l.agent, a.agent_key
  from public.project_hosts p
  join public.hosts h on h.id = p.host_id
  join public.host_rosters r on r.host_id = h.id
  cross join lateral jsonb_array_elements(r.agents) with ordinality as l (agent, place)
  left join public.agents a
    on a.project_id = of_project and a.host_id = h.id and a.openclaw_id = l.agent ->> 'id'
  where p.project_id = of_project and of_project = any (creel.readable_projects())
    and jsonb_typeof(l.agent) = 'object' and (h.owner_id = auth.uid() or a.id is not null)
$$;


--
-- Name: requests_for(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.requests_for(endpoint text) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if endpoint = 'answer' or current_setting('role', true) is distinct from 'creel_stripe' then
    return '[]'::jsonb;
  end if;
  return creel.due_stripe_requests();
end
$$;


--
-- Name: require_api(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.require_api(args jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
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


--
-- Name: require_host(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.require_host() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  host constant uuid := creel.current_host_id();
begin
  if host is null then
    raise exception 'this login or key is not a host'
      using errcode = '42501', hint = 'Enrol the host with creel host enroll and use the login that it prints.';
  end if;
  return host;
end
$$;


--
-- Name: require_notifier(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.require_notifier() RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if session_user = 'authenticator' and current_setting('role', true) = 'creel_notifier'
       and creel.has_function_key('notifications')
     or session_user <> 'authenticator' and pg_has_role(session_user, current_user, 'member') then
    return;
  end if;
  raise exception 'this is not the function that tells webhooks'
    using errcode = '42501', hint = 'Make a key with creel key create notifications, and give it to the function.';
end
$$;


--
-- Name: require_owned_host(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.require_owned_host(args jsonb) RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  host constant uuid := case when jsonb_typeof(args) = 'object' then (args ->> 'host_id')::uuid end;
begin
  if not coalesce(host = any (creel.owned_hosts()), false) then
    raise exception 'you own no such host'
      using errcode = '42501', hint = 'Sign in as the owner of the host: creel host list shows yours.';
  end if;
  return host;
end
$$;


--
-- Name: require_stripe(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.require_stripe() RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if session_user = 'authenticator' and current_setting('role', true) = 'creel_stripe'
       and creel.has_function_key('stripe')
     or session_user <> 'authenticator' and pg_has_role(session_user, current_user, 'member') then
    return;
  end if;
  raise exception 'this is not the function that Stripe''s events arrive at'
    using errcode = '42501', hint = 'Make a key with creel key create stripe, and give it to the function.';
end
$$;


--
-- Name: reserve(text, text, public.hosts, jsonb, public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.reserve(project text, wished_key text, host public.hosts, agent_wish jsonb, known public.agents) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  reserved uuid := known.id;
begin
  if reserved is null then
    if not creel.has_room(host) then
      perform creel.refuse_full(host.id);
    end if;
    insert into public.agents (
      project_id, agent_key, agent_id_short, name, role, emoji, config, limits, backend, host_id, host_pinned,
      desired_state, billing)
    values (
      project, wished_key, creel.short_of_key(wished_key),
      coalesce(nullif(agent_wish ->> 'name', ''), creel.short_of_key(wished_key)),
      coalesce(nullif(agent_wish ->> 'role', ''), 'assistant'), coalesce(nullif(agent_wish ->> 'emoji', ''), '🦞'),
      coalesce(agent_wish -> 'config', '{}'), coalesce(agent_wish -> 'limits', '{}'), agent_wish ->> 'backend',
      host.id, true, 'stopped', 'unpaid')
    returning id into reserved;
  elsif known.openclaw_id is null or known.host_id is null then
    -- It was there once, and has no place any more; or it never had one.
    if known.status = 'removed' or known.host_id is distinct from host.id then
      if not creel.has_room(host) then
        perform creel.refuse_full(host.id);
      end if;
    end if;
    update public.agents a set
      host_id = host.id, host_pinned = true, openclaw_id = null, provisioned = false, workspace_path = null,
      backend = agent_wish ->> 'backend', name = coalesce(nullif(agent_wish ->> 'name', ''), a.name),
      role = coalesce(nullif(agent_wish ->> 'role', ''), a.role),
      emoji = coalesce(nullif(agent_wish ->> 'emoji', ''), a.emoji), config = coalesce(agent_wish -> 'config', a.config),
      limits = coalesce(agent_wish -> 'limits', a.limits), desired_state = 'stopped', status = 'pending_deploy',
      deleting_since = null, generation = a.generation + 1
    where a.id = reserved;
  end if;
  return reserved;
end
$$;


--
-- Name: retry_stripe_request(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.retry_stripe_request(id uuid) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update creel.stripe_requests r set status = 'waiting', settled_at = null, not_before = '-infinity'
  where r.id = retry_stripe_request.id and r.status = 'failed'
    and not exists (select from creel.stripe_requests o where o.earning_id = r.earning_id and o.status = 'waiting');
  return found;
end
$$;


--
-- Name: retry_waiting(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.retry_waiting(current jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  waiting public.stripe_events;
  verdict jsonb;
  wanted jsonb := '[]'::jsonb;
begin
  for waiting in
    select * from public.stripe_events e
    where e.status = 'waiting' and e.payload is not null
      and (e.looked_at < now() - interval '10 minutes' or current is not null and e.subjects && array(
        select jsonb_object_keys(current)))
    order by (current is not null and e.subjects && array(select jsonb_object_keys(coalesce(current, '{}')))) desc,
      e.looked_at
    limit 10 for no key update skip locked
  loop
    -- This stays whatever comes of it, so that one which always fails does not stand before all others.
    update public.stripe_events e set looked_at = now() where e.id = waiting.id;
    begin
      verdict := creel.try_event(waiting.payload, current);
      perform creel.note_verdict(waiting.id, verdict);
      if verdict ->> 'outcome' = 'applied' then
        perform creel.apply_waiting_for(
          array(select jsonb_array_elements_text(coalesce(verdict -> 'knows', '[]'))), current);
      elsif verdict ->> 'outcome' = 'fetch' then
        wanted := wanted || coalesce(verdict -> 'fetch', '[]');
      end if;
    exception
      when query_canceled then
        raise warning 'event % took too long', waiting.id;
        -- Nothing limits the statement any more.
        exit;
      when others then
        raise warning 'event % failed: %', waiting.id, sqlerrm;
    end;
  end loop;
  return wanted;
end
$$;


--
-- Name: revoke_function_key(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.revoke_function_key(id uuid) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update creel.function_keys k set revoked_at = now() where k.id = revoke_function_key.id and k.revoked_at is null;
  return found;
end
$$;


--
-- Name: revoke_host(uuid); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.revoke_host(host_id uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  login name;
begin
  -- Whoever gives the host another key locks this row as well: it comes before, and ends here, or sees the end.
  perform 1 from public.hosts h where h.id = revoke_host.host_id for no key update;
  update creel.host_keys k set revoked_at = now() where k.host_id = revoke_host.host_id and k.revoked_at is null;
  delete from creel.enrolment_codes c where c.host_id = revoke_host.host_id;
  for login in
    update creel.host_logins l set revoked_at = now()
    where l.host_id = revoke_host.host_id and l.revoked_at is null returning l.role_name
  loop
    execute format('alter role %I nologin', login);
  end loop;
  if exists (select from public.hosts h where h.id = revoke_host.host_id) then
    perform creel.log_event('host.revoked', null, null, revoke_host.host_id, null);
  end if;
end
$$;


--
-- Name: FUNCTION revoke_host(host_id uuid); Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON FUNCTION creel.revoke_host(host_id uuid) IS 'Ends every key and login of a host at once; sessions that are open can call nothing any more.';


--
-- Name: said_since(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.said_since(note text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select format('%s (since %s UTC)', note, to_char(now() at time zone 'utc', 'YYYY-MM-DD HH24:MI'))
$$;


--
-- Name: save_subscription(jsonb, timestamp with time zone, boolean, jsonb, timestamp with time zone); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.save_subscription(object jsonb, as_of timestamp with time zone, is_fetched boolean, event jsonb, first_paid timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  sub_id constant text := object ->> 'id';
  said constant text := object ->> 'status';
  item constant jsonb := object #> '{items,data,0}';
  is_final constant boolean := said in ('canceled', 'incomplete_expired');
  received timestamptz;
  known public.subscriptions;
  shown public.subscriptions;
  intent public.checkout_intents;
  agent public.agents;
  fault text;
  note text;
begin
  if coalesce(said, '') not in (
    'incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid', 'paused') then
    return jsonb_build_object('outcome', 'waiting', 'note', format('there is no subscription status %s', left(said, 100)));
  end if;
  select e.received_at into received from public.stripe_events e where e.id = event ->> 'id';
  shown.status := said;
  shown.current_period_start := coalesce(
    creel.read_time(object -> 'current_period_start'), creel.read_time(item -> 'current_period_start'));
  shown.current_period_end := coalesce(
    creel.read_time(object -> 'current_period_end'), creel.read_time(item -> 'current_period_end'));
  shown.cancel_at_period_end :=
    coalesce(object -> 'cancel_at_period_end' = 'true' or creel.read_time(object -> 'cancel_at') is not null, false);
  shown.ended_at := case when is_final then coalesce(
    creel.read_time(object -> 'ended_at'), creel.read_time(object -> 'canceled_at'), as_of) end;

  select * into known from public.subscriptions s where s.id = sub_id for no key update;
  if known.id is null then
    if creel.read_uuid(object #>> '{metadata,creel_intent}') is null then
      return jsonb_build_object('outcome', 'ignored', 'note', 'this subscription is not of Creel');
    end if;
    select * into intent from public.checkout_intents i
    where i.id = creel.read_uuid(object #>> '{metadata,creel_intent}') for no key update;
    if intent.id is null then
      return jsonb_build_object('outcome', 'ignored', 'note', 'the checkout of this subscription is not of this database');
    end if;
    fault := creel.fault_of_amount(
      intent, coalesce(item #> '{price,unit_amount}', item #> '{plan,amount}'),
      coalesce(item #> '{price,currency}', object -> 'currency'));
    if fault is not null then
      return jsonb_build_object('outcome', 'waiting', 'note', fault, 'mismatch', intent.id);
    end if;
    select * into agent from public.agents a
    where a.project_id = intent.project_id and a.agent_key = intent.agent_key and a.billing <> 'free';
    insert into public.subscriptions (
      id, project_id, agent_id, agent_key, host_id, intent_id, customer_id, plan, amount_minor, currency, status,
      current_period_start, current_period_end, cancel_at_period_end, ended_at, as_of, livemode)
    values (
      sub_id, intent.project_id, agent.id, intent.agent_key, intent.host_id, intent.id,
      creel.stripe_ref(object -> 'customer'), intent.plan, intent.amount_minor, intent.currency, said,
      shown.current_period_start, shown.current_period_end, shown.cancel_at_period_end, shown.ended_at, as_of,
      coalesce(object -> 'livemode' = 'true', false));
    insert into public.stripe_customers (project_id, customer_id)
    select intent.project_id, creel.stripe_ref(object -> 'customer')
    where creel.stripe_ref(object -> 'customer') is not null and intent.project_id is not null
    on conflict do nothing;
  elsif known.status in ('canceled', 'incomplete_expired') then
    -- That is final. When it ended does not depend on who said it first; the rest the end of its customer did not say.
    if is_final then
      update public.subscriptions s set
        status = said, ended_at = least(s.ended_at, shown.ended_at),
        current_period_start = coalesce(shown.current_period_start, s.current_period_start),
        current_period_end = coalesce(shown.current_period_end, s.current_period_end),
        cancel_at_period_end = shown.cancel_at_period_end
      where s.id = sub_id;
    end if;
    note := 'this subscription has ended';
  elsif not is_final and as_of < known.as_of then
    note := 'older than what is known';
  elsif not is_final and not is_fetched and as_of = known.as_of
    and (known.status, known.current_period_start, known.current_period_end, known.cancel_at_period_end)
      is distinct from (said, shown.current_period_start, shown.current_period_end, shown.cancel_at_period_end) then
    return creel.want_fetched('subscription', sub_id, '{}', 'two states of one second: Stripe is asked which is the last');
  else
    update public.subscriptions s set
      status = said, current_period_start = coalesce(shown.current_period_start, s.current_period_start),
      current_period_end = coalesce(shown.current_period_end, s.current_period_end),
      cancel_at_period_end = shown.cancel_at_period_end, ended_at = shown.ended_at,
      as_of = greatest(s.as_of, save_subscription.as_of)
    where s.id = sub_id;
  end if;
  if first_paid is not null then
    update public.subscriptions s set first_paid_at = first_paid
    where s.id = sub_id and coalesce(s.first_paid_at, 'infinity') > first_paid;
  end if;
  if as_of is not null then
    insert into creel.subscription_states (subscription_id, as_of, status)
    values (sub_id, save_subscription.as_of, said)
    on conflict do nothing;
  end if;
  perform creel.settle_subscription(sub_id, received, creel.read_time(event -> 'created'));
  select * into known from public.subscriptions s where s.id = sub_id;
  return jsonb_strip_nulls(jsonb_build_object(
    'outcome', 'applied', 'note', note, 'knows', jsonb_build_array(sub_id, known.customer_id),
    'led_to', jsonb_build_object('subscription', sub_id, 'service', known.service, 'agent_id', known.agent_id,
      'item_id', known.item_id)));
end
$$;


--
-- Name: secs_of(timestamp with time zone); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.secs_of(at timestamp with time zone) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$ select floor(extract(epoch from at))::bigint $$;


--
-- Name: send_hints(text[], text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.send_hints(topics text[], event text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET lock_timeout TO '200ms'
    AS $$
declare
  -- What a savepoint takes back, it takes back here too. Whoever is in the transaction can read it: no topic is in it.
  sent text := coalesce(current_setting('creel.hints_sent', true), '');
  topic_before constant text := coalesce(current_setting('realtime.topic', true), '');
  topic text;
  hint text;
begin
  if to_regprocedure('realtime.send(jsonb,text,text,boolean)') is null then
    return;
  end if;
  foreach topic in array topics loop
    hint := md5(event || '/' || topic) || ' ';
    continue when strpos(sent, hint) > 0;
    sent := sent || hint;
    perform realtime.send('{}'::jsonb, event, topic, false);
  end loop;
  -- It says to whom it spoke last.
  perform set_config('realtime.topic', topic_before, true), set_config('creel.hints_sent', sent, true);
exception when others then
  raise warning 'hint by Realtime: %', sqlerrm;
end
$$;


--
-- Name: send_own_command(public.agents, text, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.send_own_command(agent public.agents, type text, payload jsonb DEFAULT '{}'::jsonb) RETURNS uuid
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  made uuid;
begin
  update creel.command_counts k set sent_count = k.sent_count - 1
  where k.project_id = agent.project_id and k.sent_count > 0 and k.day = (now() at time zone 'utc')::date;
  insert into public.agent_commands (agent_id, type, payload, created_by)
  values (agent.id, send_own_command.type, send_own_command.payload, null)
  returning id into made;
  return made;
end
$$;


--
-- Name: send_wished_command(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.send_wished_command() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  on_host constant boolean := new.openclaw_id is not null and new.host_id is not null;
  changed text[];
begin
  if current_user not in ('authenticated', 'service_role') then
    return null;
  end if;
  if new.desired_state <> old.desired_state then
    if new.desired_state = 'removed' then
      insert into public.agent_commands (agent_id, type) values (new.id, 'undeploy');
      return null;
    end if;
    if old.desired_state = 'removed' then
      insert into public.agent_commands (agent_id, type) values (new.id, 'deploy');
      if new.desired_state = 'stopped' then
        insert into public.agent_commands (agent_id, type) values (new.id, 'stop');
      end if;
      return null;  -- the deployment takes all that is in the row
    end if;
    if on_host or creel.has_open_items(new.id) then
      insert into public.agent_commands (agent_id, type)
      values (new.id, case new.desired_state when 'running' then 'start' else 'stop' end);
    end if;
  end if;
  if not on_host or new.desired_state = 'removed' then
    return null;
  end if;
  if new.backend <> old.backend then
    insert into public.agent_commands (agent_id, type, payload)
    values (new.id, 'deploy', jsonb_build_object('previous_backend', old.backend));
    if new.desired_state = 'stopped' then
      insert into public.agent_commands (agent_id, type) values (new.id, 'stop');
    end if;
    return null;
  end if;
  changed := array_remove(array[
    case when new.name is distinct from old.name then 'name' end,
    case when new.role is distinct from old.role then 'role' end,
    case when new.emoji is distinct from old.emoji then 'emoji' end,
    case when new.config <> old.config then 'config' end,
    case when new.limits <> old.limits then 'limits' end], null);
  if changed <> '{}' then
    insert into public.agent_commands (agent_id, type, payload)
    values (new.id, 'update_config', jsonb_build_object('changed', changed));
  end if;
  return null;
end
$$;


--
-- Name: settle(creel.settlement[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle(settlements creel.settlement[]) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  knobs creel.settings;
  fated record;
  status text;
  statuses jsonb := '{}'::jsonb;
begin
  if coalesce(cardinality(settlements), 0) = 0 then
    return statuses;
  end if;

  -- One round for all of one queue that end alike; nearly always there is but one.
  for fated in
    select
      s.queue, f.fate, array_agg(s.lane_id) as lane_ids, array_agg(s.seq) as seqs, array_agg(s.item_id) as item_ids,
      array_agg(s.result) as results, array_agg(s.token::text) as tokens, array_agg(s.attempts) as attempts,
      array_agg(case when s.disposition in ('back', 'given_back') then 'attempts' else s.reason end) as reasons,
      array_agg(s.lane_id) filter (
        where s.disposition = 'given_back' and s.given_back < creel.max_given_back()) as uncharged,
      array_agg(s.lane_id) filter (where s.pause) as pausing
    from unnest(settlements) s
    cross join lateral (
      select case
        when s.disposition in ('done', 'dead') then s.disposition
        when (s.disposition = 'back' or s.given_back >= creel.max_given_back()) and s.attempts >= s.max_attempts
          then 'dead'
        else 'waiting' end as fate) f
    group by s.queue, f.fate
  loop
    status := creel.settle_rows(fated.queue, fated.item_ids, fated.fate, fated.results);
    perform creel.after_settled(fated.queue, fated.item_ids);
    statuses := statuses || jsonb_object(
      array_remove(fated.tokens, null),
      array_fill(status, array[cardinality(array_remove(fated.tokens, null))]));

    if fated.fate = 'waiting' then
      knobs := creel.knobs();
      update creel.lanes l
      set token = null, session_id = null, expires_at = null,
          not_before = case when l.id = any (fated.pausing)
            then now() + creel.backoff(l.attempts, knobs) else '-infinity' end,
          attempts = case when l.id = any (fated.uncharged) then greatest(l.attempts - 1, 0) else l.attempts end,
          given_back = case when l.id = any (fated.uncharged) then l.given_back + 1 else l.given_back end
      where l.id = any (fated.lane_ids) and l.head = any (fated.seqs);
      continue;
    end if;

    if fated.fate = 'dead' then
      insert into creel.dead_letters (item_id, queue, project_id, agent_key, attempts, reason)
      select d.item_id, fated.queue, l.project_id, l.agent_key, d.attempts, d.reason
      from unnest(fated.item_ids, fated.lane_ids, fated.attempts, fated.reasons)
        as d (item_id, lane_id, attempts, reason)
      join creel.lanes l on l.id = d.lane_id
      on conflict (item_id) do update set
        queue = excluded.queue, project_id = excluded.project_id, agent_key = excluded.agent_key,
        attempts = excluded.attempts, reason = excluded.reason, died_at = now();
    end if;
    -- The lanes are locked, so that what was enqueued until then is seen here.
    with gone as (delete from creel.items i where i.item_id = any (fated.item_ids))
    update creel.lanes l
    set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
        attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
          select i.seq, i.item_id, i.queue, i.max_attempts
          from creel.items i where i.lane_id = l.id and i.seq <> all (fated.seqs) order by i.seq limit 1)
    where l.id = any (fated.lane_ids) and l.head = any (fated.seqs);
  end loop;
  return statuses;
end
$$;


--
-- Name: settle_alone(creel.settlement); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_alone(settlement creel.settlement) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    SET lock_timeout TO '50ms'
    AS $$
begin
  perform creel.settle(array[settlement]);
  return true;
exception when others then
  raise warning 'settle item % of %: %', settlement.item_id, settlement.queue, sqlerrm;
  return false;
end
$$;


--
-- Name: settle_done(text, bigint, bigint, uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_done(for_queue text, settled_lane bigint, settled_seq bigint, row_id uuid, new_result jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
#variable_conflict use_variable
begin
  if for_queue = 'agent_canaries' then
    with settled as (
      update public.agent_canaries t set status = 'done', result = coalesce(new_result, t.result), waiting_for = null, answered_at = now()
      where t.id = row_id),
    gone as (delete from creel.items i where i.lane_id = settled_lane and i.seq = settled_seq)
    update creel.lanes l
    set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
        attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
          select i.seq, i.item_id, i.queue, i.max_attempts
          from creel.items i where i.lane_id = settled_lane and i.seq > settled_seq order by i.seq limit 1)
    where l.id = settled_lane;
    perform creel.after_settled(for_queue, array[row_id]);
    return 'done';
  end if;
  if for_queue = 'agent_commands' then
    with settled as (
      update public.agent_commands t set status = 'acked', result = coalesce(new_result, t.result), waiting_for = null, acked_at = now()
      where t.id = row_id),
    gone as (delete from creel.items i where i.lane_id = settled_lane and i.seq = settled_seq)
    update creel.lanes l
    set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
        attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
          select i.seq, i.item_id, i.queue, i.max_attempts
          from creel.items i where i.lane_id = settled_lane and i.seq > settled_seq order by i.seq limit 1)
    where l.id = settled_lane;
    perform creel.after_settled(for_queue, array[row_id]);
    return 'acked';
  end if;
  if for_queue = 'agent_provision_requests' then
    with settled as (
      update public.agent_provision_requests t set status = 'done', result = coalesce(new_result, t.result), waiting_for = null, completed_at = now()
      where t.id = row_id),
    gone as (delete from creel.items i where i.lane_id = settled_lane and i.seq = settled_seq)
    update creel.lanes l
    set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
        attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
          select i.seq, i.item_id, i.queue, i.max_attempts
          from creel.items i where i.lane_id = settled_lane and i.seq > settled_seq order by i.seq limit 1)
    where l.id = settled_lane;
    perform creel.after_settled(for_queue, array[row_id]);
    return 'done';
  end if;

  raise exception 'queue % is not registered', for_queue using errcode = '22023';
end
$$;


--
-- Name: settle_each(creel.settlement[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_each(settlements creel.settlement[]) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  settlement creel.settlement;
  failed uuid[] := array[]::uuid[];
begin
  begin
    perform creel.settle(settlements);
    return failed;
  exception when others then
    raise warning 'settle % items: %', cardinality(settlements), sqlerrm;
  end;
  foreach settlement in array settlements loop
    exit when cardinality(failed) >= 20;
    if not creel.settle_alone(settlement) then
      failed := failed || settlement.item_id;
    end if;
  end loop;
  return failed;
end
$$;


--
-- Name: settle_entitlement(uuid, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_entitlement(of_agent uuid, cause text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  agent public.agents;
  is_paid boolean;
  item uuid;
  fault text;
begin
  select * into agent from public.agents a where a.id = of_agent;
  if not found or agent.billing = 'free' then
    return;
  end if;
  is_paid := creel.is_covered(agent);
  if is_paid = (agent.billing = 'paid') then
    return;
  end if;
  perform creel.lock_agent_lane(agent, false);
  select * into agent from public.agents a where a.id = of_agent for no key update;
  if not found then
    return;
  end if;
  is_paid := creel.is_covered(agent);
  if is_paid = (agent.billing = 'paid') then
    return;
  end if;
  if is_paid then
    fault := creel.fault_of_place(agent);
    if fault is not null then
      -- It was undeployed, and somebody else has its place: it is not made there beside him.
      if cause is not null then
        perform creel.log_event('billing.mismatch', agent.project_id, agent.agent_key, agent.host_id, null,
          jsonb_build_object('what', 'no_place', 'subscription', cause,
            'message', 'the agent is paid for, and cannot be deployed: ' || fault));
      end if;
      return;
    end if;
  end if;
  update public.agents a set billing = case when is_paid then 'paid' else 'unpaid' end where a.id = of_agent;
  if not is_paid then
    perform creel.ask_to_stop(agent);
    return;
  end if;
  insert into public.project_hosts (project_id, host_id, terms)
  select agent.project_id, agent.host_id, 'rented' where exists (
    select from public.subscriptions s
    where s.agent_id = of_agent and s.host_id = agent.host_id and s.service in ('active', 'grace'))
  on conflict do nothing;
  item := creel.ask_to_run(agent);
  update public.subscriptions s set item_id = item, asked_at = clock_timestamp()
  where s.id = coalesce(cause, (
    select max(o.id) from public.subscriptions o where o.agent_id = of_agent and o.service in ('active', 'grace')));
end
$$;


--
-- Name: settle_homeless(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_homeless() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  lane constant bigint := (
    select l.id from creel.lanes l
    where l.project_id = new.project_id and l.agent_key = new.agent_key and l.kind = 'control'
      and l.head is not null and l.token is null);
begin
  if lane is null then
    return null;
  end if;
  perform 1 from creel.lanes l where l.id = lane for no key update;
  perform creel.settle_without_host(array(
    select i.item_id from creel.items i join public.agent_commands c on c.id = i.item_id
    where i.lane_id = lane and c.status = 'pending' and c.type in ('stop', 'undeploy', 'update_config')));
  return null;
end
$$;


--
-- Name: settle_notification(uuid, text, text, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_notification(notification_id uuid, outcome text, said text, retry_after_secs integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  ended public.notifications;
  failed boolean;
begin
  select * into strict ended from public.notifications n where n.id = settle_notification.notification_id for update;
  failed := case outcome
    when 'retry' then ended.attempts >= 8 when 'refused' then ended.attempts >= 4 when 'gone' then true
    when 'failed' then true else false end;
  update public.notifications n set
    status = case when outcome = 'delivered' then 'delivered' when failed then 'failed' else 'pending' end,
    delivered_at = case when outcome = 'delivered' then now() end,
    last_error = case when outcome <> 'delivered' then left(said, 300) end,
    not_before = case when outcome = 'delivered' or failed then n.not_before
      else now() + greatest(
        creel.notification_pause(n.attempts),
        -- An hour at most, whatever the receiver asks for.
        least(coalesce(retry_after_secs, 0), 3600) * interval '1 second') end
  where n.id = ended.id;
  if failed then
    perform creel.log_event('notification.failed', ended.project_id, null, null, ended.id, jsonb_build_object(
      'webhook_id', ended.webhook_id, 'kind', ended.kind, 'attempts', ended.attempts, 'error', left(said, 300)));
  end if;
end
$$;


--
-- Name: settle_rows(text, uuid[], text, jsonb[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_rows(for_queue text, row_ids uuid[], fate text, results jsonb[]) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_nestloop TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
#variable_conflict use_variable
declare
  word text;
begin
  if for_queue = 'agent_canaries' then
    word := case fate when 'done' then 'done' when 'dead' then 'failed' else 'queued' end;
    update public.agent_canaries t set status = word, result = coalesce(n.result, t.result), waiting_for = null,
      answered_at = case when fate <> 'waiting' then now() end
    from unnest(row_ids, results) as n (id, result) where t.id = any (row_ids) and t.id = n.id;
    return word;
  end if;
  if for_queue = 'agent_commands' then
    word := case fate when 'done' then 'acked' when 'dead' then 'failed' else 'pending' end;
    update public.agent_commands t set status = word, result = coalesce(n.result, t.result), waiting_for = null,
      acked_at = case when fate <> 'waiting' then now() end
    from unnest(row_ids, results) as n (id, result) where t.id = any (row_ids) and t.id = n.id;
    return word;
  end if;
  if for_queue = 'agent_provision_requests' then
    word := case fate when 'done' then 'done' when 'dead' then 'error' else 'queued' end;
    update public.agent_provision_requests t set status = word, result = coalesce(n.result, t.result), waiting_for = null,
      completed_at = case when fate <> 'waiting' then now() end
    from unnest(row_ids, results) as n (id, result) where t.id = any (row_ids) and t.id = n.id;
    return word;
  end if;

  raise exception 'queue % is not registered', for_queue using errcode = '22023';
end
$$;


--
-- Name: settle_stripe_requests(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_stripe_requests(done jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  one jsonb;
  told jsonb;
  request creel.stripe_requests;
  earning bigint;
begin
  -- In one order, so that two do not wait for each other.
  for one in
    select d.said from jsonb_array_elements(done) d (said)
    join creel.stripe_requests o on o.id = creel.uuid_of(d.said -> 'request_id') order by o.earning_id, o.id
  loop
    select r.earning_id into earning from creel.stripe_requests r where r.id = creel.uuid_of(one -> 'request_id');
    continue when not found;
    perform 1 from creel.earning_facts f where f.earning_id = earning for update;
    select * into request from creel.stripe_requests r
    where r.id = creel.uuid_of(one -> 'request_id') and r.status = 'waiting' for update;
    continue when not found;
    if not coalesce((one ->> 'ok')::boolean, false) then
      update creel.stripe_requests r set
        status = case when coalesce((one ->> 'permanent')::boolean, false) then 'failed' else 'waiting' end,
        settled_at = case when coalesce((one ->> 'permanent')::boolean, false) then now() end,
        -- A refusal is answered again to the same key, and nothing was done under it. Where nobody knows what was done,
        -- the key stays.
        refusals = r.refusals + coalesce((one ->> 'refused')::boolean, false)::int,
        error = left(coalesce(one ->> 'error', 'Stripe did not say why'), 1000),
        not_before = now() + least(power(2, least(r.attempts, 12)) * interval '30 seconds', interval '6 hours')
      where r.id = request.id returning * into request;
      if request.status = 'failed' then
        perform creel.log_event('billing.request_failed', null, null, h.id, request.id, jsonb_build_object(
          'kind', request.kind, 'transfer', request.transfer_id, 'amount_minor', request.amount_minor,
          'currency', e.currency, 'error', request.error))
        from public.host_earnings e left join public.hosts h on h.id = e.host_id where e.id = request.earning_id;
      end if;
      continue;
    end if;

    told := one -> 'object';
    update creel.stripe_requests r
    set status = 'done', settled_at = now(), error = null, stripe_id = coalesce(one ->> 'stripe_id', told ->> 'id')
    where r.id = request.id returning * into request;
    if request.kind = 'payback' then
      insert into creel.earning_transfers (transfer_id, earning_id, amount_minor, left_minor, is_back)
      select request.stripe_id, request.earning_id, a.minor, a.minor, true
      from (select coalesce((told ->> 'amount')::bigint, request.amount_minor) as minor) a
      on conflict (transfer_id) do nothing;
    elsif told ->> 'object' = 'transfer' then
      -- Nothing was left to be reversed: by an answer of ours that nobody heard, or by a person.
      update creel.earning_transfers t set
        left_minor = greatest(t.amount_minor - (told ->> 'amount_reversed')::bigint, 0),
        returned_minor = (told ->> 'amount_reversed')::bigint - creel.fee_refunded_of(told),
        asked_minor = greatest(t.asked_minor, coalesce((
          select sum((v ->> 'amount')::bigint) from jsonb_path_query(told, '$.reversals.data[*]') v
          where coalesce(v #>> '{metadata,creel_request}', v #>> '{metadata,creel_intent}') is not null), 0))
      where t.transfer_id = request.transfer_id;
    else
      update creel.earning_transfers t set
        left_minor = greatest(t.left_minor - a.minor, 0), returned_minor = t.returned_minor + a.minor,
        asked_minor = t.asked_minor + a.minor
      from (select coalesce((told ->> 'amount')::bigint, 0) as minor) a
      where t.transfer_id = request.transfer_id;
    end if;
    -- The next step, when there is another; not over and over what Stripe has done already.
    perform creel.ask_for_return(request.earning_id);
  end loop;
end
$_$;


--
-- Name: settle_subscription(text, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_subscription(of_subscription text, received timestamp with time zone, paid timestamp with time zone) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  knobs constant creel.settings := creel.knobs();
  before public.subscriptions;
  after public.subscriptions;
  intent public.checkout_intents;
  other public.checkout_intents;
  suspended_since timestamptz;
  of_agent uuid;
begin
  select * into before from public.subscriptions s where s.id = of_subscription for no key update;
  after := before;
  after.past_due_since := null;
  if before.status in ('past_due', 'unpaid') then
    select min(s.as_of) into after.past_due_since from creel.subscription_states s
    where s.subscription_id = of_subscription and s.status in ('past_due', 'unpaid') and s.as_of >= coalesce((
      select max(o.as_of) from creel.subscription_states o
      where o.subscription_id = of_subscription and o.status not in ('past_due', 'unpaid')), '-infinity');
  end if;
  after.grace_until := case when before.status = 'past_due'
    then after.past_due_since + knobs.billing_grace_secs * interval '1 second' end;
  after.service := creel.subscription_service(before.status, after.grace_until, before.first_paid_at, now());
  if before.service = 'removed' and after.service in ('ended', 'suspended') then
    after.service := 'removed';
  end if;
  if before.status = 'paused' then
    select min(s.as_of) into suspended_since from creel.subscription_states s
    where s.subscription_id = of_subscription and s.status = 'paused' and s.as_of >= coalesce((
      select max(o.as_of) from creel.subscription_states o
      where o.subscription_id = of_subscription and o.status <> 'paused'), '-infinity');
  end if;
  after.remove_at := case
    when after.service = 'ended' then before.ended_at
    when after.service = 'suspended' then coalesce(after.grace_until, after.past_due_since, suspended_since) end
    + knobs.billing_retention_secs * interval '1 second';
  if before.service not in ('active', 'grace') and after.service in ('active', 'grace') then
    after.paid_at := coalesce(paid, before.as_of);
    after.received_at := coalesce(received, now());
  elsif before.paid_at is null and before.first_paid_at is not null then
    -- It was paid, and is over: the end was told before.
    after.paid_at := (
      select min(s.as_of) from creel.subscription_states s
      where s.subscription_id = of_subscription and s.status in ('active', 'trialing'));
    after.received_at := case when after.paid_at is not null then coalesce(received, now()) end;
  end if;
  if after is distinct from before then
    update public.subscriptions s set
      past_due_since = after.past_due_since, grace_until = after.grace_until, service = after.service,
      remove_at = after.remove_at, paid_at = after.paid_at, received_at = after.received_at
    where s.id = of_subscription;
  end if;
  -- Whatever came of it since, it was paid for once.
  if before.first_paid_at is not null then
    select * into intent from public.checkout_intents i
    where i.id = before.intent_id and i.status <> 'paid' for no key update;
    if found then
      update public.checkout_intents i
      set status = 'paid', awaits_payment = false, ended_at = now(),
        customer_id = coalesce(i.customer_id, before.customer_id)
      where i.id = intent.id;
      perform creel.write_wished_docs(intent);
      for other in
        update public.checkout_intents i set status = 'expired', awaits_payment = false, ended_at = now()
        where i.project_id = intent.project_id and i.agent_key = intent.agent_key and i.status = 'open' and i.id <> intent.id
        returning *
      loop
        perform creel.log_event('billing.mismatch', other.project_id, other.agent_key, other.host_id, other.id,
          jsonb_build_object('what', 'second_checkout', 'subscription', of_subscription,
            'message', 'the agent was paid for by an earlier checkout while this one was open: do not pay it'));
      end loop;
    end if;
  end if;
  if after.service in ('active', 'grace') and before.service not in ('active', 'grace') then
    select * into intent from public.checkout_intents i where i.id = before.intent_id;
    if found then
      of_agent := (creel.agent_of_intent(intent)).id;
      if of_agent is distinct from before.agent_id then
        update public.subscriptions s set agent_id = of_agent where s.id = of_subscription;
        before.agent_id := of_agent;
      end if;
    end if;
    if before.project_id is not null and exists (
      select from public.subscriptions o
      where o.agent_id = before.agent_id and o.id <> of_subscription and o.service in ('active', 'grace')) then
      perform creel.log_event('billing.mismatch', before.project_id, before.agent_key, before.host_id, before.intent_id,
        jsonb_build_object('what', 'second_subscription', 'subscription', of_subscription,
          'message', 'two subscriptions cover one agent: cancel one of them in the billing portal'));
    end if;
  end if;
  if after.service <> before.service and before.project_id is not null and after.service <> 'awaiting' then
    perform creel.log_event(
      case after.service
        when 'active' then 'billing.paid' when 'grace' then 'billing.past_due' when 'suspended' then 'billing.suspended'
        when 'ended' then 'billing.ended' else 'billing.removed' end,
      before.project_id, before.agent_key, before.host_id, before.intent_id,
      jsonb_strip_nulls(jsonb_build_object(
        'subscription', before.id, 'status', before.status, 'was', before.service, 'grace_until', after.grace_until,
        'remove_at', after.remove_at)));
  end if;
  perform creel.settle_entitlement(before.agent_id, of_subscription);
  return after.service;
end
$$;


--
-- Name: settle_superseded(creel.settlement[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_superseded(settlements creel.settlement[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update creel.items i set cancel = true
  where i.item_id = any (array(select s.item_id from unnest(settlements) s));
  perform creel.settle(settlements);
end
$$;


--
-- Name: settle_without_host(uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settle_without_host(command_ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  settlements creel.settlement[];
begin
  settlements := array(
    select (
      i.lane_id, i.seq, i.item_id, i.queue, 0, i.max_attempts, 0, null, 'done', null,
      jsonb_build_object(
        'ok', true, 'on_host', false,
        'note', case when a.openclaw_id is null then 'no host has the agent: there was nothing to do on one'
          else 'the agent''s host is gone: nothing could be done there' end,
        'state', case c.type when 'undeploy' then 'removed' when 'stop' then 'stopped' end), false)::creel.settlement
    -- One look-up for each by construction: the plan may be of a time when there was next to nothing, as it is in a
    -- statement that writes the first thousand commands.
    from unnest(command_ids) as n (id)
    cross join lateral (
      select k.type, k.agent_id from public.agent_commands k
      where k.id = n.id and k.type in ('stop', 'undeploy', 'update_config') limit 1) c
    cross join lateral (select g.* from public.agents g where g.id = c.agent_id limit 1) a
    cross join lateral (select o.* from creel.items o where o.item_id = n.id limit 1) i
    cross join lateral (select from creel.lanes o where o.id = i.lane_id and o.token is null limit 1) l
    where not creel.is_on_host(a::public.agents)
      and (
        select true from creel.items e
        left join lateral (
          select k.type from public.agent_commands k
          where k.id = e.item_id and e.queue = 'agent_commands' limit 1) k on true
        where e.lane_id = i.lane_id and e.seq < i.seq and not e.cancel
          and coalesce(k.type, e.queue) in ('deploy', 'start', 'restart', 'agent_provision_requests')
        limit 1) is null
    order by i.lane_id, i.seq);
  perform creel.settle(settlements);
end
$$;


--
-- Name: settled_state(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.settled_state(row_sha256 text, disk_sha256 text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return case when row_sha256 = coalesce(disk_sha256, creel.empty_sha256()) then 'synced' else 'waiting' end;
end
$$;


--
-- Name: short_of_key(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.short_of_key(agent_key text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case when agent_key like 'agent:%' then split_part(agent_key, ':', 2) else agent_key end
$$;


--
-- Name: short_text(jsonb, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.short_text(value jsonb, most integer) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case when jsonb_typeof(value) = 'string' and octet_length(value #>> '{}') between 1 and most
    then value #>> '{}' end
$$;


--
-- Name: show_conflict(public.brain_docs, text, integer); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.show_conflict(doc public.brain_docs, base_sha256 text, base integer) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'ok', false, 'error', 'conflict',
    'current', jsonb_build_object('version', doc.version, 'sha256', doc.sha256, 'content', doc.content),
    'base', case when base_sha256 is not null then jsonb_build_object(
      'version', base, 'sha256', base_sha256,
      'content', creel.text_of_doc(doc.id, doc.project_id, base_sha256)) end)
$$;


--
-- Name: show_doc(public.brain_docs, text, boolean); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.show_doc(doc public.brain_docs, warning text, is_online boolean) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'project_id', doc.project_id, 'agent_key', doc.agent_key, 'doc_type', doc.doc_type, 'version', doc.version,
    'sha256', doc.sha256, 'size_bytes', octet_length(doc.content), 'doc_date', doc.doc_date,
    'sync_state', doc.sync_state, 'sync_note', doc.sync_note, 'held_version', doc.held_version,
    'conflict_version', doc.conflict_version, 'disk_version', doc.disk_version, 'disk_at', doc.disk_at,
    'warning', nullif(concat_ws(' ', doc.warning, show_doc.warning), ''),
    'host_online', is_online, 'updated_by', doc.updated_by, 'updated_at', doc.updated_at)
$$;


--
-- Name: show_result(text, uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.show_result(for_queue text, row_id uuid, new_result jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
#variable_conflict use_variable
begin
  if for_queue = 'agent_canaries' then
    update public.agent_canaries t set result = new_result where t.id = row_id;
    return;
  end if;
  if for_queue = 'agent_commands' then
    update public.agent_commands t set result = new_result where t.id = row_id;
    return;
  end if;
  if for_queue = 'agent_provision_requests' then
    update public.agent_provision_requests t set result = new_result where t.id = row_id;
    return;
  end if;

  raise exception 'queue % is not registered', for_queue using errcode = '22023';
end
$$;


--
-- Name: show_version(public.brain_doc_versions); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.show_version(v public.brain_doc_versions) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'version', v.version, 'base_version', v.base_version, 'sha256', v.sha256, 'author_kind', v.author_kind,
    'author_id', v.author_id, 'updated_by', v.updated_by, 'reason', v.reason, 'side', v.side, 'pinned', v.pinned,
    'doc_date', v.doc_date, 'created_at', v.created_at)
$$;


--
-- Name: show_written(public.brain_docs); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.show_written(doc public.brain_docs) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'ok', true, 'version', doc.version, 'sha256', doc.sha256, 'sync_state', doc.sync_state, 'sync_note', doc.sync_note,
    'warning', doc.warning, 'host_online', creel.is_host_online(doc.project_id, doc.agent_key))
$$;


--
-- Name: skip_row(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.skip_row() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  return null;
end
$$;


--
-- Name: spend(uuid, text, bigint, bigint, interval); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.spend(host uuid, kind text, amount bigint, budget bigint, span interval) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: still_to_return(bigint); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.still_to_return(earning bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    coalesce((select -sum(c.amount_minor) from public.host_earnings c where c.corrects = earning), 0)
    - coalesce((
      select sum(t.returned_minor - case when t.is_back then t.amount_minor else 0 end)
      from creel.earning_transfers t where t.earning_id = earning), 0))::bigint;
end
$$;


--
-- Name: stripe_ref(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.stripe_ref(given jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return case jsonb_typeof(given) when 'string' then given #>> '{}' when 'object' then given ->> 'id' end;
end
$$;


--
-- Name: stripe_subjects(jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.stripe_subjects(event jsonb, current jsonb) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  object constant jsonb := event #> '{data,object}';
  ids text[] := array[
    event ->> 'id', event ->> 'account', object ->> 'id', object ->> 'account',
    creel.stripe_ref(object -> 'customer'), creel.stripe_ref(object -> 'subscription'),
    creel.stripe_ref(object #> '{parent,subscription_details,subscription}'),
    creel.stripe_ref(object -> 'invoice'), creel.stripe_ref(object -> 'payment_intent'),
    creel.stripe_ref(object -> 'charge'), creel.stripe_ref(object -> 'latest_charge'),
    creel.stripe_ref(object -> 'transfer'),
    creel.stripe_ref(object #> '{payments,data,0,payment,payment_intent}'),
    creel.stripe_ref(object #> '{payments,data,0,payment,charge}'),
    object ->> 'client_reference_id', object #>> '{metadata,creel_intent}', object #>> '{metadata,creel_owner}',
    object #>> '{parent,subscription_details,metadata,creel_intent}'];
begin
  if jsonb_typeof(current) = 'object' then
    ids := ids || array(select jsonb_object_keys(current));
  end if;
  return array(select distinct left(u.id, 255) from unnest(ids) u (id) where u.id <> '' order by 1);
end
$$;


--
-- Name: subscription_service(text, timestamp with time zone, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.subscription_service(status text, grace_until timestamp with time zone, first_paid_at timestamp with time zone, at timestamp with time zone) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return case
    when status = 'incomplete' then 'awaiting'
    when status in ('active', 'trialing', 'past_due') and first_paid_at is null then 'awaiting'
    when status in ('active', 'trialing') then 'active'
    when status = 'past_due' and at < grace_until then 'grace'
    when status in ('canceled', 'incomplete_expired') then 'ended'
    else 'suspended' end;
end
$$;


--
-- Name: supersede_commands(uuid[]); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.supersede_commands(command_ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  lane_ids constant bigint[] := array(
    select distinct i.lane_id from creel.items i where i.item_id = any (command_ids));
  needless creel.settlement[];
  host uuid;
begin
  perform 1 from creel.lanes l where l.id = any (lane_ids) order by l.id for no key update;

  needless := array(
    select (
      o.lane_id, o.seq, o.item_id, o.queue, case when o.seq = l.head then l.attempts else 0 end, o.max_attempts, 0,
      null, 'dead', 'failed', creel.superseded(n.type), false)::creel.settlement
    from creel.lanes l join creel.items o on o.lane_id = l.id and not (l.token is not null and o.seq = l.head)
    left join public.agent_commands c on c.id = o.item_id
    cross join lateral (
      select k.type from creel.items i join public.agent_commands k on k.id = i.item_id
      where i.lane_id = l.id and i.seq > o.seq and i.item_id = any (command_ids)
        and case o.queue
          when 'agent_commands' then creel.supersedes(k.type, c.type)
          when 'agent_provision_requests' then k.type = 'undeploy'
          else false end
      order by i.seq desc limit 1) n
    where l.id = any (lane_ids));
  -- Where the agent is now does not change by that nobody moved it.
  update public.agent_commands k
  set payload = case when o.previous = to_jsonb(a.backend) then k.payload - 'previous_backend'
    else k.payload || jsonb_build_object('previous_backend', o.previous) end
  from (
    select distinct on (i.item_id) i.item_id, c.payload -> 'previous_backend' as previous
    from unnest(needless) s
    join public.agent_commands c on c.id = s.item_id and c.type = 'deploy' and c.payload ? 'previous_backend'
    join creel.items i on i.lane_id = s.lane_id and i.seq > s.seq and i.item_id = any (command_ids)
    order by i.item_id, s.seq) o, public.agents a
  where k.id = o.item_id and k.type = 'deploy' and a.id = k.agent_id;
  perform creel.settle_superseded(needless);

  for host in
    with cancelled as (
      update creel.items o set cancel = true
      from creel.lanes l
      where l.id = any (lane_ids) and l.token is not null and o.lane_id = l.id and o.seq = l.head and not o.cancel
        and exists (
          select from creel.items i join public.agent_commands k on k.id = i.item_id
          left join public.agent_commands c on c.id = o.item_id and o.queue = 'agent_commands'
          where i.lane_id = l.id and i.seq > o.seq and i.item_id = any (command_ids)
            and creel.cancels(k.type, coalesce(c.type, o.queue)))
      returning l.host_id
    )
    select distinct c.host_id from cancelled c where c.host_id is not null
  loop
    -- The host then asks at once what it is to stop.
    perform pg_notify('creel_work', host || ' cancel');
    perform creel.hint_hosts(array[host], 'cancel');
  end loop;

  -- What once failed and was wished for again is nothing that a person must look at.
  delete from creel.dead_letters d using public.agent_commands c, public.agent_commands k
  where k.id = any (command_ids) and c.agent_id = k.agent_id and c.status = 'failed' and c.id <> k.id
    and d.item_id = c.id and creel.supersedes(k.type, c.type);
end
$$;


--
-- Name: superseded(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.superseded(newer text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select creel.failure('superseded', format('a newer %s took its place', newer), 'Nothing is to be done.')
$$;


--
-- Name: supersedes(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.supersedes(newer text, older text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case newer
    when 'undeploy' then true
    when 'stop' then older in ('start', 'restart', 'stop')
    when 'start' then older in ('start', 'stop')
    when 'restart' then older in ('start', 'stop', 'restart')
    when 'deploy' then older in ('deploy', 'start', 'stop', 'undeploy')
    when 'update_config' then older = 'update_config'
    else false end
$$;


--
-- Name: sweep_billing(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_billing() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  return creel.sweep_graces() + creel.sweep_retention() + creel.sweep_checkouts();
end
$$;


--
-- Name: sweep_checkouts(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_checkouts() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  intent public.checkout_intents;
  agent public.agents;
  released int := 0;
begin
  for intent in
    select * from public.checkout_intents i
    where i.status = 'open' and i.expires_at <= now() - case
      when i.awaits_payment then interval '30 days'
      when i.session_id is null then interval '10 minutes'
      else (creel.knobs()).checkout_release_secs * interval '1 second' end
    order by random() limit 100 for no key update skip locked
  loop
    begin
      select * into agent from public.agents a where a.id = intent.agent_id;
      if agent.id is null or creel.lock_agent_lane(agent, true) then
        update public.checkout_intents i set status = 'expired', awaits_payment = false, ended_at = now()
        where i.id = intent.id;
        perform creel.release_reservation(intent.agent_id, intent.id);
        released := released + 1;
      end if;
    exception when others then
      raise warning 'checkout % is not released: %', intent.id, sqlerrm;
    end;
  end loop;
  return released;
end
$$;


--
-- Name: sweep_doc_versions(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_doc_versions() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  knobs constant creel.settings := creel.knobs();
  doc record;
  reached uuid;
  looked int := 0;
  is_tight boolean;
  gone int;
  total int := 0;
begin
  perform 1 from creel.sweep_state w
  where w.id and w.docs_swept_at <= clock_timestamp() - interval '1 minute' for update skip locked;
  if not found then
    return 0;
  end if;
  for doc in
    select d.id, d.project_id from public.brain_docs d, creel.sweep_state w
    where d.last_version > knobs.doc_versions_keep and (w.docs_swept_to is null or d.id > w.docs_swept_to)
    order by d.id limit 200
  loop
    reached := doc.id;
    looked := looked + 1;
    -- Who writes documents of the project right now is not waited for.
    select u.size_bytes > 0.75 * knobs.max_doc_bytes_per_project into is_tight
    from creel.doc_usage u where u.project_id = doc.project_id for update skip locked;
    if found then
      delete from public.brain_doc_versions v
      where v.id = any (array(
          select o.id from public.brain_doc_versions o
          where o.doc_id = doc.id and o.version < (
            select n.version from public.brain_doc_versions n where n.doc_id = doc.id
            order by n.version desc offset knobs.doc_versions_keep - 1 limit 1)
            and (
              o.created_at < now() - knobs.doc_versions_days * interval '1 day'
              or is_tight and o.author_kind = 'agent')
            and not o.pinned and o.author_kind <> 'template'
          order by o.version limit 1000))
        and not exists (
          select from public.brain_docs d
          where d.id = v.doc_id
            and (v.version in (d.version, d.held_version, d.conflict_version) or v.sha256 = d.disk_sha256));
      get diagnostics gone = row_count;
      total := total + gone;
    end if;
    exit when total >= 1000;
  end loop;
  update creel.sweep_state w set
    docs_swept_at = clock_timestamp(), docs_swept_to = case when total >= 1000 or looked >= 200 then reached end
  where w.id;
  return total;
end
$$;


--
-- Name: sweep_graces(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_graces() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  sub public.subscriptions;
  agent public.agents;
  settled int := 0;
begin
  for sub in
    select * from public.subscriptions s where s.service = 'grace' and s.grace_until <= now()
    order by random() limit 100 for no key update skip locked
  loop
    begin
      select * into agent from public.agents a where a.id = sub.agent_id;
      -- A sweep waits for nobody.
      if agent.id is null or creel.lock_agent_lane(agent, true) then
        perform creel.settle_subscription(sub.id, null, null);
        settled := settled + 1;
      end if;
    exception when others then
      raise warning 'the grace of % does not end: %', sub.id, sqlerrm;
    end;
  end loop;
  return settled;
end
$$;


--
-- Name: sweep_hope(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_hope() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  changed int;
begin
  with serving as materialized (
    select p.project_id, p.host_id from public.project_hosts p join public.hosts h on h.id = p.host_id
    where h.status <> 'retired'
  ),
  served as materialized (select distinct s.project_id from serving s),
  looked as (
    select l.id, l.hopeless_since, case when l.host_id is null then d.project_id is null
      else s.project_id is null end as hopeless
    from creel.lanes l
    left join serving s on s.host_id = l.host_id and s.project_id = l.project_id
    left join served d on d.project_id = l.project_id
    where l.head is not null and l.token is null
  ),
  changing as (
    select l.id, k.hopeless from creel.lanes l join looked k on k.id = l.id
    where l.id = any (array(
        select c.id from looked c where c.hopeless <> (c.hopeless_since is not null) limit 1000))
      and k.hopeless <> (l.hopeless_since is not null)
    for no key update of l skip locked
  )
  update creel.lanes l set hopeless_since = case when c.hopeless then now() end
  from changing c where c.id = l.id;
  get diagnostics changed = row_count;
  return changed;
end
$$;


--
-- Name: sweep_hopeless(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_hopeless() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  patience constant timestamptz := now() - (creel.knobs()).queue_ttl_secs * interval '1 second';
  lane_ids bigint[];
  settlements creel.settlement[];
  failed uuid[];
begin
  lane_ids := array(
    select l.id from creel.lanes l
    where l.id = any (array(
        (select i.lane_id from creel.items i where i.deadline_at <= now() order by i.deadline_at limit 500)
        union
        (select o.id from creel.lanes o
         where o.head is not null and o.token is null and o.hopeless_since <= patience
           and exists (
             select from creel.items i
             where i.lane_id = o.id and i.seq = o.head and i.enqueued_at <= patience)
         order by o.hopeless_since limit 500)))
    order by l.id for no key update skip locked);
  if lane_ids = '{}' then
    return 0;
  end if;
  settlements := array(
    select (
      i.lane_id, i.seq, i.item_id, i.queue, case when i.seq = l.head then l.attempts else 0 end, i.max_attempts, 0,
      null, 'dead',
      case when i.deadline_at <= now() then 'deadline' else 'no_host' end,
      case when i.deadline_at <= now()
        then creel.failure('deadline_passed', format('not done by its deadline, %s', i.deadline_at),
          'Write a new request with a later deadline, or redrive it.')
        else creel.failure('no_host', w.reason ->> 'message', w.reason ->> 'hint') end,
      false)::creel.settlement
    from creel.items i
    join creel.lanes l on l.id = i.lane_id
    left join lateral (
      select creel.waiting_reason(i) as reason where i.seq = l.head and l.token is null) w on true
    where l.id = any (lane_ids)
      and (i.deadline_at <= now()
        or w.reason ->> 'code' = 'no_host'
          and l.hopeless_since <= patience and i.enqueued_at <= patience));
  failed := creel.settle_each(settlements);
  -- So that they are not in the way of the others, these are looked at again in a while.
  if failed <> '{}' then
    update creel.items i set deadline_at = now() + interval '10 seconds'
    where i.item_id = any (failed) and i.deadline_at <= now();
    update creel.lanes l set hopeless_since = now()
    where l.id = any (lane_ids) and l.item_id = any (failed) and l.hopeless_since is not null;
  end if;
  return cardinality(settlements) - cardinality(failed);
end
$$;


--
-- Name: sweep_intents(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_intents() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  emptied int;
  gone int;
begin
  update public.checkout_intents i set agent = i.agent - 'docs' where i.id = any (array(
    select o.id from public.checkout_intents o
    where o.status in ('expired', 'failed') and o.agent ? 'docs'
      and o.ended_at < now() - (creel.knobs()).checkout_release_secs * interval '1 second' - interval '3 days'
    order by o.ended_at limit 1000 for no key update skip locked));
  get diagnostics emptied = row_count;
  delete from public.checkout_intents i where i.id = any (array(
    select o.id from public.checkout_intents o
    where o.status in ('expired', 'failed')
      and o.ended_at < now() - greatest((creel.knobs()).event_retention_days, 60) * interval '1 day'
      and not exists (select from public.subscriptions s where s.intent_id = o.id)
    order by o.ended_at limit 1000 for update skip locked));
  get diagnostics gone = row_count;
  return emptied + gone;
end
$$;


--
-- Name: sweep_leases(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_leases() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  lane_ids bigint[];
  settlements creel.settlement[];
  failed uuid[];
begin
  lane_ids := array(
    select l.id from creel.lanes l where l.token is not null and l.expires_at <= now()
    order by l.expires_at limit 500 for no key update skip locked);
  if lane_ids = '{}' then
    return 0;
  end if;
  settlements := array(
    select (
      l.id, l.head, l.item_id, l.queue, l.attempts, l.max_attempts, l.given_back, null, 'back', null,
      creel.failure('lease_expired',
      format('host %s stopped answering while it worked on this', h.name),
      'Look at the log of creel worker on that host.'), true)::creel.settlement
    from creel.lanes l left join public.hosts h on h.id = l.host_id where l.id = any (lane_ids));
  perform creel.log_event('lease.expired', l.project_id, l.agent_key, l.host_id, l.item_id,
    jsonb_build_object('attempt', l.attempts))
  from creel.lanes l where l.id = any (lane_ids);
  failed := creel.settle_each(settlements);
  -- What cannot be settled is nobody's, and looked at again in a while.
  if failed <> '{}' then
    update creel.lanes l
    set expires_at = now() + interval '10 seconds', session_id = gen_random_uuid(),
        token = (lpad(to_hex(l.id), 16, '0') || '-' || right(gen_random_uuid()::text, 17))::uuid
    where l.id = any (lane_ids) and l.token is not null and l.item_id = any (failed);
  end if;
  lane_ids := array(select l.id from creel.lanes l where l.id = any (lane_ids) and l.token is null);
  update public.agents a set host_id = null, openclaw_id = null
  from creel.lanes l, creel.settings s
  where l.id = any (lane_ids) and a.project_id = l.project_id and a.agent_key = l.agent_key
    and not a.provisioned and not a.host_pinned
    and not exists (
      select from public.host_heartbeats b
      where b.host_id = a.host_id
        and creel.heard_until(b) > now() - (s.lease_secs - s.tick_secs) * interval '1 second');
  perform creel.notify_lanes(lane_ids);
  return cardinality(lane_ids);
end
$$;


--
-- Name: sweep_needing_no_host(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_needing_no_host() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  command_ids uuid[];
  settled int := 0;
begin
  -- One after the other of a lane, and no longer than a sweep may take.
  for round in 1..10 loop
    command_ids := array(
      select l.item_id from creel.lanes l join public.agent_commands c on c.id = l.item_id
      where l.host_id is null and l.token is null and l.head is not null and l.queue = 'agent_commands'
        and c.type in ('stop', 'undeploy', 'update_config')
      order by l.id limit 500 for no key update of l skip locked);
    exit when command_ids = '{}';
    perform creel.settle_without_host(command_ids);
    settled := settled + cardinality(command_ids);
  end loop;
  return settled;
end
$$;


--
-- Name: sweep_notifications(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_notifications() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  ids uuid[];
begin
  ids := array(
    select l.notification_id from creel.notification_leases l where l.expires_at <= now()
    order by l.expires_at limit 500 for update skip locked);
  if ids <> '{}' then
    delete from creel.notification_leases l where l.notification_id = any (ids);
    perform creel.settle_notification(i.id, 'retry', 'whoever delivered it stopped answering', null)
    from unnest(ids) as i (id);
  end if;
  perform creel.settle_notification(n.id, 'failed', 'nobody delivered it for three days', null)
  from (
    select p.id from public.notifications p
    where p.status = 'pending' and p.created_at < now() - interval '3 days'
    order by p.created_at limit 200 for update skip locked) n;
  delete from public.notifications n where n.id = any (array(
    select o.id from public.notifications o
    where o.status in ('delivered', 'failed')
      and o.created_at < now() - (creel.knobs()).notification_retention_days * interval '1 day'
    order by o.created_at limit 500 for update skip locked));
  return cardinality(ids);
end
$$;


--
-- Name: sweep_old_events(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_old_events() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  oldest constant timestamptz := now() - (creel.knobs()).event_retention_days * interval '1 day';
  gone int;
begin
  delete from public.agent_commands c where c.id = any (array(
    select o.id from public.agent_commands o where o.acked_at < oldest order by o.acked_at limit 200
    for update of o skip locked));
  delete from public.events e where e.id in (
    select o.id from public.events o where o.at < oldest order by o.at limit 1000
    for update of o skip locked);
  get diagnostics gone = row_count;
  return gone;
end
$$;


--
-- Name: sweep_once(interval); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_once(min_age interval) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  reason_count int;
  told int;
  others int;
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
    others := creel.sweep_registered();
  end if;
  return jsonb_build_object(
    'leases', creel.sweep_leases(), 'placements', creel.sweep_placements(), 'hope', creel.sweep_hope(),
    'hopeless', creel.sweep_hopeless(), 'reasons', coalesce(reason_count, 0), 'events', creel.sweep_old_events(),
    'webhooks', coalesce(told, 0), 'versions', creel.sweep_doc_versions(),
    'others', coalesce(others, 0));
end
$$;


--
-- Name: sweep_outages(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_outages() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: sweep_payloads(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_payloads() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  emptied int;
begin
  update public.stripe_events e set payload = null where e.id = any (array(
    select o.id from public.stripe_events o
    where o.payload is not null and o.status <> 'waiting'
      and o.received_at < now() - (creel.knobs()).stripe_payload_days * interval '1 day'
    order by o.received_at limit 1000 for no key update skip locked));
  get diagnostics emptied = row_count;
  return emptied;
end
$$;


--
-- Name: sweep_placements(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_placements() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  silent_since constant timestamptz := now() - (creel.knobs()).offline_after_secs * interval '1 second';
  candidates bigint[];
  lane_ids bigint[];
begin
  -- Begun with the agents that were placed and not made: most of the time there are none.
  candidates := array(
    select l.id from public.agents a
    join creel.lanes l on l.project_id = a.project_id and l.agent_key = a.agent_key
    where a.host_id is not null and not a.provisioned and not a.host_pinned
      and l.host_id is not null and l.token is null and l.head is not null
      and (
        not exists (
          select from public.project_hosts p join public.hosts h on h.id = p.host_id
          where p.project_id = l.project_id and p.host_id = l.host_id and h.status not in ('retired', 'draining'))
        or not exists (
          select from public.host_heartbeats b
          where b.host_id = l.host_id and creel.heard_until(b) >= silent_since))
    -- Any of them, so that those which nobody can take are not in the way of the others for ever.
    order by random() limit 500);
  if candidates = '{}' then
    return 0;
  end if;
  -- What is the same for all of them is asked once for each host. unconfined: see creel.placeable.
  lane_ids := array(
    with roomy as materialized (
      select h.id, h.backends, creel.tenancy_of(h) as tenancy, h as host, t.tenants, t.unconfined
      from public.hosts h
      join public.host_heartbeats o on o.host_id = h.id and creel.heard_until(o) > silent_since
      cross join lateral (
        select count(*) as agent_count, coalesce(array_agg(distinct x.project_id), '{}') as tenants,
          coalesce(
            array_agg(distinct x.project_id) filter (where not creel.is_confined(x.backend)), '{}') as unconfined
        from public.agents x where x.host_id = h.id and (x.status <> 'removed' or x.billing = 'paid')) t
      where h.status not in ('draining', 'retired') and h.capacity > t.agent_count
        and h.id in (
          select p.host_id from creel.lanes c join public.project_hosts p on p.project_id = c.project_id
          where c.id = any (candidates))
    )
    select l.id from creel.lanes l
    join public.agents a on a.project_id = l.project_id and a.agent_key = l.agent_key
    where l.id = any (candidates)
      and l.host_id is not null and l.token is null and l.head is not null
      and not a.provisioned and not a.host_pinned
      and (
        not creel.may_serve(l.host_id, l.project_id)
        or exists (
          select from public.project_hosts p join roomy r on r.id = p.host_id
          where p.project_id = l.project_id and p.host_id <> l.host_id
            and a.backend = any (r.backends) and creel.has_tags(r.host, a.config)
            and creel.accepts_billing(p.host_id, a)
            and (r.tenancy = 'trusted'
              or case when creel.is_confined(a.backend) then r.unconfined else r.tenants end <@ array[a.project_id])))
    order by l.id for no key update of l, a skip locked);
  update public.agents a set host_id = null, openclaw_id = null from creel.lanes l
  where l.id = any (lane_ids) and a.project_id = l.project_id and a.agent_key = l.agent_key;
  perform creel.notify_lanes(lane_ids);
  return cardinality(lane_ids);
end
$$;


--
-- Name: sweep_reasons(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_reasons() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  registered creel.queues;
  changed int;
  total int := 0;
begin
  for registered in
    select q.* from creel.queues q
    where exists (select from creel.lanes l where l.token is null and l.head is not null and l.queue = q.queue)
  loop
    -- Chosen first and reasoned about afterwards: a reason costs more than all the rest of it.
    execute format(
      'with chosen as materialized (
         select t.id, i as item
         from creel.lanes l join creel.items i on i.lane_id = l.id and i.seq = l.head join %1$s t on t.id = i.item_id
         where l.token is null and l.head is not null and l.queue = $1 and t.status = $2
           and i.enqueued_at < now() - interval ''5 seconds''
         order by t.waiting_for is not null, random() limit 200),
       waiting as materialized (select c.id, creel.waiting_reason(c.item) ->> ''message'' as message from chosen c),
       free as (
         select t.id, w.message from %1$s t join waiting w on w.id = t.id
         where t.status = $2 and t.waiting_for is distinct from w.message
         for no key update of t skip locked)
       update %1$s t set waiting_for = f.message from free f where t.id = f.id',
      registered.tbl)
    using registered.queue, registered.waiting;
    get diagnostics changed = row_count;
    total := total + changed;
  end loop;
  return total;
end
$_$;


--
-- Name: sweep_registered(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_registered() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  due creel.sweeps;
  done int;
  total int := 0;
begin
  for due in
    select * from creel.sweeps s where s.swept_at <= clock_timestamp() - s.each_interval
    order by s.name for no key update skip locked
  loop
    begin
      execute format('select creel.%I()', due.function) into done;
      total := total + coalesce(done, 0);
      update creel.sweeps s set swept_at = clock_timestamp(), last_error = null where s.name = due.name;
    exception when others then
      raise warning 'sweep %: %', due.name, sqlerrm;
      update creel.sweeps s set swept_at = clock_timestamp(), last_error = left(sqlerrm, 1000) where s.name = due.name;
    end;
  end loop;
  return total;
end
$$;


--
-- Name: sweep_rents(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_rents() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  ended int;
begin
  delete from public.project_hosts p
  where p.terms = 'rented' and p.created_at < now() - interval '1 hour'
    and not exists (
      select from public.agents a
      where a.host_id = p.host_id and a.project_id = p.project_id
        and (a.status <> 'removed' or a.desired_state <> 'removed' or a.openclaw_id is not null))
    and not exists (
      select from public.checkout_intents i
      where i.project_id = p.project_id and i.host_id = p.host_id and i.status = 'open');
  get diagnostics ended = row_count;
  return ended;
end
$$;


--
-- Name: sweep_retention(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_retention() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  sub public.subscriptions;
  removed int := 0;
begin
  for sub in
    select * from public.subscriptions s where s.remove_at <= now()
    order by random() limit 100 for no key update skip locked
  loop
    begin
      removed := removed + creel.remove_retained(sub)::int;
    exception when others then
      raise warning 'the agent of % is not removed: %', sub.id, sqlerrm;
    end;
  end loop;
  return removed;
end
$$;


--
-- Name: sweep_unpaid(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_unpaid() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  agent public.agents;
  settled int := 0;
begin
  for agent in
    select a.* from public.agents a
    where a.billing = 'unpaid' and (
      creel.is_covered(a)
      or a.status in ('deploying', 'running', 'error') and creel.is_on_host(a) and not creel.has_open_items(a.id)
        and not exists (
          select from public.agent_commands c where c.agent_id = a.id and c.created_at > now() - interval '1 hour'))
    order by random() limit 100
  loop
    begin
      continue when not creel.lock_agent_lane(agent, true);
      select * into agent from public.agents a where a.id = agent.id for no key update;
      if creel.is_covered(agent) then
        perform creel.settle_entitlement(agent.id, null);
      elsif agent.billing = 'unpaid' then
        perform creel.send_own_command(agent, case agent.desired_state when 'removed' then 'undeploy' else 'stop' end);
      end if;
      settled := settled + 1;
    exception when others then
      raise warning 'agent % runs unpaid: %', agent.id, sqlerrm;
    end;
  end loop;
  return settled;
end
$$;


--
-- Name: sweep_webhooks(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.sweep_webhooks() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  return creel.sweep_outages() + creel.sweep_notifications();
exception when others then
  raise warning 'sweep notifications: %', sqlerrm;
  return null;
end
$$;


--
-- Name: take_acks(uuid, jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.take_acks(host uuid, acks jsonb, api jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  finishes jsonb;
  finished jsonb;
begin
  -- The first one of each command counts.
  select jsonb_agg(d.finish order by d.place) into finishes from (
    select distinct on (l.id) a.place, creel.finish_of_ack(a.ack, l.token, creel.daemon_word(i.queue, c.type)) as finish
    from jsonb_array_elements(acks) with ordinality as a (ack, place)
    join creel.items i on i.item_id = creel.uuid_of(a.ack -> 'command_id')
    join creel.lanes l on l.id = i.lane_id and l.head = i.seq and l.token is not null
      and l.host_id = host and l.session_id = creel.daemon_session(host)
    left join public.agent_commands c on c.id = i.item_id and i.queue = 'agent_commands'
    order by l.id, a.place) d;
  if exists (
    select from jsonb_array_elements(finishes) f join creel.lanes l on l.token = (f ->> 'token')::uuid
    left join public.agent_commands c on c.id = l.item_id and l.queue = 'agent_commands'
    where f ->> 'outcome' = 'done' and creel.daemon_word(l.queue, c.type) = 'deploy'
      and creel.short_text(f #> '{result,workspace}', 4096) is null) then
    raise exception 'a deployed agent has a workspace, and its acknowledgement does not say which'
      using errcode = '22023', hint = 'Send result.workspace, the path of the agent''s folder.';
  end if;
  if finishes is not null then
    -- The tokens end with this.
    finished := (
      select jsonb_object_agg(l.item_id, f)
      from jsonb_array_elements(finishes) f join creel.lanes l on l.token = (f ->> 'token')::uuid);
    finished := (
      select jsonb_object_agg(n.key, r.answer)
      from jsonb_each(finished) n
      join jsonb_array_elements(
        public.finish(jsonb_build_object('api', api, 'items', finishes)) -> 'items') as r (answer)
        on r.answer ->> 'token' = n.value ->> 'token');
  end if;
  -- An acknowledgement that came before, or too late, changes nothing.
  return coalesce((
    select jsonb_agg(jsonb_build_object(
        'command_id', a.ack -> 'command_id',
        'applied', coalesce(finished #> array[lower(a.ack ->> 'command_id'), 'applied'], 'false'),
        'status', finished #> array[lower(a.ack ->> 'command_id'), 'status'])
      order by a.place)
    from jsonb_array_elements(acks) with ordinality as a (ack, place)), '[]');
end
$$;


--
-- Name: take_all_rows(text[], uuid[], text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.take_all_rows(queues text[], item_ids uuid[], woken text) RETURNS json[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  only_queue constant text := queues[1];
  one_queue text;
  ids uuid[];
  places int[];
  own_docs json[];
  docs json[];
begin
  if only_queue = all (queues) then
    docs := creel.take_rows(only_queue, item_ids, woken);
    perform creel.after_taken(only_queue, creel.ids_with_row(item_ids, docs));
    return docs;
  end if;
  docs := array_fill(null::json, array[cardinality(queues)]);
  foreach one_queue in array array(select distinct q from unnest(queues) q order by q) loop
    places := array_positions(queues, one_queue);
    ids := array(select item_ids[o.place] from unnest(places) with ordinality as o (place, n) order by o.n);
    own_docs := creel.take_rows(one_queue, ids, woken);
    perform creel.after_taken(one_queue, creel.ids_with_row(ids, own_docs));
    for n in 1 .. cardinality(places) loop
      docs[places[n]] := own_docs[n];
    end loop;
  end loop;
  return docs;
end
$$;


--
-- Name: take_back_removal(text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.take_back_removal(project text, wished_key text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  update public.agents a set desired_state = 'running'
  where a.project_id = project and a.agent_key = wished_key and a.desired_state = 'removed'
$$;


--
-- Name: take_back_removals(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.take_back_removals() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  lane_ids bigint[];
begin
  if not exists (
    select from new_rows n join public.agents a using (project_id, agent_key) where a.desired_state = 'removed') then
    return null;
  end if;
  lane_ids := array(
    select i.lane_id from new_rows n join creel.items i on i.item_id = n.id);
  perform 1 from creel.lanes l where l.id = any (lane_ids) order by l.id for no key update;
  perform creel.settle_superseded(array(
    select (
      o.lane_id, o.seq, o.item_id, o.queue, case when o.seq = l.head then l.attempts else 0 end, o.max_attempts, 0,
      null, 'dead', 'failed', creel.superseded('request'), false)::creel.settlement
    from creel.lanes l join creel.items o on o.lane_id = l.id and not (l.token is not null and o.seq = l.head)
    join public.agent_commands c on c.id = o.item_id and c.type = 'undeploy'
    where l.id = any (lane_ids)));
  update public.agents a set desired_state = 'running', deleting_since = null, generation = a.generation + 1
  from new_rows n
  where a.project_id = n.project_id and a.agent_key = n.agent_key and n.status = 'queued'
    and a.desired_state = 'removed';
  return null;
end
$$;


--
-- Name: take_disk_text(public.brain_docs, text, text, text, date); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.take_disk_text(doc public.brain_docs, content text, author_kind text, reason text, of_day date) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  number constant int := doc.last_version + 1;
  as_written public.brain_docs := doc;
begin
  as_written.doc_date := of_day;
  as_written.updated_by := author_kind;
  perform creel.add_doc_version(as_written, number, take_disk_text.content, author_kind, reason);
  update public.brain_docs d set
    content = take_disk_text.content, version = number, doc_date = of_day, updated_by = author_kind,
    disk_sha256 = creel.text_sha256(take_disk_text.content), disk_version = number, disk_at = now(),
    sync_state = 'synced', sync_note = null, held_version = null, erased_sha256s = '{}',
    conflict_version = case reason when 'conflict' then doc.version when 'day' then null else d.conflict_version end
  where d.id = doc.id;
end
$$;


--
-- Name: take_row(text, uuid, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.take_row(for_queue text, row_id uuid, woken text) RETURNS json
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
#variable_conflict use_variable
declare
  doc json;
begin
  if for_queue = 'agent_canaries' then
    update public.agent_canaries t set status = 'running', taken_at = now(), waiting_for = null, woken_by = woken
    where t.id = (select f.id from public.agent_canaries f where f.id = row_id for no key update skip locked)
    returning row_to_json(t.*) into doc;
    if doc is not null then
      perform creel.after_taken(for_queue, array[row_id]);
    end if;
    return doc;
  end if;
  if for_queue = 'agent_commands' then
    update public.agent_commands t set status = 'sent', sent_at = now(), waiting_for = null, woken_by = woken
    where t.id = (select f.id from public.agent_commands f where f.id = row_id for no key update skip locked)
    returning row_to_json(t.*) into doc;
    if doc is not null then
      perform creel.after_taken(for_queue, array[row_id]);
    end if;
    return doc;
  end if;
  if for_queue = 'agent_provision_requests' then
    update public.agent_provision_requests t set status = 'running', picked_up_at = now(), waiting_for = null, woken_by = woken
    where t.id = (select f.id from public.agent_provision_requests f where f.id = row_id for no key update skip locked)
    returning row_to_json(t.*) into doc;
    if doc is not null then
      perform creel.after_taken(for_queue, array[row_id]);
    end if;
    return doc;
  end if;

  raise exception 'queue % is not registered', for_queue using errcode = '22023';
end
$$;


--
-- Name: take_rows(text, uuid[], text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.take_rows(for_queue text, row_ids uuid[], woken text) RETURNS json[]
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_nestloop TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
#variable_conflict use_variable
declare
  docs json[];
begin
  if for_queue = 'agent_canaries' then
    with taken as (
      update public.agent_canaries t set status = 'running', taken_at = now(), waiting_for = null, woken_by = woken
      where t.id = any (array(
        select f.id from public.agent_canaries f where f.id = any (row_ids) for no key update skip locked))
      returning t.id, row_to_json(t.*) as doc
    )
    select array_agg(k.doc order by n.position) into docs
    from unnest(row_ids) with ordinality as n (id, position) left join taken k on k.id = n.id;
    return docs;
  end if;
  if for_queue = 'agent_commands' then
    with taken as (
      update public.agent_commands t set status = 'sent', sent_at = now(), waiting_for = null, woken_by = woken
      where t.id = any (array(
        select f.id from public.agent_commands f where f.id = any (row_ids) for no key update skip locked))
      returning t.id, row_to_json(t.*) as doc
    )
    select array_agg(k.doc order by n.position) into docs
    from unnest(row_ids) with ordinality as n (id, position) left join taken k on k.id = n.id;
    return docs;
  end if;
  if for_queue = 'agent_provision_requests' then
    with taken as (
      update public.agent_provision_requests t set status = 'running', picked_up_at = now(), waiting_for = null, woken_by = woken
      where t.id = any (array(
        select f.id from public.agent_provision_requests f where f.id = any (row_ids) for no key update skip locked))
      returning t.id, row_to_json(t.*) as doc
    )
    select array_agg(k.doc order by n.position) into docs
    from unnest(row_ids) with ordinality as n (id, position) left join taken k on k.id = n.id;
    return docs;
  end if;

  raise exception 'queue % is not registered', for_queue using errcode = '22023';
end
$$;


--
-- Name: take_turn(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.take_turn() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '6s'
    AS $$
declare
  turn int;
begin
  if current_setting('role', true) is distinct from 'authenticated' then
    return;
  end if;
  for turn in select distinct hashtext(p) from unnest(creel.writable_projects()) p order by 1 loop
    perform pg_advisory_xact_lock(1129465164, turn);
  end loop;
exception when lock_not_available then
  return;
end
$$;


--
-- Name: take_turns(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.take_turns() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform creel.take_turn();
  return null;
end
$$;


--
-- Name: takes_work(public.hosts); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.takes_work(host public.hosts) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return host.status not in ('retired', 'draining') and exists (
    select from public.host_heartbeats b
    where b.host_id = host.id
      and creel.heard_until(b) >= now() - (creel.knobs()).offline_after_secs * interval '1 second');
end
$$;


--
-- Name: tell_deletion_of_subscribed(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.tell_deletion_of_subscribed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform creel.log_event('billing.mismatch', p.id, old.agent_key, h.id, null, jsonb_build_object(
    'what', 'agent_deleted', 'subscription', s.id, 'message', 'the agent is deleted, and its subscription goes on'))
  from public.subscriptions s
  left join public.projects p on p.id = old.project_id left join public.hosts h on h.id = old.host_id
  where s.agent_id = old.id and s.status not in ('canceled', 'incomplete_expired') and not s.cancel_at_period_end;
  return old;
end
$$;


--
-- Name: tell_doc_state(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.tell_doc_state() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if tg_op = 'UPDATE' and (
    new.version, new.sha256, new.doc_date, new.sync_state, new.sync_note, new.held_version, new.conflict_version,
    new.warning, new.updated_by)
    is not distinct from (
    old.version, old.sha256, old.doc_date, old.sync_state, old.sync_note, old.held_version, old.conflict_version,
    old.warning, old.updated_by) then
    return null;
  end if;
  insert into public.brain_doc_states (
    doc_id, project_id, agent_key, doc_type, version, sha256, doc_date, sync_state, sync_note, held_version,
    conflict_version, warning, updated_by, updated_at)
  values (
    new.id, new.project_id, new.agent_key, new.doc_type, new.version, new.sha256, new.doc_date, new.sync_state,
    new.sync_note, new.held_version, new.conflict_version, new.warning, new.updated_by, new.updated_at)
  on conflict (doc_id) do update set
    version = excluded.version, sha256 = excluded.sha256, doc_date = excluded.doc_date,
    sync_state = excluded.sync_state, sync_note = excluded.sync_note, held_version = excluded.held_version,
    conflict_version = excluded.conflict_version, warning = excluded.warning, updated_by = excluded.updated_by,
    updated_at = excluded.updated_at;
  return null;
end
$$;


--
-- Name: tell_mismatch(text, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.tell_mismatch(event_id text, verdict jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  intent public.checkout_intents;
begin
  select * into intent from public.checkout_intents i where i.id = creel.read_uuid(verdict ->> 'mismatch');
  perform creel.log_event('billing.mismatch', intent.project_id, intent.agent_key, intent.host_id, intent.id,
    jsonb_build_object('event', event_id, 'message', verdict ->> 'note'));
end
$$;


--
-- Name: tell_of_host(uuid, text, timestamp with time zone); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.tell_of_host(host uuid, kind text, since timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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


--
-- Name: tell_subscribed(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.tell_subscribed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform creel.log_event('billing.mismatch', p.id, s.agent_key,
    case when tg_op = 'UPDATE' then old.id end, null, jsonb_build_object(
      'what', case tg_op when 'UPDATE' then 'host_retired' else 'host_deleted' end, 'subscription', s.id, 'host', old.id,
      'message', 'its host is gone, and the subscription goes on: cancel it in the billing portal'))
  from public.subscriptions s left join public.projects p on p.id = s.project_id
  where s.host_id = old.id and s.status not in ('canceled', 'incomplete_expired') and not s.cancel_at_period_end;
  return case tg_op when 'UPDATE' then new else old end;
end
$$;


--
-- Name: tell_webhooks(text, text, uuid, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.tell_webhooks(project text, kind text, subject uuid, said jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  webhook public.webhooks;
begin
  for webhook in
    select * from public.webhooks w
    where w.project_id = project and w.enabled and tell_webhooks.kind = any (w.events) order by w.id
  loop
    perform creel.add_notification(webhook, tell_webhooks.kind, tell_webhooks.subject, said);
  end loop;
end
$$;


--
-- Name: tenancy_of(public.hosts); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.tenancy_of(host public.hosts) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return case when host.tenancy = 'trusted' and (
      exists (select from public.agents a where a.host_id = host.id and a.billing <> 'free')
      or exists (select from public.project_hosts p where p.host_id = host.id and p.terms = 'rented'))
    then 'single' else host.tenancy end;
end
$$;


--
-- Name: text_of_doc(uuid, text, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.text_of_doc(doc_id uuid, project text, hash text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  if hash = creel.empty_sha256() then
    return '';
  end if;
  return (
    select c.content from public.brain_doc_contents c
    where c.project_id = project and c.sha256 = hash and exists (
      select from public.brain_doc_versions v
      where v.project_id = project and v.sha256 = hash and v.doc_id = text_of_doc.doc_id));
end
$$;


--
-- Name: text_sha256(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.text_sha256(content text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return encode(sha256(convert_to(content, 'utf8')), 'hex');
end
$$;


--
-- Name: tidy_command(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.tidy_command() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if pg_column_size(new.result) > 65536 then
    new.result := jsonb_build_object(
      'ok', new.result -> 'ok', 'state', left(new.result ->> 'state', 100), 'truncated', true,
      'error', case when new.result ? 'error' then jsonb_build_object(
        'code', left(new.result #>> '{error,code}', 100), 'message', left(new.result #>> '{error,message}', 1000),
        'hint', left(new.result #>> '{error,hint}', 1000)) end);
  end if;
  new.error := case when new.status = 'failed'
    then coalesce(left(new.result #>> '{error,message}', 4000), 'it failed, and the host did not say why') end;
  return new;
end
$$;


--
-- Name: time_in(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.time_in(value jsonb) RETURNS timestamp with time zone
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return to_timestamp((case when jsonb_typeof(value) = 'number' then value #>> '{}' end)::double precision);
end
$$;


--
-- Name: touch(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.touch() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  new.updated_at := now();
  return new;
end
$$;


--
-- Name: try_event(jsonb, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.try_event(event jsonb, current jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  verdict jsonb;
begin
  begin
    verdict := jsonb_build_object('outcome', 'applied') || coalesce(creel.handle_event(event, current), '{}');
    if verdict ->> 'outcome' in ('waiting', 'fetch') then
      raise exception 'not yet' using errcode = 'CR000';
    end if;
  exception
    when sqlstate 'CR000' then
      return verdict;
    when others then
      if left(sqlstate, 2) in ('25', '40', '53', '55', '57', '58', 'XX') then
        raise;
      end if;
      return jsonb_strip_nulls(jsonb_build_object(
        'outcome', 'waiting', 'note', left('it failed: ' || sqlerrm, 1000),
        -- Somebody has paid, and does not get it: he is told.
        'mismatch', case when sqlstate = 'PT409' then creel.intent_of_event(event) end));
  end;
  return verdict;
end
$$;


--
-- Name: uuid_of(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.uuid_of(value jsonb) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $_$
  select case when value #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (value #>> '{}')::uuid end
$_$;


--
-- Name: visible_hosts(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.visible_hosts() RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce(array_agg(h.id), '{}') from public.hosts h
  where h.owner_id = auth.uid()
    or exists (
      select from public.project_hosts p join public.project_members m using (project_id)
      where p.host_id = h.id and m.user_id = auth.uid())
$$;


--
-- Name: waiting_reason(creel.items); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.waiting_reason(item creel.items) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  knobs constant creel.settings := creel.knobs();
  lane creel.lanes;
  agent public.agents;
  agent_host public.hosts;
  beat public.host_heartbeats;
  ahead creel.items;
begin
  select * into lane from creel.lanes l where l.id = item.lane_id;
  if lane.head <> item.seq then
    select * into ahead from creel.items i where i.lane_id = lane.id and i.seq = lane.head;
    return jsonb_build_object('code', 'behind', 'item', ahead.item_id,
      'message', format('waits behind %s %s of the same agent', ahead.queue, ahead.item_id),
      'hint', 'Items of one agent are worked on in order.');
  end if;
  if lane.token is not null then
    return jsonb_build_object('code', 'leased', 'host_id', lane.host_id, 'until', lane.expires_at,
      'message', format('is being worked on by host %s', (select h.name from public.hosts h where h.id = lane.host_id)),
      'hint', 'If the host dies, the item goes back when its lease ends.');
  end if;
  if lane.host_id is not null then
    select * into agent_host from public.hosts h where h.id = lane.host_id;
    if not exists (
      select from public.project_hosts p where p.project_id = lane.project_id and p.host_id = lane.host_id) then
      return jsonb_build_object('code', 'no_host', 'host_id', lane.host_id,
        'message', format('host %s, on which the agent lives, no longer serves the project', agent_host.name),
        'hint', 'Add the host to project_hosts again, or remove the agent.');
    end if;
    if agent_host.status = 'retired' then
      return jsonb_build_object('code', 'no_host', 'host_id', lane.host_id,
        'message', format('host %s, on which the agent lives, is retired', agent_host.name),
        'hint', 'Remove the agent and make it anew on another host.');
    end if;
  elsif not exists (
    select from public.project_hosts p join public.hosts h on h.id = p.host_id
    where p.project_id = lane.project_id and h.status <> 'retired') then
    return jsonb_build_object('code', 'no_host',
      'message', 'no host serves the project',
      'hint', 'Enrol one with creel host enroll --project ' || lane.project_id || ', and start creel worker on it.');
  end if;
  if lane.not_before > now() then
    return jsonb_build_object('code', 'backoff', 'until', lane.not_before,
      'message', format('attempt %s of %s failed; the next one comes later', lane.attempts, lane.max_attempts),
      'hint', 'The row''s result has the reason of the last attempt.');
  end if;
  if lane.host_id is not null then
    select * into beat from public.host_heartbeats b where b.host_id = lane.host_id;
    if agent_host.status = 'draining' then
      return jsonb_build_object('code', 'draining', 'host_id', lane.host_id,
        'message', format('host %s is draining and takes nothing new', agent_host.name),
        'hint', 'Set its status to online to let it take work again.');
    end if;
    if beat.host_id is null or creel.heard_until(beat) < now() - knobs.offline_after_secs * interval '1 second' then
      if agent_host.outdated_since is not null then
        return jsonb_build_object('code', 'outdated', 'host_id', lane.host_id, 'since', agent_host.outdated_since,
          'message', format('host %s has a Creel that is too old for this database', agent_host.name),
          'hint', 'Upgrade Creel on the host, and start creel worker again; the item waits for it.');
      end if;
      return jsonb_build_object('code', 'offline', 'host_id', lane.host_id, 'since', beat.last_seen_at,
        'message', format('host %s is offline', agent_host.name),
        'hint', 'Start creel worker on the host; the item waits for it.');
    end if;
    return jsonb_build_object('code', 'ready', 'host_id', lane.host_id,
      'message', format('host %s takes it as soon as it has room', agent_host.name),
      'hint', 'Raise the worker''s permits if this lasts.');
  end if;
  select * into agent from public.agents a where a.project_id = lane.project_id and a.agent_key = lane.agent_key;
  return creel.placement_reason(agent);
end
$$;


--
-- Name: waits(text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.waits(note text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object('outcome', 'waiting', 'note', note)
$$;


--
-- Name: want_fetched(text, text, text[], text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.want_fetched(kind text, id text, expand text[], why text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object('outcome', 'fetch', 'note', why,
    'fetch', jsonb_build_array(jsonb_build_object('object', kind, 'id', id, 'expand', to_jsonb(expand))))
$$;


--
-- Name: wanted_int(jsonb, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.wanted_int(args jsonb, name text) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $_$
begin
  if coalesce(args -> name, 'null') = 'null' then
    return null;
  end if;
  if args ->> name !~ '^[0-9]{1,9}$' then
    raise exception '% is no number of a version', name using errcode = '22023', hint = 'Send a number from 0 on.';
  end if;
  return (args ->> name)::int;
end
$_$;


--
-- Name: wanted_text(jsonb, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.wanted_text(args jsonb, name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  if jsonb_typeof(args -> name) is distinct from 'string' then
    raise exception '% is missing, or no text', name using errcode = '22023', hint = 'Send it as a text.';
  end if;
  return args ->> name;
end
$$;


--
-- Name: wants(text, text, jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.wants(object text, id text, expand jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object('outcome', 'fetch', 'fetch',
    jsonb_build_array(jsonb_build_object('object', object, 'id', id, 'expand', expand)))
$$;


--
-- Name: webhook_secret(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.webhook_secret() RETURNS text
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select 'whsec_' || encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64')
$$;


--
-- Name: whole_number(jsonb, bigint, bigint); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.whole_number(value jsonb, lowest bigint, highest bigint) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  if jsonb_typeof(value) = 'number' and value::numeric between lowest and highest and value::numeric % 1 = 0 then
    return value::numeric::bigint;
  end if;
  return null;
end
$$;


--
-- Name: why_not_placed(public.hosts, public.agents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.why_not_placed(host public.hosts, agent public.agents) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return case
    when agent.billing = 'unpaid' then 'unpaid'
    when host.status in ('retired', 'draining') then host.status
    when not creel.takes_work(host) then case when host.outdated_since is null then 'offline' else 'outdated' end
    when not creel.accepts_billing(host.id, agent) then 'rented'
    when not agent.backend = any (host.backends) then 'backend'
    when not creel.has_tags(host, agent.config) then 'tags'
    when not creel.may_neighbour(host, agent.project_id, agent.backend) then 'isolation'
    when not creel.has_room(host) then 'capacity'
    else 'ready' end;
end
$$;


--
-- Name: wish_removal(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.wish_removal() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  is_operator constant boolean := current_user not in ('anon', 'authenticated', 'service_role');
begin
  if old.openclaw_id is null or old.host_id is null then
    return old;
  end if;
  -- A row does not outlive its project.
  if is_operator and not exists (select from public.projects p where p.id = old.project_id) then
    return old;
  end if;
  -- What ends an undeployment deletes the row as its owner. So does an operator where it failed.
  if is_operator and old.deleting_since is not null then
    if exists (
      select from public.agent_commands c
      where c.agent_id = old.id and c.type = 'undeploy' and c.status in ('pending', 'sent')) then
      return null;
    end if;
    return old;
  end if;
  if old.deleting_since is null or not creel.has_open_items(old.id) then
    insert into public.agent_commands (agent_id, type, payload) values (old.id, 'undeploy', '{"delete_row": true}');
  end if;
  return null;
end
$$;


--
-- Name: without_secrets(jsonb); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.without_secrets(value jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return case jsonb_typeof(value)
    when 'object' then (
      select coalesce(jsonb_object_agg(e.key, creel.without_secrets(e.value)), '{}') from jsonb_each(value) e
      where e.key !~* '(token|secret|passw|passphrase|api[-_]?key|private[-_]?key|access[-_]?key|credential|authorization|cookie|bearer)'
        or jsonb_typeof(e.value) in ('boolean', 'number', 'null'))
    when 'array' then (
      select coalesce(jsonb_agg(creel.without_secrets(a.e) order by a.place), '[]')
      from jsonb_array_elements(value) with ordinality as a (e, place))
    when 'string' then case
      when value #>> '{}' ~ '(^|[^A-Za-z0-9])(sk-|sk_|rk_|xox[a-z]-|gh[a-z]_|github_pat_|AKIA|AIza|eyJ[A-Za-z0-9_-]+\.|[0-9]{6,}:[A-Za-z0-9_-]{30})'
        then 'null'::jsonb
      else value end
    else value end;
end
$$;


--
-- Name: writable_projects(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.writable_projects() RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce(array_agg(m.project_id), '{}') from public.project_members m
  where m.user_id = auth.uid() and m.role in ('owner', 'editor')
$$;


--
-- Name: write_corrections(bigint, text); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.write_corrections(earning bigint, source text) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  facts creel.earning_facts;
  earned public.host_earnings;
  disputed bigint;
  adjusted bigint;
  written int;
begin
  select * into strict facts from creel.earning_facts f where f.earning_id = earning for update;
  select * into strict earned from public.host_earnings e where e.id = earning;
  select coalesce(sum(d.amount_minor), 0) into disputed
  from creel.earning_disputes d where d.earning_id = earning and creel.dispute_takes(d.status);
  select coalesce(sum(c.amount_minor), 0) into adjusted
  from public.host_earnings c where c.corrects = earning and c.kind = 'adjustment';

  insert into public.host_earnings (
    host_id, owner_id, subscription_id, agent_id, kind, amount_minor, currency, gross_minor, fee_minor, invoice_id,
    charge_id, payment_intent_id, transfer_id, destination, period_start, period_end, source, corrects, paid_at)
  select
    earned.host_id, earned.owner_id, earned.subscription_id, earned.agent_id,
    case when t.kind = 'dispute' and t.target < w.minor then 'dispute_won' else t.kind end, w.minor - t.target,
    earned.currency, 0, 0, earned.invoice_id, earned.charge_id, earned.payment_intent_id, earned.transfer_id,
    earned.destination, earned.period_start, earned.period_end, write_corrections.source, earned.id, earned.paid_at
  from creel.correction_targets(
    earned.amount_minor, earned.gross_minor, facts.refunded_minor, disputed, facts.outage_minor, adjusted) t
  cross join lateral (
    select -coalesce(sum(c.amount_minor), 0)::bigint as minor from public.host_earnings c
    where c.corrects = earned.id and case c.kind when 'dispute_won' then 'dispute' else c.kind end = t.kind) w
  where t.target <> w.minor;
  get diagnostics written = row_count;
  if written > 0 then
    perform creel.ask_for_return(earning);
  end if;
  return written;
end
$$;


--
-- Name: write_one_item_functions(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.write_one_item_functions() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  unknown constant text := $part$
  raise exception 'queue % is not registered', for_queue using errcode = '22023';
end
$$
$part$;
begin
  -- Answers the row; null if somebody is deleting it.
  execute $part$
create or replace function creel.take_row(for_queue text, row_id uuid, woken text) returns json
language plpgsql set search_path = '' as $$
#variable_conflict use_variable
declare
  doc json;
begin
$part$ || creel.queue_branches($part$    update %1$s t set status = %3$L, %6$I = now(), waiting_for = null, woken_by = woken
    where t.id = (select f.id from %1$s f where f.id = row_id for no key update skip locked)
    returning row_to_json(t.*) into doc;
    if doc is not null then
      perform creel.after_taken(for_queue, array[row_id]);
    end if;
    return doc;$part$) || unknown;

  -- An item that is done: its row, itself and its lane, which the caller has locked. Answers what the queue calls that.
  execute $part$
create or replace function creel.settle_done(
  for_queue text, settled_lane bigint, settled_seq bigint, row_id uuid, new_result jsonb) returns text
language plpgsql set search_path = '' as $$
#variable_conflict use_variable
begin
$part$ || creel.queue_branches($part$    with settled as (
      update %1$s t set status = %4$L, result = coalesce(new_result, t.result), waiting_for = null, %7$I = now()
      where t.id = row_id),
    gone as (delete from creel.items i where i.lane_id = settled_lane and i.seq = settled_seq)
    update creel.lanes l
    set token = null, session_id = null, expires_at = null, not_before = '-infinity', hopeless_since = null,
        attempts = 0, given_back = 0, (head, item_id, queue, max_attempts) = (
          select i.seq, i.item_id, i.queue, i.max_attempts
          from creel.items i where i.lane_id = settled_lane and i.seq > settled_seq order by i.seq limit 1)
    where l.id = settled_lane;
    perform creel.after_settled(for_queue, array[row_id]);
    return %4$L;$part$) || unknown;
end
$_$;


--
-- Name: write_person_text(public.brain_docs, text, text, boolean); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.write_person_text(doc public.brain_docs, content text, reason text, by_knowing boolean) RETURNS public.brain_docs
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  number constant int := doc.last_version + 1;
  written public.brain_docs := doc;
begin
  if doc.id is null then
    insert into public.brain_docs (project_id, agent_key, doc_type, content, updated_by)
    values (doc.project_id, doc.agent_key, doc.doc_type, write_person_text.content, creel.actor())
    on conflict on constraint brain_docs_key do nothing
    returning * into written;
    return written;
  end if;
  if reason is not null then
    written.updated_by := creel.actor();
    perform creel.add_doc_version(written, number, write_person_text.content, 'person', reason);
  end if;
  update public.brain_docs d set
    content = write_person_text.content, updated_by = creel.actor(),
    base_version = case when by_knowing then d.version end
  where d.id = doc.id
  returning * into written;
  return written;
end
$$;


--
-- Name: write_queue_functions(); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.write_queue_functions() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  unknown constant text := $part$
  raise exception 'queue % is not registered', for_queue using errcode = '22023';
end
$$
$part$;
begin
  if exists (select from creel.items i where i.queue not in (select q.queue from creel.queues q)) then
    raise exception 'a queue that is to go has items'
      using errcode = '23503', hint = 'Delete their rows first, or wait until they are done.';
  end if;

  -- Answers the rows that were taken, in the order of row_ids; null for one that somebody is deleting.
  execute $part$
create or replace function creel.take_rows(for_queue text, row_ids uuid[], woken text) returns json[]
language plpgsql set search_path = '' set enable_nestloop = off set enable_mergejoin = off as $$
#variable_conflict use_variable
declare
  docs json[];
begin
$part$ || creel.queue_branches($part$    with taken as (
      update %1$s t set status = %3$L, %6$I = now(), waiting_for = null, woken_by = woken
      where t.id = any (array(
        select f.id from %1$s f where f.id = any (row_ids) for no key update skip locked))
      returning t.id, row_to_json(t.*) as doc
    )
    select array_agg(k.doc order by n.position) into docs
    from unnest(row_ids) with ordinality as n (id, position) left join taken k on k.id = n.id;
    return docs;$part$) || unknown;

  -- fate: done, dead or waiting. Answers what the queue calls that.
  execute $part$
create or replace function creel.settle_rows(for_queue text, row_ids uuid[], fate text, results jsonb[]) returns text
language plpgsql set search_path = '' set enable_nestloop = off set enable_mergejoin = off as $$
#variable_conflict use_variable
declare
  word text;
begin
$part$ || creel.queue_branches($part$    word := case fate when 'done' then %4$L when 'dead' then %5$L else %2$L end;
    update %1$s t set status = word, result = coalesce(n.result, t.result), waiting_for = null,
      %7$I = case when fate <> 'waiting' then now() end
    from unnest(row_ids, results) as n (id, result) where t.id = any (row_ids) and t.id = n.id;
    return word;$part$) || unknown;

  execute $part$
create or replace function creel.show_result(for_queue text, row_id uuid, new_result jsonb) returns void
language plpgsql set search_path = '' as $$
#variable_conflict use_variable
begin
$part$ || creel.queue_branches($part$    update %1$s t set result = new_result where t.id = row_id;
    return;$part$) || unknown;

  -- What else happens in the same transaction, where a queue has such a function.
  execute $part$
create or replace function creel.after_taken(for_queue text, row_ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
$part$ || creel.queue_branches('    perform creel.%8$I(row_ids);', 'on_taken') || $part$end
$$
$part$;
  execute $part$
create or replace function creel.after_settled(for_queue text, row_ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
$part$ || creel.queue_branches('    perform creel.%9$I(row_ids);', 'on_settled') || $part$end
$$
$part$;
end
$_$;


--
-- Name: write_wished_docs(public.checkout_intents); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.write_wished_docs(intent public.checkout_intents) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if intent.project_id is null or not intent.agent ? 'docs' then
    return;
  end if;
  begin
    insert into public.brain_docs (project_id, agent_key, doc_type, content, updated_by)
    select intent.project_id, intent.agent_key, d.key, d.value, coalesce('user:' || intent.created_by, 'creel')
    from jsonb_each_text(case jsonb_typeof(intent.agent -> 'docs') when 'object' then intent.agent -> 'docs' else '{}' end) d
    order by d.key
    on conflict on constraint brain_docs_key do update
      set content = excluded.content, updated_by = excluded.updated_by;
  exception when sqlstate 'PT413' or sqlstate 'PT429' then
    perform creel.log_event('billing.mismatch', intent.project_id, intent.agent_key, intent.host_id, intent.id,
      jsonb_build_object('what', 'docs', 'message', 'the agent''s documents could not be written: ' || left(sqlerrm, 500)));
  end;
  update public.checkout_intents i set agent = i.agent - 'docs' where i.id = intent.id;
end
$$;


--
-- Name: write_wishes(uuid[], boolean); Type: FUNCTION; Schema: creel; Owner: -
--

CREATE FUNCTION creel.write_wishes(command_ids uuid[], is_new boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  command public.agent_commands;
  agent public.agents;
  wished public.agents;
  changes jsonb;
begin
  perform 1 from public.agents a
  where a.id = any (array(select c.agent_id from public.agent_commands c where c.id = any (command_ids)))
  order by a.id for no key update;
  for command in
    select c.* from unnest(command_ids) with ordinality as n (id, position)
    join public.agent_commands c on c.id = n.id order by n.position
  loop
    select * into agent from public.agents a where a.id = command.agent_id;
    wished := agent;
    changes := case when command.type = 'update_config' and is_new then command.payload else '{}' end;
    wished.desired_state := case command.type
      when 'deploy' then 'running' when 'start' then 'running' when 'restart' then 'running'
      when 'stop' then 'stopped' when 'undeploy' then 'removed' else agent.desired_state end;
    wished.deleting_since := case command.type
      when 'deploy' then null
      when 'undeploy' then case when command.payload -> 'delete_row' = 'true'
        then coalesce(agent.deleting_since, now()) else agent.deleting_since end
      else agent.deleting_since end;
    wished.name := case when changes ? 'name' then changes ->> 'name' else agent.name end;
    wished.emoji := case when changes ? 'emoji' then changes ->> 'emoji' else agent.emoji end;
    wished.role := case when changes ? 'role' then changes ->> 'role' else agent.role end;
    wished.config := creel.merged(agent.config, changes -> 'config');
    wished.limits := creel.merged(agent.limits, changes -> 'limits');
    if pg_column_size(wished.config) > 65536 then
      raise exception 'the config of agent % would be too large: the limit is 64 KB', agent.agent_key
        using errcode = 'PT413', hint = 'Take keys away by setting them to null.';
    end if;
    -- It is begun anew.
    wished.status := case when command.type = 'deploy' and not agent.provisioned and agent.status in ('error', 'removed')
      then 'pending_deploy' else agent.status end;
    wished.generation := agent.generation + (
      (wished.name, wished.emoji, wished.role, wished.config, wished.limits, wished.desired_state)
        is distinct from (agent.name, agent.emoji, agent.role, agent.config, agent.limits, agent.desired_state)
      or changes ? 'docs')::int;
    if wished is distinct from agent then
      update public.agents a set
        desired_state = wished.desired_state, deleting_since = wished.deleting_since, name = wished.name,
        emoji = wished.emoji, role = wished.role, config = wished.config, limits = wished.limits,
        status = wished.status, generation = wished.generation
      where a.id = agent.id;
    end if;
  end loop;
end
$$;


--
-- Name: add_member(text, text, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.add_member(project_id text, email text, role text DEFAULT 'viewer'::text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  member uuid;
begin
  if not coalesce(add_member.project_id = any (creel.owned_projects()), false) then
    raise exception 'only an owner of project % may add members', add_member.project_id
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  select u.id into member from auth.users u
  where lower(u.email) = lower(add_member.email) and not u.is_sso_user;
  if member is null then
    raise exception 'nobody has signed up as %', add_member.email
      using errcode = 'PT404', hint = 'Members must have signed up in this Supabase project before they are added.';
  end if;
  insert into public.project_members as m (project_id, user_id, role)
  values (add_member.project_id, member, add_member.role)
  on conflict on constraint project_members_pkey do update set role = excluded.role;
  return member;
end
$$;


--
-- Name: adopt_agents(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.adopt_agents(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  of_project constant text := $1 ->> 'project_id';
  of_host constant uuid := ($1 ->> 'host_id')::uuid;
  wishes constant jsonb := coalesce($1 -> 'agents', '[]');
  wish jsonb;
  answers jsonb := '[]'::jsonb;
begin
  -- The host's owner says what of it goes into a project, and the project's editors what comes into it.
  if not coalesce(of_project = any (creel.writable_projects()) and of_host = any (creel.owned_hosts()), false) then
    raise exception 'only an editor of the project who owns the host may adopt its agents'
      using errcode = '42501', hint = 'Sign in as the owner of the host, and be an editor or owner of the project.';
  end if;
  if not exists (
    select from public.project_hosts p where p.project_id = of_project and p.host_id = of_host) then
    raise exception 'host % does not serve project %', of_host, of_project
      using errcode = 'PT409', hint = 'Let the host serve the project first: a row in project_hosts.';
  end if;
  if jsonb_typeof(wishes) <> 'array' or jsonb_array_length(wishes) > 100 then
    raise exception 'agents must be an array of at most 100' using errcode = '22023';
  end if;
  -- Lanes come before agents, and in their order, as everywhere; and before anything is read of an agent, which may be
  -- being placed elsewhere at this moment.
  perform 1 from creel.lanes l
  where l.project_id = of_project and l.agent_key = any (array(
    select 'agent:' || (e ->> 'openclaw_id') || ':main' from jsonb_array_elements(wishes) e
    union
    select a.agent_key from jsonb_array_elements(wishes) e
    join public.agents a on a.host_id = of_host and a.openclaw_id = e ->> 'openclaw_id'))
  order by l.id for no key update;
  -- Two of these for one host take turns.
  perform 1 from public.hosts h where h.id = of_host for no key update;
  for wish in select e from jsonb_array_elements(wishes) e loop
    answers := answers || jsonb_build_array(creel.adopt_agent(of_project, of_host, wish));
  end loop;
  return jsonb_build_object('agents', answers);
end
$_$;


--
-- Name: FUNCTION adopt_agents(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.adopt_agents(jsonb) IS 'For an editor of the project who owns the host: {project_id, host_id, agents: [{openclaw_id, name, emoji}]} -> {agents: [{openclaw_id, outcome: adopted|exists|refused, agent_key, request_id, reason: {code, message, hint}}]}. Makes a row of each agent that the host has in its OpenClaw already, and a request by which the host takes over the folder as it is.';


--
-- Name: apply_stripe_event(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.apply_stripe_event(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  endpoint constant text := $1 ->> 'endpoint';
  event constant jsonb := nullif($1 -> 'event', 'null');
  current constant jsonb := nullif($1 -> 'current', 'null');
  kind constant text := event ->> 'type';
  -- One that comes again because its objects were fetched, or requests were done, is not delivered once more.
  is_delivery constant boolean := current is null and nullif($1 -> 'done', 'null') is null;
  done constant jsonb := coalesce(nullif($1 -> 'done', 'null'), '[]');
  about text[];
  lock_key int;
  kept public.stripe_events;
  verdict jsonb;
begin
  perform creel.require_stripe();
  if coalesce($1 ->> 'api', '') <> '1' then
    raise exception 'api must be 1' using errcode = '22023', hint = 'Upgrade whichever of the two is older.';
  end if;
  if coalesce(endpoint, '') not in ('platform', 'connect', 'answer', 'clock')
     or current is not null and jsonb_typeof(current) <> 'object'
     or coalesce(jsonb_typeof($1 -> 'done'), 'null') not in ('array', 'null') then
    raise exception 'endpoint must be platform, connect, answer or clock; current an object, and done an array'
      using errcode = '22023', hint = 'See the comment of apply_stripe_event.';
  end if;
  if endpoint = 'clock' then
    perform creel.settle_stripe_requests(done);
    verdict := creel.retry_waiting(current);
    return jsonb_build_object(
      'outcome', case when verdict = '[]' then 'applied' else 'fetch' end, 'note', null, 'fetch', verdict,
      'requests', creel.requests_for(endpoint), 'waiting_count', creel.count_what_waits());
  end if;

  if jsonb_typeof(event) is distinct from 'object' or jsonb_typeof(event -> 'id') is distinct from 'string'
     or jsonb_typeof(event -> 'type') is distinct from 'string'
     or octet_length(event ->> 'id') not between 1 and 255 or octet_length(kind) not between 1 and 255
     or jsonb_typeof(event #> '{data,object}') is distinct from 'object'
     or creel.read_time(event -> 'created') is null
     or (endpoint = 'answer') <> (
       event ->> 'id' like 'answer\_%' and kind in ('checkout.session.created', 'account.created')) then
    raise exception 'this is no event of Stripe'
      using errcode = '22023', hint = 'Send the whole event: id, type, created and data.object.';
  end if;
  about := creel.stripe_subjects(event, current);
  -- Whatever shares a subject takes turns; in one order, so that two do not wait for each other.
  for lock_key in select distinct hashtext(s) from unnest(about) s order by 1 loop
    perform pg_advisory_xact_lock(1129465168, lock_key);
  end loop;
  -- Behind those locks, as an event locks its earning behind them.
  if done <> '[]' then
    perform creel.settle_stripe_requests(done);
  end if;

  -- Its id is one of its subjects, so that no other transaction brings it in meanwhile.
  update public.stripe_events e set
    deliveries = e.deliveries + is_delivery::int,
    last_delivered_at = case when is_delivery then now() else e.last_delivered_at end,
    looked_at = now(),
    subjects = array(select distinct s from unnest(e.subjects || about) s order by s)
  where e.id = event ->> 'id'
  returning * into kept;
  if kept.status <> 'waiting' then
    return jsonb_build_object(
      'outcome', 'repeated', 'note', kept.note, 'fetch', '[]'::jsonb, 'requests', creel.requests_for(endpoint));
  end if;

  -- What was kept is what counts: a repetition cannot change what an event says.
  verdict := creel.try_event(coalesce(kept.payload, event), current);
  if kept.id is not null then
    perform creel.note_verdict(kept.id, verdict);
  else
    -- Written once, as what it came to: one that is done with was never among those that wait.
    insert into public.stripe_events (
      id, endpoint, type, account, livemode, api_version, created, status, subjects, payload, led_to, note)
    values (
      event ->> 'id', endpoint, kind, left(event ->> 'account', 255), coalesce(event -> 'livemode' = 'true', false),
      left(event ->> 'api_version', 100), creel.read_time(event -> 'created'),
      case verdict ->> 'outcome' when 'applied' then 'applied' when 'ignored' then 'ignored' else 'waiting' end,
      about, event, coalesce(verdict -> 'led_to', '{}'), left(verdict ->> 'note', 1000));
    if verdict ? 'mismatch' then
      perform creel.tell_mismatch(event ->> 'id', verdict);
    end if;
  end if;
  if verdict ->> 'outcome' = 'applied' and jsonb_array_length(coalesce(verdict -> 'knows', '[]')) > 0 then
    perform creel.apply_waiting_for(array(
      select k from jsonb_array_elements_text(verdict -> 'knows') k where k is not null), current);
  end if;
  return jsonb_build_object(
    'outcome', verdict ->> 'outcome', 'note', verdict ->> 'note', 'fetch', coalesce(verdict -> 'fetch', '[]'),
    'requests', case when verdict ->> 'outcome' = 'fetch' then '[]' else creel.requests_for(endpoint) end);
end
$_$;


--
-- Name: FUNCTION apply_stripe_event(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.apply_stripe_event(jsonb) IS '{api: 1, endpoint: platform | connect | answer | clock, event, current, done} -> {outcome: applied | repeated | ignored | waiting | fetch, note, fetch, requests}. For the Stripe function alone, by its key; requests are given to it alone, and not with an answer.';


--
-- Name: begin_checkout(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.begin_checkout(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  knobs constant creel.settings := creel.knobs();
  asker constant uuid := auth.uid();
  project constant text := $1 ->> 'project_id';
  wished_key constant text := $1 ->> 'agent_key';
  wished_host constant uuid := creel.read_uuid($1 ->> 'host_id');
  wished_plan constant text := $1 ->> 'plan';
  wish jsonb;
  fitting jsonb;
  host public.hosts;
  known public.agents;
  intent public.checkout_intents;
  is_repeated boolean := false;
begin
  if asker is null or not coalesce(project = any (creel.writable_projects()), false) then
    raise exception 'you may not write project %', project
      using errcode = '42501', hint = 'Ask an owner of the project to make you an editor.';
  end if;
  if octet_length(wished_key) not between 1 and 1024 or wished_key is null
     or not coalesce(creel.is_agent_id(creel.short_of_key(wished_key)), false) then
    raise exception 'agent_key is missing, or names no agent that a host can have'
      using errcode = '22023', hint = 'Send a key as agent:scout:main: a-z, 0-9, _ and -, and not main alone.';
  end if;
  if wished_host is null
     or coalesce(wished_plan, '') not in ('month', 'year') then
    raise exception 'host_id or plan is missing or malformed'
      using errcode = '22023', hint = 'Send project_id, agent_key, host_id, plan (month or year) and agent.';
  end if;
  wish := creel.read_agent_wish($1 -> 'agent');
  -- The checkouts of one project take turns.
  perform pg_advisory_xact_lock(1129465167, hashtext(project));

  select * into intent from public.checkout_intents i
  where i.project_id = project and i.agent_key = wished_key and i.status = 'open' for update;
  -- Locked before anything is decided by it: a late payment of an earlier checkout may be on its way.
  select * into known from public.agents a where a.project_id = project and a.agent_key = wished_key;
  if known.id is not null then
    perform creel.lock_agent_lane(known, false);
    select * into known from public.agents a
    where a.project_id = project and a.agent_key = wished_key for no key update;
  end if;
  if known.billing = 'paid' then
    raise exception 'agent % is paid for', wished_key
      using errcode = 'PT409', detail = 'paid', hint = 'Nothing is to be done.';
  elsif known.billing = 'free' then
    raise exception 'there is an agent % already, and nobody asks money for it', wished_key
      using errcode = 'PT409', detail = 'free', hint = 'Choose another agent_key.';
  elsif intent.awaits_payment then
    raise exception 'the payment for agent % is under way', wished_key
      using errcode = 'PT409', detail = 'payment_under_way', hint = 'Wait for the bank; it may take some days.';
  elsif exists (
    select from public.subscriptions s
    where s.project_id = project and s.agent_key = wished_key and s.status not in ('canceled', 'incomplete_expired')
      and s.intent_id is distinct from intent.id) then
    raise exception 'agent % has a subscription with an open invoice', wished_key
      using errcode = 'PT409', detail = 'open_invoice',
        hint = 'Pay it in the billing portal, or cancel that subscription there first.';
  end if;
  if intent.id is not null and intent.expires_at > now() then
    if (intent.host_id, intent.plan, intent.agent) is distinct from (wished_host, wished_plan, wish) then
      raise exception 'another checkout for agent % is open', wished_key
        using errcode = 'PT409', detail = 'open_checkout',
          hint = 'Pay that one, or wait until it ends; checkout_intents.expires_at says when.';
    end if;
    is_repeated := true;
  else
    if known.openclaw_id is not null and known.host_id is not null then
      if known.host_id <> wished_host then
        raise exception 'agent % is on host %', wished_key, known.host_id
          using errcode = 'PT409', detail = 'elsewhere', hint = 'Pay for it there.';
      end if;
      fitting := wish || jsonb_build_object('backend', known.backend, 'config', known.config);
    end if;
    if (select count(*) from public.checkout_intents i
        where i.status = 'open' and (i.project_id = project or i.created_by = asker))
       >= knobs.max_open_checkouts_per_project then
      raise exception 'too many open checkouts: the limit is %', knobs.max_open_checkouts_per_project
        using errcode = 'PT429', hint = 'Pay them, or wait until they end.';
    end if;
    if (select count(*) from public.checkout_intents i
        where i.created_by = asker and i.created_at > now() - interval '1 day' and i.status <> 'paid')
       >= knobs.max_unpaid_checkouts_per_day then
      raise exception 'too many checkouts that were not paid: the limit is % a day', knobs.max_unpaid_checkouts_per_day
        using errcode = 'PT429', hint = 'Try again tomorrow.';
    end if;
    if intent.id is not null then
      update public.checkout_intents i set status = 'expired', ended_at = now() where i.id = intent.id;
    end if;
    host := creel.rentable_host(wished_host, wished_plan, coalesce(fitting, wish), project);
    insert into public.checkout_intents (
      project_id, agent_key, agent_id, host_id, plan, amount_minor, currency, fee_bp, destination, agent, expires_at,
      created_by)
    values (
      project, wished_key, creel.reserve(project, wished_key, host, wish, known), host.id, wished_plan,
      creel.plan_price(host, wished_plan), creel.price_currency(host), knobs.billing_fee_bp,
      (select s.account_id from public.stripe_accounts s where s.owner_id = host.owner_id), wish,
      -- A quarter of an hour more: Stripe counts from when it is asked, refuses what is shorter than half an hour, and may
      -- have been away for a while.
      date_trunc('second', now())
        + least(knobs.checkout_ttl_secs + 900, 86400) * interval '1 second',
      asker)
    returning * into intent;
    perform creel.lock_agent_lane(a, false) from public.agents a where a.id = intent.agent_id;
    perform creel.log_event('billing.reserved', project, wished_key, host.id, intent.id,
      jsonb_build_object('plan', intent.plan, 'amount_minor', intent.amount_minor, 'currency', intent.currency));
  end if;

  return jsonb_build_object(
    'intent_id', intent.id, 'agent_id', intent.agent_id, 'amount_minor', intent.amount_minor,
    'currency', intent.currency, 'interval', intent.plan, 'fee_bp', intent.fee_bp, 'destination', intent.destination,
    'customer_id', (
      select c.customer_id from public.stripe_customers c where c.project_id = project
      order by c.created_at desc, c.customer_id limit 1),
    'host_name', (select h.name from public.hosts h where h.id = intent.host_id),
    'agent_name', (select a.name from public.agents a where a.id = intent.agent_id),
    'expires_at', extract(epoch from intent.expires_at)::bigint,
    'session_id', intent.session_id, 'session_url', intent.session_url, 'repeated', is_repeated);
end
$_$;


--
-- Name: FUNCTION begin_checkout(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.begin_checkout(jsonb) IS '{project_id, agent_key, host_id, plan: month | year, agent: {name, emoji, role, config, limits, docs, backend}} -> {intent_id, agent_id, amount_minor, currency, interval, fee_bp, destination, customer_id, host_name, agent_name, expires_at (seconds since 1970), session_id, session_url, repeated}. For an editor of the project. Keeps a place on the host until expires_at. The same wish again while it is open answers the same intent.';


--
-- Name: claim(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.claim(jsonb) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET lock_timeout TO '800ms'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $_$
declare
  host constant uuid := creel.require_host();
  session constant uuid := ($1 ->> 'session')::uuid;
  most constant int := least(greatest(($1 ->> 'limit')::int, 0), 1000);
  woken constant text := $1 ->> 'woken_by';
  lease_ms int;
  min_api int;
  lease interval;
  projects text[];
  status text;
  claimed json[];
  more json[];
  part record;
  taken int;
begin
  select s.lease_secs * 1000, h.status,
    array(select p.project_id from public.project_hosts p where p.host_id = host), s.min_api
  into lease_ms, status, projects, min_api
  from creel.settings s cross join public.hosts h where h.id = host;
  -- What is right most of the time is seen without a call.
  if $1 -> 'api' is distinct from '1' or min_api > 1 or pg_column_size($1) > 8388608 then
    perform creel.require_api($1);
  end if;
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;
  lease := lease_ms * interval '1 millisecond';
  if most > 0 and status = 'draining' then
    claimed := (creel.claim_some(host, projects, session, -most, woken, lease)).items;
  elsif most > 0 and status <> 'retired' then
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
$_$;


--
-- Name: FUNCTION claim(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.claim(jsonb) IS 'Host function: {api, session, limit, woken_by} -> {items[], lease_ms}. Each item has a token, the fence of every later write about it; its lease lasts lease_ms unless a tick renews it.';


--
-- Name: claim_notifications(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.claim_notifications(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
begin
  perform creel.require_notifier();
  return creel.claim_notifications($1);
end
$_$;


--
-- Name: FUNCTION claim_notifications(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.claim_notifications(jsonb) IS 'For the notifier: {api, limit} -> {notifications: [{id, token, attempt, url, body, secrets[]}], lease_ms}. The body is to be sent and signed as it is.';


--
-- Name: create_enrolment_code(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.create_enrolment_code(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
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
$_$;


--
-- Name: FUNCTION create_enrolment_code(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.create_enrolment_code(jsonb) IS '{name?, project_ids[]?, platform?, capacity?, tags[]?, price?, key_days?} -> {code, expires_at}. For a signed-in person, who becomes the host''s owner, and must be an owner of each project. With {host_id} in their place an own host that is there gets another key, and those that it had end. Anything else is refused. A code is good once, for 15 minutes.';


--
-- Name: create_webhook(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.create_webhook(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  project constant text := $1 ->> 'project_id';
  wished constant jsonb := coalesce(
    nullif($1 -> 'events', 'null'), '["agent.down", "limit.exceeded", "host.offline", "host.online"]');
  most constant int := (creel.knobs()).max_webhooks_per_project;
  fault text := creel.fault_of_webhook_url($1 ->> 'url');
  fresh constant text := creel.webhook_secret();
  made uuid;
begin
  if not coalesce(project = any (creel.writable_projects()), false) then
    raise exception 'only an owner or editor of project % may make a webhook', project
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  if fault is null and (jsonb_typeof(wished) <> 'array' or exists (
    select from jsonb_array_elements(wished) e
    where e #>> '{}' is null or e #>> '{}' not in ('agent.down', 'limit.exceeded', 'host.offline', 'host.online'))
    or wished = '[]') then
    fault := 'events must be a list of agent.down, limit.exceeded, host.offline and host.online';
  end if;
  if fault is not null then
    raise exception '%', fault using errcode = '22023', hint = 'Send project_id, url and events.';
  end if;
  perform pg_advisory_xact_lock(1129465166, hashtext(project));
  if (select count(*) from public.webhooks w where w.project_id = project) >= most then
    raise exception 'too many webhooks: the limit for one project is %', most
      using errcode = 'PT429', hint = 'Remove one, or ask the operator to raise max_webhooks_per_project.';
  end if;
  insert into public.webhooks (project_id, url, events, created_by)
  values (project, $1 ->> 'url', array(select distinct e from jsonb_array_elements_text(wished) e order by e), auth.uid())
  returning id into made;
  insert into creel.webhook_secrets (webhook_id, secret) values (made, fresh);
  perform creel.log_event('webhook.created', project, null, null, made);
  return jsonb_build_object('id', made, 'secret', fresh);
end
$_$;


--
-- Name: FUNCTION create_webhook(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.create_webhook(jsonb) IS '{project_id, url, events[]} -> {id, secret}. The secret is shown this once.';


--
-- Name: delete_webhook(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.delete_webhook(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  webhook constant public.webhooks := creel.own_webhook(($1 ->> 'webhook_id')::uuid);
begin
  delete from public.webhooks w where w.id = webhook.id;
  perform creel.log_event('webhook.deleted', webhook.project_id, null, null, webhook.id);
  return jsonb_build_object('id', webhook.id);
end
$_$;


--
-- Name: FUNCTION delete_webhook(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.delete_webhook(jsonb) IS '{webhook_id} -> {id}. Its notifications go with it, also those that were not sent yet.';


--
-- Name: deploy_config(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.deploy_config(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET jit TO 'off'
    AS $_$
declare
  host constant uuid := creel.require_host();
  projects constant text[] := creel.projects_of_host(host);
  agent public.agents;
begin
  perform creel.require_api($1);
  select * into agent from public.agents a
  where a.id = creel.uuid_of($1 -> 'agent_id') and a.host_id = host and a.project_id = any (projects)
    and a.status <> 'removed';
  if not found then
    raise exception 'no such agent lives on this host'
      using errcode = 'PT404', detail = 'unknown_agent', hint = 'Ask for agents that a command names.';
  end if;
  return jsonb_build_object(
    'agent_id', agent.id, 'project_id', agent.project_id, 'agent_key', agent.agent_key,
    'openclaw_id', agent.openclaw_id, 'name', agent.name, 'emoji', agent.emoji, 'role', agent.role,
    'backend', agent.backend, 'desired_state', agent.desired_state, 'generation', agent.generation,
    'model', creel.without_secrets(agent.config -> 'model'),
    'thinking', creel.without_secrets(agent.config -> 'thinking'),
    'skills', coalesce(creel.without_secrets(agent.config -> 'skills'), '[]'),
    'channels', coalesce(creel.without_secrets(agent.config -> 'channels'), '{}'),
    'limits', agent.limits,
    'files', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'path', case d.doc_type
            when 'soul' then 'SOUL.md' when 'agents' then 'AGENTS.md' when 'user' then 'USER.md'
            when 'identity' then 'IDENTITY.md' when 'memory_long' then 'MEMORY.md'
            else 'memory/' || coalesce(d.doc_date, (d.updated_at at time zone 'utc')::date) || '.md' end,
          'doc_type', d.doc_type, 'version', d.version, 'sha256', d.sha256, 'content', d.content)
        order by d.doc_type)
      from public.brain_docs d
      where d.project_id = agent.project_id and d.agent_key = agent.agent_key), '[]'));
end
$_$;


--
-- Name: FUNCTION deploy_config(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.deploy_config(jsonb) IS 'Host function: {api, agent_id} -> {agent_id, project_id, agent_key, openclaw_id, name, emoji, role, backend, desired_state, generation, model, thinking, skills, channels, limits, files: [{path, doc_type, version, sha256, content}]}: what an agent on this host is to be. Anything in config that looks like a secret is left away.';


--
-- Name: enroll_host_by_code(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.enroll_host_by_code(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
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
$_$;


--
-- Name: FUNCTION enroll_host_by_code(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.enroll_host_by_code(jsonb) IS 'For a host that nobody knows yet: {code, key_sha256, platform?, name?} -> {host_id}; name is for a code without one. From then on the host sends the key itself as x-creel-host-key. Asked again with the same code and key it answers the same; 404 for a code that is not known, was used, or has ended.';


--
-- Name: erase_doc(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.erase_doc(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'own');
  number constant int := creel.wanted_int($1, 'version');
  wanted public.brain_doc_versions;
  erased_count int;
  on_their_way text[];
begin
  if doc.id is null then
    return jsonb_build_object('ok', true, 'erased', 0, 'version', 0);
  end if;
  perform creel.lock_doc_usage(doc.project_id);

  -- A host may be writing what the disk does not have yet. That it then finds there is nothing that an agent wrote.
  on_their_way := array(
    select distinct v.sha256 from public.brain_doc_versions v
    where v.doc_id = doc.id and v.version > doc.disk_version and not v.side
      and (number is null or v.version = number)
    limit 50);

  if number is not null then
    wanted := creel.asked_version(doc, number);
    if wanted.sha256 = doc.sha256 then
      raise exception 'version % is the text that the document has now', number
        using errcode = 'PT409', detail = 'current_version', hint = 'Write another text first, or erase the document.';
    end if;
    if exists (
      select from public.brain_doc_versions v
      where v.doc_id = doc.id and v.version = doc.held_version and v.sha256 = wanted.sha256) then
      raise exception 'version % is what the file on the disk has', number
        using errcode = 'PT409', detail = 'held_version',
          hint = 'Say first which text the document is to have: resolve_doc with take disk or page.';
    end if;
    -- The same text may be there more than once.
    delete from public.brain_doc_versions v where v.doc_id = doc.id and v.sha256 = wanted.sha256;
    get diagnostics erased_count = row_count;
    update public.brain_docs d set erased_sha256s = d.erased_sha256s || on_their_way
    where d.id = doc.id and on_their_way <> '{}';
    update public.brain_docs d set conflict_version = null
    where d.id = doc.id and d.conflict_version is not null and not exists (
      select from public.brain_doc_versions v where v.doc_id = d.id and v.version = d.conflict_version);
    perform creel.log_doc_event(
      'doc.erased', doc, jsonb_build_object('version', number, 'erased', erased_count));
    return jsonb_build_object('ok', true, 'erased', erased_count, 'version', doc.version);
  end if;

  -- Of a held document the disk's text is known, and may be replaced too.
  update public.brain_docs d set
    disk_sha256 = coalesce((
      select v.sha256 from public.brain_doc_versions v where v.doc_id = d.id and v.version = d.held_version),
      d.disk_sha256)
  where d.id = doc.id;
  delete from public.brain_doc_versions v where v.doc_id = doc.id;
  get diagnostics erased_count = row_count;
  update public.brain_docs d set
    content = '', version = d.last_version + 1, updated_by = creel.actor(), held_version = null,
    conflict_version = null, erased_sha256s = d.erased_sha256s || on_their_way,
    sync_state = case d.sync_state when 'blocked' then 'blocked'
      else creel.settled_state(creel.empty_sha256(), d.disk_sha256) end,
    changed = pg_current_xact_id()
  where d.id = doc.id;
  update public.brain_doc_versions v set base_version = null where v.doc_id = doc.id;
  perform creel.log_doc_event('doc.erased', doc, jsonb_build_object('erased', erased_count));
  return jsonb_build_object('ok', true, 'erased', erased_count, 'version', doc.last_version + 1);
end
$_$;


--
-- Name: FUNCTION erase_doc(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.erase_doc(jsonb) IS '{project_id, agent_key, doc_type, version?} -> {ok, erased, version}. For owners of the project. Erases one version, with all others that have the same text, or the document: it has no text then and no version that was before, and the file on the disk is emptied. What was erased cannot be had back. The text that the document has now is not erased as a version: another one is to be written first.';


--
-- Name: fetch_docs(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.fetch_docs(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $_$
declare
  host constant uuid := creel.require_host();
  limits constant jsonb := creel.doc_limits();
  asked record;
  content text;
  size bigint := 0;
  found_docs jsonb[] := array[]::jsonb[];
begin
  perform creel.require_api($1);
  if jsonb_typeof($1 -> 'docs') is distinct from 'array'
     or jsonb_array_length($1 -> 'docs') > (limits ->> 'docs_call_max')::int then
    raise exception 'docs is no list of at most %', limits ->> 'docs_call_max'
      using errcode = '22023', hint = 'Ask for the others in another call.';
  end if;
  for asked in
    select q.doc, d.id, d.project_id
    from jsonb_array_elements($1 -> 'docs') with ordinality as q (doc, place)
    left join lateral creel.agent_on_host(host, creel.uuid_of(q.doc -> 'agent_id')) a on true
    left join public.brain_docs d on d.project_id = a.project_id and d.agent_key = a.agent_key
      and d.doc_type = q.doc ->> 'doc_type'
    order by q.place
  loop
    content := case when asked.id is not null then
      creel.text_of_doc(asked.id, asked.project_id, asked.doc ->> 'sha256') end;
    size := size + coalesce(octet_length(content), 0);
    exit when size > (limits ->> 'docs_call_max_bytes')::bigint and cardinality(found_docs) > 0;
    found_docs := found_docs || jsonb_build_object(
      'agent_id', asked.doc -> 'agent_id', 'doc_type', asked.doc -> 'doc_type', 'sha256', asked.doc -> 'sha256',
      'content', content);
  end loop;
  return jsonb_build_object(
    'docs', to_jsonb(found_docs), 'left', jsonb_array_length($1 -> 'docs') - cardinality(found_docs));
end
$_$;


--
-- Name: FUNCTION fetch_docs(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.fetch_docs(jsonb) IS 'Host function: {api, docs: [{agent_id, doc_type, sha256}]} -> {docs: [{agent_id, doc_type, sha256, content}], left}: texts that documents of agents on the host have or had; null is one that they never had or that was erased. left of them did not fit, at the end.';


--
-- Name: finish(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.finish(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    SET lock_timeout TO '800ms'
    AS $_$
declare
  host constant uuid := creel.require_host();
  projects constant text[] := creel.projects_of_host(host);
  given constant jsonb := coalesce($1 -> 'items', '[]');
  by_token jsonb;
  lane_ids bigint[];
  settlements creel.settlement[];
  statuses jsonb;
  items jsonb;
begin
  perform creel.require_api($1);
  if jsonb_array_length(given) = 1 and given #>> '{0,outcome}' = 'done' and given #>> '{0,token}' is not null then
    return creel.finish_one(host, projects, given -> 0);
  end if;
  if jsonb_array_length(given) > 1000 then
    raise exception 'too many items in one call: the limit is 1000' using errcode = '22023';
  end if;
  select jsonb_object_agg(e.token, e.g), array_agg(creel.lane_of_token(e.token)) into by_token, lane_ids
  from (select (g ->> 'token')::uuid as token, g from jsonb_array_elements(given) g) e where e.token is not null;

  -- The fence: what is not held any more is not among these. Found by their lanes alone, for a plan that is as good
  -- for one as for many.
  select array_agg((
    l.id, l.head, l.item_id, l.queue, l.attempts, l.max_attempts, l.given_back, l.token,
    case g.e ->> 'outcome' when 'done' then 'done' when 'retry' then 'back' when 'failed' then 'dead' end,
    'failed', g.e -> 'result', true)::creel.settlement)
  into settlements
  from (
    select * from creel.lanes k
    where k.id = any (lane_ids) and (
      by_token ? k.token::text and k.host_id = host and k.expires_at > now() and k.project_id = any (projects)) is true
    order by k.id for no key update) l
  cross join lateral (select by_token -> l.token::text as e) g;

  if exists (select from unnest(settlements) s where s.disposition is null) then
    raise exception 'outcome must be done, retry or failed' using errcode = '22023';
  end if;
  statuses := creel.settle(settlements);

  select jsonb_agg(jsonb_build_object('token', e.g -> 'token', 'applied', s.status is not null, 'status', s.status)
    order by e.position)
  into items
  from jsonb_array_elements(given) with ordinality as e (g, position)
  cross join lateral (select statuses ->> (e.g ->> 'token')::uuid::text as status) s;
  return jsonb_build_object('items', coalesce(items, '[]'), 'work', creel.has_work(host, projects));
end
$_$;


--
-- Name: FUNCTION finish(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.finish(jsonb) IS 'Host function: {api, items: [{token, outcome: done|retry|failed, result}]} -> {items: [{token, applied, status}], work}. A token that is no longer in force changes nothing: applied is false.';


--
-- Name: finish_notifications(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.finish_notifications(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
begin
  perform creel.require_notifier();
  return creel.finish_notifications($1);
end
$_$;


--
-- Name: FUNCTION finish_notifications(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.finish_notifications(jsonb) IS 'For the notifier: {api, items: [{id, token, outcome, error, retry_after_secs}]} -> {items: [{id, applied}]}. outcome is delivered, retry, refused or gone (410: the webhook is disabled). A token that is no longer in force changes nothing.';


--
-- Name: heartbeat(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.heartbeat(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET lock_timeout TO '800ms'
    AS $_$
declare
  host constant uuid := creel.require_host();
  session constant uuid := creel.daemon_session(host);
  -- Two calls may be missed.
  lease constant interval := interval '150 seconds';
  -- So many at a time, as a daemon does one after the other.
  most constant int := 20;
  fault text;
  acked jsonb;
  ticked jsonb;
  working uuid[];
  held int;
  taken json;
  commands jsonb;
  cancelled jsonb;
begin
  perform creel.require_api($1);
  if pg_column_size($1) > 1048576 then
    raise exception 'the heartbeat is too large: % bytes', pg_column_size($1)
      using errcode = 'PT413', hint = 'Send 1 MB at most: the metrics of fewer agents at a time.';
  end if;
  fault := creel.fault_of_heartbeat($1);
  if fault is not null then
    raise exception '%', fault using errcode = '22023', hint = 'Nothing of the heartbeat was taken in; correct it.';
  end if;
  working := array(
    select w::uuid from jsonb_array_elements_text(coalesce(nullif($1 -> 'working', 'null'), '[]')) w);
  acked := creel.take_acks(host, coalesce(nullif($1 -> 'acks', 'null'), '[]'), $1 -> 'api');
  -- As itself the daemon holds nothing, so that a tick touches none of its leases.
  ticked := public.tick(jsonb_build_object(
    'api', $1 -> 'api', 'session', host, 'tokens', '[]'::jsonb,
    'metrics', coalesce(nullif($1 -> 'metrics', 'null'), '[]'),
    'agents', coalesce(nullif($1 -> 'agents', 'null'), '[]'),
    'host', coalesce(nullif($1 -> 'host', 'null'), '{}')));

  -- What takes long is renewed as long as the daemon says that it is at it.
  update creel.lanes l set expires_at = now() + lease
  where l.id = any (array(
    select c.id from creel.lanes c
    where c.host_id = host and c.token is not null and c.session_id = session and c.expires_at > now()
      and c.item_id = any (working)
    order by c.id for no key update));
  select count(*) into held from creel.lanes l
  where l.host_id = host and l.token is not null and l.session_id = session and l.expires_at > now();
  if held < most then
    taken := public.claim(jsonb_build_object(
      'api', $1 -> 'api', 'session', session, 'limit', most - held, 'woken_by', 'poll'));
    update creel.lanes l set expires_at = now() + lease
    where l.host_id = host and l.session_id = session and l.token = any (array(
      select (t.item ->> 'token')::uuid from json_array_elements(taken -> 'items') as t (item)));
  end if;

  commands := creel.commands_of_daemon(host, working);
  cancelled := (
    select jsonb_agg(l.item_id order by l.head) from creel.lanes l
    join creel.items i on i.lane_id = l.id and i.seq = l.head and i.cancel
    where l.host_id = host and l.token is not null and l.session_id = session);
  return jsonb_build_object(
    'host_id', host, 'commands', commands, 'cancel', coalesce(cancelled, '[]'), 'acks', acked,
    'warnings', ticked -> 'warnings',
    'next_in_secs', case
      when cancelled is not null then 5
      when commands <> '[]' then 15
      else 60 end);
end
$_$;


--
-- Name: FUNCTION heartbeat(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.heartbeat(jsonb) IS 'Host function, for daemons without a worker''s connections: {api, host{}, metrics[], agents[], acks: [{command_id, ok, error, result}], working: [command_id]} -> {host_id, commands: [{id, type, agent_id, agent_key, project_id, payload, attempt}], cancel: [command_id], acks: [{command_id, applied, status}], warnings[], next_in_secs}. host, metrics and agents are as for tick. A command is told with every call until it is acknowledged or said to be in working; a daemon must do it once, by its id. One of type canary is to be put to the agent itself: payload.challenge, and result.answer has its words, before payload.deadline_at. A command is held for 150 s, and renewed by working. Malformed, nothing of it is taken in.';


--
-- Name: list_agents(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.list_agents(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $_$
declare
  host constant uuid := creel.require_host();
  projects constant text[] := creel.projects_of_host(host);
begin
  perform creel.require_api($1);
  return jsonb_build_object('agents', coalesce((
    select jsonb_agg(jsonb_build_object(
      'id', a.id, 'project_id', a.project_id, 'agent_key', a.agent_key, 'openclaw_id', a.openclaw_id,
      'backend', a.backend, 'desired_state', a.desired_state, 'generation', a.generation, 'status', a.status,
      'provisioned', a.provisioned, 'workspace_path', a.workspace_path, 'port', a.port, 'config', a.config,
      'limits', a.limits, 'name', a.name, 'role', a.role, 'emoji', a.emoji,
      'open_command', exists (
        select from creel.lanes l
        where l.project_id = a.project_id and l.agent_key = a.agent_key and l.kind = 'control' and l.head is not null))
      order by a.id)
    from public.agents a
    where a.host_id = host and a.openclaw_id is not null and a.status <> 'removed'
      and (a.project_id = any (projects)) is true), '[]'));
end
$_$;


--
-- Name: FUNCTION list_agents(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.list_agents(jsonb) IS 'Host function: {api, session} -> {agents[]}: the agents that this host has or is to have, as their rows say it. open_command: something about it waits or is at work, and will say what is to be done.';


--
-- Name: list_doc_versions(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.list_doc_versions(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'read');
  before constant int := creel.wanted_int($1, 'before');
  most constant int := least(greatest(coalesce(creel.wanted_int($1, 'limit'), 50), 1), 500);
begin
  return jsonb_build_object(
    'version', doc.version, 'held_version', doc.held_version, 'conflict_version', doc.conflict_version,
    'versions', coalesce((
      select jsonb_agg(
        creel.show_version(n.v) || jsonb_build_object('size_bytes', (
          select octet_length(c.content) from public.brain_doc_contents c
          where c.project_id = (n.v).project_id and c.sha256 = (n.v).sha256))
        order by (n.v).version desc)
      from (
        select v from public.brain_doc_versions v
        where v.doc_id = doc.id and (before is null or v.version < before)
        order by v.version desc limit most) n), '[]'));
end
$_$;


--
-- Name: FUNCTION list_doc_versions(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.list_doc_versions(jsonb) IS '{project_id, agent_key, doc_type, before?, limit?} -> {version, held_version, conflict_version, versions[]}: newest first, without texts, 50 at a time and 500 at most; before is the last one''s number.';


--
-- Name: list_docs(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.list_docs(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $_$
declare
  host constant uuid := creel.require_host();
  -- What is not smaller is of a cluster that this one was restored from: nobody has changed it here.
  next_xact constant xid8 := pg_snapshot_xmax(pg_current_snapshot());
  since xid8;
  asked uuid[];
  docs jsonb;
  agents jsonb;
begin
  perform creel.require_api($1);
  if coalesce($1 ->> 'since', '0') !~ '^[0-9]{1,19}$' then
    raise exception 'since is not what an earlier list_docs answered'
      using errcode = '22023', hint = 'Leave it away to be told of all.';
  end if;
  since := ($1 ->> 'since')::xid8;
  if since > next_xact then
    since := null;
  end if;
  if jsonb_typeof($1 -> 'agents') = 'array' then
    asked := array(select creel.uuid_of(i) from jsonb_array_elements($1 -> 'agents') i);
  end if;

  with here as materialized (
    select a.id, a.project_id, a.agent_key from public.agents a
    where a.host_id = host and a.status <> 'removed' and (asked is null or a.id = any (asked))
      and exists (select from public.project_hosts p where p.host_id = host and p.project_id = a.project_id)
  ),
  listed as materialized (
    select h.id as agent_id, d.id, d.project_id, d.doc_type, d.doc_date, d.version, d.sha256, d.disk_sha256,
      d.disk_version, d.sync_state, d.sync_note, d.held_version, d.erased_sha256s
    from here h join public.brain_docs d on d.project_id = h.project_id and d.agent_key = h.agent_key
    where since is null
    union all
    select h.id, d.id, d.project_id, d.doc_type, d.doc_date, d.version, d.sha256, d.disk_sha256, d.disk_version,
      d.sync_state, d.sync_note, d.held_version, d.erased_sha256s
    from public.brain_docs d join here h on h.project_id = d.project_id and h.agent_key = d.agent_key
    where since is not null and d.changed >= since and d.changed < next_xact
  )
  select
    (select coalesce(jsonb_agg(jsonb_build_object(
      'agent_id', r.agent_id, 'doc_type', r.doc_type, 'doc_date', r.doc_date, 'version', r.version,
      'sha256', r.sha256, 'disk_sha256', r.disk_sha256,
      'disk_erased', coalesce(r.disk_sha256 not in (r.sha256, creel.empty_sha256()), false) and not exists (
        select from public.brain_doc_versions v
        where v.project_id = r.project_id and v.sha256 = r.disk_sha256 and v.doc_id = r.id),
      'unseen', to_jsonb(r.erased_sha256s) || case when r.version <= r.disk_version + 1 then '[]'::jsonb else (
        select coalesce(jsonb_agg(u.sha256 order by u.version desc), '[]') from (
          select v.sha256, v.version from public.brain_doc_versions v
          where v.doc_id = r.id and v.version > r.disk_version and v.version < r.version and not v.side
          order by v.version desc limit 50) u) end,
      'sync_state', r.sync_state, 'sync_note', r.sync_note,
      'held_sha256', case when r.held_version is not null then (
        select v.sha256 from public.brain_doc_versions v where v.doc_id = r.id and v.version = r.held_version) end,
      'templates', coalesce((
        select jsonb_agg(distinct v.sha256) from public.brain_doc_versions v
        where v.doc_id = r.id and v.author_kind = 'template'), '[]'),
      'days', case when r.doc_type <> 'memory_today' then '[]'::jsonb else coalesce((
        select jsonb_agg(jsonb_build_object('doc_date', y.doc_date, 'sha256', y.sha256) order by y.doc_date desc)
        from (
          select distinct on (v.doc_date) v.doc_date, v.sha256 from public.brain_doc_versions v
          where v.doc_id = r.id and v.doc_date is not null and v.doc_date is distinct from r.doc_date
          order by v.doc_date desc, v.version desc limit 3) y), '[]') end)
      order by r.agent_id, r.doc_type), '[]')
    from listed r),
    (select coalesce(jsonb_agg(h.id order by h.id), '[]') from here h
     where since is null or exists (select from listed r where r.agent_id = h.id))
  into docs, agents;
  return jsonb_build_object(
    'since', pg_snapshot_xmin(pg_current_snapshot())::text, 'docs', docs, 'agents', agents);
end
$_$;


--
-- Name: FUNCTION list_docs(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.list_docs(jsonb) IS 'Host function: {api, since?, agents?} -> {since, docs: [{agent_id, doc_type, doc_date, version, sha256, disk_sha256, disk_erased, unseen[], sync_state, sync_note, held_sha256, templates[], days[]}], agents[]}: the documents of agents that live on the host, without their texts; all, or those that somebody else has changed since an earlier listing.';


--
-- Name: list_docs_of(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.list_docs_of(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  project constant text := creel.asked_project($1, 'read');
  key constant text := $1 ->> 'agent_key';
begin
  return jsonb_build_object('docs', coalesce((
    with of_agents as materialized (
      select k.agent_key, creel.all_docs_warning(project, k.agent_key) as warning,
        creel.is_host_online(project, k.agent_key) as is_online
      from (
        select distinct d.agent_key from public.brain_docs d
        where d.project_id = project and (key is null or d.agent_key = key)) k
    )
    select jsonb_agg(creel.show_doc(d, o.warning, o.is_online) order by d.agent_key, d.doc_type)
    from of_agents o join public.brain_docs d on d.project_id = project and d.agent_key = o.agent_key), '[]'));
end
$_$;


--
-- Name: FUNCTION list_docs_of(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.list_docs_of(jsonb) IS '{project_id, agent_key?} -> {docs[]}: the documents of an agent, or of a project, as read_doc shows them but without their texts.';


--
-- Name: list_enrolment_codes(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.list_enrolment_codes() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select jsonb_build_object('codes', coalesce(
    jsonb_agg(
      jsonb_build_object(
        'id', c.id, 'name', coalesce(h.name, c.wish ->> 'name'), 'host_id', c.host_id,
        'created_at', c.created_at, 'expires_at', c.expires_at,
        'project_ids', case when c.host_id is null then coalesce(c.wish -> 'project_ids', '[]')
          else to_jsonb(array(
            select p.project_id from public.project_hosts p where p.host_id = c.host_id order by 1)) end)
      order by c.created_at, c.id), '[]'))
  from creel.enrolment_codes c left join public.hosts h on h.id = c.host_id
  where c.owner_id = auth.uid() and c.used_at is null and c.expires_at > now()
$$;


--
-- Name: FUNCTION list_enrolment_codes(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.list_enrolment_codes() IS '() -> {codes: [{id, name, host_id, created_at, expires_at, project_ids[]}]}: the asker''s codes that are good and that nobody has used. host_id: the host that is there and is to get another key. Nobody is told the code itself again.';


--
-- Name: list_host_access(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.list_host_access(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  host constant uuid := creel.require_owned_host($1);
begin
  return jsonb_build_object(
    'keys', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'id', k.id, 'label', k.label, 'created_at', k.created_at, 'expires_at', k.expires_at,
          'replaced_at', k.replaced_at, 'revoked_at', k.revoked_at,
          'good', k.revoked_at is null and (k.expires_at is null or k.expires_at > now()))
        order by k.created_at desc)
      from creel.host_keys k where k.host_id = host), '[]'),
    'logins', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'role', l.role_name, 'created_at', l.created_at, 'revoked_at', l.revoked_at, 'good', l.revoked_at is null)
        order by l.created_at desc)
      from creel.host_logins l where l.host_id = host), '[]'),
    'open_codes', coalesce((
      select jsonb_agg(jsonb_build_object('created_at', c.created_at, 'expires_at', c.expires_at)
        order by c.created_at desc)
      from creel.enrolment_codes c where c.host_id = host and c.used_at is null and c.expires_at > now()), '[]'));
end
$_$;


--
-- Name: FUNCTION list_host_access(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.list_host_access(jsonb) IS 'For the owner of a host: {host_id} -> {keys[], logins[], open_codes[]}: by what it may come in, without any secret.';


--
-- Name: list_hosts_for_rent(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.list_hosts_for_rent(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  asker constant uuid := auth.uid();
  project constant text := $1 ->> 'project_id';
  knobs constant creel.settings := creel.knobs();
begin
  if asker is null or not coalesce(project = any (creel.readable_projects()), false) then
    raise exception 'you are no member of project %', project
      using errcode = '42501', hint = 'Send the id of a project of yours as project_id.';
  end if;
  return jsonb_build_object(
    'currency', knobs.billing_currency,
    'hosts', coalesce((
      select jsonb_agg(to_jsonb(l) - 'place' order by l.place)
      from (
        select row_number() over (
            order by o.online desc, o.room > 0 desc, coalesce(o.month, o.year / 12.0), o.name, o.id) as place, o.*
        from (
          select
            h.id, h.name, h.platform, h.tags, f.backends, h.capacity, h.openclaw_version, h.created_at,
            creel.plan_price(h, 'month') as month, creel.plan_price(h, 'year') as year,
            creel.price_currency(h) as currency, creel.takes_work(h) as online, b.last_seen_at,
            greatest(h.capacity - (
              select count(*) from public.agents a
              where a.host_id = h.id and (a.status <> 'removed' or a.billing = 'paid')), 0) as room,
            (select count(*) from public.agent_outages o
              where o.host_id = h.id and o.began_at > now() - interval '30 days') as outages
          from public.hosts h join public.host_heartbeats b on b.host_id = h.id
          -- Beside the agents that are there already. Who rents is not somebody whom its owner may have trusted.
          cross join lateral (
            select coalesce(array_agg(e.backend order by e.n), '{}') as backends
            from unnest(h.backends) with ordinality e (backend, n)
            where creel.may_neighbour(jsonb_populate_record(h, '{"tenancy": "single"}'), project, e.backend)) f
          where h.price is not null and h.status = 'online' and h.owner_id <> asker and f.backends <> '{}'
            and creel.heard_until(b) > now() - interval '1 day'
            and coalesce(creel.plan_price(h, 'month'), creel.plan_price(h, 'year')) is not null
            and exists (
              select from public.stripe_accounts s where s.owner_id = h.owner_id and s.transfers_active)
            and not exists (
              select from public.project_hosts p
              where p.host_id = h.id and p.project_id = project and p.terms = 'own')
        ) o order by place limit 200) l), '[]'));
end
$_$;


--
-- Name: FUNCTION list_hosts_for_rent(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.list_hosts_for_rent(jsonb) IS 'For a member of a project: {project_id} -> {currency, hosts: [{id, name, platform, tags, backends, capacity, room, month, year, currency, online, last_seen_at, outages, openclaw_version, created_at}]}: hosts of other people that were heard of within a day and that can be rented by begin_checkout; backends by which an agent of the project may live there beside others; month and year in the currency''s smallest unit, null where it is not let so. outages: of agents that were paid for, within 30 days. The first 200: who takes somebody in now, then who is cheapest.';


--
-- Name: list_members(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.list_members(project_id text) RETURNS TABLE(user_id uuid, email text, role text, created_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select m.user_id, u.email::text, m.role, m.created_at
  from public.project_members m join auth.users u on u.id = m.user_id
  where m.project_id = list_members.project_id
    and m.project_id = any ((select creel.readable_projects())::text[])
  order by m.created_at, m.user_id
$$;


--
-- Name: pin_doc_version(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.pin_doc_version(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'write');
  wanted constant public.brain_doc_versions := creel.asked_version(doc, creel.wanted_int($1, 'version'));
  pin constant boolean := coalesce($1 -> 'pinned' <> 'false', true);
begin
  update public.brain_doc_versions v set pinned = pin where v.id = wanted.id and v.pinned <> pin;
  return jsonb_build_object('ok', true, 'version', wanted.version, 'pinned', pin);
end
$_$;


--
-- Name: FUNCTION pin_doc_version(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.pin_doc_version(jsonb) IS '{project_id, agent_key, doc_type, version, pinned} -> {ok, version, pinned}: a pinned version is kept for ever.';


--
-- Name: progress(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.progress(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '800ms'
    AS $_$
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
$_$;


--
-- Name: FUNCTION progress(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.progress(jsonb) IS 'Host function: {api, token, result} -> {held}. Shows result on the row while it is at work.';


--
-- Name: put_docs(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.put_docs(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET lock_timeout TO '800ms'
    AS $_$
declare
  host constant uuid := creel.require_host();
  limits constant jsonb := creel.doc_limits();
  change jsonb;
  agent public.agents;
  status text;
  message text;
  results jsonb[] := array[]::jsonb[];
begin
  perform creel.require_api($1);
  if jsonb_typeof($1 -> 'changes') is distinct from 'array'
     or jsonb_array_length($1 -> 'changes') > (limits ->> 'docs_call_max')::int then
    raise exception 'changes is no list of at most %', limits ->> 'docs_call_max'
      using errcode = '22023', hint = 'Tell of the others in another call.';
  end if;
  if not creel.may_show(host, 'docs', jsonb_array_length($1 -> 'changes')) then
    raise exception 'host % changes documents too often', host
      using errcode = 'PT429', hint = 'Wait a minute, or ask the operator to raise max_shown_per_minute.';
  end if;
  -- In one order, so that two that write the same documents take turns; what somebody holds is waited for below.
  perform 1 from public.brain_docs d where d.id = any (array(
    select x.id from jsonb_array_elements($1 -> 'changes') c
    join lateral creel.agent_on_host(host, creel.uuid_of(c -> 'agent_id')) a on true
    join public.brain_docs x on x.project_id = a.project_id and x.agent_key = a.agent_key
      and x.doc_type = c ->> 'doc_type'))
  order by d.id for no key update skip locked;

  for change in select * from jsonb_array_elements($1 -> 'changes') loop
    status := 'refused';
    agent := creel.agent_on_host(host, creel.uuid_of(change -> 'agent_id'));
    message := creel.fault_of_doc_change(change);
    if agent.id is null then
      message := coalesce(message, 'no such agent lives on this host');
    elsif message is not null then
      perform creel.block_doc(host, agent, change ->> 'doc_type', message);
    else
      begin
        status := creel.put_doc(host, agent, change);
      exception
        when lock_not_available or deadlock_detected or serialization_failure then
          status := 'stale';
          message := 'somebody is writing this document right now';
          -- Of the others is not waited for as long again.
          perform set_config('lock_timeout', '50ms', true);
        when others then
          message := case when sqlstate in ('PT429', 'PT413', 'PT409', '22023') then sqlerrm
            else 'the database does not take this text' end;
          raise warning 'document % of agent % is not taken: %', change ->> 'doc_type', agent.id, sqlerrm;
          perform creel.block_doc(host, agent, change ->> 'doc_type', message);
      end;
    end if;
    results := results || (
      select jsonb_build_object(
        'agent_id', change -> 'agent_id', 'doc_type', change -> 'doc_type', 'status', status, 'message', message,
        'version', d.version, 'sha256', d.sha256)
      from (select) as one
      left join public.brain_docs d on d.project_id = agent.project_id and d.agent_key = agent.agent_key
        and d.doc_type = change ->> 'doc_type');
  end loop;
  return jsonb_build_object('results', to_jsonb(results));
end
$_$;


--
-- Name: FUNCTION put_docs(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.put_docs(jsonb) IS 'Host function: {api, changes: [{agent_id, doc_type, op, ...}]} -> {results: [{agent_id, doc_type, status: done|stale|refused, version, sha256, message}]}: what the disk of a host has, for the documents of agents that live on it. ack{sha256}, text{base_version, content, author?, doc_date?}, merge{base_version, content, disk_content}, conflict{base_version, content}, hold{base_version, content}, note{state: blocked|ok, note}, day{base_version, doc_date, content}, keep_day{doc_date, content}. Each is taken or not by itself, and can be repeated. stale: the row is another one by now; list it again.';


--
-- Name: read_doc(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.read_doc(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'read');
  number constant int := creel.wanted_int($1, 'version');
  shown public.brain_doc_versions;
begin
  if number is null or number = doc.version then
    return jsonb_build_object('content', doc.content) || creel.show_doc(
      doc, creel.all_docs_warning(doc.project_id, doc.agent_key), creel.is_host_online(doc.project_id, doc.agent_key));
  end if;
  shown := creel.asked_version(doc, number);
  return creel.show_version(shown) || jsonb_build_object(
    'project_id', doc.project_id, 'agent_key', doc.agent_key, 'doc_type', doc.doc_type,
    'current_version', doc.version, 'content', creel.text_of_doc(doc.id, doc.project_id, shown.sha256));
end
$_$;


--
-- Name: FUNCTION read_doc(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.read_doc(jsonb) IS '{project_id, agent_key, doc_type, version?} -> {version, sha256, content, sync_state, sync_note, held_version, conflict_version, disk_version, warning, host_online, ...}; of an earlier version {version, current_version, sha256, content, author_kind, reason, ...}. A document that was never written has version 0 and no text.';


--
-- Name: read_docs(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.read_docs(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '800ms'
    AS $_$
declare
  held creel.items;
begin
  held := creel.held_item(creel.require_host(), ($1 ->> 'token')::uuid);
  perform creel.require_api($1);
  if held.seq is null then
    return jsonb_build_object('held', false, 'docs', '[]'::jsonb);
  end if;
  return jsonb_build_object('held', true, 'docs', coalesce((
    select jsonb_agg(jsonb_build_object('doc_type', d.doc_type, 'content', d.content) order by d.doc_type)
    from creel.lanes l join public.brain_docs d using (project_id, agent_key)
    where l.id = held.lane_id), '[]'));
end
$_$;


--
-- Name: FUNCTION read_docs(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.read_docs(jsonb) IS 'Host function: {api, token} -> {held, docs[]}: the documents of the agent that the token''s item is about.';


--
-- Name: read_runtime(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.read_runtime(jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $_$
declare
  project constant text := $1 ->> 'project_id';
begin
  if not coalesce(project = any (creel.readable_projects()), false) then
    raise exception 'you are no member of project %', project
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  return (
    with serving as (
      select h.id, h.name, s.shown_status, s.last_seen_at, h.platform, h.worker_version, h.openclaw_version,
        case when jsonb_typeof(h.runtime) = 'object' then h.runtime else '{}' end as runtime
      from public.project_hosts p join public.hosts h on h.id = p.host_id join public.host_status s on s.id = h.id
      where p.project_id = project
    )
    select jsonb_build_object(
      'agents', coalesce((
        select jsonb_agg(
          l.agent || jsonb_build_object('agentKey', l.agent_key, 'hostId', l.host_id)
          order by s.name, s.id, l.place)
        from creel.reported_agents(project) l join serving s on s.id = l.host_id), '[]'),
      'hosts', coalesce((
        select jsonb_agg(
          jsonb_build_object(
            'id', s.id, 'name', s.name, 'status', s.shown_status, 'lastSeenAt', s.last_seen_at,
            'platform', s.platform, 'workerVersion', s.worker_version, 'openclawVersion', s.openclaw_version,
            'runtime', s.runtime)
          order by s.name, s.id)
        from serving s), '[]'))
  );
end
$_$;


--
-- Name: FUNCTION read_runtime(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.read_runtime(jsonb) IS '{project_id} -> {agents[], hosts[]}: what is in OpenClaw on the hosts that serve the project, as they last reported it, each agent with agentKey where it is one of the project.';


--
-- Name: record_docs(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.record_docs(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '800ms'
    AS $_$
declare
  held creel.items;
  created jsonb;
begin
  held := creel.held_item(creel.require_host(), ($1 ->> 'token')::uuid);
  perform creel.require_api($1);
  if held.seq is null then
    return jsonb_build_object('held', false, 'created', '[]'::jsonb);
  end if;
  with added as (
    insert into public.brain_docs (
      project_id, agent_key, doc_type, content, updated_by, disk_sha256, disk_version, disk_at)
    select l.project_id, l.agent_key, g ->> 'doc_type', g ->> 'content', 'creel',
      creel.text_sha256(g ->> 'content'), 1, now()
    from jsonb_array_elements($1 -> 'docs') g, creel.lanes l where l.id = held.lane_id
    on conflict on constraint brain_docs_key do nothing
    returning doc_type
  )
  select jsonb_agg(a.doc_type order by a.doc_type) into created from added a;
  return jsonb_build_object('held', true, 'created', coalesce(created, '[]'));
end
$_$;


--
-- Name: FUNCTION record_docs(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.record_docs(jsonb) IS 'Host function: {api, token, docs[]} -> {held, created[]}: makes a row of each document that has none.';


--
-- Name: record_logs(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.record_logs(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '800ms'
    AS $_$
declare
  host constant uuid := creel.require_host();
  knobs constant creel.settings := creel.knobs();
  -- What a row takes beside its lines.
  overhead constant int := 256;
  taken int := 0;
begin
  perform creel.require_api($1);
  if jsonb_typeof($1 -> 'logs') is distinct from 'array' or jsonb_array_length($1 -> 'logs') > 100 then
    raise exception 'logs is no list of at most 100'
      using errcode = '22023', hint = 'Tell of the others in another call.';
  end if;
  if not creel.spend(host, 'logs', 
    octet_length($1 ->> 'logs') + overhead * jsonb_array_length($1 -> 'logs'), knobs.max_log_bytes_per_hour, '1 hour') then
    return jsonb_build_object('taken', 0, 'full', true);
  end if;
  -- Of agents that live here. One that is mentioned twice is taken once.
  with told as (
    select distinct on (a.id) a.id, a.project_id, a.agent_key, l ->> 'lines' as lines,
      case when jsonb_typeof(l -> 'skipped_bytes') = 'number'
        then least(greatest((l ->> 'skipped_bytes')::numeric, 0), 1e15)::bigint else 0 end as skipped_bytes
    from jsonb_array_elements($1 -> 'logs') l
    join public.agents a on a.id = creel.uuid_of(l -> 'agent_id')
    where a.host_id = host and jsonb_typeof(l -> 'lines') = 'string' and l ->> 'lines' <> ''
      and octet_length(l ->> 'lines') <= 16384
      and exists (select from public.project_hosts p where p.host_id = host and p.project_id = a.project_id)
    order by a.id
  ), added as (
    insert into public.agent_logs (agent_id, seq, project_id, agent_key, lines, skipped_bytes)
    select t.id, coalesce((select max(o.seq) from public.agent_logs o where o.agent_id = t.id), 0) + 1,
      t.project_id, t.agent_key, t.lines, t.skipped_bytes
    from told t
    returning agent_id, seq, octet_length(lines) + overhead as size
  ), kept as (
    select o.agent_id, o.seq,
      a.size + sum(octet_length(o.lines) + overhead) over (partition by o.agent_id order by o.seq desc) as size
    from added a join public.agent_logs o on o.agent_id = a.agent_id
  ), removed as (
    delete from public.agent_logs o using kept k
    where o.agent_id = k.agent_id and o.seq = k.seq and k.size > knobs.max_log_bytes_per_agent
  )
  select count(*) into taken from added;
  return jsonb_build_object('taken', taken, 'full', false);
end
$_$;


--
-- Name: FUNCTION record_logs(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.record_logs(jsonb) IS 'Host function: {api, logs: [{agent_id, lines, skipped_bytes}]} -> {taken, full}: new lines of the logs of agents that live on the host. full says that it has told so much lately that nothing was taken.';


--
-- Name: redrive(uuid); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.redrive(id uuid) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  dead creel.dead_letters;
  registered creel.queues;
  command public.agent_commands;
begin
  perform creel.take_turn();
  select * into dead from creel.dead_letters d
  where d.item_id = redrive.id and d.project_id = any (creel.writable_projects()) for update;
  if not found then
    raise exception 'nothing with id % is dead in a project that you may write', redrive.id
      using errcode = 'PT404', hint = 'Look at the view dead_letters for what can be redriven.';
  end if;
  select * into strict registered from creel.queues q where q.queue = dead.queue;
  if dead.queue = 'agent_commands' then
    select * into command from public.agent_commands c where c.id = redrive.id;
    if command.type not in ('deploy', 'undeploy') and exists (
      select from public.agents a where a.id = command.agent_id and a.desired_state = 'removed') then
      raise exception 'agent % is being removed, or was', dead.agent_key
        using errcode = 'PT409', detail = 'removed', hint = 'Send deploy to have it back.';
    end if;
  end if;
  delete from creel.dead_letters d where d.item_id = redrive.id;
  begin
    -- Its deadline has passed or would pass again; whoever redrives it wants it done.
    execute format(
      'update %s t set status = %L, %I = null, result = null, deadline_at = null where t.id = $1',
      registered.tbl, registered.waiting, registered.done_at)
    using redrive.id;
  exception when unique_violation then
    raise exception 'another request for agent % is open', dead.agent_key
      using errcode = 'PT409', hint = 'Wait until it has ended; it may make this one unnecessary.';
  end;
  update public.agents a set status = 'pending_deploy'
  where a.project_id = dead.project_id and a.agent_key = dead.agent_key and a.status = 'error' and not a.provisioned;
  perform creel.enqueue_items(
    registered, array[dead.item_id], array[dead.project_id], array[dead.agent_key], array[null::timestamptz]);
  if dead.queue = 'agent_commands' then
    -- It is wished for again, and now: what was wished for meanwhile is older.
    perform creel.supersede_commands(array[dead.item_id]);
    perform creel.write_wishes(array[dead.item_id], false);
    perform creel.settle_without_host(array[dead.item_id]);
  end if;
  perform creel.log_event('item.redriven', dead.project_id, dead.agent_key, null, dead.item_id);
  return jsonb_build_object('id', dead.item_id, 'queue', dead.queue, 'status', registered.waiting);
end
$_$;


--
-- Name: FUNCTION redrive(id uuid); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.redrive(id uuid) IS 'Brings back a dead item of a project that the asker may write, with all its attempts: {id, queue, status}. A command counts as wished for now: it supersedes what it would supersede as a new one.';


--
-- Name: redrive_notification(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.redrive_notification(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  found_one uuid;
begin
  update public.notifications n set status = 'pending', attempts = 0, not_before = now(), created_at = now()
  where n.id = ($1 ->> 'notification_id')::uuid and n.status = 'failed'
    and n.project_id = any (creel.writable_projects())
  returning n.id into found_one;
  if found_one is null then
    raise exception 'no notification % has failed in a project that you may write', $1 ->> 'notification_id'
      using errcode = 'PT404', hint = 'Look at the table notifications for what has failed.';
  end if;
  return jsonb_build_object('id', found_one, 'status', 'pending');
end
$_$;


--
-- Name: FUNCTION redrive_notification(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.redrive_notification(jsonb) IS '{notification_id} -> {id, status}: what was given up is delivered again, with all its attempts and under its old id.';


--
-- Name: release(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.release(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET lock_timeout TO '800ms'
    AS $_$
declare
  host constant uuid := creel.require_host();
  session constant uuid := ($1 ->> 'session')::uuid;
  others constant boolean := coalesce(($1 ->> 'others')::boolean, false);
  settlements creel.settlement[];
  lane_ids bigint[];
begin
  perform creel.require_api($1);
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;
  select
    array_agg((
      l.id, l.head, l.item_id, l.queue, l.attempts, l.max_attempts, l.given_back, l.token,
      case when l.session_id = session then 'given_back' else 'back' end, null, null, false
    )::creel.settlement),
    array_agg(l.id)
  into settlements, lane_ids
  from (
    select * from creel.lanes k
    where k.host_id = host and k.token is not null
      and case when k.session_id = session
        then k.token in (select t::uuid from jsonb_array_elements_text(coalesce($1 -> 'tokens', '[]')) t)
        else others end
    order by k.id for no key update) l;
  perform creel.settle(settlements);
  perform creel.notify_lanes(lane_ids);
  return jsonb_build_object('released', coalesce(cardinality(settlements), 0));
end
$_$;


--
-- Name: FUNCTION release(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.release(jsonb) IS 'Host function: {api, session, tokens[], others} -> {released}. Gives back what this session holds, at no attempt; with others also what dead sessions of this host held, whose attempts stay charged.';


--
-- Name: remove_member(text, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.remove_member(project_id text, email text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not coalesce(remove_member.project_id = any (creel.owned_projects()), false) then
    raise exception 'only an owner of project % may remove members', remove_member.project_id
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  delete from public.project_members m using auth.users u
  where m.project_id = remove_member.project_id and u.id = m.user_id
    and lower(u.email) = lower(remove_member.email);
  return found;
end
$$;


--
-- Name: report_outdated(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.report_outdated(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '800ms'
    AS $_$
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
$_$;


--
-- Name: FUNCTION report_outdated(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.report_outdated(jsonb) IS 'Host function, for every version of these functions: {api, worker_version} -> {outdated}. Said by a worker that was refused with PT426; the next tick that is not refused ends it.';


--
-- Name: request_provision(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.request_provision(jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  project constant text := $1 ->> 'project_id';
  wished_key constant text := $1 ->> 'agent_key';
  once constant text := nullif($1 ->> 'idempotency_key', '');
  agent public.agents;
  wish public.agent_provision_requests;
  earlier public.agent_provision_requests;
begin
  if project is null or wished_key is null then
    raise exception 'project_id or agent_key is missing' using errcode = '22023';
  end if;
  if not coalesce(project = any (creel.writable_projects()), false) then
    raise exception 'you may not write project %', project
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;

  -- Of an agent that is there only what was wished is changed.
  select * into agent from public.agents a where a.project_id = project and a.agent_key = wished_key;
  wish.agent_id_short := coalesce(
    nullif($1 ->> 'agent_id_short', ''), agent.agent_id_short, creel.short_of_key(wished_key));
  wish.display_name := coalesce(nullif($1 ->> 'display_name', ''), agent.name, wish.agent_id_short);
  wish.emoji := coalesce(nullif($1 ->> 'emoji', ''), agent.emoji, '🦞');
  wish.role_short := coalesce(nullif($1 ->> 'role_short', ''), agent.role, 'assistant');

  -- What stood in the way of the insert may have ended before it is looked at.
  for look in 1..3 loop
    select * into earlier from public.agent_provision_requests r
    where r.project_id = project
      and (r.idempotency_key = once or r.agent_key = wished_key and r.status in ('queued', 'running'))
    order by r.idempotency_key is not distinct from once desc limit 1;
    if found then
      if (earlier.agent_key, earlier.agent_id_short, earlier.display_name, earlier.emoji, earlier.role_short)
         is distinct from (wished_key, wish.agent_id_short, wish.display_name, wish.emoji, wish.role_short) then
        raise exception 'another request was made before this one'
          using errcode = 'PT409',
            detail = case when earlier.idempotency_key = once then 'idempotency_key' else 'open_request' end,
            hint = 'Wait until that one has ended, and use a new key for a new request.';
      end if;
      if earlier.idempotency_key is distinct from once then
        perform creel.take_back_removal(project, wished_key);
      end if;
      return jsonb_build_object(
        'id', earlier.id, 'agent_key', earlier.agent_key, 'status', earlier.status, 'repeated', true);
    end if;
    insert into public.agent_provision_requests
      (project_id, agent_key, agent_id_short, display_name, emoji, role_short, idempotency_key)
    values (
      project, wished_key, wish.agent_id_short, wish.display_name, wish.emoji, wish.role_short, once)
    on conflict do nothing
    returning * into earlier;
    exit when found;
  end loop;
  if earlier.id is null then
    raise exception 'other requests for this agent come and go' using errcode = '40001';
  end if;

  update public.agents a set name = wish.display_name, role = wish.role_short, emoji = wish.emoji
  where a.project_id = project and a.agent_key = wished_key
    and (a.name, a.role, a.emoji) is distinct from (wish.display_name, wish.role_short, wish.emoji);
  perform creel.take_back_removal(project, wished_key);
  insert into public.agent_status (project_id, agent_key, state, note, last_activity_at)
  values (project, wished_key, 'idle', 'Provisioning…', now())
  on conflict (project_id, agent_key) do update set
    note = excluded.note, last_activity_at = excluded.last_activity_at;
  return jsonb_build_object(
    'id', earlier.id, 'agent_key', earlier.agent_key, 'status', earlier.status, 'repeated', false);
end
$_$;


--
-- Name: FUNCTION request_provision(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.request_provision(jsonb) IS '{project_id, agent_key, agent_id_short, display_name, emoji, role_short, idempotency_key} -> {id, agent_key, status, repeated}. Makes the agent''s row, its status and a request, as a page does. The same wish again answers the request that is open; another one is a conflict (409) until that has ended.';


--
-- Name: request_removal(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.request_removal(jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  project constant text := $1 ->> 'project_id';
  unwanted constant text := $1 ->> 'agent_key';
begin
  if project is null or unwanted is null then
    raise exception 'project_id or agent_key is missing' using errcode = '22023';
  end if;
  if not coalesce(project = any (creel.writable_projects()), false) then
    raise exception 'you may not write project %', project
      using errcode = '42501', hint = 'Ask an owner of the project.';
  end if;
  delete from public.agents a where a.project_id = project and a.agent_key = unwanted;
  if found then
    return jsonb_build_object('removed', true);
  end if;
  if not exists (select from public.agents a where a.project_id = project and a.agent_key = unwanted) then
    raise exception 'there is no agent % in project %', unwanted, project
      using errcode = 'PT404', detail = 'unknown_agent', hint = 'Look at the agents of the project.';
  end if;
  return jsonb_build_object('removed', false);
end
$_$;


--
-- Name: FUNCTION request_removal(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.request_removal(jsonb) IS '{project_id, agent_key} -> {removed}. false: a host has begun to make the agent and removes it first; the row goes when it has. 404 for an agent that is not there.';


--
-- Name: resolve_doc(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.resolve_doc(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'write');
  take constant text := creel.wanted_text($1, 'take');
  other public.brain_doc_versions;
  written public.brain_docs := doc;
begin
  if take not in ('disk', 'page') then
    raise exception 'take is disk or page, not %', left(take, 100)
      using errcode = '22023', hint = 'disk takes what the file has, page what the page had.';
  end if;
  if doc.held_version is null and doc.conflict_version is null then
    -- Done before, by this person or another.
    return creel.show_written(doc) || '{"resolved": false}';
  end if;

  if doc.held_version is not null then
    select * into other from public.brain_doc_versions v where v.doc_id = doc.id and v.version = doc.held_version;
    if take = 'disk' and other.sha256 <> doc.sha256 then
      written.updated_by := creel.actor();
      perform creel.add_doc_version(
        written, doc.last_version + 1, creel.text_of_doc(doc.id, doc.project_id, other.sha256), 'person', 'accepted');
      update public.brain_docs d set
        content = creel.text_of_doc(doc.id, doc.project_id, other.sha256), version = d.last_version + 1,
        updated_by = creel.actor()
      where d.id = doc.id;
    end if;
    -- The disk's text is known, and may be replaced by the row's.
    update public.brain_docs d set
      disk_sha256 = other.sha256, disk_version = case when take = 'disk' then d.version else doc.version - 1 end,
      held_version = null,
      sync_state = case d.sync_state when 'blocked' then 'blocked'
        else creel.settled_state(d.sha256, other.sha256) end,
      changed = pg_current_xact_id()
    where d.id = doc.id returning * into written;
  else
    -- The row has the disk's text already.
    select * into other from public.brain_doc_versions v where v.doc_id = doc.id and v.version = doc.conflict_version;
    if take = 'page' and other.id is not null and other.sha256 <> doc.sha256 then
      written := creel.write_person_text(
        doc, creel.text_of_doc(doc.id, doc.project_id, other.sha256), 'restored', true);
    end if;
    update public.brain_docs d set conflict_version = null where d.id = doc.id returning * into written;
  end if;
  perform creel.log_doc_event('doc.resolved', doc, jsonb_build_object(
    'take', take, 'version', written.version, 'sha256', written.sha256, 'held_version', doc.held_version,
    'conflict_version', doc.conflict_version));
  return creel.show_written(written) || '{"resolved": true}';
end
$_$;


--
-- Name: FUNCTION resolve_doc(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.resolve_doc(jsonb) IS '{project_id, agent_key, doc_type, take: disk|page} -> as write_doc, with resolved. Of a held document disk takes what the file has, which becomes a new version, and page has the row''s text written to the file. Of a conflict disk leaves the row as it is, and page takes back the text that lost.';


--
-- Name: restore_doc(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.restore_doc(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  doc constant public.brain_docs := creel.asked_doc($1, 'write');
  number constant int := creel.wanted_int($1, 'version');
  base constant int := creel.wanted_int($1, 'base_version');
  wanted public.brain_doc_versions;
begin
  if number is null then
    raise exception 'version is missing' using errcode = '22023', hint = 'Say which version is to be restored.';
  end if;
  wanted := creel.asked_version(doc, number);
  if wanted.sha256 = doc.sha256 then
    return creel.show_written(doc);
  end if;
  if base <> doc.version then
    return creel.show_conflict(doc, (
      select v.sha256 from public.brain_doc_versions v where v.doc_id = doc.id and v.version = base), base);
  end if;
  return creel.show_written(creel.write_person_text(
    doc, creel.text_of_doc(doc.id, doc.project_id, wanted.sha256), 'restored', base is not null));
end
$_$;


--
-- Name: FUNCTION restore_doc(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.restore_doc(jsonb) IS '{project_id, agent_key, doc_type, version, base_version?} -> as write_doc: the text of an earlier version becomes a new one.';


--
-- Name: revoke_enrolment_code(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.revoke_enrolment_code(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  unwanted constant uuid := creel.uuid_of($1 -> 'id');
begin
  -- A host that enrols by it at this moment is waited for; then it is used.
  delete from creel.enrolment_codes c
  where c.id = unwanted and c.owner_id = auth.uid() and c.used_at is null and c.expires_at > now();
  if not found then
    raise exception 'you have no unused code %', coalesce(left($1 ->> 'id', 100), 'without an id')
      using errcode = 'PT404', detail = 'unknown_code',
        hint = 'Ask list_enrolment_codes which there are. A host that has used one is ended by revoke_host_access.';
  end if;
  return jsonb_build_object('id', unwanted, 'revoked', true);
end
$_$;


--
-- Name: FUNCTION revoke_enrolment_code(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.revoke_enrolment_code(jsonb) IS '{id} -> {id, revoked}: ends an own code that nobody has used yet, at once; 404 for any other.';


--
-- Name: revoke_host_access(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.revoke_host_access(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  host constant uuid := creel.require_owned_host($1);
begin
  perform creel.revoke_host(host);
  return jsonb_build_object('host_id', host);
end
$_$;


--
-- Name: FUNCTION revoke_host_access(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.revoke_host_access(jsonb) IS 'For the owner of a host: {host_id} -> {host_id}. Ends every key and login of it at once; what it was at work on goes back when its leases end. A code with {host_id} lets it in again.';


--
-- Name: rotate_host_key(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.rotate_host_key(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '800ms'
    AS $_$
declare
  host constant uuid := creel.require_host();
  sha constant bytea := creel.read_sha256($1 ->> 'key_sha256');
  -- Requests that are on their way, and a worker that reads its key's file now and then, may go on so long.
  grace constant interval := interval '10 minutes';
  used creel.host_keys;
  known creel.host_keys;
begin
  perform creel.require_api($1);
  if session_user <> 'authenticator' then
    raise exception 'this host comes by a login of the database, and has no key'
      using errcode = 'PT409', hint = 'Change the password of its login instead.';
  end if;
  -- Two of these take turns, and with whoever ends the keys.
  perform 1 from public.hosts h where h.id = host for no key update;
  select * into used from creel.host_keys k
  where k.key_sha256 = sha256(convert_to(
    nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-creel-host-key', 'utf8'));
  if used.id is null or used.revoked_at is not null or used.expires_at <= clock_timestamp() then
    raise exception 'the host key is not known, expired or revoked'
      using errcode = 'PT401', hint = 'Enrol the host again and use the new key.';
  end if;
  select * into known from creel.host_keys k where k.key_sha256 = sha;
  if known.id is not null then
    if known.host_id <> host or known.revoked_at is not null or known.expires_at <= now() then
      raise exception 'this key was used before'
        using errcode = 'PT409', detail = 'known_key', hint = 'Make a new random key.';
    end if;
    -- Whoever did not hear the answer asks again.
    return jsonb_build_object('host_id', host, 'expires_at', known.expires_at);
  end if;
  if used.replaced_at is not null then
    raise exception 'this key was replaced by another one already'
      using errcode = 'PT409', detail = 'replaced_key',
        hint = 'Use the newer key. If nobody has it, let the owner of the host make a code: creel host code --host.';
  end if;
  update creel.host_keys k
  set replaced_at = now(), expires_at = least(coalesce(k.expires_at, 'infinity'), now() + grace)
  where k.host_id = host and k.replaced_at is null and k.revoked_at is null;
  -- What ended is kept for a while, for the owner to look at.
  delete from creel.host_keys k where k.id in (
    select o.id from creel.host_keys o
    where o.host_id = host and (o.revoked_at < now() - interval '1 hour' or o.expires_at < now() - interval '1 hour')
    order by o.created_at desc offset 20);
  if (select count(*) from creel.host_keys k where k.host_id = host and k.created_at > now() - interval '1 hour') >= 10
  then
    raise exception 'this host has had too many keys within an hour'
      using errcode = 'PT429', hint = 'Wait; the key that it has stays good.';
  end if;
  insert into creel.host_keys (host_id, key_sha256, expires_at, lifetime_days)
  values (host, sha, now() + used.lifetime_days * interval '1 day', used.lifetime_days);
  perform creel.log_event('host.key_rotated', null, null, host, null);
  return jsonb_build_object(
    'host_id', host, 'expires_at', now() + used.lifetime_days * interval '1 day', 'old_ends_at', now() + grace);
end
$_$;


--
-- Name: FUNCTION rotate_host_key(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.rotate_host_key(jsonb) IS 'Host function, for hosts that come by a key: {api, key_sha256} -> {host_id, expires_at, old_ends_at}. The new key is good at once, the one that it replaces for ten more minutes; that one can be replaced only once.';


--
-- Name: rotate_webhook_secret(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.rotate_webhook_secret(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  webhook constant public.webhooks := creel.own_webhook(($1 ->> 'webhook_id')::uuid);
  fresh constant text := creel.webhook_secret();
  at_once constant boolean := coalesce(($1 ->> 'at_once')::boolean, false);
begin
  update creel.webhook_secrets s set
    previous = case when not at_once then s.secret end,
    previous_until = case when not at_once then now() + interval '1 day' end,
    secret = fresh
  where s.webhook_id = webhook.id;
  perform creel.log_event('webhook.rotated', webhook.project_id, null, null, webhook.id);
  return jsonb_build_object('id', webhook.id, 'secret', fresh);
end
$_$;


--
-- Name: FUNCTION rotate_webhook_secret(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.rotate_webhook_secret(jsonb) IS '{webhook_id, at_once} -> {id, secret}. For a day deliveries are signed with both secrets; with at_once only with the new one.';


--
-- Name: sweep(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.sweep(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET jit TO 'off'
    SET lock_timeout TO '800ms'
    AS $_$
begin
  perform creel.require_api($1);
  -- A host asks as often as it likes; it is swept no more often than by ticks.
  return coalesce(
    creel.sweep_once(case when creel.current_host_id() is null then interval '0' else interval '1 second' end),
    jsonb_build_object('busy', true));
end
$_$;


--
-- Name: FUNCTION sweep(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.sweep(jsonb) IS '{api} -> counts. Ends leases that ran out, fails what is past its deadline or has no host, says what waits for what.';


--
-- Name: test_webhook(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.test_webhook(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  webhook constant public.webhooks := creel.own_webhook(($1 ->> 'webhook_id')::uuid);
  made uuid;
begin
  if not webhook.enabled then
    raise exception 'webhook % is disabled', webhook.id
      using errcode = 'PT409', hint = 'Enable it first: webhooks.enabled.';
  end if;
  if (select count(*) from public.notifications n
      where n.webhook_id = webhook.id and n.kind = 'webhook.test' and n.created_at > now() - interval '1 minute') >= 5 then
    raise exception 'this webhook was tested five times within a minute'
      using errcode = 'PT429', hint = 'Wait a minute.';
  end if;
  made := creel.add_notification(webhook, 'webhook.test', null, jsonb_build_object(
    'summary', 'This is a test: the webhook works.', 'details', '{}'::jsonb));
  if made is null then
    raise exception 'too much waits for this webhook already'
      using errcode = 'PT429', hint = 'See why it does not answer: notifications.last_error.';
  end if;
  return jsonb_build_object('notification_id', made);
end
$_$;


--
-- Name: FUNCTION test_webhook(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.test_webhook(jsonb) IS '{webhook_id} -> {notification_id}: something harmless is delivered; its row in notifications says what became of it.';


--
-- Name: tick(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.tick(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET lock_timeout TO '800ms'
    AS $_$
declare
  host constant uuid := creel.require_host();
  session constant uuid := ($1 ->> 'session')::uuid;
  tokens constant uuid[] := array(
    select t::uuid from jsonb_array_elements_text(coalesce($1 -> 'tokens', '[]')) t);
  report constant jsonb := coalesce($1 -> 'host', '{}');
  knobs constant creel.settings := creel.knobs();
  lease constant interval := knobs.lease_secs * interval '1 second';
  tick constant interval := knobs.tick_secs * interval '1 second';
  lane_ids constant bigint[] := array(select creel.lane_of_token(t) from unnest(tokens) t);
  projects constant text[] := creel.projects_of_host(host);
  held uuid[];
  forgotten creel.settlement[];
  next_at timestamptz;
  warnings text[] := array[]::text[];
  -- What is not smaller is of a cluster that this one was restored from.
  next_xact constant xid8 := pg_snapshot_xmax(pg_current_snapshot());
  channel constant jsonb := $1 -> 'channel';
  topic text;
  docs_since constant xid8 := case
    when $1 ->> 'docs_since' ~ '^[0-9]{1,19}$' then ($1 ->> 'docs_since')::xid8 end;
begin
  perform creel.require_api($1);
  if session is null then
    raise exception 'session is missing' using errcode = '22023';
  end if;

  insert into public.host_heartbeats as b (host_id, last_seen_at, session_id, cpu_percent, ram_mb, listens, lost_hints)
  values (
    host, now(), session, (report ->> 'cpu_percent')::real, (report ->> 'ram_mb')::bigint,
    coalesce((channel ->> 'live')::boolean, false),
    -- A host that lies says what is wrong of itself alone.
    least(greatest(coalesce((channel ->> 'lost')::bigint, 0), 0), 1000))
  on conflict (host_id) do update set
    last_seen_at = excluded.last_seen_at, session_id = excluded.session_id,
    cpu_percent = excluded.cpu_percent, ram_mb = excluded.ram_mb, listens = excluded.listens,
    lost_hints = b.lost_hints + excluded.lost_hints;
  if channel is not null then
    topic := nullif(creel.host_topic(host), channel ->> 'topic');
  end if;
  update public.hosts h set
    status = case h.status when 'enrolled' then 'online' else h.status end,
    platform = coalesce(report ->> 'platform', h.platform),
    worker_version = coalesce(report ->> 'worker_version', h.worker_version),
    openclaw_version = coalesce(report ->> 'openclaw_version', h.openclaw_version)
  where h.id = host and (
    h.status = 'enrolled'
    or h.platform is distinct from coalesce(report ->> 'platform', h.platform)
    or h.worker_version is distinct from coalesce(report ->> 'worker_version', h.worker_version)
    or h.openclaw_version is distinct from coalesce(report ->> 'openclaw_version', h.openclaw_version));
  -- Everything else that a host tells of itself.
  if report - array['platform', 'worker_version', 'openclaw_version', 'cpu_percent', 'ram_mb'] <> '{}' then
    perform creel.keep_host_report(host, report);
  end if;

  with renewed as (
    update creel.lanes l set expires_at = now() + lease
    where l.id = any (array(
      select c.id from creel.lanes c
      where c.id = any (lane_ids)
        and c.host_id = host and c.session_id = session and c.token = any (tokens) and c.expires_at > now()
        and c.project_id = any (projects)
      order by c.id for no key update))
    returning l.token
  )
  select coalesce(array_agg(r.token), '{}') into held from renewed r;

  -- What this session holds and does not know of, because the answer to its claim was lost. A claim whose answer is
  -- on its way right now is younger. What ran out is left to the sweep, which charges the attempt: it may have been
  -- worked on.
  select array_agg((
    u.id, u.head, u.item_id, u.queue, u.attempts, u.max_attempts, u.given_back, u.token, 'given_back', null, null,
    false)::creel.settlement)
  into forgotten
  from (
    select * from creel.lanes c
    where c.host_id = host and c.token is not null and c.session_id = session and c.token <> all (tokens)
      and c.expires_at < now() + lease - interval '5 seconds' and c.expires_at > now()
    order by c.id for no key update) u;
  perform creel.settle(forgotten);

  insert into public.agent_metrics as m (agent_id, cpu_percent, ram_mb, disk_mb, uptime_secs, sampled_at)
  select distinct on (a.id) a.id, s.cpu_percent, s.ram_mb, s.disk_mb, s.uptime_secs, now()
  from jsonb_to_recordset(coalesce($1 -> 'metrics', '[]'))
    as s (agent_id uuid, cpu_percent real, ram_mb real, disk_mb real, uptime_secs bigint)
  join public.agents a on a.id = s.agent_id and a.host_id = host
  order by a.id
  on conflict (agent_id) do update set
    cpu_percent = excluded.cpu_percent, ram_mb = excluded.ram_mb, disk_mb = excluded.disk_mb,
    uptime_secs = excluded.uptime_secs, sampled_at = excluded.sampled_at;

  if coalesce($1 -> 'agents', 'null') not in ('null', '[]') then
    warnings := creel.keep_agent_states(host, $1 -> 'agents');
  end if;

  -- What keeps a sweep from ending must not cost this host its heartbeat and its leases.
  begin
    perform creel.sweep_once(interval '1 second');
  exception when query_canceled or others then
    raise warning 'sweep within a tick: %', sqlerrm;
  end;

  -- Once a minute somebody's tick keeps what the agents used, or the ticks of several do, of some agents each.
  if exists (
    select from creel.metric_clock k
    where k.kept_until <= now() - k.step_secs * interval '1 second') then
    begin
      perform creel.keep_metrics_history(now());
    exception when query_canceled or others then
      raise warning 'metrics within a tick: %', sqlerrm;
    end;
  end if;

  -- Looked ahead until a tick after the next one: what comes later, that one will tell. A lease that is renewed ends
  -- later.
  select min(w.at) into next_at from (
    select l.not_before as at from creel.lanes l
    where l.token is null and l.head is not null and l.not_before > now() and l.not_before < now() + 2 * tick
      and (l.project_id = any (projects)) is true and (l.host_id = host or l.host_id is null)
    union all
    select l.expires_at from creel.lanes l
    where l.token is not null and l.expires_at < now() + 1.5 * tick and (l.project_id = any (projects)) is true
      and (l.host_id <> host or l.session_id <> session)
  ) w;

  return jsonb_build_object(
    'host_id', host,
    'lease_ms', knobs.lease_secs * 1000,
    'tick_ms', knobs.tick_secs * 1000,
    'lost', to_jsonb(array(select t from unnest(tokens) t where t <> all (held))),
    'cancel', to_jsonb(array(
      select l.token from creel.lanes l join creel.items i on i.lane_id = l.id and i.seq = l.head
      where l.id = any (lane_ids) and l.token = any (held) and i.cancel)),
    'work', creel.has_work(host, projects),
    'docs', docs_since is not null and (docs_since > next_xact or exists (
      select from public.brain_docs d
      join public.agents a on a.project_id = d.project_id and a.agent_key = d.agent_key
      where d.changed >= docs_since and d.changed < next_xact and a.host_id = host and a.status <> 'removed')),
    'warnings', to_jsonb(warnings),
    'topic', topic,
    'wake_in_ms', case when next_at is not null
      then greatest(ceil(extract(epoch from next_at - now()) * 1000), 0)::bigint end);
end
$_$;


--
-- Name: FUNCTION tick(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.tick(jsonb) IS 'Host function: {api, session, tokens[], metrics[], agents[], docs_since, channel, host{}} -> {host_id, lease_ms, tick_ms, lost[], cancel[], work, docs, warnings[], topic, wake_in_ms}. Renews the leases of these tokens, stores metrics and the states of agents ({agent_id, state: running|stopped|starting|error, note, restarts, pid}, when they change), sweeps, and says what to stop, whether there is work, whether somebody else has changed documents since docs_since, and what of the report could not be taken. With channel ({topic, live, lost}: the topic that the host knows, whether it hears it, how many hints were lost since the last tick) it answers with the topic of its Realtime channel, if that is another one.';


--
-- Name: why_pending(uuid); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.why_pending(id uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  item creel.items;
  lane creel.lanes;
  dead creel.dead_letters;
  readable constant text[] := creel.readable_projects();
begin
  select * into item from creel.items i where i.item_id = why_pending.id;
  select * into lane from creel.lanes l where l.id = item.lane_id;
  if lane.project_id = any (readable) then
    if item.cancel and lane.token is not null and lane.head = item.seq then
      return jsonb_build_object('code', 'cancelling', 'host_id', lane.host_id, 'until', lane.expires_at,
        'message', 'something newer took its place, and its host is told to stop',
        'hint', 'If the host does not answer, it ends with its lease.');
    end if;
    return creel.waiting_reason(item)
      || jsonb_build_object(
        'attempts', case when lane.head = item.seq then lane.attempts else 0 end, 'enqueued_at', item.enqueued_at)
      || jsonb_strip_nulls(jsonb_build_object('hosts', creel.placement_verdicts(item)));
  end if;
  select * into dead from creel.dead_letters d where d.item_id = why_pending.id and d.project_id = any (readable);
  if found then
    return jsonb_build_object('code', 'dead', 'reason', dead.reason, 'attempts', dead.attempts, 'since', dead.died_at,
      'message', case dead.reason
        when 'attempts' then format('all %s attempts failed', dead.attempts)
        when 'failed' then 'the host said that it cannot be done as it is'
        when 'deadline' then 'its deadline passed'
        when 'no_host' then 'no host could take it' end,
      'hint', 'The row''s result has the reason. When that is mended, redrive it.');
  end if;
  if exists (
    select from public.agent_commands c
    where c.id = why_pending.id and c.project_id = any (readable) and c.result #>> '{error,code}' = 'superseded') then
    return jsonb_build_object('code', 'superseded',
      'message', 'it is not to be done any more: something newer took its place',
      'hint', 'Look at the newer commands of the agent.');
  end if;
  if exists (
    select from public.agents a left join public.checkout_intents i on i.agent_id = a.id and i.id = why_pending.id
    where (a.id = why_pending.id or i.id is not null) and a.project_id = any (readable) and a.billing = 'unpaid') then
    return jsonb_build_object('code', 'unpaid',
      'message', 'the agent is not paid for',
      'hint', 'Pay for it by a checkout; then it is deployed by itself.');
  end if;
  return jsonb_build_object('code', 'not_waiting',
    'message', 'nothing with this id waits in a project of yours', 'hint', 'Its row says how it ended.');
end
$$;


--
-- Name: FUNCTION why_pending(id uuid); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.why_pending(id uuid) IS 'For any item of the asker''s projects, the first thing that it waits for: {code, message, hint, ...}. While its agent lives nowhere, hosts says of each host of the project why it does not take it in. Of an agent or a checkout that waits for its payment: unpaid.';


--
-- Name: write_doc(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.write_doc(jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  doc public.brain_docs := creel.asked_doc($1, 'write');
  content constant text := creel.wanted_text($1, 'content');
  base constant int := creel.wanted_int($1, 'base_version');
  base_sha256 text := case when base is null then $1 ->> 'base_sha256' end;
  written public.brain_docs;
begin
  if octet_length(content) > 1048576 then
    raise exception 'the text is too large: % bytes, the limit is 1048576', octet_length(content)
      using errcode = 'PT413', hint = 'Shorten it; OpenClaw reads no more than some thousand characters of it.';
  end if;
  for look in 1..2 loop
    if base is not null and base <> doc.version or base_sha256 is not null and lower(base_sha256) <> doc.sha256 then
      if creel.text_sha256(content) <> doc.sha256 then
        return creel.show_conflict(
          doc,
          case when base = 0 then creel.empty_sha256() else coalesce(lower(base_sha256), (
            select v.sha256 from public.brain_doc_versions v where v.doc_id = doc.id and v.version = base)) end,
          coalesce(base, (
            select max(v.version) from public.brain_doc_versions v
            where v.doc_id = doc.id and v.sha256 = lower(base_sha256))));
      end if;
    end if;
    written := creel.write_person_text(doc, content, null, base is not null or base_sha256 is not null);
    exit when written.id is not null;
    -- Somebody made the row in the meantime.
    doc := creel.asked_doc($1, 'write');
  end loop;
  return creel.show_written(written);
end
$_$;


--
-- Name: FUNCTION write_doc(jsonb); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.write_doc(jsonb) IS '{project_id, agent_key, doc_type, content, base_version? or base_sha256?} -> {ok: true, version, sha256, sync_state, host_online, warning}. With the version (0: none yet) or the hash that the text was based on, a document that somebody else has changed is not written: {ok: false, error: "conflict", current: {version, sha256, content}, base: {version, sha256, content} or null}. Without, the last writer wins, and what was there is a version.';


--
-- Name: canary_answers; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.canary_answers (
    canary_id uuid NOT NULL,
    answer text NOT NULL
);


--
-- Name: TABLE canary_answers; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.canary_answers IS 'The words that an open canary''s answer has to have; for the eyes of nobody.';


--
-- Name: canary_plans; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.canary_plans (
    agent_id uuid NOT NULL,
    host_id uuid NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    due_at timestamp with time zone NOT NULL,
    running_at timestamp with time zone,
    proven_generation bigint,
    doubts integer DEFAULT 0 NOT NULL,
    doubted_since timestamp with time zone
);


--
-- Name: TABLE canary_plans; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.canary_plans IS 'since: since when the agent is owed. running_at: since when it was seen running; until then it is not asked, but for one that still is not after an hour. due_at: when it is asked next. proven_generation: with these settings it answered on this host, so that they are not at fault when it does not. doubts: how many canaries failed, since doubted_since, of which nobody knows whose fault they are.';


--
-- Name: canary_watch; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.canary_watch (
    id boolean DEFAULT true NOT NULL,
    looked_at timestamp with time zone DEFAULT now() NOT NULL,
    gap_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT canary_watch_one_row CHECK (id)
);


--
-- Name: TABLE canary_watch; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.canary_watch IS 'looked_at: when canaries were asked last. gap_until: until then nobody had for more than two minutes.';


--
-- Name: command_counts; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.command_counts (
    project_id text NOT NULL,
    day date NOT NULL,
    sent_count integer NOT NULL
);


--
-- Name: dead_letters; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.dead_letters (
    item_id uuid NOT NULL,
    queue text NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    attempts integer NOT NULL,
    reason text NOT NULL,
    died_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT dead_letters_reason CHECK ((reason = ANY (ARRAY['attempts'::text, 'failed'::text, 'deadline'::text, 'no_host'::text])))
);


--
-- Name: TABLE dead_letters; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.dead_letters IS 'What is tried no more, until redrive(id).';


--
-- Name: doc_usage; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.doc_usage (
    project_id text NOT NULL,
    size_bytes bigint NOT NULL,
    CONSTRAINT doc_usage_not_negative CHECK ((size_bytes >= 0))
);


--
-- Name: earning_disputes; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.earning_disputes (
    dispute_id text NOT NULL,
    earning_id bigint NOT NULL,
    amount_minor bigint NOT NULL,
    status text NOT NULL,
    CONSTRAINT earning_disputes_amount CHECK ((amount_minor >= 0)),
    CONSTRAINT earning_disputes_sizes CHECK (((octet_length(dispute_id) <= 300) AND (octet_length(status) <= 100)))
);


--
-- Name: TABLE earning_disputes; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.earning_disputes IS 'Disputes of a charge; status is Stripe''s own. One that is won or lost stays so.';


--
-- Name: earning_facts; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.earning_facts (
    earning_id bigint NOT NULL,
    refunded_minor bigint DEFAULT 0 NOT NULL,
    refunded_as_of timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    outage_secs bigint,
    outage_minor bigint DEFAULT 0 NOT NULL,
    outage_parts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone,
    CONSTRAINT earning_facts_not_negative CHECK ((LEAST(refunded_minor, outage_secs, outage_minor) >= 0))
);


--
-- Name: TABLE earning_facts; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.earning_facts IS 'refunded_minor: of the charge, as Stripe counted at refunded_as_of; less than before when a refund failed. outage_secs: beyond the allowance, in the outage_parts of the period (of a month each) that are settled; null before the first. outage_minor: what that costs. due_at: when the next part is over; null after the last.';


--
-- Name: earning_transfers; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.earning_transfers (
    transfer_id text NOT NULL,
    earning_id bigint NOT NULL,
    amount_minor bigint NOT NULL,
    left_minor bigint NOT NULL,
    returned_minor bigint DEFAULT 0 NOT NULL,
    asked_minor bigint DEFAULT 0 NOT NULL,
    is_back boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT earning_transfers_amounts CHECK ((LEAST(amount_minor, left_minor, asked_minor) >= 0))
);


--
-- Name: TABLE earning_transfers; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.earning_transfers IS 'The transfer of an earning''s charge, which is all of the charge (the fee is taken of the account afterwards), and those that gave back what had been reversed (is_back). left_minor: what can be reversed still. returned_minor: what was reversed, less what was refunded of the fee; asked_minor: so much of that because of us.';


--
-- Name: enrolment_codes; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.enrolment_codes (
    code_sha256 bytea NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    owner_id uuid NOT NULL,
    wish jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    host_id uuid,
    CONSTRAINT enrolment_codes_sha256_size CHECK ((octet_length(code_sha256) = 32)),
    CONSTRAINT enrolment_codes_used_by_a_host CHECK (((used_at IS NULL) OR (host_id IS NOT NULL))),
    CONSTRAINT enrolment_codes_wish CHECK (((jsonb_typeof(wish) = 'object'::text) AND (pg_column_size(wish) <= 65536)))
);


--
-- Name: TABLE enrolment_codes; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.enrolment_codes IS 'The SHA-256 of each code, and the host that is to be: {name, platform, capacity, tags, price, project_ids, key_days}. host_id: the host that came of it; before that, one which is there and is to get another key.';


--
-- Name: function_keys; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.function_keys (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    key_sha256 bytea NOT NULL,
    label text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    opens text NOT NULL,
    CONSTRAINT function_keys_label_size CHECK ((octet_length(label) <= 200)),
    CONSTRAINT function_keys_opens CHECK ((opens = ANY (ARRAY['stripe'::text, 'notifications'::text]))),
    CONSTRAINT function_keys_sha256_size CHECK ((octet_length(key_sha256) = 32))
);


--
-- Name: TABLE function_keys; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.function_keys IS 'The SHA-256 of each key that lets a function in: stripe to apply_stripe_event, notifications to claim_notifications and finish_notifications, and neither to anything else. Two may be good at once, so that one can take the place of the other. One that is revoked or expired opens nothing.';


--
-- Name: host_budgets; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.host_budgets (
    host_id uuid NOT NULL,
    kind text NOT NULL,
    began_at timestamp with time zone NOT NULL,
    spent bigint NOT NULL
);


--
-- Name: host_channels; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.host_channels (
    host_id uuid NOT NULL,
    topic text DEFAULT ('creel-host:'::text || replace(((gen_random_uuid())::text || (gen_random_uuid())::text), '-'::text, ''::text)) NOT NULL
);


--
-- Name: TABLE host_channels; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.host_channels IS 'The Realtime topic of a host that asks for one by its tick. What is sent there is empty: work, cancel or docs. Another key of the host is another topic.';


--
-- Name: host_keys; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.host_keys (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    host_id uuid NOT NULL,
    key_sha256 bytea NOT NULL,
    label text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    lifetime_days integer,
    replaced_at timestamp with time zone,
    CONSTRAINT host_keys_sha256_size CHECK ((octet_length(key_sha256) = 32))
);


--
-- Name: TABLE host_keys; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.host_keys IS 'Hosts that come by HTTPS: the SHA-256 of a random key of 256 bits. A key that is revoked or expired opens nothing. replaced_at: another key took its place, and it ends some minutes after that. lifetime_days: for how long a key is good, the one that replaces it too; null, until it is revoked.';


--
-- Name: host_logins; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.host_logins (
    role_name name NOT NULL,
    host_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone
);


--
-- Name: TABLE host_logins; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.host_logins IS 'Trusted hosts: a login role each, member of creel_host. The session''s own role says who it is.';


--
-- Name: host_outages; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.host_outages (
    host_id uuid NOT NULL,
    silent_since timestamp with time zone NOT NULL,
    noticed_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: TABLE host_outages; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.host_outages IS 'Hosts that are silent right now: what is in here was told already.';


--
-- Name: items_seq_seq; Type: SEQUENCE; Schema: creel; Owner: -
--

ALTER TABLE creel.items ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME creel.items_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: lanes; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.lanes (
    id bigint NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    kind text NOT NULL,
    host_id uuid,
    priority integer DEFAULT 0 NOT NULL,
    head bigint,
    item_id uuid,
    queue text,
    attempts integer DEFAULT 0 NOT NULL,
    max_attempts integer,
    given_back integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    hopeless_since timestamp with time zone,
    session_id uuid,
    token uuid,
    expires_at timestamp with time zone
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0');


--
-- Name: TABLE lanes; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.lanes IS 'head is the first item, with what a claim needs to know of it: item_id, queue, and attempts, which counts claims (what a shutting-down worker gives back is counted by given_back instead). Whoever may work on it holds token, until expires_at, for the process session_id. The row''s lock orders enqueue against finish. host_id follows the agent''s. hopeless_since: since when no host may take it.';


--
-- Name: lanes_id_seq; Type: SEQUENCE; Schema: creel; Owner: -
--

ALTER TABLE creel.lanes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME creel.lanes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: metric_clock; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.metric_clock (
    step_secs integer NOT NULL,
    kept_until timestamp with time zone NOT NULL,
    keeping timestamp with time zone,
    kept_agent uuid,
    CONSTRAINT metric_clock_keeping CHECK (((kept_agent IS NULL) OR (keeping IS NOT NULL)))
);


--
-- Name: TABLE metric_clock; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.metric_clock IS 'How far each ring of agent_metric_slots was written.';


--
-- Name: notification_leases; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.notification_leases (
    notification_id uuid NOT NULL,
    token uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL
);


--
-- Name: stripe_requests; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.stripe_requests (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    earning_id bigint NOT NULL,
    kind text NOT NULL,
    transfer_id text NOT NULL,
    amount_minor bigint NOT NULL,
    form jsonb NOT NULL,
    status text DEFAULT 'waiting'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    refusals integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    error text,
    stripe_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    settled_at timestamp with time zone,
    CONSTRAINT stripe_requests_amount CHECK ((amount_minor > 0)),
    CONSTRAINT stripe_requests_kind CHECK ((kind = ANY (ARRAY['reversal'::text, 'payback'::text]))),
    CONSTRAINT stripe_requests_settled CHECK (((status = 'waiting'::text) = (settled_at IS NULL))),
    CONSTRAINT stripe_requests_status CHECK ((status = ANY (ARRAY['waiting'::text, 'done'::text, 'failed'::text])))
);


--
-- Name: TABLE stripe_requests; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.stripe_requests IS 'One at a time of an earning. reversal: as much as that is to have come back of the transfer in all (what was reversed, less what was refunded of the fee), so that it is done once however often it is asked for. payback: another transfer to the same account, found again by metadata.creel_request. refusals: how often Stripe was heard to refuse it; it is part of the key, as Stripe answers a key what it answered it first. Who asks has a lease: not_before is its end. What fails is asked for again after a pause; failed: it would fail for ever, as error says, and nothing of the kind is asked for until another correction.';


--
-- Name: subscription_states; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.subscription_states (
    subscription_id text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    status text NOT NULL
);


--
-- Name: sweep_state; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.sweep_state (
    id boolean DEFAULT true NOT NULL,
    swept_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    reasoned_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    watched_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    watching_since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    docs_swept_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    docs_swept_to uuid,
    CONSTRAINT sweep_state_one_row CHECK (id)
);


--
-- Name: sweeps; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.sweeps (
    name text NOT NULL,
    function name NOT NULL,
    each_interval interval NOT NULL,
    swept_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    last_error text,
    CONSTRAINT sweeps_each CHECK ((each_interval > '00:00:00'::interval))
);


--
-- Name: TABLE sweeps; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.sweeps IS 'What is done by the clock, beside what the queue needs: function of the schema creel, at most once in each_interval.';


--
-- Name: host_earnings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.host_earnings (
    id bigint NOT NULL,
    host_id uuid,
    owner_id uuid NOT NULL,
    subscription_id text NOT NULL,
    agent_id uuid,
    kind text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    gross_minor bigint NOT NULL,
    fee_minor bigint NOT NULL,
    invoice_id text,
    charge_id text,
    payment_intent_id text,
    transfer_id text,
    destination text,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    source text NOT NULL,
    corrects bigint,
    paid_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT host_earnings_currency CHECK ((currency ~ '^[a-z]{3}$'::text)),
    CONSTRAINT host_earnings_kind CHECK ((kind = ANY (ARRAY['earning'::text, 'refund'::text, 'dispute'::text, 'dispute_won'::text, 'outage'::text, 'adjustment'::text]))),
    CONSTRAINT host_earnings_of_earning CHECK (
CASE
    WHEN (kind = 'earning'::text) THEN ((corrects IS NULL) AND (invoice_id IS NOT NULL) AND (amount_minor = (gross_minor - fee_minor)) AND (fee_minor >= 0) AND (amount_minor >= 0))
    ELSE ((corrects IS NOT NULL) AND (gross_minor = 0) AND (fee_minor = 0))
END),
    CONSTRAINT host_earnings_period CHECK ((period_start <= period_end)),
    CONSTRAINT host_earnings_sizes CHECK ((((octet_length(source) >= 1) AND (octet_length(source) <= 300)) AND ((octet_length(subscription_id) >= 1) AND (octet_length(subscription_id) <= 300)) AND (octet_length(concat(invoice_id, charge_id, payment_intent_id, transfer_id, destination)) <= 1500)))
);


--
-- Name: TABLE host_earnings; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.host_earnings IS 'Append-only, kept for good. An earning is what a paid invoice gave to the host''s owner: gross_minor, as charged, less fee_minor, the platform''s. The other kinds are rows that take from one, or give back: corrects says which. The sum of an owner''s rows is what he has; each correction is carried out by a reversal of the transfer at Stripe. source is the id of Stripe''s event, or sweep. paid_at is Stripe''s time, created_at ours.';


--
-- Name: unproven_earnings; Type: VIEW; Schema: creel; Owner: -
--

CREATE VIEW creel.unproven_earnings AS
 SELECT e.id AS earning_id,
    e.host_id,
    e.agent_id,
    e.subscription_id,
    e.period_start,
    e.period_end,
    e.amount_minor,
    e.currency,
    c.answered_count,
    c.doubtful_count,
    c.last_fault,
    c.last_error
   FROM (public.host_earnings e
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (c_1.status = 'done'::text)) AS answered_count,
            count(*) FILTER (WHERE (c_1.fault = ANY (ARRAY['error'::text, 'model'::text, 'wrong'::text]))) AS doubtful_count,
            (array_agg(c_1.fault ORDER BY c_1.asked_at DESC) FILTER (WHERE (c_1.fault IS NOT NULL)))[1] AS last_fault,
            (array_agg((c_1.result #>> '{error,message}'::text[]) ORDER BY c_1.asked_at DESC) FILTER (WHERE (c_1.fault IS NOT NULL)))[1] AS last_error
           FROM public.agent_canaries c_1
          WHERE ((c_1.agent_id = e.agent_id) AND (c_1.host_id = e.host_id) AND (c_1.asked_at >= e.period_start) AND (c_1.asked_at < e.period_end))) c)
  WHERE ((e.kind = 'earning'::text) AND (c.doubtful_count > c.answered_count) AND (e.period_end > (now() - '400 days'::interval)));


--
-- Name: webhook_secrets; Type: TABLE; Schema: creel; Owner: -
--

CREATE TABLE creel.webhook_secrets (
    webhook_id uuid NOT NULL,
    secret text NOT NULL,
    previous text,
    previous_until timestamp with time zone,
    CONSTRAINT webhook_secrets_form CHECK ((secret ~ '^whsec_[A-Za-z0-9+/]{43}=$'::text))
);


--
-- Name: TABLE webhook_secrets; Type: COMMENT; Schema: creel; Owner: -
--

COMMENT ON TABLE creel.webhook_secrets IS 'Kept as they are, because a signature needs them. Only create_webhook, rotate_webhook_secret and claim_notifications tell them.';


--
-- Name: agent_logs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_logs (
    agent_id uuid NOT NULL,
    seq bigint NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    lines text NOT NULL,
    skipped_bytes bigint DEFAULT 0 NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT agent_logs_sizes CHECK (((octet_length(lines) <= 16384) AND (skipped_bytes >= 0)))
);


--
-- Name: TABLE agent_logs; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.agent_logs IS 'What an agent''s gateway printed: a row for each time that its host told of new lines, numbered in order by seq. skipped_bytes is what was left away before them. Who follows reads what has a greater seq than the last one read. Agents in a host''s one gateway have no log of their own.';


--
-- Name: agent_metric_slots; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_metric_slots (
    step_secs integer NOT NULL,
    slot integer NOT NULL,
    agent_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    samples integer NOT NULL,
    cpu_percent real,
    cpu_percent_max real,
    ram_mb real,
    ram_mb_max real,
    disk_mb real,
    uptime_secs bigint,
    CONSTRAINT agent_metric_slots_slot CHECK (((slot >= 0) AND (slot < 336))),
    CONSTRAINT agent_metric_slots_step CHECK ((step_secs = ANY (ARRAY[60, 300, 3600])))
)
WITH (fillfactor='70');


--
-- Name: TABLE agent_metric_slots; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.agent_metric_slots IS 'Rings of samples, written by the tick once a minute; not published. Read by agent_metrics_history, which leaves out what was left in a slot from an earlier round.';


--
-- Name: agent_metrics; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_metrics (
    agent_id uuid NOT NULL,
    cpu_percent real,
    ram_mb real,
    disk_mb real,
    uptime_secs bigint,
    sampled_at timestamp with time zone DEFAULT now() NOT NULL,
    restarts integer,
    pid integer,
    note text,
    CONSTRAINT agent_metrics_note_size CHECK ((octet_length(note) <= 16384))
);


--
-- Name: TABLE agent_metrics; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.agent_metrics IS 'The newest sample of each agent, upserted by the tick; not published. pid and restarts are those of its own gateway, note what its host said of it last while it ran; agent_status has it with the time when it was first said.';


--
-- Name: agent_metrics_history; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.agent_metrics_history WITH (security_invoker='true') AS
 SELECT s.agent_id,
    s.step_secs,
    s.at,
    s.cpu_percent,
    s.cpu_percent_max,
    s.ram_mb,
    s.ram_mb_max,
    s.disk_mb,
    s.uptime_secs,
    s.samples
   FROM public.agent_metric_slots s
  WHERE (s.at > (now() -
        CASE s.step_secs
            WHEN 60 THEN '01:00:00'::interval
            WHEN 300 THEN '1 day'::interval
            ELSE '14 days'::interval
        END));


--
-- Name: VIEW agent_metrics_history; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.agent_metrics_history IS 'What an agent used, by step_secs: 60 for each minute of the last hour, 300 for the last day, 3600 for the last two weeks. Means and the highest; disk and uptime as they were last; samples says of how many minutes. A step of which nothing is known has no row. Ask for one agent and one step.';


--
-- Name: agent_outages; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_outages (
    id bigint NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    agent_id uuid NOT NULL,
    host_id uuid NOT NULL,
    began_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_by text,
    canary_id uuid,
    CONSTRAINT agent_outages_ended CHECK ((((ended_at IS NULL) = (ended_by IS NULL)) AND (ended_at >= began_at))),
    CONSTRAINT agent_outages_ended_by CHECK ((ended_by = ANY (ARRAY['answer'::text, 'wish'::text])))
);


--
-- Name: TABLE agent_outages; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.agent_outages IS 'Paid, wished running, and not there because of the host: from the first canary that failed to the answer of the next one. It counts that nothing came from the host (unanswered), and that the host says that the agent is not there (error), this only when the agent has answered with the same settings on that host before: what a deployer broke is not its owner''s fault. A model''s error and a wrong answer begin none, and end none. Without canary_id: the host itself is gone. ended_by: answer; wish, it was stopped, moved or not paid any more. Kept for good: earnings are corrected by it.';


--
-- Name: agent_outages_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.agent_outages ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.agent_outages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: agent_provision_requests; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_provision_requests (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    agent_id_short text,
    display_name text,
    emoji text,
    role_short text,
    status text DEFAULT 'queued'::text NOT NULL,
    result jsonb,
    waiting_for text,
    woken_by text,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    requested_by uuid DEFAULT auth.uid(),
    deadline_at timestamp with time zone,
    idempotency_key text,
    adopt boolean DEFAULT false NOT NULL,
    picked_up_at timestamp with time zone,
    completed_at timestamp with time zone,
    CONSTRAINT agent_provision_requests_completed CHECK (((status = ANY (ARRAY['done'::text, 'error'::text])) = (completed_at IS NOT NULL))),
    CONSTRAINT agent_provision_requests_picked_up CHECK (((status <> 'running'::text) OR (picked_up_at IS NOT NULL))),
    CONSTRAINT agent_provision_requests_sizes CHECK ((((octet_length(agent_key) >= 1) AND (octet_length(agent_key) <= 1024)) AND (COALESCE(octet_length(agent_id_short), 0) <= 1024) AND (COALESCE(octet_length(display_name), 0) <= 16384) AND (COALESCE(octet_length(emoji), 0) <= 1024) AND (COALESCE(octet_length(role_short), 0) <= 16384) AND (COALESCE(octet_length(idempotency_key), 0) <= 200) AND (COALESCE(octet_length(waiting_for), 0) <= 1000) AND (COALESCE(pg_column_size(result), 0) <= 65536))),
    CONSTRAINT agent_provision_requests_status CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'error'::text]))),
    CONSTRAINT agent_provision_requests_waiting CHECK (((waiting_for IS NULL) OR (status = 'queued'::text))),
    CONSTRAINT agent_provision_requests_woken_by CHECK ((woken_by = ANY (ARRAY['push'::text, 'poll'::text])))
);


--
-- Name: TABLE agent_provision_requests; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.agent_provision_requests IS 'A member inserts a row with status queued; one may be open for an agent. A host claims it (running, picked_up_at; result shows the step it is at) and finishes it (done or error, completed_at, result). waiting_for says what a queued row waits for; woken_by says whether a notification or the clock woke the worker. error keeps its reason in result.error {code, message, hint}; redrive(id) tries again. The same idempotency_key with the same content is the same request, with other content a conflict. Deleting a queued row withdraws it. adopt (only by adopt_agents) takes over a folder that is there as it is.';


--
-- Name: agent_status; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_status (
    project_id text NOT NULL,
    agent_key text NOT NULL,
    state text DEFAULT 'idle'::text NOT NULL,
    note text,
    current_task text,
    last_activity_at timestamp with time zone,
    last_heartbeat_at timestamp with time zone,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    CONSTRAINT agent_status_sizes CHECK (((COALESCE(octet_length(note), 0) <= 16384) AND (COALESCE(octet_length(current_task), 0) <= 16384))),
    CONSTRAINT agent_status_state CHECK ((state = ANY (ARRAY['idle'::text, 'processing'::text, 'thinking'::text, 'executing'::text, 'cooldown'::text, 'error'::text, 'offline'::text])))
);


--
-- Name: TABLE agent_status; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.agent_status IS 'Written when the state changes. A member makes the row; afterwards state and last_heartbeat_at are the worker''s.';


--
-- Name: COLUMN agent_status.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.agent_status.id IS 'By what Realtime knows the row; nothing refers to it. Upsert by project and agent.';


--
-- Name: brain_doc_contents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.brain_doc_contents (
    project_id text NOT NULL,
    sha256 text NOT NULL,
    content text NOT NULL
);


--
-- Name: brain_doc_states; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.brain_doc_states (
    doc_id uuid NOT NULL,
    project_id text NOT NULL,
    agent_key text NOT NULL,
    doc_type text NOT NULL,
    version integer NOT NULL,
    sha256 text NOT NULL,
    doc_date date,
    sync_state text NOT NULL,
    sync_note text,
    held_version integer,
    conflict_version integer,
    warning text,
    updated_by text,
    updated_at timestamp with time zone NOT NULL
);


--
-- Name: TABLE brain_doc_states; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.brain_doc_states IS 'brain_docs without the texts, kept by a trigger and published for Realtime: a page subscribes to it, and reads the text when version or sha256 is another one.';


--
-- Name: brain_doc_versions_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.brain_doc_versions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.brain_doc_versions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: dead_letters; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.dead_letters WITH (security_invoker='true') AS
 SELECT d.item_id AS id,
    d.queue,
    d.project_id,
    d.agent_key,
    d.attempts,
    d.reason,
    d.died_at,
        CASE
            WHEN (d.queue = 'agent_commands'::text) THEN c.type
            ELSE 'provision'::text
        END AS type,
    (COALESCE(c.result, r.result) -> 'error'::text) AS error
   FROM ((creel.dead_letters d
     LEFT JOIN public.agent_commands c ON (((c.id = d.item_id) AND (d.queue = 'agent_commands'::text))))
     LEFT JOIN public.agent_provision_requests r ON (((r.id = d.item_id) AND (d.queue = 'agent_provision_requests'::text))));


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.events (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    kind text NOT NULL,
    project_id text,
    agent_key text,
    host_id uuid,
    item_id uuid,
    actor text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    told_id uuid,
    CONSTRAINT events_sizes CHECK (((octet_length(kind) <= 100) AND (octet_length(actor) <= 200) AND (pg_column_size(detail) <= 65536)))
);


--
-- Name: TABLE events; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.events IS 'Append-only, kept for settings.event_retention_days. actor is host:<id>, user:<id> or creel. An event without a project is its host''s, for the eyes of the host''s owner.';


--
-- Name: COLUMN events.told_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.events.told_id IS 'By which the host knows the event that it told, so that it is written once; null where nobody told it.';


--
-- Name: events_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: host_earnings_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.host_earnings ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.host_earnings_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: host_rosters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.host_rosters (
    host_id uuid NOT NULL,
    agents jsonb NOT NULL,
    CONSTRAINT host_rosters_agents CHECK (((jsonb_typeof(agents) = 'array'::text) AND (pg_column_size(agents) <= 262144)))
);


--
-- Name: TABLE host_rosters; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.host_rosters IS 'What a host reported last of the agents in its OpenClaw: [{id, name, emoji, workspace, creel}]. creel says whether the workspace carries a marker of ours. For the host''s owner only.';


--
-- Name: host_statements; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.host_statements WITH (security_invoker='true') AS
 SELECT e.owner_id,
    e.host_id,
    to_char((e.created_at AT TIME ZONE 'utc'::text), 'YYYY-MM'::text) AS month,
    e.currency,
    (COALESCE(sum(e.amount_minor) FILTER (WHERE (e.kind = 'earning'::text)), (0)::numeric))::bigint AS earned_minor,
    (COALESCE(sum(e.amount_minor) FILTER (WHERE (e.kind <> 'earning'::text)), (0)::numeric))::bigint AS corrected_minor,
    (sum(e.amount_minor))::bigint AS net_minor,
    count(*) FILTER (WHERE (e.kind = 'earning'::text)) AS earning_count,
    count(*) FILTER (WHERE (e.kind <> 'earning'::text)) AS correction_count
   FROM public.host_earnings e
  GROUP BY e.owner_id, e.host_id, (to_char((e.created_at AT TIME ZONE 'utc'::text), 'YYYY-MM'::text)), e.currency;


--
-- Name: VIEW host_statements; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.host_statements IS 'What a host earned, month by month of UTC and currency by currency, in minor units; for its owner.';


--
-- Name: host_status; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.host_status WITH (security_invoker='true') AS
 SELECT h.id,
    h.name,
    h.status,
    b.last_seen_at,
        CASE
            WHEN (h.status = ANY (ARRAY['retired'::text, 'enrolled'::text])) THEN h.status
            WHEN ((b.last_seen_at IS NULL) OR ((b.last_seen_at + ((b.quiet_secs)::double precision * '00:00:01'::interval)) < (now() - '00:00:30'::interval))) THEN 'offline'::text
            ELSE h.status
        END AS shown_status,
    b.cpu_percent,
    b.ram_mb
   FROM (public.hosts h
     LEFT JOIN public.host_heartbeats b ON ((b.host_id = h.id)));


--
-- Name: VIEW host_status; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.host_status IS 'Hosts as a page shows them: offline follows from last_seen_at when it is read.';


--
-- Name: notifications; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.notifications (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    project_id text NOT NULL,
    webhook_id uuid NOT NULL,
    kind text NOT NULL,
    subject uuid,
    payload jsonb NOT NULL,
    held_back integer DEFAULT 0 NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    last_error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    delivered_at timestamp with time zone,
    CONSTRAINT notifications_kind CHECK ((kind = ANY (ARRAY['agent.down'::text, 'limit.exceeded'::text, 'host.offline'::text, 'host.online'::text, 'webhook.test'::text]))),
    CONSTRAINT notifications_sizes CHECK (((pg_column_size(payload) <= 65536) AND (COALESCE(octet_length(last_error), 0) <= 1000))),
    CONSTRAINT notifications_status CHECK ((status = ANY (ARRAY['pending'::text, 'sent'::text, 'delivered'::text, 'failed'::text])))
);


--
-- Name: TABLE notifications; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.notifications IS 'What a webhook is told: pending -> sent (somebody delivers it) -> delivered, or back to pending, or failed when it was tried often enough. subject is the agent or the host. due_at: not before, so that what flaps is told once in five minutes; held_back says for how many others it stands. Kept for settings.notification_retention_days.';


--
-- Name: paid_to_running; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.paid_to_running WITH (security_invoker='true') AS
 SELECT s.id AS subscription_id,
    s.project_id,
    s.agent_id,
    s.agent_key,
    s.host_id,
    s.service,
    s.paid_at,
    s.received_at,
    s.asked_at,
    w.running_at,
    (w.running_at - s.received_at) AS received_to_running,
        CASE
            WHEN (w.running_at IS NOT NULL) THEN NULL::text
            WHEN (s.paid_at IS NULL) THEN 'it was never paid'::text
            WHEN (s.item_id IS NULL) THEN
            CASE
                WHEN (s.service = ANY (ARRAY['active'::text, 'grace'::text])) THEN 'nothing was asked of a host: the agent ran already, or its row is gone'::text
                ELSE 'it is not paid any more'::text
            END
            WHEN (w.said IS NULL) THEN 'what was asked of the host is gone, with the agent''s row'::text
            WHEN (w.said = 'superseded'::text) THEN 'something newer took its place'::text
            ELSE w.said
        END AS gap
   FROM (public.subscriptions s
     LEFT JOIN LATERAL ( SELECT
                CASE
                    WHEN ((c.status = 'acked'::text) AND ((c.result ->> 'state'::text) = 'running'::text)) THEN c.acked_at
                    ELSE NULL::timestamp with time zone
                END AS running_at,
                CASE c.status
                    WHEN 'pending'::text THEN COALESCE(c.waiting_for, 'waits for its host'::text)
                    WHEN 'sent'::text THEN 'its host is at it'::text
                    WHEN 'failed'::text THEN
                    CASE
                        WHEN ((c.result #>> '{error,code}'::text[]) = 'superseded'::text) THEN 'superseded'::text
                        ELSE ('it failed: '::text || COALESCE(c.error, 'the host did not say why'::text))
                    END
                    ELSE 'its host is done with it, and it does not run'::text
                END AS said
           FROM public.agent_commands c
          WHERE (c.id = s.item_id)
        UNION ALL
         SELECT
                CASE
                    WHEN ((r.status = 'done'::text) AND ((r.result ->> 'served'::text) = 'true'::text)) THEN r.completed_at
                    ELSE NULL::timestamp with time zone
                END AS "case",
                CASE r.status
                    WHEN 'queued'::text THEN COALESCE(r.waiting_for, 'waits for its host'::text)
                    WHEN 'running'::text THEN 'its host is at it'::text
                    WHEN 'error'::text THEN
                    CASE
                        WHEN ((r.result #>> '{error,code}'::text[]) = 'superseded'::text) THEN 'superseded'::text
                        ELSE ('it failed: '::text || COALESCE((r.result #>> '{error,message}'::text[]), 'the host did not say why'::text))
                    END
                    ELSE 'its host is done with it, and it does not run'::text
                END AS "case"
           FROM public.agent_provision_requests r
          WHERE (r.id = s.item_id)) w ON (true));


--
-- Name: VIEW paid_to_running; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.paid_to_running IS 'For each subscription: paid_at by Stripe''s clock, received_at when Creel was told, asked_at when the agent''s host was asked to run it, running_at when it said that it does. gap says why there is no running_at yet.';


--
-- Name: project_hosts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.project_hosts (
    project_id text NOT NULL,
    host_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    terms text DEFAULT 'own'::text NOT NULL,
    CONSTRAINT project_hosts_terms CHECK ((terms = ANY (ARRAY['own'::text, 'rented'::text])))
);


--
-- Name: TABLE project_hosts; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.project_hosts IS 'Which hosts may serve which project. Nothing is claimable by any other host.';


--
-- Name: COLUMN project_hosts.terms; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.project_hosts.terms IS 'own: the host runs whatever the project wants. rented: it runs the project''s agents that are paid for, and no others.';


--
-- Name: project_members; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.project_members (
    project_id text NOT NULL,
    user_id uuid NOT NULL,
    role text DEFAULT 'viewer'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT project_members_role CHECK ((role = ANY (ARRAY['owner'::text, 'editor'::text, 'viewer'::text])))
);


--
-- Name: TABLE project_members; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.project_members IS 'owner: everything, members and hosts included. editor: writes agents, requests and documents. viewer: reads.';


--
-- Name: projects; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.projects (
    id text DEFAULT (gen_random_uuid())::text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    created_by uuid DEFAULT auth.uid(),
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT projects_id_form CHECK ((id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'::text)),
    CONSTRAINT projects_name_size CHECK ((octet_length(name) <= 1024))
);


--
-- Name: TABLE projects; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.projects IS 'Whoever creates a project becomes its owner. Its rows are for its members only.';


--
-- Name: stripe_accounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.stripe_accounts (
    owner_id uuid NOT NULL,
    account_id text NOT NULL,
    transfers_active boolean DEFAULT false NOT NULL,
    charges_enabled boolean DEFAULT false NOT NULL,
    payouts_enabled boolean DEFAULT false NOT NULL,
    requirements jsonb DEFAULT '{}'::jsonb NOT NULL,
    payout_failed text,
    payout_as_of timestamp with time zone,
    livemode boolean,
    as_of timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT stripe_accounts_sizes CHECK ((((octet_length(account_id) >= 1) AND (octet_length(account_id) <= 255)) AND (pg_column_size(requirements) <= 65536) AND (COALESCE(octet_length(payout_failed), 0) <= 4000)))
);


--
-- Name: TABLE stripe_accounts; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.stripe_accounts IS 'Where the earnings of a host''s owner go: an account connected to the platform''s own at Stripe. requirements is what Stripe wants to know of him; transfers_active: he can be paid, whatever the account may charge by itself; payout_failed why Stripe could not pay him. livemode: whether real money is meant; null as long as nothing said so. Written by apply_stripe_event alone.';


--
-- Name: stripe_customers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.stripe_customers (
    project_id text NOT NULL,
    customer_id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT stripe_customers_sizes CHECK (((octet_length(customer_id) >= 1) AND (octet_length(customer_id) <= 255)))
);


--
-- Name: TABLE stripe_customers; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.stripe_customers IS 'Who pays for a project: its next checkout and its billing portal are of the newest customer of Stripe. Checkouts that were open at the same time may have made several; each subscription names its own.';


--
-- Name: stripe_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.stripe_events (
    id text NOT NULL,
    endpoint text NOT NULL,
    type text NOT NULL,
    account text,
    livemode boolean DEFAULT false NOT NULL,
    api_version text,
    created timestamp with time zone,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    last_delivered_at timestamp with time zone DEFAULT now() NOT NULL,
    looked_at timestamp with time zone DEFAULT now() NOT NULL,
    deliveries integer DEFAULT 1 NOT NULL,
    status text NOT NULL,
    subjects text[] DEFAULT '{}'::text[] NOT NULL,
    payload jsonb,
    led_to jsonb DEFAULT '{}'::jsonb NOT NULL,
    note text,
    CONSTRAINT stripe_events_endpoint CHECK ((endpoint = ANY (ARRAY['platform'::text, 'connect'::text, 'answer'::text]))),
    CONSTRAINT stripe_events_sizes CHECK ((((octet_length(id) >= 1) AND (octet_length(id) <= 255)) AND ((octet_length(type) >= 1) AND (octet_length(type) <= 255)) AND (COALESCE(octet_length(account), 0) <= 255) AND (COALESCE(octet_length(api_version), 0) <= 100) AND (COALESCE(octet_length(note), 0) <= 4000))),
    CONSTRAINT stripe_events_status CHECK ((status = ANY (ARRAY['waiting'::text, 'applied'::text, 'ignored'::text])))
);


--
-- Name: TABLE stripe_events; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.stripe_events IS 'Every event of Stripe once, by its own id, with what it led to. waiting: it cannot be applied yet, as note says, and is looked at again when one of its subjects becomes known and when Stripe sends it again. ignored: it is nothing that Creel acts upon. payload is emptied after settings.stripe_payload_days.';


--
-- Name: canary_answers canary_answers_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.canary_answers
    ADD CONSTRAINT canary_answers_pkey PRIMARY KEY (canary_id);


--
-- Name: canary_plans canary_plans_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.canary_plans
    ADD CONSTRAINT canary_plans_pkey PRIMARY KEY (agent_id);


--
-- Name: canary_watch canary_watch_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.canary_watch
    ADD CONSTRAINT canary_watch_pkey PRIMARY KEY (id);


--
-- Name: command_counts command_counts_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.command_counts
    ADD CONSTRAINT command_counts_pkey PRIMARY KEY (project_id);


--
-- Name: dead_letters dead_letters_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (item_id);


--
-- Name: doc_usage doc_usage_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.doc_usage
    ADD CONSTRAINT doc_usage_pkey PRIMARY KEY (project_id);


--
-- Name: earning_disputes earning_disputes_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.earning_disputes
    ADD CONSTRAINT earning_disputes_pkey PRIMARY KEY (dispute_id);


--
-- Name: earning_facts earning_facts_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.earning_facts
    ADD CONSTRAINT earning_facts_pkey PRIMARY KEY (earning_id);


--
-- Name: earning_transfers earning_transfers_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.earning_transfers
    ADD CONSTRAINT earning_transfers_pkey PRIMARY KEY (transfer_id);


--
-- Name: enrolment_codes enrolment_codes_id_key; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.enrolment_codes
    ADD CONSTRAINT enrolment_codes_id_key UNIQUE (id);


--
-- Name: enrolment_codes enrolment_codes_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.enrolment_codes
    ADD CONSTRAINT enrolment_codes_pkey PRIMARY KEY (code_sha256);


--
-- Name: function_keys function_keys_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.function_keys
    ADD CONSTRAINT function_keys_pkey PRIMARY KEY (id);


--
-- Name: function_keys function_keys_sha256; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.function_keys
    ADD CONSTRAINT function_keys_sha256 UNIQUE (key_sha256);


--
-- Name: host_budgets host_budgets_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_budgets
    ADD CONSTRAINT host_budgets_pkey PRIMARY KEY (host_id, kind);


--
-- Name: host_channels host_channels_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_channels
    ADD CONSTRAINT host_channels_pkey PRIMARY KEY (host_id);


--
-- Name: host_channels host_channels_topic; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_channels
    ADD CONSTRAINT host_channels_topic UNIQUE (topic);


--
-- Name: host_keys host_keys_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_keys
    ADD CONSTRAINT host_keys_pkey PRIMARY KEY (id);


--
-- Name: host_keys host_keys_sha256; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_keys
    ADD CONSTRAINT host_keys_sha256 UNIQUE (key_sha256);


--
-- Name: host_logins host_logins_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_logins
    ADD CONSTRAINT host_logins_pkey PRIMARY KEY (role_name);


--
-- Name: host_outages host_outages_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_outages
    ADD CONSTRAINT host_outages_pkey PRIMARY KEY (host_id);


--
-- Name: items items_item; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.items
    ADD CONSTRAINT items_item UNIQUE (item_id);


--
-- Name: items items_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (lane_id, seq);


--
-- Name: lanes lanes_agent_kind; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.lanes
    ADD CONSTRAINT lanes_agent_kind UNIQUE (project_id, agent_key, kind);


--
-- Name: lanes lanes_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.lanes
    ADD CONSTRAINT lanes_pkey PRIMARY KEY (id);


--
-- Name: metric_clock metric_clock_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.metric_clock
    ADD CONSTRAINT metric_clock_pkey PRIMARY KEY (step_secs);


--
-- Name: notification_leases notification_leases_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.notification_leases
    ADD CONSTRAINT notification_leases_pkey PRIMARY KEY (notification_id);


--
-- Name: queues queues_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (queue);


--
-- Name: queues queues_tbl_key; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.queues
    ADD CONSTRAINT queues_tbl_key UNIQUE (tbl);


--
-- Name: settings settings_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (id);


--
-- Name: stripe_requests stripe_requests_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.stripe_requests
    ADD CONSTRAINT stripe_requests_pkey PRIMARY KEY (id);


--
-- Name: subscription_states subscription_states_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.subscription_states
    ADD CONSTRAINT subscription_states_pkey PRIMARY KEY (subscription_id, as_of, status);


--
-- Name: sweep_state sweep_state_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.sweep_state
    ADD CONSTRAINT sweep_state_pkey PRIMARY KEY (id);


--
-- Name: sweeps sweeps_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.sweeps
    ADD CONSTRAINT sweeps_pkey PRIMARY KEY (name);


--
-- Name: webhook_secrets webhook_secrets_pkey; Type: CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.webhook_secrets
    ADD CONSTRAINT webhook_secrets_pkey PRIMARY KEY (webhook_id);


--
-- Name: agent_canaries agent_canaries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_canaries
    ADD CONSTRAINT agent_canaries_pkey PRIMARY KEY (id);


--
-- Name: agent_commands agent_commands_idempotency; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_commands
    ADD CONSTRAINT agent_commands_idempotency UNIQUE (project_id, idempotency_key);


--
-- Name: agent_commands agent_commands_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_commands
    ADD CONSTRAINT agent_commands_pkey PRIMARY KEY (id);


--
-- Name: agent_logs agent_logs_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_logs
    ADD CONSTRAINT agent_logs_key PRIMARY KEY (agent_id, seq);


--
-- Name: agent_metric_slots agent_metric_slots_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_metric_slots
    ADD CONSTRAINT agent_metric_slots_pkey PRIMARY KEY (step_secs, slot, agent_id);


--
-- Name: agent_metrics agent_metrics_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_metrics
    ADD CONSTRAINT agent_metrics_pkey PRIMARY KEY (agent_id);


--
-- Name: agent_outages agent_outages_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_outages
    ADD CONSTRAINT agent_outages_pkey PRIMARY KEY (id);


--
-- Name: agent_provision_requests agent_provision_requests_idempotency; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_provision_requests
    ADD CONSTRAINT agent_provision_requests_idempotency UNIQUE (project_id, idempotency_key);


--
-- Name: agent_provision_requests agent_provision_requests_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_provision_requests
    ADD CONSTRAINT agent_provision_requests_pkey PRIMARY KEY (id);


--
-- Name: agent_status agent_status_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_status
    ADD CONSTRAINT agent_status_id UNIQUE (id);

ALTER TABLE ONLY public.agent_status REPLICA IDENTITY USING INDEX agent_status_id;


--
-- Name: agent_status agent_status_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_status
    ADD CONSTRAINT agent_status_pkey PRIMARY KEY (project_id, agent_key);


--
-- Name: agents agents_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_key UNIQUE (project_id, agent_key);


--
-- Name: agents agents_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_pkey PRIMARY KEY (id);


--
-- Name: brain_doc_contents brain_doc_contents_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_doc_contents
    ADD CONSTRAINT brain_doc_contents_pkey PRIMARY KEY (project_id, sha256);


--
-- Name: brain_doc_states brain_doc_states_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_doc_states
    ADD CONSTRAINT brain_doc_states_pkey PRIMARY KEY (doc_id);


--
-- Name: brain_doc_versions brain_doc_versions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_doc_versions
    ADD CONSTRAINT brain_doc_versions_pkey PRIMARY KEY (id);


--
-- Name: brain_doc_versions brain_doc_versions_version; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_doc_versions
    ADD CONSTRAINT brain_doc_versions_version UNIQUE (doc_id, version);


--
-- Name: brain_docs brain_docs_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_docs
    ADD CONSTRAINT brain_docs_key UNIQUE (project_id, agent_key, doc_type);


--
-- Name: brain_docs brain_docs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_docs
    ADD CONSTRAINT brain_docs_pkey PRIMARY KEY (id);


--
-- Name: checkout_intents checkout_intents_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkout_intents
    ADD CONSTRAINT checkout_intents_pkey PRIMARY KEY (id);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);


--
-- Name: host_earnings host_earnings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.host_earnings
    ADD CONSTRAINT host_earnings_pkey PRIMARY KEY (id);


--
-- Name: host_heartbeats host_heartbeats_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.host_heartbeats
    ADD CONSTRAINT host_heartbeats_pkey PRIMARY KEY (host_id);


--
-- Name: host_rosters host_rosters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.host_rosters
    ADD CONSTRAINT host_rosters_pkey PRIMARY KEY (host_id);


--
-- Name: hosts hosts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.hosts
    ADD CONSTRAINT hosts_pkey PRIMARY KEY (id);


--
-- Name: notifications notifications_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (id);


--
-- Name: project_hosts project_hosts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project_hosts
    ADD CONSTRAINT project_hosts_pkey PRIMARY KEY (project_id, host_id);


--
-- Name: project_members project_members_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project_members
    ADD CONSTRAINT project_members_pkey PRIMARY KEY (project_id, user_id);


--
-- Name: projects projects_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_pkey PRIMARY KEY (id);


--
-- Name: stripe_accounts stripe_accounts_account; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stripe_accounts
    ADD CONSTRAINT stripe_accounts_account UNIQUE (account_id);


--
-- Name: stripe_accounts stripe_accounts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stripe_accounts
    ADD CONSTRAINT stripe_accounts_pkey PRIMARY KEY (owner_id);


--
-- Name: stripe_customers stripe_customers_customer; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stripe_customers
    ADD CONSTRAINT stripe_customers_customer UNIQUE (customer_id);


--
-- Name: stripe_customers stripe_customers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stripe_customers
    ADD CONSTRAINT stripe_customers_pkey PRIMARY KEY (project_id, customer_id);


--
-- Name: stripe_events stripe_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stripe_events
    ADD CONSTRAINT stripe_events_pkey PRIMARY KEY (id);


--
-- Name: subscriptions subscriptions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (id);


--
-- Name: webhooks webhooks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT webhooks_pkey PRIMARY KEY (id);


--
-- Name: canary_plans_due; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX canary_plans_due ON creel.canary_plans USING btree (due_at);


--
-- Name: canary_plans_not_running; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX canary_plans_not_running ON creel.canary_plans USING btree (agent_id) WHERE (running_at IS NULL);


--
-- Name: dead_letters_project; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX dead_letters_project ON creel.dead_letters USING btree (project_id, died_at DESC);


--
-- Name: dead_letters_queue; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX dead_letters_queue ON creel.dead_letters USING btree (queue);


--
-- Name: earning_disputes_earning; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX earning_disputes_earning ON creel.earning_disputes USING btree (earning_id);


--
-- Name: earning_facts_due; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX earning_facts_due ON creel.earning_facts USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: earning_transfers_earning; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX earning_transfers_earning ON creel.earning_transfers USING btree (earning_id);


--
-- Name: enrolment_codes_host; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX enrolment_codes_host ON creel.enrolment_codes USING btree (host_id);


--
-- Name: enrolment_codes_owner; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX enrolment_codes_owner ON creel.enrolment_codes USING btree (owner_id);


--
-- Name: host_keys_host; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX host_keys_host ON creel.host_keys USING btree (host_id);


--
-- Name: host_logins_host; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX host_logins_host ON creel.host_logins USING btree (host_id);


--
-- Name: items_deadline; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX items_deadline ON creel.items USING btree (deadline_at) WHERE (deadline_at IS NOT NULL);


--
-- Name: lanes_claimable; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX lanes_claimable ON creel.lanes USING btree (host_id, priority DESC, head) WHERE ((token IS NULL) AND (head IS NOT NULL));


--
-- Name: lanes_expiring; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX lanes_expiring ON creel.lanes USING btree (expires_at) WHERE (token IS NOT NULL);


--
-- Name: lanes_held; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX lanes_held ON creel.lanes USING btree (host_id, id) WHERE (token IS NOT NULL);


--
-- Name: lanes_pausing; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX lanes_pausing ON creel.lanes USING btree (not_before) WHERE ((token IS NULL) AND (not_before > '-infinity'::timestamp with time zone));


--
-- Name: lanes_unplaced; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX lanes_unplaced ON creel.lanes USING btree (project_id, priority DESC, head) WHERE ((host_id IS NULL) AND (token IS NULL) AND (head IS NOT NULL));


--
-- Name: stripe_requests_due; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX stripe_requests_due ON creel.stripe_requests USING btree (not_before) WHERE (status = 'waiting'::text);


--
-- Name: stripe_requests_earning; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX stripe_requests_earning ON creel.stripe_requests USING btree (earning_id, created_at DESC);


--
-- Name: stripe_requests_failed; Type: INDEX; Schema: creel; Owner: -
--

CREATE INDEX stripe_requests_failed ON creel.stripe_requests USING btree (settled_at) WHERE (status = 'failed'::text);


--
-- Name: stripe_requests_one_open; Type: INDEX; Schema: creel; Owner: -
--

CREATE UNIQUE INDEX stripe_requests_one_open ON creel.stripe_requests USING btree (earning_id) WHERE (status = 'waiting'::text);


--
-- Name: agent_canaries_by_agent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_canaries_by_agent ON public.agent_canaries USING btree (agent_id, asked_at DESC);


--
-- Name: agent_canaries_by_host; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_canaries_by_host ON public.agent_canaries USING btree (host_id, asked_at DESC);


--
-- Name: agent_canaries_by_project; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_canaries_by_project ON public.agent_canaries USING btree (project_id, asked_at DESC);


--
-- Name: agent_canaries_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_canaries_by_time ON public.agent_canaries USING btree (asked_at);


--
-- Name: agent_canaries_open; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX agent_canaries_open ON public.agent_canaries USING btree (agent_id) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));


--
-- Name: agent_commands_by_agent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_commands_by_agent ON public.agent_commands USING btree (agent_id, created_at DESC);


--
-- Name: agent_commands_by_host; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_commands_by_host ON public.agent_commands USING btree (host_id);


--
-- Name: agent_commands_by_person; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_commands_by_person ON public.agent_commands USING btree (created_by);


--
-- Name: agent_commands_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_commands_by_time ON public.agent_commands USING btree (project_id, created_at DESC);


--
-- Name: agent_commands_ended; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_commands_ended ON public.agent_commands USING btree (acked_at) WHERE (acked_at IS NOT NULL);


--
-- Name: agent_metric_slots_agent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_metric_slots_agent ON public.agent_metric_slots USING btree (agent_id);


--
-- Name: agent_outages_by_agent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_outages_by_agent ON public.agent_outages USING btree (agent_id, began_at);


--
-- Name: agent_outages_by_host; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_outages_by_host ON public.agent_outages USING btree (host_id, began_at DESC);


--
-- Name: agent_outages_by_project; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_outages_by_project ON public.agent_outages USING btree (project_id, began_at DESC);


--
-- Name: agent_outages_open; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX agent_outages_open ON public.agent_outages USING btree (agent_id) WHERE (ended_at IS NULL);


--
-- Name: agent_provision_requests_by_agent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_provision_requests_by_agent ON public.agent_provision_requests USING btree (project_id, agent_key);


--
-- Name: agent_provision_requests_by_person; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_provision_requests_by_person ON public.agent_provision_requests USING btree (requested_by);


--
-- Name: agent_provision_requests_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agent_provision_requests_by_time ON public.agent_provision_requests USING btree (project_id, requested_at DESC);


--
-- Name: agent_provision_requests_one_open; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX agent_provision_requests_one_open ON public.agent_provision_requests USING btree (project_id, agent_key) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));


--
-- Name: agents_billed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agents_billed ON public.agents USING btree (host_id) WHERE (billing <> 'free'::text);


--
-- Name: agents_host; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agents_host ON public.agents USING btree (host_id);


--
-- Name: agents_openclaw_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX agents_openclaw_id ON public.agents USING btree (host_id, openclaw_id) WHERE (openclaw_id IS NOT NULL);


--
-- Name: agents_unmade; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agents_unmade ON public.agents USING btree (host_id) WHERE ((host_id IS NOT NULL) AND (NOT provisioned) AND (NOT host_pinned));


--
-- Name: agents_unpaid; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX agents_unpaid ON public.agents USING btree (id) WHERE (billing = 'unpaid'::text);


--
-- Name: brain_doc_states_by_agent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brain_doc_states_by_agent ON public.brain_doc_states USING btree (project_id, agent_key);


--
-- Name: brain_doc_versions_content_fk; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brain_doc_versions_content_fk ON public.brain_doc_versions USING btree (project_id, sha256);


--
-- Name: brain_doc_versions_days; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brain_doc_versions_days ON public.brain_doc_versions USING btree (doc_id, doc_date, version) WHERE (doc_date IS NOT NULL);


--
-- Name: brain_doc_versions_templates; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brain_doc_versions_templates ON public.brain_doc_versions USING btree (doc_id) WHERE (author_kind = 'template'::text);


--
-- Name: brain_docs_changed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brain_docs_changed ON public.brain_docs USING btree (changed);


--
-- Name: brain_docs_last_version; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX brain_docs_last_version ON public.brain_docs USING btree (last_version);


--
-- Name: checkout_intents_agent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX checkout_intents_agent ON public.checkout_intents USING btree (agent_id);


--
-- Name: checkout_intents_created_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX checkout_intents_created_by ON public.checkout_intents USING btree (created_by, created_at DESC);


--
-- Name: checkout_intents_expiring; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX checkout_intents_expiring ON public.checkout_intents USING btree (expires_at) WHERE (status = 'open'::text);


--
-- Name: checkout_intents_host; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX checkout_intents_host ON public.checkout_intents USING btree (host_id);


--
-- Name: checkout_intents_one_open; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX checkout_intents_one_open ON public.checkout_intents USING btree (project_id, agent_key) WHERE (status = 'open'::text);


--
-- Name: checkout_intents_project; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX checkout_intents_project ON public.checkout_intents USING btree (project_id, created_at DESC);


--
-- Name: checkout_intents_session; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX checkout_intents_session ON public.checkout_intents USING btree (session_id);


--
-- Name: checkout_intents_unpaid; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX checkout_intents_unpaid ON public.checkout_intents USING btree (ended_at) WHERE (status = ANY (ARRAY['expired'::text, 'failed'::text]));


--
-- Name: events_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_at ON public.events USING btree (at);


--
-- Name: events_host; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_host ON public.events USING btree (host_id);


--
-- Name: events_of_host_agents; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_of_host_agents ON public.events USING btree (host_id, at) WHERE ((project_id IS NOT NULL) AND creel.is_host_event(kind));


--
-- Name: events_of_hosts; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_of_hosts ON public.events USING btree (host_id, at) WHERE (project_id IS NULL);


--
-- Name: events_project; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_project ON public.events USING btree (project_id, id DESC);


--
-- Name: events_told_once; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX events_told_once ON public.events USING btree (host_id, told_id) WHERE (told_id IS NOT NULL);


--
-- Name: host_earnings_charge; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX host_earnings_charge ON public.host_earnings USING btree (charge_id) WHERE (kind = 'earning'::text);


--
-- Name: host_earnings_corrects; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX host_earnings_corrects ON public.host_earnings USING btree (corrects);


--
-- Name: host_earnings_destination; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX host_earnings_destination ON public.host_earnings USING btree (destination, id DESC) WHERE (kind = 'earning'::text);


--
-- Name: host_earnings_invoice; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX host_earnings_invoice ON public.host_earnings USING btree (invoice_id) WHERE (kind = 'earning'::text);


--
-- Name: host_earnings_owner; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX host_earnings_owner ON public.host_earnings USING btree (owner_id, created_at DESC);


--
-- Name: host_earnings_paid; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX host_earnings_paid ON public.host_earnings USING btree (paid_at);


--
-- Name: hosts_for_rent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX hosts_for_rent ON public.hosts USING btree (id) WHERE ((price IS NOT NULL) AND (status = 'online'::text));


--
-- Name: hosts_owner; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX hosts_owner ON public.hosts USING btree (owner_id);


--
-- Name: notifications_created; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX notifications_created ON public.notifications USING btree (created_at);


--
-- Name: notifications_pending; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX notifications_pending ON public.notifications USING btree (not_before) WHERE (status = 'pending'::text);


--
-- Name: notifications_project; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX notifications_project ON public.notifications USING btree (project_id, created_at DESC);


--
-- Name: notifications_subject; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX notifications_subject ON public.notifications USING btree (webhook_id, kind, subject, due_at DESC);


--
-- Name: project_hosts_host; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX project_hosts_host ON public.project_hosts USING btree (host_id);


--
-- Name: project_members_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX project_members_user ON public.project_members USING btree (user_id);


--
-- Name: projects_created_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX projects_created_by ON public.projects USING btree (created_by);


--
-- Name: stripe_events_old; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX stripe_events_old ON public.stripe_events USING btree (received_at) WHERE (payload IS NOT NULL);


--
-- Name: stripe_events_subjects; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX stripe_events_subjects ON public.stripe_events USING gin (subjects) WITH (fastupdate=off) WHERE ((status <> 'applied'::text) AND ((status = 'waiting'::text) OR (type = 'customer.deleted'::text)));


--
-- Name: stripe_events_waiting; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX stripe_events_waiting ON public.stripe_events USING btree (looked_at) WHERE (status = 'waiting'::text);


--
-- Name: subscriptions_agent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX subscriptions_agent ON public.subscriptions USING btree (agent_id);


--
-- Name: subscriptions_customer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX subscriptions_customer ON public.subscriptions USING btree (customer_id);


--
-- Name: subscriptions_grace; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX subscriptions_grace ON public.subscriptions USING btree (grace_until) WHERE (service = 'grace'::text);


--
-- Name: subscriptions_host; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX subscriptions_host ON public.subscriptions USING btree (host_id);


--
-- Name: subscriptions_intent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX subscriptions_intent ON public.subscriptions USING btree (intent_id);


--
-- Name: subscriptions_project; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX subscriptions_project ON public.subscriptions USING btree (project_id);


--
-- Name: subscriptions_removal; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX subscriptions_removal ON public.subscriptions USING btree (remove_at) WHERE (remove_at IS NOT NULL);


--
-- Name: webhooks_created_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhooks_created_by ON public.webhooks USING btree (created_by);


--
-- Name: webhooks_project; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhooks_project ON public.webhooks USING btree (project_id);


--
-- Name: dead_letters dead_letters_not_of_cancelled; Type: TRIGGER; Schema: creel; Owner: -
--

CREATE TRIGGER dead_letters_not_of_cancelled BEFORE INSERT ON creel.dead_letters FOR EACH ROW EXECUTE FUNCTION creel.refuse_dead_letter();


--
-- Name: dead_letters dead_letters_without_canaries; Type: TRIGGER; Schema: creel; Owner: -
--

CREATE TRIGGER dead_letters_without_canaries BEFORE INSERT ON creel.dead_letters FOR EACH ROW WHEN ((new.queue = 'agent_canaries'::text)) EXECUTE FUNCTION creel.skip_row();


--
-- Name: host_keys host_keys_forget_channels; Type: TRIGGER; Schema: creel; Owner: -
--

CREATE TRIGGER host_keys_forget_channels AFTER UPDATE ON creel.host_keys REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.forget_host_channels();


--
-- Name: queues queues_written; Type: TRIGGER; Schema: creel; Owner: -
--

CREATE TRIGGER queues_written AFTER INSERT OR DELETE OR UPDATE ON creel.queues FOR EACH STATEMENT EXECUTE FUNCTION creel.queues_written();


--
-- Name: agent_commands agent_commands_1_keep_columns; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_commands_1_keep_columns BEFORE INSERT ON public.agent_commands FOR EACH ROW EXECUTE FUNCTION creel.keep_command_columns();


--
-- Name: agent_commands agent_commands_2_prepare; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_commands_2_prepare BEFORE INSERT ON public.agent_commands FOR EACH ROW EXECUTE FUNCTION creel.prepare_command();


--
-- Name: agent_commands agent_commands_check_redriven_paid; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_commands_check_redriven_paid BEFORE UPDATE OF status ON public.agent_commands FOR EACH ROW WHEN (((old.status = 'failed'::text) AND (new.status = 'pending'::text) AND (new.type = ANY (ARRAY['deploy'::text, 'start'::text, 'restart'::text])))) EXECUTE FUNCTION creel.check_redriven_paid();


--
-- Name: agent_commands agent_commands_end_given_back; Type: TRIGGER; Schema: public; Owner: -
--

CREATE CONSTRAINT TRIGGER agent_commands_end_given_back AFTER UPDATE OF status ON public.agent_commands DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.status = 'sent'::text) AND (new.status = 'pending'::text))) EXECUTE FUNCTION creel.end_given_back();


--
-- Name: agent_commands agent_commands_take_turns; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_commands_take_turns BEFORE INSERT ON public.agent_commands FOR EACH STATEMENT EXECUTE FUNCTION creel.take_turns();


--
-- Name: agent_commands agent_commands_tidy; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_commands_tidy BEFORE UPDATE ON public.agent_commands FOR EACH ROW WHEN (((new.result IS DISTINCT FROM old.result) OR (new.status <> old.status))) EXECUTE FUNCTION creel.tidy_command();


--
-- Name: agent_provision_requests agent_provision_requests_1_keep_columns; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_provision_requests_1_keep_columns BEFORE INSERT ON public.agent_provision_requests FOR EACH ROW EXECUTE FUNCTION creel.keep_request_columns();


--
-- Name: agent_provision_requests agent_provision_requests_2_prepare; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_provision_requests_2_prepare BEFORE INSERT ON public.agent_provision_requests FOR EACH ROW EXECUTE FUNCTION creel.prepare_request();


--
-- Name: agent_provision_requests agent_provision_requests_check_redriven_paid; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_provision_requests_check_redriven_paid BEFORE UPDATE OF status ON public.agent_provision_requests FOR EACH ROW WHEN (((old.status = 'error'::text) AND (new.status = 'queued'::text))) EXECUTE FUNCTION creel.check_redriven_paid();


--
-- Name: agent_provision_requests agent_provision_requests_end_given_back; Type: TRIGGER; Schema: public; Owner: -
--

CREATE CONSTRAINT TRIGGER agent_provision_requests_end_given_back AFTER UPDATE OF status ON public.agent_provision_requests DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.status = 'running'::text) AND (new.status = 'queued'::text))) EXECUTE FUNCTION creel.end_given_back();


--
-- Name: agent_provision_requests agent_provision_requests_limit; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_provision_requests_limit AFTER INSERT ON public.agent_provision_requests REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.limit_requests();


--
-- Name: agent_provision_requests agent_provision_requests_take_turns; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_provision_requests_take_turns BEFORE INSERT OR DELETE ON public.agent_provision_requests FOR EACH STATEMENT EXECUTE FUNCTION creel.take_turns();


--
-- Name: agent_status agent_status_keep_columns; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_status_keep_columns BEFORE INSERT OR UPDATE ON public.agent_status FOR EACH ROW EXECUTE FUNCTION creel.keep_agent_status_columns();


--
-- Name: agents agents_insert_plans_canaries; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_insert_plans_canaries AFTER INSERT ON public.agents FOR EACH ROW WHEN ((new.billing = 'paid'::text)) EXECUTE FUNCTION creel.plan_canaries();


--
-- Name: agents agents_keep_billing; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_keep_billing BEFORE INSERT OR UPDATE ON public.agents FOR EACH ROW EXECUTE FUNCTION creel.keep_agent_billing();


--
-- Name: agents agents_keep_columns; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_keep_columns BEFORE INSERT OR UPDATE ON public.agents FOR EACH ROW EXECUTE FUNCTION creel.keep_agent_columns();


--
-- Name: agents agents_keep_subscribed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_keep_subscribed BEFORE DELETE ON public.agents FOR EACH ROW WHEN ((old.billing <> 'free'::text)) EXECUTE FUNCTION creel.keep_subscribed();


--
-- Name: agents agents_limit; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_limit AFTER INSERT ON public.agents REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.limit_agents();


--
-- Name: agents agents_place_lanes; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_place_lanes AFTER UPDATE OF host_id ON public.agents FOR EACH ROW WHEN ((old.host_id IS DISTINCT FROM new.host_id)) EXECUTE FUNCTION creel.place_lanes();


--
-- Name: agents agents_removal_ends_outage; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_removal_ends_outage AFTER DELETE ON public.agents FOR EACH ROW WHEN ((old.billing = 'paid'::text)) EXECUTE FUNCTION creel.plan_canaries();


--
-- Name: agents agents_send_wished_command; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_send_wished_command AFTER UPDATE ON public.agents FOR EACH ROW WHEN ((((((((new.name IS DISTINCT FROM old.name) OR (new.role IS DISTINCT FROM old.role)) OR (new.emoji IS DISTINCT FROM old.emoji)) OR (new.config IS DISTINCT FROM old.config)) OR (new.limits IS DISTINCT FROM old.limits)) OR (new.desired_state IS DISTINCT FROM old.desired_state)) OR (new.backend IS DISTINCT FROM old.backend))) EXECUTE FUNCTION creel.send_wished_command();


--
-- Name: agents agents_settle_homeless; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_settle_homeless AFTER UPDATE OF host_id ON public.agents FOR EACH ROW WHEN (((old.host_id IS NOT NULL) AND (new.host_id IS NULL))) EXECUTE FUNCTION creel.settle_homeless();


--
-- Name: agents agents_take_turns; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_take_turns BEFORE DELETE OR UPDATE ON public.agents FOR EACH STATEMENT EXECUTE FUNCTION creel.take_turns();


--
-- Name: agents agents_wish_plans_canaries; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_wish_plans_canaries AFTER UPDATE OF billing, desired_state, host_id, deleting_since ON public.agents FOR EACH ROW WHEN (((old.billing = 'paid'::text) OR (new.billing = 'paid'::text))) EXECUTE FUNCTION creel.plan_canaries();


--
-- Name: agents agents_wish_removal; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_wish_removal BEFORE DELETE ON public.agents FOR EACH ROW EXECUTE FUNCTION creel.wish_removal();


--
-- Name: agents agents_wished_host; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_wished_host BEFORE INSERT OR UPDATE OF host_id ON public.agents FOR EACH ROW WHEN (new.host_pinned) EXECUTE FUNCTION creel.check_wished_host();


--
-- Name: agents agents_wished_host_backend; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_wished_host_backend BEFORE UPDATE OF backend ON public.agents FOR EACH ROW WHEN (((old.backend IS DISTINCT FROM new.backend) AND (new.host_id IS NOT NULL))) EXECUTE FUNCTION creel.check_wished_host();


--
-- Name: agents agents_with_subscription_deleted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agents_with_subscription_deleted BEFORE DELETE ON public.agents FOR EACH ROW WHEN ((old.billing <> 'free'::text)) EXECUTE FUNCTION creel.tell_deletion_of_subscribed();


--
-- Name: brain_doc_contents brain_doc_contents_count_bytes; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_doc_contents_count_bytes AFTER INSERT ON public.brain_doc_contents FOR EACH ROW EXECUTE FUNCTION creel.count_doc_bytes();


--
-- Name: brain_doc_contents brain_doc_contents_free; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_doc_contents_free AFTER DELETE ON public.brain_doc_contents REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.free_doc_contents();


--
-- Name: brain_doc_versions brain_doc_versions_free; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_doc_versions_free AFTER DELETE ON public.brain_doc_versions REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.free_doc_versions();


--
-- Name: brain_docs brain_docs_1_keep_columns; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_docs_1_keep_columns BEFORE INSERT OR UPDATE ON public.brain_docs FOR EACH ROW EXECUTE FUNCTION creel.keep_doc_columns();


--
-- Name: brain_docs brain_docs_2_number_version; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_docs_2_number_version BEFORE INSERT OR UPDATE OF content, version, base_version ON public.brain_docs FOR EACH ROW EXECUTE FUNCTION creel.number_doc_version();


--
-- Name: brain_docs brain_docs_keep_version; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_docs_keep_version AFTER INSERT OR UPDATE ON public.brain_docs FOR EACH ROW EXECUTE FUNCTION creel.keep_doc_version();


--
-- Name: brain_docs brain_docs_limit; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_docs_limit AFTER INSERT ON public.brain_docs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.limit_docs();


--
-- Name: brain_docs brain_docs_notify_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_docs_notify_insert AFTER INSERT ON public.brain_docs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.notify_docs();


--
-- Name: brain_docs brain_docs_notify_update; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_docs_notify_update AFTER UPDATE ON public.brain_docs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.notify_docs();


--
-- Name: brain_docs brain_docs_tell_state; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER brain_docs_tell_state AFTER INSERT OR UPDATE ON public.brain_docs FOR EACH ROW EXECUTE FUNCTION creel.tell_doc_state();


--
-- Name: events events_notify; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER events_notify AFTER INSERT ON public.events FOR EACH ROW WHEN (((new.project_id IS NOT NULL) AND (new.agent_key IS NOT NULL) AND (new.kind = ANY (ARRAY['agent.crashed'::text, 'agent.given_up'::text, 'agent.provision_failed'::text, 'agent.command_failed'::text, 'agent.limit_exceeded'::text])))) EXECUTE FUNCTION creel.notify_of_event();


--
-- Name: host_earnings host_earnings_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER host_earnings_append_only BEFORE DELETE OR UPDATE ON public.host_earnings FOR EACH ROW EXECUTE FUNCTION creel.keep_earnings();


--
-- Name: host_earnings host_earnings_not_emptied; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER host_earnings_not_emptied BEFORE TRUNCATE ON public.host_earnings FOR EACH STATEMENT EXECUTE FUNCTION creel.keep_earnings();


--
-- Name: host_heartbeats host_heartbeats_begin; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER host_heartbeats_begin BEFORE INSERT ON public.host_heartbeats FOR EACH ROW EXECUTE FUNCTION creel.begin_heartbeat();


--
-- Name: host_heartbeats host_heartbeats_count; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER host_heartbeats_count BEFORE UPDATE OF last_seen_at ON public.host_heartbeats FOR EACH ROW WHEN ((new.last_seen_at > (now() - '00:01:00'::interval))) EXECUTE FUNCTION creel.count_heartbeat();


--
-- Name: hosts hosts_check_price; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER hosts_check_price BEFORE INSERT OR UPDATE OF price ON public.hosts FOR EACH ROW WHEN ((new.price IS NOT NULL)) EXECUTE FUNCTION creel.check_price();


--
-- Name: hosts hosts_deleted_with_subscriptions; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER hosts_deleted_with_subscriptions BEFORE DELETE ON public.hosts FOR EACH ROW EXECUTE FUNCTION creel.tell_subscribed();


--
-- Name: hosts hosts_retired_with_subscriptions; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER hosts_retired_with_subscriptions AFTER UPDATE OF status ON public.hosts FOR EACH ROW WHEN (((new.status = 'retired'::text) AND (old.status <> 'retired'::text))) EXECUTE FUNCTION creel.tell_subscribed();


--
-- Name: hosts hosts_tenancy_trusted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER hosts_tenancy_trusted BEFORE UPDATE OF tenancy ON public.hosts FOR EACH ROW WHEN (((new.tenancy = 'trusted'::text) AND (old.tenancy <> 'trusted'::text))) EXECUTE FUNCTION creel.check_tenancy();


--
-- Name: hosts hosts_touch; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER hosts_touch BEFORE UPDATE ON public.hosts FOR EACH ROW EXECUTE FUNCTION creel.touch();


--
-- Name: project_members project_members_keep_an_owner; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER project_members_keep_an_owner AFTER DELETE OR UPDATE ON public.project_members FOR EACH ROW EXECUTE FUNCTION creel.keep_an_owner();


--
-- Name: project_members project_members_limit; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER project_members_limit AFTER INSERT ON public.project_members FOR EACH ROW EXECUTE FUNCTION creel.limit_members();


--
-- Name: projects projects_keep_subscribed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER projects_keep_subscribed BEFORE DELETE ON public.projects FOR EACH ROW EXECUTE FUNCTION creel.keep_subscribed_project();


--
-- Name: projects projects_own_new_project; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER projects_own_new_project AFTER INSERT ON public.projects FOR EACH ROW EXECUTE FUNCTION creel.own_new_project();


--
-- Name: agent_canaries queue_dequeue; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER queue_dequeue AFTER DELETE ON public.agent_canaries REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.dequeue();


--
-- Name: agent_commands queue_dequeue; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER queue_dequeue AFTER DELETE ON public.agent_commands REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.dequeue();


--
-- Name: agent_provision_requests queue_dequeue; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER queue_dequeue AFTER DELETE ON public.agent_provision_requests REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.dequeue();


--
-- Name: agent_canaries queue_enqueue; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER queue_enqueue AFTER INSERT ON public.agent_canaries REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.enqueue();


--
-- Name: agent_commands queue_enqueue; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER queue_enqueue AFTER INSERT ON public.agent_commands REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.enqueue();


--
-- Name: agent_provision_requests queue_enqueue; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER queue_enqueue AFTER INSERT ON public.agent_provision_requests REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.enqueue();


--
-- Name: agent_provision_requests ready_agents; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ready_agents AFTER INSERT ON public.agent_provision_requests REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.ready_agents();


--
-- Name: agent_commands receive_commands; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER receive_commands AFTER INSERT ON public.agent_commands REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.receive_commands();


--
-- Name: agent_commands receive_commands_check_paid; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER receive_commands_check_paid AFTER INSERT ON public.agent_commands REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.check_commands_paid();


--
-- Name: subscriptions subscriptions_touch; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER subscriptions_touch BEFORE UPDATE ON public.subscriptions FOR EACH ROW EXECUTE FUNCTION creel.touch();


--
-- Name: agent_provision_requests take_back_removals; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER take_back_removals AFTER INSERT ON public.agent_provision_requests REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.take_back_removals();


--
-- Name: agent_provision_requests take_back_removals_check_paid; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER take_back_removals_check_paid AFTER INSERT ON public.agent_provision_requests REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION creel.check_requests_paid();


--
-- Name: webhooks webhooks_enable; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhooks_enable BEFORE UPDATE OF enabled ON public.webhooks FOR EACH ROW EXECUTE FUNCTION creel.enable_webhook();


--
-- Name: canary_answers canary_answers_canary_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.canary_answers
    ADD CONSTRAINT canary_answers_canary_id_fkey FOREIGN KEY (canary_id) REFERENCES public.agent_canaries(id) ON DELETE CASCADE;


--
-- Name: canary_plans canary_plans_agent_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.canary_plans
    ADD CONSTRAINT canary_plans_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;


--
-- Name: command_counts command_counts_project_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.command_counts
    ADD CONSTRAINT command_counts_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: dead_letters dead_letters_project_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.dead_letters
    ADD CONSTRAINT dead_letters_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: dead_letters dead_letters_queue_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.dead_letters
    ADD CONSTRAINT dead_letters_queue_fkey FOREIGN KEY (queue) REFERENCES creel.queues(queue);


--
-- Name: doc_usage doc_usage_project_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.doc_usage
    ADD CONSTRAINT doc_usage_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: earning_disputes earning_disputes_earning_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.earning_disputes
    ADD CONSTRAINT earning_disputes_earning_id_fkey FOREIGN KEY (earning_id) REFERENCES public.host_earnings(id);


--
-- Name: earning_facts earning_facts_earning_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.earning_facts
    ADD CONSTRAINT earning_facts_earning_id_fkey FOREIGN KEY (earning_id) REFERENCES public.host_earnings(id);


--
-- Name: earning_transfers earning_transfers_earning_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.earning_transfers
    ADD CONSTRAINT earning_transfers_earning_id_fkey FOREIGN KEY (earning_id) REFERENCES public.host_earnings(id);


--
-- Name: enrolment_codes enrolment_codes_host_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.enrolment_codes
    ADD CONSTRAINT enrolment_codes_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE CASCADE;


--
-- Name: enrolment_codes enrolment_codes_owner_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.enrolment_codes
    ADD CONSTRAINT enrolment_codes_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES auth.users(id) ON DELETE CASCADE;


--
-- Name: host_budgets host_budgets_host_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_budgets
    ADD CONSTRAINT host_budgets_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE CASCADE;


--
-- Name: host_channels host_channels_host_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_channels
    ADD CONSTRAINT host_channels_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE CASCADE;


--
-- Name: host_keys host_keys_host_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_keys
    ADD CONSTRAINT host_keys_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE CASCADE;


--
-- Name: host_logins host_logins_host_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.host_logins
    ADD CONSTRAINT host_logins_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE CASCADE;


--
-- Name: items items_lane_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.items
    ADD CONSTRAINT items_lane_id_fkey FOREIGN KEY (lane_id) REFERENCES creel.lanes(id) ON DELETE CASCADE;


--
-- Name: lanes lanes_agent; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.lanes
    ADD CONSTRAINT lanes_agent FOREIGN KEY (project_id, agent_key) REFERENCES public.agents(project_id, agent_key) ON DELETE CASCADE;


--
-- Name: lanes lanes_host_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.lanes
    ADD CONSTRAINT lanes_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE SET NULL;


--
-- Name: notification_leases notification_leases_notification_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.notification_leases
    ADD CONSTRAINT notification_leases_notification_id_fkey FOREIGN KEY (notification_id) REFERENCES public.notifications(id) ON DELETE CASCADE;


--
-- Name: stripe_requests stripe_requests_earning_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.stripe_requests
    ADD CONSTRAINT stripe_requests_earning_id_fkey FOREIGN KEY (earning_id) REFERENCES public.host_earnings(id);


--
-- Name: subscription_states subscription_states_subscription_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.subscription_states
    ADD CONSTRAINT subscription_states_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES public.subscriptions(id) ON DELETE CASCADE;


--
-- Name: webhook_secrets webhook_secrets_webhook_id_fkey; Type: FK CONSTRAINT; Schema: creel; Owner: -
--

ALTER TABLE ONLY creel.webhook_secrets
    ADD CONSTRAINT webhook_secrets_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES public.webhooks(id) ON DELETE CASCADE;


--
-- Name: agent_canaries agent_canaries_agent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_canaries
    ADD CONSTRAINT agent_canaries_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;


--
-- Name: agent_commands agent_commands_agent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_commands
    ADD CONSTRAINT agent_commands_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;


--
-- Name: agent_commands agent_commands_created_by_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_commands
    ADD CONSTRAINT agent_commands_created_by_fkey FOREIGN KEY (created_by) REFERENCES auth.users(id) ON DELETE SET NULL;


--
-- Name: agent_commands agent_commands_host_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_commands
    ADD CONSTRAINT agent_commands_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE SET NULL;


--
-- Name: agent_logs agent_logs_agent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_logs
    ADD CONSTRAINT agent_logs_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;


--
-- Name: agent_metric_slots agent_metric_slots_agent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_metric_slots
    ADD CONSTRAINT agent_metric_slots_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;


--
-- Name: agent_metrics agent_metrics_agent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_metrics
    ADD CONSTRAINT agent_metrics_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE CASCADE;


--
-- Name: agent_provision_requests agent_provision_requests_agent; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_provision_requests
    ADD CONSTRAINT agent_provision_requests_agent FOREIGN KEY (project_id, agent_key) REFERENCES public.agents(project_id, agent_key) ON DELETE CASCADE;


--
-- Name: agent_provision_requests agent_provision_requests_requested_by_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_provision_requests
    ADD CONSTRAINT agent_provision_requests_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES auth.users(id) ON DELETE SET NULL;


--
-- Name: agent_status agent_status_agent; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_status
    ADD CONSTRAINT agent_status_agent FOREIGN KEY (project_id, agent_key) REFERENCES public.agents(project_id, agent_key) ON DELETE CASCADE;


--
-- Name: agents agents_host_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE SET NULL;


--
-- Name: agents agents_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: brain_doc_contents brain_doc_contents_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_doc_contents
    ADD CONSTRAINT brain_doc_contents_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: brain_doc_states brain_doc_states_doc_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_doc_states
    ADD CONSTRAINT brain_doc_states_doc_id_fkey FOREIGN KEY (doc_id) REFERENCES public.brain_docs(id) ON DELETE CASCADE;


--
-- Name: brain_doc_versions brain_doc_versions_content; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_doc_versions
    ADD CONSTRAINT brain_doc_versions_content FOREIGN KEY (project_id, sha256) REFERENCES public.brain_doc_contents(project_id, sha256) ON DELETE CASCADE;


--
-- Name: brain_doc_versions brain_doc_versions_doc_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_doc_versions
    ADD CONSTRAINT brain_doc_versions_doc_id_fkey FOREIGN KEY (doc_id) REFERENCES public.brain_docs(id) ON DELETE CASCADE;


--
-- Name: brain_docs brain_docs_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.brain_docs
    ADD CONSTRAINT brain_docs_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: checkout_intents checkout_intents_agent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkout_intents
    ADD CONSTRAINT checkout_intents_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE SET NULL;


--
-- Name: checkout_intents checkout_intents_created_by_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkout_intents
    ADD CONSTRAINT checkout_intents_created_by_fkey FOREIGN KEY (created_by) REFERENCES auth.users(id) ON DELETE SET NULL;


--
-- Name: checkout_intents checkout_intents_host_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkout_intents
    ADD CONSTRAINT checkout_intents_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE SET NULL;


--
-- Name: checkout_intents checkout_intents_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checkout_intents
    ADD CONSTRAINT checkout_intents_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE SET NULL;


--
-- Name: events events_host_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE SET NULL;


--
-- Name: events events_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: host_earnings host_earnings_corrects_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.host_earnings
    ADD CONSTRAINT host_earnings_corrects_fkey FOREIGN KEY (corrects) REFERENCES public.host_earnings(id);


--
-- Name: host_heartbeats host_heartbeats_host_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.host_heartbeats
    ADD CONSTRAINT host_heartbeats_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE CASCADE;


--
-- Name: host_rosters host_rosters_host_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.host_rosters
    ADD CONSTRAINT host_rosters_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE CASCADE;


--
-- Name: hosts hosts_owner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.hosts
    ADD CONSTRAINT hosts_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES auth.users(id) ON DELETE SET NULL;


--
-- Name: notifications notifications_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: notifications notifications_webhook_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES public.webhooks(id) ON DELETE CASCADE;


--
-- Name: project_hosts project_hosts_host_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project_hosts
    ADD CONSTRAINT project_hosts_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE CASCADE;


--
-- Name: project_hosts project_hosts_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project_hosts
    ADD CONSTRAINT project_hosts_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: project_members project_members_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project_members
    ADD CONSTRAINT project_members_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: project_members project_members_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project_members
    ADD CONSTRAINT project_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;


--
-- Name: projects projects_created_by_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_created_by_fkey FOREIGN KEY (created_by) REFERENCES auth.users(id) ON DELETE SET NULL;


--
-- Name: stripe_accounts stripe_accounts_owner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stripe_accounts
    ADD CONSTRAINT stripe_accounts_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES auth.users(id) ON DELETE CASCADE;


--
-- Name: stripe_customers stripe_customers_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stripe_customers
    ADD CONSTRAINT stripe_customers_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: subscriptions subscriptions_agent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES public.agents(id) ON DELETE SET NULL;


--
-- Name: subscriptions subscriptions_host_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.hosts(id) ON DELETE SET NULL;


--
-- Name: subscriptions subscriptions_intent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_intent_id_fkey FOREIGN KEY (intent_id) REFERENCES public.checkout_intents(id) ON DELETE SET NULL;


--
-- Name: subscriptions subscriptions_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE SET NULL;


--
-- Name: webhooks webhooks_created_by_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT webhooks_created_by_fkey FOREIGN KEY (created_by) REFERENCES auth.users(id) ON DELETE SET NULL;


--
-- Name: webhooks webhooks_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT webhooks_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;


--
-- Name: dead_letters; Type: ROW SECURITY; Schema: creel; Owner: -
--

ALTER TABLE creel.dead_letters ENABLE ROW LEVEL SECURITY;

--
-- Name: dead_letters dead_letters_select; Type: POLICY; Schema: creel; Owner: -
--

CREATE POLICY dead_letters_select ON creel.dead_letters FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: agent_canaries; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.agent_canaries ENABLE ROW LEVEL SECURITY;

--
-- Name: agent_canaries agent_canaries_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_canaries_select ON public.agent_canaries FOR SELECT TO authenticated USING (((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])) OR (host_id = ANY (( SELECT creel.owned_hosts() AS owned_hosts)::uuid[]))));


--
-- Name: agent_commands; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.agent_commands ENABLE ROW LEVEL SECURITY;

--
-- Name: agent_commands agent_commands_insert; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_commands_insert ON public.agent_commands FOR INSERT TO authenticated WITH CHECK ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: agent_commands agent_commands_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_commands_select ON public.agent_commands FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: agent_logs; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.agent_logs ENABLE ROW LEVEL SECURITY;

--
-- Name: agent_logs agent_logs_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_logs_select ON public.agent_logs FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: agent_metric_slots; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.agent_metric_slots ENABLE ROW LEVEL SECURITY;

--
-- Name: agent_metric_slots agent_metric_slots_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_metric_slots_select ON public.agent_metric_slots FOR SELECT TO authenticated USING ((agent_id IN ( SELECT a.id
   FROM public.agents a
  WHERE (a.project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])))));


--
-- Name: agent_metrics; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.agent_metrics ENABLE ROW LEVEL SECURITY;

--
-- Name: agent_metrics agent_metrics_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_metrics_select ON public.agent_metrics FOR SELECT TO authenticated USING ((agent_id IN ( SELECT a.id
   FROM public.agents a
  WHERE (a.project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])))));


--
-- Name: agent_outages; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.agent_outages ENABLE ROW LEVEL SECURITY;

--
-- Name: agent_outages agent_outages_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_outages_select ON public.agent_outages FOR SELECT TO authenticated USING (((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])) OR (host_id = ANY (( SELECT creel.owned_hosts() AS owned_hosts)::uuid[]))));


--
-- Name: agent_provision_requests; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.agent_provision_requests ENABLE ROW LEVEL SECURITY;

--
-- Name: agent_provision_requests agent_provision_requests_delete; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_provision_requests_delete ON public.agent_provision_requests FOR DELETE TO authenticated USING (((status = 'queued'::text) AND (project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[]))));


--
-- Name: agent_provision_requests agent_provision_requests_insert; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_provision_requests_insert ON public.agent_provision_requests FOR INSERT TO authenticated WITH CHECK ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: agent_provision_requests agent_provision_requests_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_provision_requests_select ON public.agent_provision_requests FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: agent_status; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.agent_status ENABLE ROW LEVEL SECURITY;

--
-- Name: agent_status agent_status_insert; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_status_insert ON public.agent_status FOR INSERT TO authenticated WITH CHECK ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: agent_status agent_status_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_status_select ON public.agent_status FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: agent_status agent_status_update; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agent_status_update ON public.agent_status FOR UPDATE TO authenticated USING ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: agents; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.agents ENABLE ROW LEVEL SECURITY;

--
-- Name: agents agents_delete; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agents_delete ON public.agents FOR DELETE TO authenticated USING ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: agents agents_insert; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agents_insert ON public.agents FOR INSERT TO authenticated WITH CHECK ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: agents agents_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agents_select ON public.agents FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: agents agents_update; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY agents_update ON public.agents FOR UPDATE TO authenticated USING ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: brain_doc_contents; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.brain_doc_contents ENABLE ROW LEVEL SECURITY;

--
-- Name: brain_doc_contents brain_doc_contents_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY brain_doc_contents_select ON public.brain_doc_contents FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: brain_doc_states; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.brain_doc_states ENABLE ROW LEVEL SECURITY;

--
-- Name: brain_doc_states brain_doc_states_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY brain_doc_states_select ON public.brain_doc_states FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: brain_doc_versions; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.brain_doc_versions ENABLE ROW LEVEL SECURITY;

--
-- Name: brain_doc_versions brain_doc_versions_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY brain_doc_versions_select ON public.brain_doc_versions FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: brain_docs; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.brain_docs ENABLE ROW LEVEL SECURITY;

--
-- Name: brain_docs brain_docs_insert; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY brain_docs_insert ON public.brain_docs FOR INSERT TO authenticated WITH CHECK ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: brain_docs brain_docs_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY brain_docs_select ON public.brain_docs FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: brain_docs brain_docs_update; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY brain_docs_update ON public.brain_docs FOR UPDATE TO authenticated USING ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: checkout_intents; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.checkout_intents ENABLE ROW LEVEL SECURITY;

--
-- Name: checkout_intents checkout_intents_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY checkout_intents_select ON public.checkout_intents FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: events; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.events ENABLE ROW LEVEL SECURITY;

--
-- Name: events events_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY events_select ON public.events FOR SELECT TO authenticated USING (((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])) OR ((project_id IS NULL) AND (host_id = ANY (( SELECT creel.owned_hosts() AS owned_hosts)::uuid[])))));


--
-- Name: host_earnings; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.host_earnings ENABLE ROW LEVEL SECURITY;

--
-- Name: host_earnings host_earnings_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY host_earnings_select ON public.host_earnings FOR SELECT TO authenticated USING ((owner_id = ( SELECT auth.uid() AS uid)));


--
-- Name: host_heartbeats; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.host_heartbeats ENABLE ROW LEVEL SECURITY;

--
-- Name: host_heartbeats host_heartbeats_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY host_heartbeats_select ON public.host_heartbeats FOR SELECT TO authenticated USING ((host_id = ANY (( SELECT creel.visible_hosts() AS visible_hosts)::uuid[])));


--
-- Name: host_rosters; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.host_rosters ENABLE ROW LEVEL SECURITY;

--
-- Name: host_rosters host_rosters_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY host_rosters_select ON public.host_rosters FOR SELECT TO authenticated USING ((host_id = ANY (( SELECT creel.owned_hosts() AS owned_hosts)::uuid[])));


--
-- Name: hosts; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.hosts ENABLE ROW LEVEL SECURITY;

--
-- Name: hosts hosts_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY hosts_select ON public.hosts FOR SELECT TO authenticated USING ((id = ANY (( SELECT creel.visible_hosts() AS visible_hosts)::uuid[])));


--
-- Name: hosts hosts_update; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY hosts_update ON public.hosts FOR UPDATE TO authenticated USING ((owner_id = ( SELECT auth.uid() AS uid)));


--
-- Name: notifications; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.notifications ENABLE ROW LEVEL SECURITY;

--
-- Name: notifications notifications_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY notifications_select ON public.notifications FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: project_hosts; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.project_hosts ENABLE ROW LEVEL SECURITY;

--
-- Name: project_hosts project_hosts_delete; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY project_hosts_delete ON public.project_hosts FOR DELETE TO authenticated USING ((((project_id = ANY (( SELECT creel.owned_projects() AS owned_projects)::text[])) AND (terms = 'own'::text)) OR (host_id = ANY (( SELECT creel.owned_hosts() AS owned_hosts)::uuid[]))));


--
-- Name: project_hosts project_hosts_insert; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY project_hosts_insert ON public.project_hosts FOR INSERT TO authenticated WITH CHECK (((project_id = ANY (( SELECT creel.owned_projects() AS owned_projects)::text[])) AND (host_id = ANY (( SELECT creel.owned_hosts() AS owned_hosts)::uuid[]))));


--
-- Name: project_hosts project_hosts_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY project_hosts_select ON public.project_hosts FOR SELECT TO authenticated USING (((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])) OR (host_id = ANY (( SELECT creel.owned_hosts() AS owned_hosts)::uuid[]))));


--
-- Name: project_members; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.project_members ENABLE ROW LEVEL SECURITY;

--
-- Name: project_members project_members_delete; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY project_members_delete ON public.project_members FOR DELETE TO authenticated USING ((project_id = ANY (( SELECT creel.owned_projects() AS owned_projects)::text[])));


--
-- Name: project_members project_members_insert; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY project_members_insert ON public.project_members FOR INSERT TO authenticated WITH CHECK ((project_id = ANY (( SELECT creel.owned_projects() AS owned_projects)::text[])));


--
-- Name: project_members project_members_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY project_members_select ON public.project_members FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: project_members project_members_update; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY project_members_update ON public.project_members FOR UPDATE TO authenticated USING ((project_id = ANY (( SELECT creel.owned_projects() AS owned_projects)::text[])));


--
-- Name: projects; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.projects ENABLE ROW LEVEL SECURITY;

--
-- Name: projects projects_insert; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY projects_insert ON public.projects FOR INSERT TO authenticated WITH CHECK ((created_by = ( SELECT auth.uid() AS uid)));


--
-- Name: projects projects_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY projects_select ON public.projects FOR SELECT TO authenticated USING (((id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])) OR ((created_by = ( SELECT auth.uid() AS uid)) AND (NOT creel.has_members(id)))));


--
-- Name: projects projects_update; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY projects_update ON public.projects FOR UPDATE TO authenticated USING ((id = ANY (( SELECT creel.owned_projects() AS owned_projects)::text[])));


--
-- Name: stripe_accounts; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.stripe_accounts ENABLE ROW LEVEL SECURITY;

--
-- Name: stripe_accounts stripe_accounts_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY stripe_accounts_select ON public.stripe_accounts FOR SELECT TO authenticated USING ((owner_id = ( SELECT auth.uid() AS uid)));


--
-- Name: stripe_customers; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.stripe_customers ENABLE ROW LEVEL SECURITY;

--
-- Name: stripe_customers stripe_customers_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY stripe_customers_select ON public.stripe_customers FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: stripe_events; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.stripe_events ENABLE ROW LEVEL SECURITY;

--
-- Name: stripe_events stripe_events_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY stripe_events_select ON public.stripe_events FOR SELECT TO service_role USING (true);


--
-- Name: subscriptions; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.subscriptions ENABLE ROW LEVEL SECURITY;

--
-- Name: subscriptions subscriptions_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY subscriptions_select ON public.subscriptions FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: webhooks; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.webhooks ENABLE ROW LEVEL SECURITY;

--
-- Name: webhooks webhooks_select; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY webhooks_select ON public.webhooks FOR SELECT TO authenticated USING ((project_id = ANY (( SELECT creel.readable_projects() AS readable_projects)::text[])));


--
-- Name: webhooks webhooks_update; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY webhooks_update ON public.webhooks FOR UPDATE TO authenticated USING ((project_id = ANY (( SELECT creel.writable_projects() AS writable_projects)::text[])));


--
-- Name: SCHEMA creel; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA creel TO anon;
GRANT USAGE ON SCHEMA creel TO authenticated;
GRANT USAGE ON SCHEMA creel TO service_role;
GRANT USAGE ON SCHEMA creel TO creel_host;


--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: -
--

GRANT ALL ON SCHEMA public TO postgres;
GRANT USAGE ON SCHEMA public TO anon;
GRANT USAGE ON SCHEMA public TO authenticated;
GRANT USAGE ON SCHEMA public TO service_role;
GRANT USAGE ON SCHEMA public TO creel_host;
GRANT USAGE ON SCHEMA public TO creel_stripe;
GRANT USAGE ON SCHEMA public TO creel_notifier;


--
-- Name: TYPE settlement; Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON TYPE creel.settlement FROM PUBLIC;


--
-- Name: TABLE agents; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.agents TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.agents TO service_role;


--
-- Name: FUNCTION accepts_billing(host_id uuid, agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.accepts_billing(host_id uuid, agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION actor(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.actor() FROM PUBLIC;


--
-- Name: FUNCTION add_doc_bytes(of_project text, size_bytes bigint); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.add_doc_bytes(of_project text, size_bytes bigint) FROM PUBLIC;


--
-- Name: TABLE brain_docs; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.brain_docs TO authenticated;
GRANT SELECT,INSERT,UPDATE ON TABLE public.brain_docs TO service_role;


--
-- Name: FUNCTION add_doc_version(doc public.brain_docs, number integer, content text, author_kind text, reason text, side boolean); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.add_doc_version(doc public.brain_docs, number integer, content text, author_kind text, reason text, side boolean) FROM PUBLIC;


--
-- Name: FUNCTION add_function_key(opens text, sha256 text, label text, days integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.add_function_key(opens text, sha256 text, label text, days integer) FROM PUBLIC;


--
-- Name: FUNCTION add_lanes(registered creel.queues, project_ids text[], agent_keys text[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.add_lanes(registered creel.queues, project_ids text[], agent_keys text[]) FROM PUBLIC;


--
-- Name: TABLE webhooks; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.webhooks TO authenticated;
GRANT SELECT ON TABLE public.webhooks TO service_role;


--
-- Name: COLUMN webhooks.events; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(events) ON TABLE public.webhooks TO authenticated;


--
-- Name: COLUMN webhooks.enabled; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(enabled) ON TABLE public.webhooks TO authenticated;


--
-- Name: FUNCTION add_notification(webhook public.webhooks, kind text, subject uuid, said jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.add_notification(webhook public.webhooks, kind text, subject uuid, said jsonb) FROM PUBLIC;


--
-- Name: FUNCTION adjust_earning(earning bigint, amount bigint, reason text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.adjust_earning(earning bigint, amount bigint, reason text) FROM PUBLIC;


--
-- Name: FUNCTION adopt_agent(of_project text, of_host uuid, wish jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.adopt_agent(of_project text, of_host uuid, wish jsonb) FROM PUBLIC;


--
-- Name: FUNCTION after_settled(for_queue text, row_ids uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.after_settled(for_queue text, row_ids uuid[]) FROM PUBLIC;


--
-- Name: FUNCTION after_taken(for_queue text, row_ids uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.after_taken(for_queue text, row_ids uuid[]) FROM PUBLIC;


--
-- Name: TABLE checkout_intents; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.checkout_intents TO authenticated;
GRANT SELECT ON TABLE public.checkout_intents TO service_role;


--
-- Name: FUNCTION agent_of_intent(intent public.checkout_intents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.agent_of_intent(intent public.checkout_intents) FROM PUBLIC;


--
-- Name: FUNCTION agent_on_host(host uuid, agent_id uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.agent_on_host(host uuid, agent_id uuid) FROM PUBLIC;


--
-- Name: FUNCTION all_docs_warning(project text, key text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.all_docs_warning(project text, key text) FROM PUBLIC;


--
-- Name: FUNCTION apply_waiting_for(known text[], current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.apply_waiting_for(known text[], current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION ask_canaries(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.ask_canaries() FROM PUBLIC;


--
-- Name: FUNCTION ask_for_return(earning bigint); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.ask_for_return(earning bigint) FROM PUBLIC;


--
-- Name: FUNCTION ask_to_run(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.ask_to_run(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION ask_to_stop(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.ask_to_stop(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION asked_doc(args jsonb, needed text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.asked_doc(args jsonb, needed text) FROM PUBLIC;


--
-- Name: FUNCTION asked_project(args jsonb, needed text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.asked_project(args jsonb, needed text) FROM PUBLIC;


--
-- Name: TABLE brain_doc_versions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.brain_doc_versions TO authenticated;
GRANT SELECT ON TABLE public.brain_doc_versions TO service_role;


--
-- Name: FUNCTION asked_version(doc public.brain_docs, number integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.asked_version(doc public.brain_docs, number integer) FROM PUBLIC;


--
-- Name: FUNCTION backoff(attempts integer, knobs creel.settings); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.backoff(attempts integer, knobs creel.settings) FROM PUBLIC;


--
-- Name: FUNCTION begin_heartbeat(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.begin_heartbeat() FROM PUBLIC;


--
-- Name: FUNCTION begin_outage(agent public.agents, host uuid, began timestamp with time zone, canary uuid, details jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.begin_outage(agent public.agents, host uuid, began timestamp with time zone, canary uuid, details jsonb) FROM PUBLIC;


--
-- Name: FUNCTION block_doc(host uuid, agent public.agents, kind text, note text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.block_doc(host uuid, agent public.agents, kind text, note text) FROM PUBLIC;


--
-- Name: FUNCTION canary_settled(ids uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.canary_settled(ids uuid[]) FROM PUBLIC;


--
-- Name: FUNCTION cancels(newer text, older text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.cancels(newer text, older text) FROM PUBLIC;


--
-- Name: FUNCTION check_commands_paid(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.check_commands_paid() FROM PUBLIC;


--
-- Name: TABLE hosts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.hosts TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.hosts TO service_role;


--
-- Name: COLUMN hosts.name; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(name) ON TABLE public.hosts TO authenticated;


--
-- Name: COLUMN hosts.capacity; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(capacity) ON TABLE public.hosts TO authenticated;


--
-- Name: COLUMN hosts.tags; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(tags) ON TABLE public.hosts TO authenticated;


--
-- Name: COLUMN hosts.price; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(price) ON TABLE public.hosts TO authenticated;


--
-- Name: COLUMN hosts.status; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(status) ON TABLE public.hosts TO authenticated;


--
-- Name: COLUMN hosts.tenancy; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(tenancy) ON TABLE public.hosts TO authenticated;


--
-- Name: FUNCTION check_place(host public.hosts, project text, agent_wish jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.check_place(host public.hosts, project text, agent_wish jsonb) FROM PUBLIC;


--
-- Name: FUNCTION check_price(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.check_price() FROM PUBLIC;


--
-- Name: FUNCTION check_redriven_paid(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.check_redriven_paid() FROM PUBLIC;


--
-- Name: FUNCTION check_requests_paid(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.check_requests_paid() FROM PUBLIC;


--
-- Name: FUNCTION check_tenancy(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.check_tenancy() FROM PUBLIC;


--
-- Name: FUNCTION check_update(payload jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.check_update(payload jsonb) FROM PUBLIC;


--
-- Name: FUNCTION check_wished_host(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.check_wished_host() FROM PUBLIC;


--
-- Name: FUNCTION choose_openclaw_id(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.choose_openclaw_id(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION claim_notifications(jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.claim_notifications(jsonb) FROM PUBLIC;


--
-- Name: FUNCTION claim_some(host uuid, projects text[], session uuid, most integer, woken text, lease interval, OUT items json[], OUT taken integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.claim_some(host uuid, projects text[], session uuid, most integer, woken text, lease interval, OUT items json[], OUT taken integer) FROM PUBLIC;


--
-- Name: FUNCTION command_settled(command_ids uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.command_settled(command_ids uuid[]) FROM PUBLIC;


--
-- Name: FUNCTION command_taken(command_ids uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.command_taken(command_ids uuid[]) FROM PUBLIC;


--
-- Name: TABLE agent_commands; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT ON TABLE public.agent_commands TO authenticated;
GRANT SELECT,INSERT ON TABLE public.agent_commands TO service_role;


--
-- Name: FUNCTION commanded_agent(command public.agent_commands); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.commanded_agent(command public.agent_commands) FROM PUBLIC;


--
-- Name: FUNCTION commands_of_daemon(host uuid, working uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.commands_of_daemon(host uuid, working uuid[]) FROM PUBLIC;


--
-- Name: FUNCTION correct_charge(event jsonb, object jsonb, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.correct_charge(event jsonb, object jsonb, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION correct_outages(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.correct_outages() FROM PUBLIC;


--
-- Name: FUNCTION correction_targets(net bigint, gross bigint, refunded bigint, disputed bigint, outage bigint, adjusted bigint); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.correction_targets(net bigint, gross bigint, refunded bigint, disputed bigint, outage bigint, adjusted bigint) FROM PUBLIC;


--
-- Name: FUNCTION could_take(host public.hosts, agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.could_take(host public.hosts, agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION count_doc_bytes(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.count_doc_bytes() FROM PUBLIC;


--
-- Name: FUNCTION count_heartbeat(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.count_heartbeat() FROM PUBLIC;


--
-- Name: FUNCTION count_what_waits(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.count_what_waits() FROM PUBLIC;


--
-- Name: FUNCTION current_host_id(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.current_host_id() FROM PUBLIC;
GRANT ALL ON FUNCTION creel.current_host_id() TO creel_host;


--
-- Name: FUNCTION daemon_session(host uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.daemon_session(host uuid) FROM PUBLIC;


--
-- Name: FUNCTION daemon_word(queue text, command_type text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.daemon_word(queue text, command_type text) FROM PUBLIC;


--
-- Name: FUNCTION dequeue(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.dequeue() FROM PUBLIC;


--
-- Name: FUNCTION details_of_event(kind text, detail jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.details_of_event(kind text, detail jsonb) FROM PUBLIC;


--
-- Name: FUNCTION dispute_rank(status text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.dispute_rank(status text) FROM PUBLIC;


--
-- Name: FUNCTION dispute_takes(status text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.dispute_takes(status text) FROM PUBLIC;


--
-- Name: FUNCTION doc_limits(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.doc_limits() FROM PUBLIC;


--
-- Name: FUNCTION doc_types(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.doc_types() FROM PUBLIC;


--
-- Name: FUNCTION doc_warning(doc_type text, content text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.doc_warning(doc_type text, content text) FROM PUBLIC;


--
-- Name: FUNCTION due_stripe_requests(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.due_stripe_requests() FROM PUBLIC;


--
-- Name: TABLE subscriptions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.subscriptions TO authenticated;
GRANT SELECT ON TABLE public.subscriptions TO service_role;


--
-- Name: FUNCTION earn_invoice(event jsonb, invoice jsonb, subscription public.subscriptions, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.earn_invoice(event jsonb, invoice jsonb, subscription public.subscriptions, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION empty_sha256(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.empty_sha256() FROM PUBLIC;


--
-- Name: FUNCTION enable_webhook(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.enable_webhook() FROM PUBLIC;


--
-- Name: FUNCTION end_given_back(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.end_given_back() FROM PUBLIC;


--
-- Name: FUNCTION end_outage(agent uuid, ended timestamp with time zone, because text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.end_outage(agent uuid, ended timestamp with time zone, because text) FROM PUBLIC;


--
-- Name: FUNCTION enqueue(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.enqueue() FROM PUBLIC;


--
-- Name: FUNCTION enqueue_items(registered creel.queues, item_ids uuid[], project_ids text[], agent_keys text[], deadlines timestamp with time zone[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.enqueue_items(registered creel.queues, item_ids uuid[], project_ids text[], agent_keys text[], deadlines timestamp with time zone[]) FROM PUBLIC;


--
-- Name: FUNCTION enroll_host(args jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.enroll_host(args jsonb) FROM PUBLIC;


--
-- Name: TABLE agent_canaries; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.agent_canaries TO authenticated;
GRANT SELECT ON TABLE public.agent_canaries TO service_role;


--
-- Name: FUNCTION excuse_of(canary public.agent_canaries); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.excuse_of(canary public.agent_canaries) FROM PUBLIC;


--
-- Name: FUNCTION failure(code text, message text, hint text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.failure(code text, message text, hint text) FROM PUBLIC;


--
-- Name: FUNCTION fault_of_acks(acks jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fault_of_acks(acks jsonb) FROM PUBLIC;


--
-- Name: FUNCTION fault_of_amount(intent public.checkout_intents, amount jsonb, currency jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fault_of_amount(intent public.checkout_intents, amount jsonb, currency jsonb) FROM PUBLIC;


--
-- Name: FUNCTION fault_of_doc_change(change jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fault_of_doc_change(change jsonb) FROM PUBLIC;


--
-- Name: FUNCTION fault_of_heartbeat(beat jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fault_of_heartbeat(beat jsonb) FROM PUBLIC;


--
-- Name: FUNCTION fault_of_host_wish(wish jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fault_of_host_wish(wish jsonb) FROM PUBLIC;


--
-- Name: FUNCTION fault_of_metrics(metrics jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fault_of_metrics(metrics jsonb) FROM PUBLIC;


--
-- Name: FUNCTION fault_of_place(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fault_of_place(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION fault_of_price(price jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fault_of_price(price jsonb) FROM PUBLIC;


--
-- Name: FUNCTION fault_of_webhook_url(url text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fault_of_webhook_url(url text) FROM PUBLIC;


--
-- Name: FUNCTION fee_of(gross bigint, fee_bp integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fee_of(gross bigint, fee_bp integer) FROM PUBLIC;


--
-- Name: FUNCTION fee_refunded_of(transfer jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fee_refunded_of(transfer jsonb) FROM PUBLIC;


--
-- Name: FUNCTION fetched(current jsonb, id text, OUT object jsonb, OUT as_of timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.fetched(current jsonb, id text, OUT object jsonb, OUT as_of timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION find_lanes(project_ids text[], agent_keys text[], lane_kind text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.find_lanes(project_ids text[], agent_keys text[], lane_kind text) FROM PUBLIC;


--
-- Name: FUNCTION finish_notifications(jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.finish_notifications(jsonb) FROM PUBLIC;


--
-- Name: FUNCTION finish_of_ack(ack jsonb, token uuid, type text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.finish_of_ack(ack jsonb, token uuid, type text) FROM PUBLIC;


--
-- Name: FUNCTION finish_one(host uuid, projects text[], finished jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.finish_one(host uuid, projects text[], finished jsonb) FROM PUBLIC;


--
-- Name: FUNCTION forget_host_channels(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.forget_host_channels() FROM PUBLIC;


--
-- Name: FUNCTION free_doc_bytes(of_project text, freed_bytes bigint); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.free_doc_bytes(of_project text, freed_bytes bigint) FROM PUBLIC;


--
-- Name: FUNCTION free_doc_contents(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.free_doc_contents() FROM PUBLIC;


--
-- Name: FUNCTION free_doc_versions(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.free_doc_versions() FROM PUBLIC;


--
-- Name: FUNCTION handle_account(event jsonb, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.handle_account(event jsonb, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION handle_customer_deleted(event jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.handle_customer_deleted(event jsonb) FROM PUBLIC;


--
-- Name: FUNCTION handle_event(event jsonb, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.handle_event(event jsonb, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION handle_invoice(event jsonb, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.handle_invoice(event jsonb, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION handle_session(event jsonb, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.handle_session(event jsonb, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION handle_subscription(event jsonb, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.handle_subscription(event jsonb, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION has_function_key(opens text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.has_function_key(opens text) FROM PUBLIC;
GRANT ALL ON FUNCTION creel.has_function_key(opens text) TO anon;


--
-- Name: FUNCTION has_members(project_id text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.has_members(project_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION creel.has_members(project_id text) TO authenticated;


--
-- Name: FUNCTION has_open(agent public.agents, types text[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.has_open(agent public.agents, types text[]) FROM PUBLIC;


--
-- Name: FUNCTION has_open_items(agent_id uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.has_open_items(agent_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION creel.has_open_items(agent_id uuid) TO authenticated;
GRANT ALL ON FUNCTION creel.has_open_items(agent_id uuid) TO service_role;


--
-- Name: FUNCTION has_room(host public.hosts); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.has_room(host public.hosts) FROM PUBLIC;


--
-- Name: FUNCTION has_tags(host public.hosts, config jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.has_tags(host public.hosts, config jsonb) FROM PUBLIC;


--
-- Name: FUNCTION has_work(host uuid, projects text[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.has_work(host uuid, projects text[]) FROM PUBLIC;


--
-- Name: FUNCTION hash_of_code(code text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.hash_of_code(code text) FROM PUBLIC;


--
-- Name: TABLE host_heartbeats; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.host_heartbeats TO authenticated;
GRANT SELECT ON TABLE public.host_heartbeats TO service_role;


--
-- Name: FUNCTION heard_until(beat public.host_heartbeats); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.heard_until(beat public.host_heartbeats) FROM PUBLIC;


--
-- Name: FUNCTION held_item(host uuid, held_token uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.held_item(host uuid, held_token uuid) FROM PUBLIC;


--
-- Name: FUNCTION hint_hosts(host_ids uuid[], event text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.hint_hosts(host_ids uuid[], event text) FROM PUBLIC;


--
-- Name: FUNCTION hint_lanes(lane_ids bigint[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.hint_lanes(lane_ids bigint[]) FROM PUBLIC;


--
-- Name: FUNCTION host_in_notification(host_id uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.host_in_notification(host_id uuid) FROM PUBLIC;


--
-- Name: FUNCTION host_of_key(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.host_of_key() FROM PUBLIC;
GRANT ALL ON FUNCTION creel.host_of_key() TO anon;


--
-- Name: FUNCTION host_topic(host uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.host_topic(host uuid) FROM PUBLIC;


--
-- Name: FUNCTION id_in(value jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.id_in(value jsonb) FROM PUBLIC;


--
-- Name: FUNCTION ids_with_row(ids uuid[], docs json[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.ids_with_row(ids uuid[], docs json[]) FROM PUBLIC;


--
-- Name: FUNCTION intent_of_event(event jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.intent_of_event(event jsonb) FROM PUBLIC;


--
-- Name: FUNCTION is_agent_id(id text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_agent_id(id text) FROM PUBLIC;


--
-- Name: FUNCTION is_answer(said text, wanted text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_answer(said text, wanted text) FROM PUBLIC;


--
-- Name: FUNCTION is_confined(backend text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_confined(backend text) FROM PUBLIC;


--
-- Name: FUNCTION is_covered(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_covered(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION is_doc_type(name text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_doc_type(name text) FROM PUBLIC;


--
-- Name: FUNCTION is_host_event(kind text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_host_event(kind text) FROM PUBLIC;


--
-- Name: FUNCTION is_host_online(project text, key text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_host_online(project text, key text) FROM PUBLIC;


--
-- Name: FUNCTION is_number(value jsonb, lowest numeric, highest numeric); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_number(value jsonb, lowest numeric, highest numeric) FROM PUBLIC;


--
-- Name: FUNCTION is_on_host(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_on_host(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION is_owed(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_owed(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION is_reservation(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_reservation(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION is_text(value jsonb, most integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_text(value jsonb, most integer) FROM PUBLIC;


--
-- Name: FUNCTION is_under_command(agent uuid, at timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.is_under_command(agent uuid, at timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION join_queue(tbl regclass); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.join_queue(tbl regclass) FROM PUBLIC;


--
-- Name: FUNCTION keep_agent_billing(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_agent_billing() FROM PUBLIC;


--
-- Name: FUNCTION keep_agent_columns(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_agent_columns() FROM PUBLIC;


--
-- Name: FUNCTION keep_agent_states(host uuid, told jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_agent_states(host uuid, told jsonb) FROM PUBLIC;


--
-- Name: FUNCTION keep_agent_status_columns(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_agent_status_columns() FROM PUBLIC;


--
-- Name: FUNCTION keep_an_owner(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_an_owner() FROM PUBLIC;


--
-- Name: FUNCTION keep_backends(host uuid, told jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_backends(host uuid, told jsonb) FROM PUBLIC;


--
-- Name: FUNCTION keep_command_columns(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_command_columns() FROM PUBLIC;


--
-- Name: FUNCTION keep_doc_columns(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_doc_columns() FROM PUBLIC;


--
-- Name: FUNCTION keep_doc_version(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_doc_version() FROM PUBLIC;


--
-- Name: FUNCTION keep_earnings(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_earnings() FROM PUBLIC;


--
-- Name: FUNCTION keep_host_report(host uuid, report jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_host_report(host uuid, report jsonb) FROM PUBLIC;


--
-- Name: FUNCTION keep_metric_means(ring_secs integer, begins timestamp with time zone, ends timestamp with time zone, after_agent uuid, last_agent uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_metric_means(ring_secs integer, begins timestamp with time zone, ends timestamp with time zone, after_agent uuid, last_agent uuid) FROM PUBLIC;


--
-- Name: FUNCTION keep_metric_samples(moment timestamp with time zone, after_agent uuid, last_agent uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_metric_samples(moment timestamp with time zone, after_agent uuid, last_agent uuid) FROM PUBLIC;


--
-- Name: FUNCTION keep_metrics_history(moment timestamp with time zone, most integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_metrics_history(moment timestamp with time zone, most integer) FROM PUBLIC;


--
-- Name: FUNCTION keep_request_columns(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_request_columns() FROM PUBLIC;


--
-- Name: FUNCTION keep_side_text(doc public.brain_docs, content text, reason text, of_day date); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_side_text(doc public.brain_docs, content text, reason text, of_day date) FROM PUBLIC;


--
-- Name: FUNCTION keep_subscribed(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_subscribed() FROM PUBLIC;


--
-- Name: FUNCTION keep_subscribed_project(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.keep_subscribed_project() FROM PUBLIC;


--
-- Name: FUNCTION knobs(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.knobs() FROM PUBLIC;


--
-- Name: FUNCTION lane_of_token(token uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.lane_of_token(token uuid) FROM PUBLIC;


--
-- Name: FUNCTION lease_lanes(host uuid, projects text[], session uuid, most integer, lease interval, OUT lane_ids bigint[], OUT item_ids uuid[], OUT queues text[], OUT tokens uuid[], OUT attempts integer[], OUT max_attempts integer[], OUT project_ids text[], OUT agent_keys text[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.lease_lanes(host uuid, projects text[], session uuid, most integer, lease interval, OUT lane_ids bigint[], OUT item_ids uuid[], OUT queues text[], OUT tokens uuid[], OUT attempts integer[], OUT max_attempts integer[], OUT project_ids text[], OUT agent_keys text[]) FROM PUBLIC;


--
-- Name: FUNCTION ledger_for_reconciliation(since timestamp with time zone, until timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.ledger_for_reconciliation(since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION limit_agents(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.limit_agents() FROM PUBLIC;


--
-- Name: FUNCTION limit_docs(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.limit_docs() FROM PUBLIC;


--
-- Name: FUNCTION limit_members(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.limit_members() FROM PUBLIC;


--
-- Name: FUNCTION limit_requests(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.limit_requests() FROM PUBLIC;


--
-- Name: FUNCTION listening_since(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.listening_since() FROM PUBLIC;


--
-- Name: FUNCTION lock_agent_lane(agent public.agents, nobody_waits boolean); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.lock_agent_lane(agent public.agents, nobody_waits boolean) FROM PUBLIC;


--
-- Name: FUNCTION lock_doc_usage(project text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.lock_doc_usage(project text) FROM PUBLIC;


--
-- Name: FUNCTION log_doc_event(kind text, doc public.brain_docs, detail jsonb, host uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.log_doc_event(kind text, doc public.brain_docs, detail jsonb, host uuid) FROM PUBLIC;


--
-- Name: FUNCTION log_event(kind text, project_id text, agent_key text, host_id uuid, item_id uuid, detail jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.log_event(kind text, project_id text, agent_key text, host_id uuid, item_id uuid, detail jsonb) FROM PUBLIC;


--
-- Name: FUNCTION make_blocked_doc(host uuid, agent public.agents, kind text, note text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.make_blocked_doc(host uuid, agent public.agents, kind text, note text) FROM PUBLIC;


--
-- Name: FUNCTION make_challenge(OUT challenge text, OUT answer text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.make_challenge(OUT challenge text, OUT answer text) FROM PUBLIC;


--
-- Name: FUNCTION make_disk_doc(agent public.agents, kind text, content text, author_kind text, of_day date); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.make_disk_doc(agent public.agents, kind text, content text, author_kind text, of_day date) FROM PUBLIC;


--
-- Name: FUNCTION max_given_back(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.max_given_back() FROM PUBLIC;


--
-- Name: FUNCTION may_neighbour(host public.hosts, project text, backend text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.may_neighbour(host public.hosts, project text, backend text) FROM PUBLIC;


--
-- Name: FUNCTION may_own_another_host(person uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.may_own_another_host(person uuid) FROM PUBLIC;


--
-- Name: FUNCTION may_serve(host uuid, project text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.may_serve(host uuid, project text) FROM PUBLIC;


--
-- Name: FUNCTION may_show(host uuid, kind text, amount integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.may_show(host uuid, kind text, amount integer) FROM PUBLIC;


--
-- Name: FUNCTION may_tell_states(host uuid, amount integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.may_tell_states(host uuid, amount integer) FROM PUBLIC;


--
-- Name: FUNCTION merged(base jsonb, change jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.merged(base jsonb, change jsonb) FROM PUBLIC;


--
-- Name: FUNCTION metric_rings(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.metric_rings() FROM PUBLIC;


--
-- Name: FUNCTION name_agents(host uuid, lane_ids bigint[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.name_agents(host uuid, lane_ids bigint[]) FROM PUBLIC;


--
-- Name: FUNCTION note_verdict(event_id text, verdict jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.note_verdict(event_id text, verdict jsonb) FROM PUBLIC;


--
-- Name: FUNCTION notification_of_event(kind text, detail jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.notification_of_event(kind text, detail jsonb) FROM PUBLIC;


--
-- Name: FUNCTION notification_pause(attempts integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.notification_pause(attempts integer) FROM PUBLIC;


--
-- Name: FUNCTION notify_docs(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.notify_docs() FROM PUBLIC;


--
-- Name: FUNCTION notify_lanes(lane_ids bigint[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.notify_lanes(lane_ids bigint[]) FROM PUBLIC;


--
-- Name: FUNCTION notify_of_event(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.notify_of_event() FROM PUBLIC;


--
-- Name: FUNCTION number_doc_version(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.number_doc_version() FROM PUBLIC;


--
-- Name: FUNCTION object_in(value jsonb, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.object_in(value jsonb, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION outage_beyond(outage_secs bigint, period_secs bigint, allowance_bp integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.outage_beyond(outage_secs bigint, period_secs bigint, allowance_bp integer) FROM PUBLIC;


--
-- Name: FUNCTION outage_secs(agent uuid, host uuid, period_start timestamp with time zone, period_end timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.outage_secs(agent uuid, host uuid, period_start timestamp with time zone, period_end timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION own_new_project(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.own_new_project() FROM PUBLIC;


--
-- Name: FUNCTION own_webhook(webhook_id uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.own_webhook(webhook_id uuid) FROM PUBLIC;


--
-- Name: FUNCTION owned_hosts(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.owned_hosts() FROM PUBLIC;
GRANT ALL ON FUNCTION creel.owned_hosts() TO authenticated;


--
-- Name: FUNCTION owned_projects(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.owned_projects() FROM PUBLIC;
GRANT ALL ON FUNCTION creel.owned_projects() TO authenticated;


--
-- Name: FUNCTION part_count(period_start timestamp with time zone, period_end timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.part_count(period_start timestamp with time zone, period_end timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION part_end(period_start timestamp with time zone, period_end timestamp with time zone, part integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.part_end(period_start timestamp with time zone, period_end timestamp with time zone, part integer) FROM PUBLIC;


--
-- Name: FUNCTION payment_of_invoice(invoice jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.payment_of_invoice(invoice jsonb) FROM PUBLIC;


--
-- Name: FUNCTION period_of_invoice(invoice jsonb, subscription public.subscriptions, OUT period_start timestamp with time zone, OUT period_end timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.period_of_invoice(invoice jsonb, subscription public.subscriptions, OUT period_start timestamp with time zone, OUT period_end timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION place(host uuid, projects text[], most integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.place(host uuid, projects text[], most integer) FROM PUBLIC;


--
-- Name: FUNCTION place_lanes(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.place_lanes() FROM PUBLIC;


--
-- Name: FUNCTION placeable(host public.hosts, projects text[], most integer, considered integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.placeable(host public.hosts, projects text[], most integer, considered integer) FROM PUBLIC;


--
-- Name: FUNCTION placement_reason(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.placement_reason(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION placement_verdicts(item creel.items); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.placement_verdicts(item creel.items) FROM PUBLIC;


--
-- Name: FUNCTION plan_canaries(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.plan_canaries() FROM PUBLIC;


--
-- Name: FUNCTION plan_price(host public.hosts, plan text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.plan_price(host public.hosts, plan text) FROM PUBLIC;


--
-- Name: FUNCTION pre_request(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.pre_request() FROM PUBLIC;
GRANT ALL ON FUNCTION creel.pre_request() TO anon;
GRANT ALL ON FUNCTION creel.pre_request() TO authenticated;
GRANT ALL ON FUNCTION creel.pre_request() TO service_role;
GRANT ALL ON FUNCTION creel.pre_request() TO creel_host;


--
-- Name: FUNCTION prepare_command(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.prepare_command() FROM PUBLIC;


--
-- Name: FUNCTION prepare_request(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.prepare_request() FROM PUBLIC;


--
-- Name: FUNCTION price_currency(host public.hosts); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.price_currency(host public.hosts) FROM PUBLIC;


--
-- Name: FUNCTION projects_of_host(host uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.projects_of_host(host uuid) FROM PUBLIC;


--
-- Name: FUNCTION prorate(amount bigint, part bigint, whole bigint); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.prorate(amount bigint, part bigint, whole bigint) FROM PUBLIC;


--
-- Name: FUNCTION provision_settled(ids uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.provision_settled(ids uuid[]) FROM PUBLIC;


--
-- Name: FUNCTION provision_taken(ids uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.provision_taken(ids uuid[]) FROM PUBLIC;


--
-- Name: FUNCTION put_doc(host uuid, agent public.agents, change jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.put_doc(host uuid, agent public.agents, change jsonb) FROM PUBLIC;


--
-- Name: FUNCTION queue_branches(template text, only_with text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.queue_branches(template text, only_with text) FROM PUBLIC;


--
-- Name: FUNCTION queues_written(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.queues_written() FROM PUBLIC;


--
-- Name: FUNCTION random_code(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.random_code() FROM PUBLIC;


--
-- Name: FUNCTION read_agent_wish(wish jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.read_agent_wish(wish jsonb) FROM PUBLIC;


--
-- Name: FUNCTION read_sha256(digits text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.read_sha256(digits text) FROM PUBLIC;


--
-- Name: FUNCTION read_time(given jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.read_time(given jsonb) FROM PUBLIC;


--
-- Name: FUNCTION read_uuid(given text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.read_uuid(given text) FROM PUBLIC;


--
-- Name: FUNCTION readable_projects(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.readable_projects() FROM PUBLIC;
GRANT ALL ON FUNCTION creel.readable_projects() TO authenticated;


--
-- Name: FUNCTION ready_agents(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.ready_agents() FROM PUBLIC;


--
-- Name: FUNCTION receive_commands(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.receive_commands() FROM PUBLIC;


--
-- Name: FUNCTION refuse_adoption(openclaw_id text, code text, message text, hint text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.refuse_adoption(openclaw_id text, code text, message text, hint text) FROM PUBLIC;


--
-- Name: FUNCTION refuse_dead_letter(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.refuse_dead_letter() FROM PUBLIC;


--
-- Name: FUNCTION refuse_full(host_id uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.refuse_full(host_id uuid) FROM PUBLIC;


--
-- Name: FUNCTION refuse_payload(what text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.refuse_payload(what text) FROM PUBLIC;


--
-- Name: FUNCTION refuse_subscribed(agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.refuse_subscribed(agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION refuse_unpaid(agent_key text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.refuse_unpaid(agent_key text) FROM PUBLIC;


--
-- Name: FUNCTION release_reservation(of_agent uuid, of_intent uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.release_reservation(of_agent uuid, of_intent uuid) FROM PUBLIC;


--
-- Name: FUNCTION remove_retained(sub public.subscriptions); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.remove_retained(sub public.subscriptions) FROM PUBLIC;


--
-- Name: FUNCTION rentable_host(wished uuid, plan text, agent_wish jsonb, project text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.rentable_host(wished uuid, plan text, agent_wish jsonb, project text) FROM PUBLIC;


--
-- Name: FUNCTION replace_host_keys(host uuid, sha256 bytea, key_days integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.replace_host_keys(host uuid, sha256 bytea, key_days integer) FROM PUBLIC;


--
-- Name: FUNCTION reported_agents(of_project text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.reported_agents(of_project text) FROM PUBLIC;
GRANT ALL ON FUNCTION creel.reported_agents(of_project text) TO authenticated;


--
-- Name: FUNCTION requests_for(endpoint text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.requests_for(endpoint text) FROM PUBLIC;


--
-- Name: FUNCTION require_api(args jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.require_api(args jsonb) FROM PUBLIC;


--
-- Name: FUNCTION require_host(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.require_host() FROM PUBLIC;


--
-- Name: FUNCTION require_notifier(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.require_notifier() FROM PUBLIC;


--
-- Name: FUNCTION require_owned_host(args jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.require_owned_host(args jsonb) FROM PUBLIC;


--
-- Name: FUNCTION require_stripe(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.require_stripe() FROM PUBLIC;


--
-- Name: FUNCTION reserve(project text, wished_key text, host public.hosts, agent_wish jsonb, known public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.reserve(project text, wished_key text, host public.hosts, agent_wish jsonb, known public.agents) FROM PUBLIC;


--
-- Name: FUNCTION retry_stripe_request(id uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.retry_stripe_request(id uuid) FROM PUBLIC;


--
-- Name: FUNCTION retry_waiting(current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.retry_waiting(current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION revoke_function_key(id uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.revoke_function_key(id uuid) FROM PUBLIC;


--
-- Name: FUNCTION revoke_host(host_id uuid); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.revoke_host(host_id uuid) FROM PUBLIC;


--
-- Name: FUNCTION said_since(note text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.said_since(note text) FROM PUBLIC;


--
-- Name: FUNCTION save_subscription(object jsonb, as_of timestamp with time zone, is_fetched boolean, event jsonb, first_paid timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.save_subscription(object jsonb, as_of timestamp with time zone, is_fetched boolean, event jsonb, first_paid timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION secs_of(at timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.secs_of(at timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION send_hints(topics text[], event text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.send_hints(topics text[], event text) FROM PUBLIC;


--
-- Name: FUNCTION send_own_command(agent public.agents, type text, payload jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.send_own_command(agent public.agents, type text, payload jsonb) FROM PUBLIC;


--
-- Name: FUNCTION send_wished_command(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.send_wished_command() FROM PUBLIC;


--
-- Name: FUNCTION settle(settlements creel.settlement[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle(settlements creel.settlement[]) FROM PUBLIC;


--
-- Name: FUNCTION settle_alone(settlement creel.settlement); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_alone(settlement creel.settlement) FROM PUBLIC;


--
-- Name: FUNCTION settle_done(for_queue text, settled_lane bigint, settled_seq bigint, row_id uuid, new_result jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_done(for_queue text, settled_lane bigint, settled_seq bigint, row_id uuid, new_result jsonb) FROM PUBLIC;


--
-- Name: FUNCTION settle_each(settlements creel.settlement[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_each(settlements creel.settlement[]) FROM PUBLIC;


--
-- Name: FUNCTION settle_entitlement(of_agent uuid, cause text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_entitlement(of_agent uuid, cause text) FROM PUBLIC;


--
-- Name: FUNCTION settle_homeless(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_homeless() FROM PUBLIC;


--
-- Name: FUNCTION settle_notification(notification_id uuid, outcome text, said text, retry_after_secs integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_notification(notification_id uuid, outcome text, said text, retry_after_secs integer) FROM PUBLIC;


--
-- Name: FUNCTION settle_rows(for_queue text, row_ids uuid[], fate text, results jsonb[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_rows(for_queue text, row_ids uuid[], fate text, results jsonb[]) FROM PUBLIC;


--
-- Name: FUNCTION settle_stripe_requests(done jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_stripe_requests(done jsonb) FROM PUBLIC;


--
-- Name: FUNCTION settle_subscription(of_subscription text, received timestamp with time zone, paid timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_subscription(of_subscription text, received timestamp with time zone, paid timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION settle_superseded(settlements creel.settlement[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_superseded(settlements creel.settlement[]) FROM PUBLIC;


--
-- Name: FUNCTION settle_without_host(command_ids uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settle_without_host(command_ids uuid[]) FROM PUBLIC;


--
-- Name: FUNCTION settled_state(row_sha256 text, disk_sha256 text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.settled_state(row_sha256 text, disk_sha256 text) FROM PUBLIC;


--
-- Name: FUNCTION short_of_key(agent_key text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.short_of_key(agent_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION creel.short_of_key(agent_key text) TO authenticated;
GRANT ALL ON FUNCTION creel.short_of_key(agent_key text) TO service_role;


--
-- Name: FUNCTION short_text(value jsonb, most integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.short_text(value jsonb, most integer) FROM PUBLIC;


--
-- Name: FUNCTION show_conflict(doc public.brain_docs, base_sha256 text, base integer); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.show_conflict(doc public.brain_docs, base_sha256 text, base integer) FROM PUBLIC;


--
-- Name: FUNCTION show_doc(doc public.brain_docs, warning text, is_online boolean); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.show_doc(doc public.brain_docs, warning text, is_online boolean) FROM PUBLIC;


--
-- Name: FUNCTION show_result(for_queue text, row_id uuid, new_result jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.show_result(for_queue text, row_id uuid, new_result jsonb) FROM PUBLIC;


--
-- Name: FUNCTION show_version(v public.brain_doc_versions); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.show_version(v public.brain_doc_versions) FROM PUBLIC;


--
-- Name: FUNCTION show_written(doc public.brain_docs); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.show_written(doc public.brain_docs) FROM PUBLIC;


--
-- Name: FUNCTION skip_row(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.skip_row() FROM PUBLIC;


--
-- Name: FUNCTION spend(host uuid, kind text, amount bigint, budget bigint, span interval); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.spend(host uuid, kind text, amount bigint, budget bigint, span interval) FROM PUBLIC;


--
-- Name: FUNCTION still_to_return(earning bigint); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.still_to_return(earning bigint) FROM PUBLIC;


--
-- Name: FUNCTION stripe_ref(given jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.stripe_ref(given jsonb) FROM PUBLIC;


--
-- Name: FUNCTION stripe_subjects(event jsonb, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.stripe_subjects(event jsonb, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION subscription_service(status text, grace_until timestamp with time zone, first_paid_at timestamp with time zone, at timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.subscription_service(status text, grace_until timestamp with time zone, first_paid_at timestamp with time zone, at timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION supersede_commands(command_ids uuid[]); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.supersede_commands(command_ids uuid[]) FROM PUBLIC;


--
-- Name: FUNCTION superseded(newer text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.superseded(newer text) FROM PUBLIC;


--
-- Name: FUNCTION supersedes(newer text, older text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.supersedes(newer text, older text) FROM PUBLIC;


--
-- Name: FUNCTION sweep_billing(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_billing() FROM PUBLIC;


--
-- Name: FUNCTION sweep_checkouts(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_checkouts() FROM PUBLIC;


--
-- Name: FUNCTION sweep_doc_versions(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_doc_versions() FROM PUBLIC;


--
-- Name: FUNCTION sweep_graces(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_graces() FROM PUBLIC;


--
-- Name: FUNCTION sweep_hope(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_hope() FROM PUBLIC;


--
-- Name: FUNCTION sweep_hopeless(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_hopeless() FROM PUBLIC;


--
-- Name: FUNCTION sweep_intents(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_intents() FROM PUBLIC;


--
-- Name: FUNCTION sweep_leases(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_leases() FROM PUBLIC;


--
-- Name: FUNCTION sweep_needing_no_host(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_needing_no_host() FROM PUBLIC;


--
-- Name: FUNCTION sweep_notifications(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_notifications() FROM PUBLIC;


--
-- Name: FUNCTION sweep_old_events(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_old_events() FROM PUBLIC;


--
-- Name: FUNCTION sweep_once(min_age interval); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_once(min_age interval) FROM PUBLIC;


--
-- Name: FUNCTION sweep_outages(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_outages() FROM PUBLIC;


--
-- Name: FUNCTION sweep_payloads(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_payloads() FROM PUBLIC;


--
-- Name: FUNCTION sweep_placements(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_placements() FROM PUBLIC;


--
-- Name: FUNCTION sweep_reasons(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_reasons() FROM PUBLIC;


--
-- Name: FUNCTION sweep_registered(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_registered() FROM PUBLIC;


--
-- Name: FUNCTION sweep_rents(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_rents() FROM PUBLIC;


--
-- Name: FUNCTION sweep_retention(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_retention() FROM PUBLIC;


--
-- Name: FUNCTION sweep_unpaid(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_unpaid() FROM PUBLIC;


--
-- Name: FUNCTION sweep_webhooks(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.sweep_webhooks() FROM PUBLIC;


--
-- Name: FUNCTION take_acks(host uuid, acks jsonb, api jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.take_acks(host uuid, acks jsonb, api jsonb) FROM PUBLIC;


--
-- Name: FUNCTION take_all_rows(queues text[], item_ids uuid[], woken text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.take_all_rows(queues text[], item_ids uuid[], woken text) FROM PUBLIC;


--
-- Name: FUNCTION take_back_removal(project text, wished_key text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.take_back_removal(project text, wished_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION creel.take_back_removal(project text, wished_key text) TO authenticated;


--
-- Name: FUNCTION take_back_removals(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.take_back_removals() FROM PUBLIC;


--
-- Name: FUNCTION take_disk_text(doc public.brain_docs, content text, author_kind text, reason text, of_day date); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.take_disk_text(doc public.brain_docs, content text, author_kind text, reason text, of_day date) FROM PUBLIC;


--
-- Name: FUNCTION take_row(for_queue text, row_id uuid, woken text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.take_row(for_queue text, row_id uuid, woken text) FROM PUBLIC;


--
-- Name: FUNCTION take_rows(for_queue text, row_ids uuid[], woken text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.take_rows(for_queue text, row_ids uuid[], woken text) FROM PUBLIC;


--
-- Name: FUNCTION take_turn(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.take_turn() FROM PUBLIC;


--
-- Name: FUNCTION take_turns(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.take_turns() FROM PUBLIC;


--
-- Name: FUNCTION takes_work(host public.hosts); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.takes_work(host public.hosts) FROM PUBLIC;


--
-- Name: FUNCTION tell_deletion_of_subscribed(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.tell_deletion_of_subscribed() FROM PUBLIC;


--
-- Name: FUNCTION tell_doc_state(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.tell_doc_state() FROM PUBLIC;


--
-- Name: FUNCTION tell_mismatch(event_id text, verdict jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.tell_mismatch(event_id text, verdict jsonb) FROM PUBLIC;


--
-- Name: FUNCTION tell_of_host(host uuid, kind text, since timestamp with time zone); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.tell_of_host(host uuid, kind text, since timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION tell_subscribed(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.tell_subscribed() FROM PUBLIC;


--
-- Name: FUNCTION tell_webhooks(project text, kind text, subject uuid, said jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.tell_webhooks(project text, kind text, subject uuid, said jsonb) FROM PUBLIC;


--
-- Name: FUNCTION tenancy_of(host public.hosts); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.tenancy_of(host public.hosts) FROM PUBLIC;


--
-- Name: FUNCTION text_of_doc(doc_id uuid, project text, hash text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.text_of_doc(doc_id uuid, project text, hash text) FROM PUBLIC;


--
-- Name: FUNCTION text_sha256(content text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.text_sha256(content text) FROM PUBLIC;


--
-- Name: FUNCTION tidy_command(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.tidy_command() FROM PUBLIC;


--
-- Name: FUNCTION time_in(value jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.time_in(value jsonb) FROM PUBLIC;


--
-- Name: FUNCTION touch(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.touch() FROM PUBLIC;


--
-- Name: FUNCTION try_event(event jsonb, current jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.try_event(event jsonb, current jsonb) FROM PUBLIC;


--
-- Name: FUNCTION uuid_of(value jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.uuid_of(value jsonb) FROM PUBLIC;


--
-- Name: FUNCTION visible_hosts(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.visible_hosts() FROM PUBLIC;
GRANT ALL ON FUNCTION creel.visible_hosts() TO authenticated;


--
-- Name: FUNCTION waiting_reason(item creel.items); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.waiting_reason(item creel.items) FROM PUBLIC;


--
-- Name: FUNCTION waits(note text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.waits(note text) FROM PUBLIC;


--
-- Name: FUNCTION want_fetched(kind text, id text, expand text[], why text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.want_fetched(kind text, id text, expand text[], why text) FROM PUBLIC;


--
-- Name: FUNCTION wanted_int(args jsonb, name text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.wanted_int(args jsonb, name text) FROM PUBLIC;


--
-- Name: FUNCTION wanted_text(args jsonb, name text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.wanted_text(args jsonb, name text) FROM PUBLIC;


--
-- Name: FUNCTION wants(object text, id text, expand jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.wants(object text, id text, expand jsonb) FROM PUBLIC;


--
-- Name: FUNCTION webhook_secret(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.webhook_secret() FROM PUBLIC;


--
-- Name: FUNCTION whole_number(value jsonb, lowest bigint, highest bigint); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.whole_number(value jsonb, lowest bigint, highest bigint) FROM PUBLIC;


--
-- Name: FUNCTION why_not_placed(host public.hosts, agent public.agents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.why_not_placed(host public.hosts, agent public.agents) FROM PUBLIC;


--
-- Name: FUNCTION wish_removal(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.wish_removal() FROM PUBLIC;


--
-- Name: FUNCTION without_secrets(value jsonb); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.without_secrets(value jsonb) FROM PUBLIC;


--
-- Name: FUNCTION writable_projects(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.writable_projects() FROM PUBLIC;
GRANT ALL ON FUNCTION creel.writable_projects() TO authenticated;


--
-- Name: FUNCTION write_corrections(earning bigint, source text); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.write_corrections(earning bigint, source text) FROM PUBLIC;


--
-- Name: FUNCTION write_one_item_functions(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.write_one_item_functions() FROM PUBLIC;


--
-- Name: FUNCTION write_person_text(doc public.brain_docs, content text, reason text, by_knowing boolean); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.write_person_text(doc public.brain_docs, content text, reason text, by_knowing boolean) FROM PUBLIC;


--
-- Name: FUNCTION write_queue_functions(); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.write_queue_functions() FROM PUBLIC;


--
-- Name: FUNCTION write_wished_docs(intent public.checkout_intents); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.write_wished_docs(intent public.checkout_intents) FROM PUBLIC;


--
-- Name: FUNCTION write_wishes(command_ids uuid[], is_new boolean); Type: ACL; Schema: creel; Owner: -
--

REVOKE ALL ON FUNCTION creel.write_wishes(command_ids uuid[], is_new boolean) FROM PUBLIC;


--
-- Name: FUNCTION add_member(project_id text, email text, role text); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.add_member(project_id text, email text, role text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.add_member(project_id text, email text, role text) TO authenticated;


--
-- Name: FUNCTION adopt_agents(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.adopt_agents(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.adopt_agents(jsonb) TO authenticated;


--
-- Name: FUNCTION apply_stripe_event(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.apply_stripe_event(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.apply_stripe_event(jsonb) TO creel_stripe;


--
-- Name: FUNCTION begin_checkout(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.begin_checkout(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.begin_checkout(jsonb) TO authenticated;


--
-- Name: FUNCTION claim(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.claim(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.claim(jsonb) TO creel_host;


--
-- Name: FUNCTION claim_notifications(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.claim_notifications(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.claim_notifications(jsonb) TO creel_notifier;


--
-- Name: FUNCTION create_enrolment_code(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.create_enrolment_code(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.create_enrolment_code(jsonb) TO authenticated;


--
-- Name: FUNCTION create_webhook(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.create_webhook(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.create_webhook(jsonb) TO authenticated;


--
-- Name: FUNCTION delete_webhook(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.delete_webhook(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.delete_webhook(jsonb) TO authenticated;


--
-- Name: FUNCTION deploy_config(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.deploy_config(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.deploy_config(jsonb) TO creel_host;


--
-- Name: FUNCTION enroll_host_by_code(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.enroll_host_by_code(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.enroll_host_by_code(jsonb) TO anon;
GRANT ALL ON FUNCTION public.enroll_host_by_code(jsonb) TO authenticated;


--
-- Name: FUNCTION erase_doc(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.erase_doc(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.erase_doc(jsonb) TO authenticated;


--
-- Name: FUNCTION fetch_docs(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.fetch_docs(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.fetch_docs(jsonb) TO creel_host;


--
-- Name: FUNCTION finish(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.finish(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.finish(jsonb) TO creel_host;


--
-- Name: FUNCTION finish_notifications(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.finish_notifications(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.finish_notifications(jsonb) TO creel_notifier;


--
-- Name: FUNCTION heartbeat(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.heartbeat(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.heartbeat(jsonb) TO creel_host;


--
-- Name: FUNCTION list_agents(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.list_agents(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.list_agents(jsonb) TO creel_host;


--
-- Name: FUNCTION list_doc_versions(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.list_doc_versions(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.list_doc_versions(jsonb) TO authenticated;


--
-- Name: FUNCTION list_docs(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.list_docs(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.list_docs(jsonb) TO creel_host;


--
-- Name: FUNCTION list_docs_of(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.list_docs_of(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.list_docs_of(jsonb) TO authenticated;


--
-- Name: FUNCTION list_enrolment_codes(); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.list_enrolment_codes() FROM PUBLIC;
GRANT ALL ON FUNCTION public.list_enrolment_codes() TO authenticated;


--
-- Name: FUNCTION list_host_access(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.list_host_access(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.list_host_access(jsonb) TO authenticated;


--
-- Name: FUNCTION list_hosts_for_rent(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.list_hosts_for_rent(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.list_hosts_for_rent(jsonb) TO authenticated;


--
-- Name: FUNCTION list_members(project_id text); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.list_members(project_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.list_members(project_id text) TO authenticated;


--
-- Name: FUNCTION pin_doc_version(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.pin_doc_version(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.pin_doc_version(jsonb) TO authenticated;


--
-- Name: FUNCTION progress(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.progress(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.progress(jsonb) TO creel_host;


--
-- Name: FUNCTION put_docs(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.put_docs(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.put_docs(jsonb) TO creel_host;


--
-- Name: FUNCTION read_doc(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.read_doc(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.read_doc(jsonb) TO authenticated;


--
-- Name: FUNCTION read_docs(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.read_docs(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.read_docs(jsonb) TO creel_host;


--
-- Name: FUNCTION read_runtime(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.read_runtime(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.read_runtime(jsonb) TO authenticated;


--
-- Name: FUNCTION record_docs(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.record_docs(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.record_docs(jsonb) TO creel_host;


--
-- Name: FUNCTION record_logs(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.record_logs(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.record_logs(jsonb) TO creel_host;


--
-- Name: FUNCTION redrive(id uuid); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.redrive(id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.redrive(id uuid) TO authenticated;


--
-- Name: FUNCTION redrive_notification(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.redrive_notification(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.redrive_notification(jsonb) TO authenticated;


--
-- Name: FUNCTION release(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.release(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.release(jsonb) TO creel_host;


--
-- Name: FUNCTION remove_member(project_id text, email text); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.remove_member(project_id text, email text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.remove_member(project_id text, email text) TO authenticated;


--
-- Name: FUNCTION report_outdated(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.report_outdated(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.report_outdated(jsonb) TO creel_host;


--
-- Name: FUNCTION request_provision(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.request_provision(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.request_provision(jsonb) TO authenticated;


--
-- Name: FUNCTION request_removal(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.request_removal(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.request_removal(jsonb) TO authenticated;


--
-- Name: FUNCTION resolve_doc(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.resolve_doc(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.resolve_doc(jsonb) TO authenticated;


--
-- Name: FUNCTION restore_doc(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.restore_doc(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.restore_doc(jsonb) TO authenticated;


--
-- Name: FUNCTION revoke_enrolment_code(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.revoke_enrolment_code(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.revoke_enrolment_code(jsonb) TO authenticated;


--
-- Name: FUNCTION revoke_host_access(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.revoke_host_access(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.revoke_host_access(jsonb) TO authenticated;


--
-- Name: FUNCTION rotate_host_key(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.rotate_host_key(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.rotate_host_key(jsonb) TO creel_host;


--
-- Name: FUNCTION rotate_webhook_secret(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.rotate_webhook_secret(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.rotate_webhook_secret(jsonb) TO authenticated;


--
-- Name: FUNCTION sweep(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.sweep(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.sweep(jsonb) TO creel_host;
GRANT ALL ON FUNCTION public.sweep(jsonb) TO service_role;


--
-- Name: FUNCTION test_webhook(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.test_webhook(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.test_webhook(jsonb) TO authenticated;


--
-- Name: FUNCTION tick(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.tick(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tick(jsonb) TO creel_host;


--
-- Name: FUNCTION why_pending(id uuid); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.why_pending(id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.why_pending(id uuid) TO authenticated;


--
-- Name: FUNCTION write_doc(jsonb); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.write_doc(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.write_doc(jsonb) TO authenticated;


--
-- Name: TABLE dead_letters; Type: ACL; Schema: creel; Owner: -
--

GRANT SELECT ON TABLE creel.dead_letters TO authenticated;
GRANT SELECT ON TABLE creel.dead_letters TO service_role;


--
-- Name: TABLE host_earnings; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.host_earnings TO authenticated;
GRANT SELECT ON TABLE public.host_earnings TO service_role;


--
-- Name: TABLE agent_logs; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.agent_logs TO authenticated;
GRANT SELECT ON TABLE public.agent_logs TO service_role;


--
-- Name: TABLE agent_metric_slots; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.agent_metric_slots TO authenticated;
GRANT SELECT ON TABLE public.agent_metric_slots TO service_role;


--
-- Name: TABLE agent_metrics; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.agent_metrics TO authenticated;
GRANT SELECT ON TABLE public.agent_metrics TO service_role;


--
-- Name: TABLE agent_metrics_history; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.agent_metrics_history TO authenticated;
GRANT SELECT ON TABLE public.agent_metrics_history TO service_role;


--
-- Name: TABLE agent_outages; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.agent_outages TO authenticated;
GRANT SELECT ON TABLE public.agent_outages TO service_role;


--
-- Name: TABLE agent_provision_requests; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE public.agent_provision_requests TO authenticated;
GRANT SELECT,INSERT,DELETE ON TABLE public.agent_provision_requests TO service_role;


--
-- Name: TABLE agent_status; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.agent_status TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.agent_status TO service_role;


--
-- Name: TABLE brain_doc_contents; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.brain_doc_contents TO authenticated;
GRANT SELECT ON TABLE public.brain_doc_contents TO service_role;


--
-- Name: TABLE brain_doc_states; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.brain_doc_states TO authenticated;
GRANT SELECT ON TABLE public.brain_doc_states TO service_role;


--
-- Name: TABLE dead_letters; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.dead_letters TO authenticated;
GRANT SELECT ON TABLE public.dead_letters TO service_role;


--
-- Name: TABLE events; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.events TO authenticated;
GRANT SELECT ON TABLE public.events TO service_role;


--
-- Name: TABLE host_rosters; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.host_rosters TO authenticated;
GRANT SELECT ON TABLE public.host_rosters TO service_role;


--
-- Name: TABLE host_statements; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.host_statements TO authenticated;
GRANT SELECT ON TABLE public.host_statements TO service_role;


--
-- Name: TABLE host_status; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.host_status TO authenticated;
GRANT SELECT ON TABLE public.host_status TO service_role;


--
-- Name: TABLE notifications; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.notifications TO authenticated;
GRANT SELECT ON TABLE public.notifications TO service_role;


--
-- Name: TABLE paid_to_running; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.paid_to_running TO authenticated;
GRANT SELECT ON TABLE public.paid_to_running TO service_role;


--
-- Name: TABLE project_hosts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,DELETE ON TABLE public.project_hosts TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.project_hosts TO service_role;


--
-- Name: COLUMN project_hosts.project_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(project_id) ON TABLE public.project_hosts TO authenticated;


--
-- Name: COLUMN project_hosts.host_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(host_id) ON TABLE public.project_hosts TO authenticated;


--
-- Name: TABLE project_members; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,DELETE ON TABLE public.project_members TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.project_members TO service_role;


--
-- Name: COLUMN project_members.project_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(project_id) ON TABLE public.project_members TO authenticated;


--
-- Name: COLUMN project_members.user_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(user_id) ON TABLE public.project_members TO authenticated;


--
-- Name: COLUMN project_members.role; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(role),UPDATE(role) ON TABLE public.project_members TO authenticated;


--
-- Name: TABLE projects; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.projects TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.projects TO service_role;


--
-- Name: COLUMN projects.id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(id) ON TABLE public.projects TO authenticated;


--
-- Name: COLUMN projects.name; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(name),UPDATE(name) ON TABLE public.projects TO authenticated;


--
-- Name: TABLE stripe_accounts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.stripe_accounts TO authenticated;
GRANT SELECT ON TABLE public.stripe_accounts TO service_role;


--
-- Name: TABLE stripe_customers; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.stripe_customers TO authenticated;
GRANT SELECT ON TABLE public.stripe_customers TO service_role;


--
-- Name: TABLE stripe_events; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.stripe_events TO service_role;


--
-- PostgreSQL database dump complete
--


