import { ActionIcon } from '@mantine/core';
import { IconCircleCheck, IconCircleX, IconX } from '@tabler/icons-react';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Page } from '../layout/Page';
import { Segments } from '../layout/Segments';
import classes from './Billing.module.css';
import { Earnings } from './Earnings';
import { Subscriptions } from './Subscriptions';

/** What the project pays, and what the person's hosts earn. */
export default function BillingPage() {
  const { view = 'subscriptions', checkout } = useSearch({ from: '/p/$project/billing' });
  const navigate = useNavigate({ from: '/p/$project/billing' });
  const choose = (next: 'subscriptions' | 'earnings') =>
    void navigate({ search: next === 'earnings' ? { view: next } : {}, replace: true });
  return (
    <Page
      title="Billing"
      subtitle={view === 'earnings' ? 'What your hosts earn, in all projects' : 'What this project pays for'}
    >
      {checkout && (
        <Outcome paid={checkout === 'paid'} onClose={() => void navigate({ search: {}, replace: true })} />
      )}
      <Segments
        label="What is shown"
        value={view}
        onChange={choose}
        options={[
          { value: 'subscriptions', label: 'Subscriptions' },
          { value: 'earnings', label: 'Earnings' },
        ]}
      />
      {view === 'earnings' ? <Earnings /> : <Subscriptions />}
    </Page>
  );
}

/** How the visit at Stripe ended. */
function Outcome({ paid, onClose }: { paid: boolean; onClose: () => void }) {
  return (
    <output className={classes.outcome} data-paid={paid}>
      {paid ? <IconCircleCheck size={18} aria-hidden /> : <IconCircleX size={18} aria-hidden />}
      <span>
        {paid
          ? 'Thank you. The agent starts as soon as Stripe has told Creel of the payment.'
          : 'Nothing was paid. The place is kept for a while, so that you can go on.'}
      </span>
      <ActionIcon variant="subtle" color="gray" onClick={onClose} aria-label="Close">
        <IconX size={16} />
      </ActionIcon>
    </output>
  );
}
