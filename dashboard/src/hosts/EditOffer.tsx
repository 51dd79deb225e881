import { Button, Checkbox, Group, Modal, Stack, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { tellDone } from '../layout/action';
import { useFocusBack } from '../layout/focus';
import { Failed } from '../layout/states';
import { useProject } from '../project/project';
import { type Row, useDb } from '../supabase/client';
import { changeHost } from './change';
import classes from './EnrolSteps.module.css';
import { offerChange, offerOf, offerProblems } from './offering';

type Props = { host: Row<'hosts'>; currency: string | null; onClose: () => void };

/** Asks what a host is to be called, to take and to cost. */
export function EditOffer({ host: current, currency: known, onClose }: Props) {
  const db = useDb();
  const project = useProject();
  useFocusBack();
  const queries = useQueryClient();
  // As it was when it was opened: what somebody else changes meanwhile, and is not touched here, stays theirs.
  const [host] = useState(current);
  const [currency] = useState(known);
  const [offer, setOffer] = useState(() => offerOf(host, currency));
  const [touched, setTouched] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const problems = offerProblems(offer, currency);
  const field = (name: 'name' | 'capacity' | 'tags' | 'month' | 'year') => ({
    value: offer[name],
    onChange: (event: { currentTarget: { value: string } }) =>
      setOffer({ ...offer, [name]: event.currentTarget.value }),
    error: touched ? problems[name] : undefined,
    autoComplete: 'off',
  });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (Object.keys(problems).length > 0) return;
    setBusy(true);
    setError(null);
    try {
      const change = offerChange(offer, host, currency);
      if (Object.keys(change).length === 0) return onClose();
      await changeHost(db, host.id, change);
      await queries.invalidateQueries({ queryKey: ['live', project.id] });
      tellDone(`${offer.name.trim()} is changed.`);
      onClose();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={`Change ${host.name}`}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <TextInput label="Name" data-autofocus {...field('name')} />
          <div className={classes.pair}>
            <TextInput label="Capacity" inputMode="numeric" {...field('capacity')} />
            <TextInput label="Tags" placeholder="gpu, berlin" {...field('tags')} />
          </div>
          <div className={classes.pair}>
            <TextInput
              label="Price a month"
              placeholder={currency ? 'Not for rent' : 'The currency is not known'}
              disabled={!currency}
              inputMode="decimal"
              rightSection={<span aria-hidden>{currency?.toUpperCase()}</span>}
              rightSectionWidth={48}
              {...field('month')}
            />
            <TextInput
              label="Price a year"
              placeholder={currency ? 'Not for rent' : 'The currency is not known'}
              disabled={!currency}
              inputMode="decimal"
              rightSection={<span aria-hidden>{currency?.toUpperCase()}</span>}
              rightSectionWidth={48}
              {...field('year')}
            />
          </div>
          <Checkbox
            label="Projects share this machine"
            description="Their agents may run as one user, and could read each other's files."
            checked={offer.trusted}
            onChange={(event) => setOffer({ ...offer, trusted: event.currentTarget.checked })}
          />
          {error !== null && <Failed error={error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
