import { IconBrandApple, IconHeartbeat, IconServer2 } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { Ago } from '../layout/Ago';
import { Meter } from '../layout/Meter';
import { money } from '../layout/money';
import { Pill } from '../layout/Pill';
import { backendsWords, fullness, platformWords } from './describe';
import classes from './HostCard.module.css';
import { type HostOffer, healthWords } from './offers';

/** What is to be known of a host before a place on it is rented. */
export function OfferCard({ offer, action }: { offer: HostOffer; action: ReactNode }) {
  const used = offer.capacity - offer.room;
  const state = !offer.online
    ? ({ tone: 'bad', label: 'Offline' } as const)
    : offer.room === 0
      ? ({ tone: 'warn', label: 'Full' } as const)
      : ({ tone: 'good', label: 'Online' } as const);
  return (
    <article className={classes.card} data-offer={offer.id} aria-label={offer.name}>
      <div className={classes.head}>
        <span className={classes.icon} aria-hidden>
          {offer.platform === 'macos' ? (
            <IconBrandApple size={20} stroke={1.6} />
          ) : (
            <IconServer2 size={20} stroke={1.6} />
          )}
        </span>
        <div className={classes.names}>
          <div className={classes.name}>{offer.name}</div>
          <div className={classes.kind}>
            {[platformWords(offer.platform), offer.openclaw_version && `OpenClaw ${offer.openclaw_version}`]
              .filter(Boolean)
              .join(' · ')}
          </div>
        </div>
        <Pill tone={state.tone}>{state.label}</Pill>
      </div>
      <Meter
        label="Room"
        value={used}
        max={offer.capacity}
        text={offer.room === 1 ? '1 place left' : `${offer.room} of ${offer.capacity} places left`}
        tone={fullness(used, offer.capacity)}
      />
      <div className={classes.about}>
        <span className={classes.health}>
          <IconHeartbeat size={14} stroke={1.6} aria-hidden />
          {healthWords(offer)}
        </span>
        <span className={classes.quiet}>
          <Ago at={offer.last_seen_at} prefix="seen" />
        </span>
      </div>
      <div className={classes.foot}>
        <span>{[backendsWords(offer.backends), ...offer.tags].filter(Boolean).join(' · ')}</span>
      </div>
      <div className={classes.last}>
        <span>
          <span className={classes.large}>
            {offer.month !== null
              ? money(offer.month, offer.currency)
              : money(offer.year ?? 0, offer.currency)}
          </span>{' '}
          {offer.month !== null ? 'a month' : 'a year'}
          {offer.month !== null && offer.year !== null && (
            <span className={classes.or}>or {money(offer.year, offer.currency)} a year</span>
          )}
        </span>
        {action}
      </div>
    </article>
  );
}
