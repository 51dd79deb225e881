import { ActionIcon } from '@mantine/core';
import { IconCircleCheck, IconCircleX, IconHourglass, IconX } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import type { Tone } from '../layout/Pill';
import { useRows } from '../live/rows';
import { useProject } from '../project/project';
import classes from './Billing.module.css';
import { useBilling } from './data';
import { describeOutcome } from './outcome';
import type { BillingSearch } from './view';

const ICONS: Partial<Record<Tone, typeof IconX>> = { good: IconCircleCheck, busy: IconHourglass };

/** How the visit at Stripe ended, from there until the agent runs. */
export function Returned({ search, onClose }: { search: BillingSearch; onClose: () => void }) {
  const project = useProject();
  const billing = useBilling(project.id);
  const agents = useRows(project.id, 'agents');
  if (!billing.data || !agents.data) return null;
  const { intents, subscriptions, starts } = billing.data;
  const gaps = new Map([...starts].map(([id, { gap }]) => [id ?? '', gap]));
  const outcome = describeOutcome(search, { intents, subscriptions, gaps, agents: agents.data });
  if (!outcome) return null;
  const Icon = ICONS[outcome.tone] ?? IconCircleX;
  return (
    <output className={classes.outcome} data-paid={outcome.tone === 'good'}>
      <Icon size={18} aria-hidden />
      <span>
        {outcome.text}{' '}
        {outcome.tone === 'good' && outcome.slug && (
          <Link to="/p/$project/agents/$agent" params={{ project: project.id, agent: outcome.slug }}>
            Go to it
          </Link>
        )}
      </span>
      <ActionIcon variant="subtle" color="gray" onClick={onClose} aria-label="Close">
        <IconX size={16} />
      </ActionIcon>
    </output>
  );
}
