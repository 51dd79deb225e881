import { describe, expect, it } from 'vitest';
import type { Db } from '../supabase/client';
import { createAgent, type Wish } from './create';

/** Writes down what is written. */
function recorder(fails: Record<string, { code: string; message: string }> = {}) {
  const written: { table: string; row: Record<string, unknown> }[] = [];
  const write = (table: string) => async (row: Record<string, unknown>) => {
    written.push({ table, row });
    return fails[table] ? { data: null, error: fails[table] } : { data: null, error: null };
  };
  const db = { from: (table: string) => ({ upsert: write(table), insert: write(table) }) };
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
    await createAgent(db, 'p', wish);
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
    await expect(createAgent(db, 'p', { ...wish, soul: null })).rejects.toThrow(/open already/);
  });
});
