import { describe, expect, it } from 'vitest';
import type { HostView } from '../hosts/hosts';
import type { Row } from '../supabase/client';
import { describeAgent } from './describe';

const agent = (change: Partial<Row<'agents'>> = {}) =>
  ({
    agent_key: 'agent:a:main',
    backend: 'shared',
    billing: 'free',
    status: 'running',
    deleting_since: null,
    provisioned: true,
    created_at: '1970-01-01T00:00:00Z',
    ...change,
  }) as Row<'agents'>;
const request = (change: Partial<Row<'agent_provision_requests'>>) =>
  ({
    id: 'r',
    result: null,
    waiting_for: null,
    completed_at: null,
    ...change,
  }) as Row<'agent_provision_requests'>;
const command = (change: Partial<Row<'agent_commands'>>) =>
  ({
    id: 'c',
    result: null,
    waiting_for: null,
    acked_at: null,
    created_at: '1',
    error: null,
    ...change,
  }) as Row<'agent_commands'>;
const facts = { activity: null, requests: [], commands: [], host: null };

describe('what is said of an agent', () => {
  it('is what is under way, with the step it is at', () => {
    const running = request({
      status: 'running',
      result: { steps: [{ name: 'validate', ms: 3 }], step: 'workspace' },
    });
    const state = describeAgent({ ...facts, agent: agent({ status: 'deploying' }), requests: [running] }, 0);
    expect(state).toMatchObject({
      label: 'Provisioning…',
      detail: 'Making the workspace',
      group: 'busy',
      pendingId: 'r',
    });
    expect(state.steps.map(({ done }) => done)).toEqual([true, false, false, false, false, false]);
  });

  it('names what a queued request waits for', () => {
    const queued = request({ status: 'queued', waiting_for: 'host mini is offline' });
    const state = describeAgent(
      { ...facts, agent: agent({ status: 'pending_deploy' }), requests: [queued] },
      0,
    );
    expect(state).toMatchObject({ label: 'Provisioning…', detail: 'Host mini is offline', steps: [] });
  });

  it('is the oldest command that is open', () => {
    const commands = [
      command({ id: 'later', type: 'start', status: 'pending', created_at: '2' }),
      command({ id: 'first', type: 'stop', status: 'sent' }),
    ];
    expect(describeAgent({ ...facts, agent: agent(), commands }, 0)).toMatchObject({
      label: 'Stopping…',
      pendingId: 'first',
    });
  });

  it('gives the reason of an error, and what to do', () => {
    const error = { error: { code: 'port', message: 'the port is taken', hint: 'Free it.' } };
    const commands = [
      command({ id: 'new', type: 'start', status: 'failed', acked_at: '3', result: error }),
      command({ type: 'deploy', status: 'acked', acked_at: '2' }),
    ];
    expect(describeAgent({ ...facts, agent: agent({ status: 'error' }), commands }, 0)).toMatchObject({
      label: 'Error',
      detail: 'The port is taken',
      hint: 'Free it.',
      failedId: 'new',
      group: 'attention',
    });
  });

  it('tells of a wish that failed and left the agent as it was', () => {
    const error = { error: { code: 'invalid', message: 'the model is unknown', hint: 'Choose another.' } };
    const failed = command({ type: 'update_config', status: 'failed', acked_at: '3', result: error });
    expect(describeAgent({ ...facts, agent: agent(), commands: [failed] }, 0)).toMatchObject({
      label: 'Running',
      group: 'attention',
      detail: 'Its configuration could not be changed: the model is unknown',
      hint: 'Choose another.',
      failedId: 'c',
    });
    const since = command({ id: 'd', type: 'update_config', status: 'acked', acked_at: '4' });
    expect(describeAgent({ ...facts, agent: agent(), commands: [failed, since] }, 0).group).toBe('running');
    const removal = command({ type: 'undeploy', status: 'failed', acked_at: '3', result: error });
    const deleted = agent({ deleting_since: '2', desired_state: 'removed' });
    expect(describeAgent({ ...facts, agent: deleted, commands: [removal] }, 0).detail).toMatch(
      /could not be removed/,
    );
  });

  it('does not take what was superseded for a failure', () => {
    const superseded = command({
      status: 'failed',
      acked_at: '3',
      result: { error: { code: 'superseded' } },
    });
    const state = describeAgent(
      { ...facts, agent: agent({ status: 'pending_deploy' }), commands: [superseded] },
      3_600_000,
    );
    expect(state.label).toBe('Not deployed');
  });

  it('does not call running what nobody can know to run', () => {
    const host = { name: 'mini', shownStatus: 'offline', lastSeenAt: null } as HostView;
    expect(describeAgent({ ...facts, agent: agent(), host }, 0)).toMatchObject({
      label: 'Host offline',
      group: 'attention',
    });
  });

  it('says what a running agent does', () => {
    const activity = { state: 'thinking', current_task: 'a plan', note: null } as Row<'agent_status'>;
    expect(describeAgent({ ...facts, agent: agent(), activity }, 0)).toMatchObject({
      label: 'Thinking',
      detail: 'a plan',
    });
  });
});
