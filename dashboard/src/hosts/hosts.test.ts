import { describe, expect, it } from 'vitest';
import type { Row } from '../supabase/client';
import { hostActions } from './change';
import { eventWords } from './events';
import { type FleetHost, viewFleet } from './fleet';
import { offerChange, offerOf, offerProblems } from './offering';
import { type HostOffer, healthWords, sortOffers } from './offers';
import { ways } from './ways';

const host = (fields: Partial<Row<'hosts'>> = {}): Row<'hosts'> => ({
  id: 'h1',
  name: 'mini',
  owner_id: 'me',
  platform: 'macos',
  capacity: 10,
  tags: ['gpu'],
  price: { month: 900 },
  status: 'online',
  worker_version: null,
  openclaw_version: null,
  runtime: null,
  backends: ['shared'],
  tenancy: 'single',
  outdated_since: null,
  created_at: '2026-10-01T00:00:00Z',
  updated_at: '2026-10-01T00:00:00Z',
  ...fields,
});

describe('the fleet', () => {
  it('tells own hosts from rented ones, and takes offline from the view', () => {
    const rows = [
      {
        ...host({ id: 'b', name: 'b', owner_id: 'lu' }),
        project_hosts: [{ project_id: 'p', terms: 'rented' }],
        host_heartbeats: null,
      },
      { ...host({ id: 'c', name: 'a', status: 'retired' }), project_hosts: [], host_heartbeats: null },
      {
        ...host({ id: 'a', name: 'a' }),
        project_hosts: [{ project_id: 'p', terms: 'own' }],
        host_heartbeats: { listens: true, lost_hints: 2 },
      },
    ];
    const states = [
      { id: 'a', shown_status: 'offline', last_seen_at: null, cpu_percent: null, ram_mb: null },
    ];
    const views = viewFleet(rows, states, 'p', 'me');
    expect(views.map(({ host, mine, terms, status }) => [host.id, mine, terms, status])).toEqual([
      ['a', true, 'own', 'offline'],
      ['b', false, 'rented', 'online'],
      ['c', true, null, 'retired'],
    ]);
  });
});

describe('what may be done with a host', () => {
  const view = (fields: Partial<FleetHost>): FleetHost => ({
    host: host(),
    mine: true,
    terms: 'own',
    projects: ['p'],
    status: 'online',
    lastSeenAt: null,
    cpuPercent: null,
    ramMb: null,
    listens: false,
    lostHints: 0,
    ...fields,
  });
  const allowed = (fields: Partial<FleetHost>, role: string) =>
    Object.entries(hostActions(view(fields), role)).flatMap(([name, may]) => (may ? [name] : []));

  it('is for its owner', () => {
    expect(allowed({}, 'viewer')).toEqual(['edit', 'drain', 'newKey', 'revoke', 'retire', 'release']);
    expect(allowed({ host: host({ status: 'draining' }) }, 'viewer')).toContain('resume');
    expect(allowed({ terms: null, host: host({ status: 'retired' }) }, 'owner')).toEqual([]);
    expect(allowed({ terms: null }, 'owner')).toContain('serve');
    expect(allowed({ terms: null }, 'editor')).not.toContain('serve');
  });

  it('is no more than to let it go for an owner of the project', () => {
    expect(allowed({ mine: false }, 'owner')).toEqual(['release']);
    expect(allowed({ mine: false }, 'editor')).toEqual([]);
    // That ends with the subscription; the host's owner may end it all the same.
    expect(allowed({ mine: false, terms: 'rented' }, 'owner')).toEqual([]);
    expect(allowed({ terms: 'rented' }, 'viewer')).toContain('release');
  });
});

