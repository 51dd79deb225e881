import { describe, expect, it } from 'vitest';
import { deliveryState, hookState, summaryOf, urlProblem } from './hooks';
import { emailProblem, isLastOwner, type Member } from './members';

const member = (email: string, role: Member['role']): Member => ({ userId: email, email, role, since: '' });

describe('members', () => {
  it('keep one owner', () => {
    const [mia, bo, lu] = [member('mia', 'owner'), member('bo', 'owner'), member('lu', 'viewer')];
    expect(isLastOwner(mia, [mia, lu])).toBe(true);
    expect(isLastOwner(mia, [mia, bo])).toBe(false);
    expect(isLastOwner(lu, [mia, lu])).toBe(false);
  });

  it('are added by an address', () => {
    expect(emailProblem(' mia@example.com ', [])).toBeNull();
    for (const wrong of ['', 'mia', 'mia@', 'a b@c']) expect(emailProblem(wrong, [])).not.toBeNull();
    // An owner who is added as an editor would be one from then on.
    expect(emailProblem('Mia@example.com', [member('mia@example.com', 'owner')])).toContain('already');
  });
});

describe('webhooks', () => {
  it('are at an address that can be told', () => {
    expect(urlProblem('https://example.com/x')).toBeNull();
    expect(urlProblem('http://127.0.0.1:9/x')).toBeNull();
    for (const wrong of ['', 'example.com', 'http://example.com', 'ftp://example.com']) {
      expect(urlProblem(wrong)).not.toBeNull();
    }
  });

  it('say how they stand', () => {
    const hook = { enabled: true, disabled_reason: null } as Parameters<typeof hookState>[0];
    expect(hookState(hook).label).toBe('Enabled');
    expect(hookState({ ...hook, enabled: false }).label).toBe('Paused');
    expect(hookState({ ...hook, enabled: false, disabled_reason: 'gone' }).tone).toBe('bad');
    expect([deliveryState('pending').label, deliveryState('new').label]).toEqual(['Waiting', 'new']);
    expect(summaryOf({ payload: { summary: 'scout is down' }, kind: 'agent.down' })).toBe('scout is down');
    expect(summaryOf({ payload: null, kind: 'agent.down' })).toBe('An agent is down');
  });
});
