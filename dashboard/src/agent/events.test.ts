import { describe, expect, it } from 'vitest';
import { actorWords, describeEvent } from './events';

describe('events in words', () => {
  it('say what happened and to which file', () => {
    expect(describeEvent({ kind: 'doc.conflict', detail: { doc_type: 'soul' } })).toEqual({
      tone: 'warn',
      title: 'Changed on both sides',
      detail: 'SOUL.md',
    });
    const error = { code: 'port', message: 'the port is taken' };
    expect(describeEvent({ kind: 'agent.command_failed', detail: { type: 'start', error } }).detail).toBe(
      'start · the port is taken',
    );
  });

  it('are shown as they are where nobody knows them', () => {
    expect(describeEvent({ kind: 'agent.something_new', detail: {} })).toMatchObject({
      title: 'agent something new',
      detail: null,
    });
  });

  it('say who did it', () => {
    expect(actorWords('user:u1', 'u1', () => undefined)).toBe('you');
    expect(actorWords('host:h1', 'u1', () => 'mini')).toBe('mini');
    expect(actorWords('creel', 'u1', () => undefined)).toBe('creel');
  });
});