describe('what a host offers', () => {
  const before = offerOf(host(), 'usd');

  it('is written as far as it became another one', () => {
    expect(before).toEqual({
      name: 'mini',
      capacity: '10',
      tags: 'gpu',
      month: '9',
      year: '',
      trusted: false,
    });
    expect(offerChange(before, host(), 'usd')).toEqual({});
    expect(offerChange({ ...before, year: '90', capacity: '5' }, host(), 'usd')).toEqual({
      capacity: 5,
      price: { month: 900, year: 9000 },
    });
    expect(offerChange({ ...before, month: '' }, host(), 'usd')).toEqual({ price: null });
    // Where the currency is not known, neither is a price.
    const unknown = offerOf(host(), null);
    expect(offerChange({ ...unknown, capacity: '5' }, host(), null)).toEqual({ capacity: 5 });
    const inEuros = host({ price: { currency: 'eur', month: 900 } });
    expect(offerChange({ ...before, month: '10' }, inEuros, 'eur')).toEqual({
      price: { currency: 'eur', month: 1000 },
    });
    expect(offerChange({ ...before, trusted: true }, host(), 'usd')).toEqual({ tenancy: 'trusted' });
  });

  it('has to be possible', () => {
    expect(offerProblems(before, 'usd')).toEqual({});
    expect(offerProblems({ ...before, month: '0.20' }, 'usd')).toHaveProperty('month');
    expect(offerProblems({ ...before, month: '1000000' }, 'usd').month).toContain('at most');
    expect(offerProblems({ ...before, year: 'much' }, 'usd')).toHaveProperty('year');
    expect(offerProblems({ ...before, name: ' ', capacity: '' }, 'usd')).toMatchObject({
      name: expect.any(String),
      capacity: expect.any(String),
    });
  });
});

describe('the ways in', () => {
  it('are the good ones, then a few that have ended', () => {
    const key = (id: string, good: boolean, created_at: string) => ({
      id,
      label: null,
      created_at,
      expires_at: null,
      replaced_at: null,
      revoked_at: good ? null : created_at,
      good,
    });
    const shown = ways({
      keys: [
        key('k1', false, '1'),
        key('k2', false, '2'),
        key('k3', false, '3'),
        key('k4', false, '4'),
        key('k5', true, '5'),
      ],
      logins: [{ role: 'creel_host_1', created_at: '0', revoked_at: null, good: true }],
      open_codes: [{ created_at: '6', expires_at: '7' }],
    });
    expect(shown.map(({ id, word }) => `${id}: ${word}`)).toEqual([
      'code 6: Unused',
      'k5: Good',
      'creel_host_1: Good',
      'k4: Revoked',
      'k3: Revoked',
      'k2: Revoked',
    ]);
  });
});

describe('events of a host', () => {
  it('have words, or are told as they are', () => {
    expect(eventWords({ kind: 'host.enrolled', agent_key: null, detail: {} })).toEqual({
      text: 'Enrolled',
      detail: null,
    });
    expect(
      eventWords({ kind: 'agent.crashed', agent_key: 'agent:scout:main', detail: { reason: 'exit code 1' } }),
    ).toEqual({ text: 'scout: ended by itself', detail: 'Exit code 1' });
    expect(
      eventWords({ kind: 'gateway.failed', agent_key: null, detail: { reason: 'my_file.json' } }).detail,
    ).toBe('My_file.json');
    const made = { kind: 'agent.provisioned', agent_key: 'agent:scout:main', detail: {} };
    expect(eventWords(made).text).toBe('scout: made on its host');
    expect(eventWords({ kind: 'some.new_kind', agent_key: null, detail: {} }).text).toBe('Some new kind');
  });
});

describe('hosts for rent', () => {
  const offer = (id: string, fields: Partial<HostOffer>): HostOffer => ({
    id,
    name: id,
    platform: null,
    tags: [],
    backends: [],
    capacity: 10,
    room: 5,
    month: 900,
    year: null,
    currency: 'usd',
    online: true,
    last_seen_at: '2026-10-01T00:00:00Z',
    outages: 0,
    openclaw_version: null,
    created_at: '2026-10-01T00:00:00Z',
    ...fields,
  });
  const offers = [
    offer('full', { room: 0, month: 100 }),
    offer('dear', { month: 2_000, outages: 0, room: 9 }),
    offer('silent', { online: false, month: 50 }),
    offer('yearly', { month: null, year: 6_000, outages: 3, room: 1 }),
  ];
  const order = (by: 'price' | 'room' | 'health') => sortOffers(offers, by).map(({ id }) => id);

  it('are ordered by what is asked for, those that can be had first', () => {
    expect(order('price')).toEqual(['yearly', 'dear', 'silent', 'full']);
    expect(order('room').slice(0, 2)).toEqual(['dear', 'yearly']);
    expect(order('health').slice(0, 2)).toEqual(['dear', 'yearly']);
  });

  it('say how reliable they were', () => {
    expect([0, 1, 2].map((outages) => healthWords({ outages }))).toEqual([
      'No outage in 30 days',
      'One outage in 30 days',
      '2 outages in 30 days',
    ]);
  });
});
