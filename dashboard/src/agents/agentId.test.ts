import { describe, expect, it } from 'vitest';
import { idFromName, idProblem } from './agentId';

describe('the id of an agent', () => {
  it('follows from the name', () => {
    expect(idFromName('Zoë the 2nd!')).toBe('zoe-the-2nd');
    expect(idFromName('שלום')).toBe('');
    expect(idFromName(`a${'-b'.repeat(60)}`).length).toBeLessThanOrEqual(40);
  });

  it('is one that a host can make', () => {
    for (const id of ['', 'main', '-x', '../x', 'A', 'a b', 'x'.repeat(64)])
      expect(idProblem(id, new Set())).not.toBeNull();
    expect(idProblem('scout', new Set())).toBeNull();
    expect(idProblem('scout', new Set(['scout']))).toMatch(/already/);
  });
});
