import { describe, expect, it } from 'vitest';
import type { Row } from '../supabase/client';
import { type Change, patchRows } from './tables';

const status = (agent_key: string, state: string): Row<'agent_status'> => ({
  id: agent_key,
  project_id: 'p',
  agent_key,
  state,
  note: null,
  current_task: null,
  last_activity_at: null,
  last_heartbeat_at: null,
});

describe('patching rows', () => {
  const rows = [status('a', 'idle'), status('b', 'idle')];

  it('adds, replaces and removes by the key', () => {
    const changes: Change<'agent_status'>[] = [
      { table: 'agent_status', type: 'INSERT', row: status('c', 'idle') },
      { table: 'agent_status', type: 'UPDATE', row: status('a', 'thinking') },
      { table: 'agent_status', type: 'DELETE', key: { project_id: 'p', agent_key: 'b' } },
    ];
    const states = patchRows('agent_status', rows, changes).map((row) => [row.agent_key, row.state]);
    expect(states).toEqual([
      ['a', 'thinking'],
      ['c', 'idle'],
    ]);
  });

  it('keeps what a message leaves out', () => {
    const { note: _, ...rest } = status('a', 'thinking');
    const known = [{ ...status('a', 'idle'), note: 'a long one' }];
    const change = { table: 'agent_status', type: 'UPDATE', row: rest } as Change<'agent_status'>;
    expect(patchRows('agent_status', known, [change])[0]).toMatchObject({
      state: 'thinking',
      note: 'a long one',
    });
  });

  it('takes the same message twice as once, and leaves other rows as they are', () => {
    const change: Change<'agent_status'> = {
      table: 'agent_status',
      type: 'INSERT',
      row: status('c', 'idle'),
    };
    const once = patchRows('agent_status', rows, [change]);
    expect(patchRows('agent_status', once, [change])).toEqual(once);
    expect(once[0]).toBe(rows[0]);
  });
});
