import { IconBrandApple, IconServer2 } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { Ago } from '../layout/Ago';
import { Meter } from '../layout/Meter';
import { useNow } from '../layout/now';
import { Pill } from '../layout/Pill';
import {
  backendsWords,
  describeHost,
  fullness,
  isThere,
  memoryWords,
  priceWords,
  readPrice,
} from './describe';
import type { FleetHost } from './fleet';
import classes from './HostCard.module.css';

type Props = { view: FleetHost; projectId: string; agentCount: number; currency: string | null };

/** One host at a glance: whether it is there, what room it has, what it costs. */
export function HostCard({ view, projectId, agentCount, currency }: Props) {
  const { host } = view;
  const state = describeHost(
    { ...view, outdatedSince: host.outdated_since, drains: host.status === 'draining' },
    useNow(),
  );
  // What it is let for is nothing to a project that it serves as one of its own.
  const price = view.mine || view.terms === 'rented' ? readPrice(host.price) : null;
  const there = isThere(view.status);
  return (
    <Link
      to="/p/$project/hosts/$host"
      params={{ project: projectId, host: host.id }}
      className={classes.card}
      data-host={host.id}
      data-status={view.status}
    >
      <div className={classes.head}>
        <span className={classes.icon} aria-hidden>
          {host.platform === 'macos' ? (
            <IconBrandApple size={20} stroke={1.6} />
          ) : (
            <IconServer2 size={20} stroke={1.6} />
          )}
        </span>
        <div className={classes.names}>
          <div className={classes.name}>{host.name}</div>
          <div className={classes.kind}>{kindOf(view)}</div>
        </div>
        <Pill tone={state.tone}>{state.label}</Pill>
      </div>
      {state.detail && view.status !== 'offline' && <div className={classes.detail}>{state.detail}</div>}
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
      <div className={classes.foot}>
        <span>{[backendsWords(host.backends), ...host.tags].filter(Boolean).join(' · ')}</span>
        {there && view.ramMb !== null && (
          <span className={classes.quiet}>{memoryWords(view.ramMb)} used</span>
        )}
      </div>
      <div className={classes.last}>
        <span className={classes.price}>
          {price ? priceWords(price, currency) : view.mine ? 'Not for rent' : 'Free of charge'}
        </span>
        {view.lastSeenAt && (
          <span className={classes.quiet}>
            <Ago at={view.lastSeenAt} prefix="seen" />
          </span>
        )}
      </div>
    </Link>
  );
}

function kindOf({ mine, terms }: FleetHost): string {
  if (terms === 'rented') return 'Rented';
  return mine ? 'Your own' : 'Of the project';
}
