import { QueryClient } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Db } from '../supabase/client';
import { LiveConnection } from './connection';
import { applyChanges, rowsKey } from './rows';
import type { Change } from './tables';

/** A channel that does what it is told. */
function fakeChannel() {
  const hears: { type: string; table?: string; call: (message: unknown) => void }[] = [];
  return {
    on(type: string, filter: { table?: string }, call: (message: unknown) => void) {
      hears.push({ type, table: filter.table, call });
      return this;
    },
    subscribe(call: (status: string) => void) {
      this.status = call;
      return this;
    },
    status: (_: string) => {},
    tell(type: string, message: unknown, table?: string) {
      for (const each of hears) if (each.type === type && each.table === table) each.call(message);
    },
    join() {
      this.status('SUBSCRIBED');
      this.tell('system', { status: 'ok' });
    },
  };
}

function fakeDb() {
  const channels: ReturnType<typeof fakeChannel>[] = [];
  const db = {
    channel: () => {
      channels.push(fakeChannel());
      return channels.at(-1);
    },
    removeChannel: vi.fn(async () => 'ok'),
    realtime: { isConnected: () => true },
  };
  return { db: db as unknown as Db, channels, removeChannel: db.removeChannel };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the live connection', () => {
  it('says within fifteen seconds that Realtime is silent, and when it is back', () => {
    const { db, channels } = fakeDb();
    const connection = new LiveConnection(db, 'p');
    const stop = connection.start();
    channels[0]?.join();
    expect(connection.currentMode()).toBe('live');
    vi.advanceTimersByTime(15_000);
    expect(connection.currentMode()).toBe('polling');
    connection.signal({ type: 'heard', at: Date.now() });
    expect(connection.currentMode()).toBe('live');
    stop();
  });

  it('is not live before changes flow', () => {
    const { db, channels } = fakeDb();
    const connection = new LiveConnection(db, 'p');
    const stop = connection.start();
    channels[0]?.status('SUBSCRIBED');
    expect(connection.currentMode()).toBe('connecting');
    channels[0]?.tell('system', { status: 'error' });
    vi.advanceTimersByTime(5_000);
    expect(connection.currentMode()).toBe('polling');
    stop();
  });

  it('asks for a channel anew when the old one is gone, and hears no more of that', () => {
    const { db, channels, removeChannel } = fakeDb();
    const connection = new LiveConnection(db, 'p');
    const stop = connection.start();
    channels[0]?.join();
    vi.advanceTimersByTime(5_000);
    channels[0]?.status('CLOSED');
    expect(connection.currentMode()).toBe('polling');
    vi.advanceTimersByTime(10_000);
    expect(channels.length).toBe(2);
    expect(removeChannel).toHaveBeenCalledTimes(1);
    channels[1]?.join();
    channels[0]?.status('CLOSED');
    expect(connection.currentMode()).toBe('live');
    stop();
  });

  it('hands on a burst of changes at once', () => {
    const { db, channels } = fakeDb();
    const connection = new LiveConnection(db, 'p');
    const heard: Change[][] = [];
    connection.onChanges((changes) => heard.push(changes));
    const stop = connection.start();
    channels[0]?.join();
    for (const id of ['a', 'b'])
      channels[0]?.tell('postgres_changes', { eventType: 'INSERT', new: { id } }, 'agents');
    vi.advanceTimersByTime(100);
    expect(heard.length).toBe(1);
    expect(
      new Set(heard[0]?.map((change) => change.type === 'INSERT' && 'id' in change.row && change.row.id)),
    ).toEqual(new Set(['a', 'b']));
    stop();
  });

  it('has everything asked for again when a message is not whole', () => {
    const { db, channels } = fakeDb();
    const connection = new LiveConnection(db, 'p');
    const heard = vi.fn();
    const missed = vi.fn();
    connection.onChanges(heard);
    const stop = connection.start();
    channels[0]?.join();
    connection.onGap(missed);
    const tell = (message: unknown) => channels[0]?.tell('postgres_changes', message, 'agents');
    tell({ eventType: 'UPDATE', new: { id: 'a' }, errors: ['Error 413: Payload Too Large'] });
    tell({ eventType: 'INSERT', new: {}, errors: null });
    tell({ eventType: 'DELETE', old: {} });
    vi.advanceTimersByTime(100);
    expect(heard).not.toHaveBeenCalled();
    expect(missed).toHaveBeenCalledTimes(1);
    stop();
  });

  it('takes the word of the browser that there is no network for a reason to look, and no more', () => {
    const { db, channels } = fakeDb();
    const connection = new LiveConnection(db, 'p');
    const look = vi.fn();
    const stop = connection.start();
    channels[0]?.join();
    connection.onGap(look);
    window.dispatchEvent(new Event('offline'));
    expect(connection.currentMode()).toBe('offline');
    expect(look).toHaveBeenCalledTimes(1);
    connection.signal({ type: 'reached', ok: true });
    expect(connection.currentMode()).toBe('live');
    stop();
  });

  it('puts changes into the rows that are shown, and makes none up', () => {
    const queries = new QueryClient();
    const change = { table: 'agents', type: 'INSERT', row: { id: 'a', name: 'A' } } as unknown as Change;
    applyChanges(queries, 'p', [change]);
    expect(queries.getQueryData(rowsKey('p', 'agents'))).toBeUndefined();
    queries.setQueryData(rowsKey('p', 'agents'), []);
    applyChanges(queries, 'p', [change]);
    expect(queries.getQueryData(rowsKey('p', 'agents'))).toEqual([{ id: 'a', name: 'A' }]);
  });
});
