import { Button } from '@mantine/core';
import { IconPencil } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { usePayouts } from '../billing/data';
import { Facts } from '../layout/Facts';
import { money } from '../layout/money';
import { Card } from '../layout/Page';
import { useProject } from '../project/project';
import { hostActions } from './change';
import { backendsWords, readPrice } from './describe';
import { EditOffer } from './EditOffer';
import type { FleetHost } from './fleet';
import classes from './HostPage.module.css';
import { useCurrency } from './offers';

/** What a host offers, and at what price. */
export function Offer({ view }: { view: FleetHost }) {
  const { id, role } = useProject();
  const currency = useCurrency(id);
  const payouts = usePayouts();
  const { host } = view;
  const [editing, setEditing] = useState(false);
  const price = readPrice(host.price);
  const unit = price?.currency ?? currency;
  const amount = (minor: number | null | undefined) => (minor && unit ? money(minor, unit) : null);
  return (
    <Card
      title="What it offers"
      actions={
        hostActions(view, role).edit && (
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={<IconPencil size={15} stroke={1.6} />}
            onClick={() => setEditing(true)}
          >
            Change
          </Button>
        )
      }
    >
      <Facts
        facts={[
          ['Capacity', `${host.capacity} agents`],
          ['Price a month', amount(price?.month)],
          ['Price a year', amount(price?.year)],
          ['For rent', price ? null : 'No'],
          ['Agents run by', backendsWords(host.backends)],
          ['Tags', host.tags.join(', ')],
          [
            'Shared by projects',
            view.mine ? (host.tenancy === 'trusted' ? 'Yes, they trust each other' : 'No') : null,
          ],
          ['Serves', view.mine ? view.projects.join(', ') || 'no project' : null],
        ]}
      />
      {view.mine && price && payouts.data !== undefined && !payouts.data?.transfers_active && (
        <p className={classes.warning}>
          Nobody can rent it before you can be paid.{' '}
          <Link to="/p/$project/billing" params={{ project: id }} search={{ view: 'earnings' }}>
            Set up payouts
          </Link>
        </p>
      )}
      {editing && <EditOffer host={host} currency={unit} onClose={() => setEditing(false)} />}
    </Card>
  );
}
