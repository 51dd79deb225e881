import { Button, Group, Modal, Radio, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, useEffect, useState } from 'react';
import { idFromName, idProblem } from '../agents/agentId';
import { readPrice } from '../hosts/describe';
import { useFocusBack } from '../layout/focus';
import { money } from '../layout/money';
import { Failed } from '../layout/states';
import { useProject } from '../project/project';
import { useDb } from '../supabase/client';
import classes from './Billing.module.css';
import { backendFor, goToCheckout } from './pay';

type Props = {
  host: { id: string; name: string; price: unknown; backends: readonly string[] };
  currency: string;
  /** An agent that is there and not paid for; else a new one is made. */
  agent?: { key: string; name: string };
  /** Ids that agents of the project have. */
  taken?: ReadonlySet<string>;
  onClose: () => void;
};

const NONE: ReadonlySet<string> = new Set();

/** Asks for whom a place is rented and for how long, then goes to the page where it is paid. */
export function Checkout({ host, currency, agent, taken = NONE, onClose }: Props) {
  useFocusBack();
  const db = useDb();
  const project = useProject();
  const price = readPrice(host.price);
  const unit = price?.currency ?? currency;
  const [plan, setPlan] = useState<'month' | 'year'>(price?.month ? 'month' : 'year');
  const [name, setName] = useState('');
  const [touched, setTouched] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  // Who comes back by the browser's button may find the page as it was when it was left.
  useEffect(() => {
    const shown = (event: PageTransitionEvent) => {
      if (event.persisted) setBusy(false);
    };
    window.addEventListener('pageshow', shown);
    return () => window.removeEventListener('pageshow', shown);
  }, []);
  const short = idFromName(name);
  const problem = agent ? null : idProblem(short, taken);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (problem) return;
    setBusy(true);
    setError(null);
    try {
      await goToCheckout(db, {
        projectId: project.id,
        agentKey: agent?.key ?? `agent:${short}:main`,
        hostId: host.id,
        plan,
        // One that has a place already keeps its backend.
        agent: { ...(!agent && { name: name.trim() }), backend: backendFor(host.backends) },
      });
      // The page is being left: the button stays busy until it is gone.
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Modal
      opened
      // Who is on the way to Stripe's page would be taken there all the same.
      onClose={() => !busy && onClose()}
      title={agent ? `Pay for ${agent.name}` : `Rent a place on ${host.name}`}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {!agent && (
            <TextInput
              label="Name of the agent"
              description={short ? `Its id is ${short}` : 'It can be given a role and a soul afterwards.'}
              placeholder="Scout"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={touched ? problem : null}
              autoComplete="off"
              data-autofocus
            />
          )}
          <Radio.Group label="Paid" value={plan} onChange={(value) => setPlan(value as 'month' | 'year')}>
            <div className={classes.plans}>
              {price?.month && <Radio value="month" label={`${money(price.month, unit)} a month`} />}
              {price?.year && <Radio value="year" label={`${money(price.year, unit)} a year`} />}
            </div>
          </Radio.Group>
          <Text size="sm" c="dimmed">
            The place is kept for half an hour. The agent starts when the payment has arrived; the
            subscription can be ended at any time.
          </Text>
          {error !== null && <Failed error={error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" disabled={busy} onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Go to payment
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
