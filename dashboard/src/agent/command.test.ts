import { describe, expect, it } from 'vitest';
import { offeredCommands } from './command';

const agent = { status: 'running', desired_state: 'running', deleting_since: null, billing: 'free' };
const offered = (change: Partial<Parameters<typeof offeredCommands>[0]>, isUnderWay = false) =>
  Object.entries(offeredCommands({ ...agent, ...change }, isUnderWay))
    .filter(([, isOffered]) => isOffered)
    .map(([name]) => name);

describe('what an agent may be told', () => {
  it('follows from how it stands', () => {
    expect(offered({})).toEqual(['stop', 'restart', 'remove']);
    expect(offered({ status: 'stopped', desired_state: 'stopped' })).toEqual(['start', 'remove']);
    expect(offered({ status: 'error' })).toEqual(['start', 'stop', 'remove']);
    expect(offered({ status: 'removed', desired_state: 'removed' })).toEqual(['start', 'remove']);
    expect(offered({ desired_state: 'removed', deleting_since: '2026-01-01' })).toEqual(['start']);
  });

  it('is nothing that is done already', () => {
    expect(offered({ status: 'pending_deploy' })).toEqual(['deploy', 'stop', 'remove']);
    expect(offered({ status: 'pending_deploy' }, true)).toEqual(['stop', 'remove']);
  });

  it('is nothing that is refused until it is paid for', () => {
    expect(offered({ status: 'pending_deploy', billing: 'unpaid' })).toEqual(['stop', 'remove']);
    expect(offered({ status: 'stopped', desired_state: 'stopped', billing: 'unpaid' })).toEqual(['remove']);
  });
});
