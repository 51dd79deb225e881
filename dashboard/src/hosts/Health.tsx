import { Ago } from '../layout/Ago';
import { Facts } from '../layout/Facts';
import { Meter } from '../layout/Meter';
import { Card } from '../layout/Page';
import { fullness, type HostState, isThere, memoryWords } from './describe';
import type { FleetHost } from './fleet';
import classes from './HostPage.module.css';

type Props = { view: FleetHost; state: HostState; agentCount: number };

/** How a host is doing. */
export function Health({ view, state, agentCount }: Props) {
  const { host } = view;
  const there = isThere(view.status);
  return (
    <Card title="Health">
      {state.detail && (
        <p className={classes.notice}>
          {state.detail}
          {state.hint && <span>{state.hint}</span>}
        </p>
      )}
      <div className={classes.meters}>
        <Meter
          label="Agents of this project"
          value={agentCount}
          max={host.capacity}
          text={`${agentCount} of ${host.capacity}`}
          tone={fullness(agentCount, host.capacity)}
        />
        {there && view.cpuPercent !== null && (
          <Meter
            label="CPU"
            value={view.cpuPercent}
            max={100}
            text={`${Math.round(view.cpuPercent)} %`}
            tone={view.cpuPercent > 90 ? 'warn' : 'busy'}
          />
        )}
      </div>
      <Facts
        facts={[
          ['Last heard of', <Ago key="seen" at={view.lastSeenAt} />],
          ['Memory in use', there && view.ramMb !== null ? memoryWords(view.ramMb) : null],
          ['Creel', host.worker_version],
          ['OpenClaw', host.openclaw_version],
          ['Gateway', gatewayWords(host.runtime)],
          ['Hears of work', there && view.listens ? 'at once, by Realtime' : null],
          ['Lost hints', view.lostHints > 0 ? String(view.lostHints) : null],
          ['Enrolled', <Ago key="made" at={host.created_at} />],
        ]}
      />
    </Card>
  );
}

/** How the host's one gateway is, as its worker told. */
function gatewayWords(runtime: unknown): string | null {
  const at = (value: unknown, key: string): unknown =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  const gateway = at(at(runtime, 'openclaw'), 'gateway');
  const state = at(gateway, 'state');
  if (typeof state === 'string') return state.charAt(0).toUpperCase() + state.slice(1).replaceAll('_', ' ');
  return at(gateway, 'ready') === true ? 'Ready' : null;
}
