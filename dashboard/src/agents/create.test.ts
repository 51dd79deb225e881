import { describe, expect, it } from 'vitest';
import type { Db } from '../supabase/client';
import { createAgent, type Wish } from './create';

/** Writes down what is written. */
function recorder(fails: Record<string, { code?: string; message: string }> = {}) {
  const written: { table: string; how: string; row: Record<string, unknown> }[] = [];
  const write = (table: string, how: string) => async (row: Record<string, unknown>) => {
    written.push({ table, how, row });
    return fails[table] ? { data: null, error: fails[table] } : { data: null, error: null };
  };
  const db = {
    from: (table: string) => ({ upsert: write(table, 'upsert'), insert: write(table, 'insert') }),
  };
  return { db: db as unknown as Db, written };
}

const wish: Wish = {
  short: 'scout',
  name: 'Scout',
  emoji: '🦞',
  role: 'assistant',
  soul: '# Soul',
  model: 'x/y',
  backend: 'profile',
  hostId: null,
};

describe('making an agent', () => {
  it('writes what the command line writes, in its order', async () => {
    const { db, written } = recorder();
    await createAgent(db, 'p', wish, new Set());
    expect(written.map(({ table }) => table)).toEqual([
      'agents',
      'agent_status',
      'brain_docs',
      'agent_provision_requests',
    ]);
    for (const { row } of written)
      expect(row).toMatchObject({ project_id: 'p', agent_key: 'agent:scout:main' });
    expect(written[0]?.row).toMatchObject({
      provisioned: false,
      backend: 'profile',
      config: { model: 'x/y' },
    });
    expect(written[0]?.row).not.toHaveProperty('host_id');
    expect(written[3]?.row).toMatchObject({
      status: 'queued',
      display_name: 'Scout',
      role_short: 'assistant',
    });
  });

  it('says in words that a request is open already', async () => {
    const { db } = recorder({ agent_provision_requests: { code: '23505', message: 'duplicate key' } });
    await expect(createAgent(db, 'p', { ...wish, soul: null }, new Set())).rejects.toThrow(/open already/);
  });

  it('never writes over the agent of somebody else', async () => {
    const ours = new Set<string>();
    const taken = recorder({ agents: { code: '23505', message: 'duplicate key' } });
    await expect(createAgent(taken.db, 'p', wish, ours)).rejects.toThrow(/an agent with this id already/);
    expect(taken.written.map(({ table, how }) => `${how} ${table}`)).toEqual(['insert agents']);
    expect(ours.size).toBe(0);
  });

  it('goes on with its own after an answer that never came', async () => {
    const ours = new Set<string>();
    const lost = recorder({ agents: { message: 'TypeError: Failed to fetch' } });
    await expect(createAgent(lost.db, 'p', wish, ours)).rejects.toThrow(/cannot be reached/);
    const again = recorder();
    await createAgent(again.db, 'p', wish, ours);
    expect(again.written[0]).toMatchObject({ table: 'agents', how: 'upsert' });
  });
});
