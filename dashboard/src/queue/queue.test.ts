import { describe, expect, it } from 'vitest';
import type { Row } from '../supabase/client';
import { deadWords, splitItems, viewItems } from './items';
import { readView } from './view';
import { leaseWords, reasonWords, stillWaits, verdictWords } from './why';

const request = (
  id: string,
  fields: Partial<Row<'agent_provision_requests'>>,
): Row<'agent_provision_requests'> => ({
  id,
  project_id: 'p',
  agent_key: 'agent:scout:main',
  agent_id_short: 'scout',
  display_name: null,
  emoji: null,
  role_short: null,
  status: 'queued',
  result: null,
  waiting_for: null,
  woken_by: null,
  adopt: false,
  idempotency_key: null,
  deadline_at: null,
  requested_by: null,
  requested_at: `2026-10-01T12:0${id}:00Z`,
  picked_up_at: null,
  completed_at: null,
  ...fields,
});

const command = (id: string, fields: Partial<Row<'agent_commands'>>): Row<'agent_commands'> => ({
  id,
  project_id: 'p',
  agent_key: 'agent:gone:main',
  agent_id: 'a',
  host_id: null,
  type: 'restart',
  payload: {},
  status: 'pending',
  result: null,
  error: null,
  waiting_for: null,
  woken_by: null,
  idempotency_key: null,
  deadline_at: null,
  created_by: null,
  created_at: `2026-10-01T12:0${id}:00Z`,
  sent_at: null,
  acked_at: null,
  ...fields,
});

const letter = {
  id: '2',
  queue: 'agent_provision_requests',
  project_id: 'p',
  agent_key: 'agent:scout:main',
  attempts: 5,
  reason: 'attempts',
  died_at: '2026-10-01T13:00:00Z',
  type: null,
  error: null,
};

describe('the queue', () => {
  const error = { error: { code: 'x', message: 'openclaw is missing', hint: 'install it' } };
  const items = viewItems(
    [
      request('1', {}),
      request('2', { status: 'error', result: error }),
      request('3', { status: 'done', adopt: true }),
    ],
    [
      command('4', { status: 'sent', sent_at: '2026-10-01T12:05:00Z' }),
      command('5', { status: 'failed', result: { error: { code: 'superseded', message: 'superseded' } } }),
      command('6', { status: 'failed', error: 'it broke' }),
    ],
    [letter],
    [{ agent_key: 'agent:scout:main', agent_id_short: 'scout', name: 'Scout', emoji: '🔎' }],
  );
  const views = splitItems(items);

  it('shows requests and commands alike', () => {
    const known = Object.fromEntries(items.map((item) => [item.id, item]));
    expect(known['1']).toMatchObject({ what: 'Provision', agentName: 'Scout', agentSlug: 'scout' });
    expect(known['3']).toMatchObject({ what: 'Adopt', phase: 'done' });
    expect(known['4']).toMatchObject({
      what: 'Restart',
      agentName: 'gone',
      agentSlug: null,
      phase: 'working',
    });
    expect(known['6']?.failure).toEqual({ message: 'it broke', hint: null });
  });

  it('has what is at work first, then what has waited longest', () => {
    expect(views.open.map(({ id }) => id)).toEqual(['4', '1']);
  });

  it('keeps dead letters apart from what has merely ended', () => {
    expect(views.dead.map(({ id, failure }) => [id, failure?.message])).toEqual([
      ['2', 'openclaw is missing'],
    ]);
    expect(views.ended.map(({ id, phase }) => [id, phase])).toEqual([
      ['6', 'failed'],
      ['5', 'superseded'],
      ['3', 'done'],
    ]);
  });
});

describe('dead letters', () => {
  it('are there when nothing else is known of them any more', () => {
    const old = { ...letter, id: '9', type: 'restart', error: { message: 'openclaw is missing' } };
    const { dead } = splitItems(viewItems([], [], [old], []));
    expect(dead).toMatchObject([
      { id: '9', what: 'Restart', agentName: 'scout', failure: { message: 'openclaw is missing' } },
    ]);
    expect(splitItems(viewItems([], [], [letter], [])).dead).toMatchObject([{ what: 'Provision' }]);
  });

  it('are none any more once they are tried again', () => {
    const views = splitItems(viewItems([request('2', {})], [], [letter], []));
    expect([views.open.length, views.dead.length]).toEqual([1, 0]);
  });
});

describe('words of the queue', () => {
  it('say why, until when, and who does not', () => {
    expect(deadWords({ reason: 'attempts', attempts: 5 })).toBe('All 5 attempts failed');
    expect(deadWords({ reason: 'no_host', attempts: 0 })).toBe('No host could take it');
    expect(leaseWords({ code: 'leased', message: 'x', until: 't' })).toEqual({
      label: 'Lease ends',
      until: 't',
    });
    expect(leaseWords({ code: 'backoff', message: 'x', until: 't' })?.label).toBe('Next attempt');
    expect(leaseWords({ code: 'offline', message: 'x' })).toBeNull();
    expect(leaseWords(undefined)).toBeNull();
    // It has just ended, and its row is on the way.
    expect(stillWaits({ code: 'not_waiting', message: 'nothing with this id waits' })).toBeUndefined();
    expect(reasonWords('host a is offline')).toBe('Host a is offline.');
    expect([verdictWords('capacity'), verdictWords('new_one')]).toEqual(['is full', 'new_one']);
  });

  it('are read from an address that anybody may have written', () => {
    expect(readView({ view: 'dead' })).toEqual({ view: 'dead' });
    expect([readView({ view: 'x' }), readView({ view: 1 }), readView({})]).toEqual([{}, {}, {}]);
  });
});
