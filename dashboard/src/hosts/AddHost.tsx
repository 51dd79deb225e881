import { Button, Checkbox, Group, Modal, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useFocusBack } from '../layout/focus';
import { Failed } from '../layout/states';
import { useProject } from '../project/project';
import { call } from '../supabase/call';
import { useDb } from '../supabase/client';
import { EnrolSteps } from './EnrolSteps';
import classes from './EnrolSteps.module.css';
import { type Code, type HostWish, wishArgument, wishProblems } from './enrol';

const BLANK: HostWish = { name: '', capacity: '10', tags: '', keyDays: '' };

/** Makes a code by which a machine becomes a host, and says how it is used. */
export default function AddHost({ onClose }: { onClose: () => void }) {
  useFocusBack();
  const db = useDb();
  const project = useProject();
  const mayServe = project.role === 'owner';
  const [wish, setWish] = useState(BLANK);
  const [serves, setServes] = useState(mayServe);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [touched, setTouched] = useState(false);
  const [code, setCode] = useState<Code | null>(null);
  const problems = touched ? wishProblems(wish) : {};
  const field = (name: keyof HostWish) => ({
    value: wish[name],
    onChange: (event: { currentTarget: { value: string } }) =>
      setWish({ ...wish, [name]: event.currentTarget.value }),
    error: problems[name],
    autoComplete: 'off',
  });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (Object.keys(wishProblems(wish)).length > 0) return;
    setBusy(true);
    setError(null);
    try {
      setCode(await call<Code>(db, 'create_enrolment_code', wishArgument(wish, serves ? [project.id] : [])));
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
      size="lg"
      title={code ? 'Enrol the machine' : 'Add a host'}
      closeButtonProps={{ 'aria-label': 'Close' }}
      closeOnClickOutside={!code}
      closeOnEscape={!code}
    >
      {code ? (
        <EnrolSteps code={code} onDone={onClose} />
      ) : (
        <form onSubmit={submit} noValidate>
          <Stack gap="md">
            <TextInput
              label="Name"
              description="What people call it. Left empty, it is what the machine calls itself."
              placeholder="mac-mini-1"
              data-autofocus
              {...field('name')}
            />
            <div className={classes.pair}>
              <TextInput
                label="Capacity"
                description="How many agents it may have"
                inputMode="numeric"
                {...field('capacity')}
              />
              <TextInput
                label="Key ends after"
                description="Days; it renews itself before"
                placeholder="Never"
                inputMode="numeric"
                {...field('keyDays')}
              />
            </div>
            <TextInput
              label="Tags"
              description="What it has that agents may ask for"
              placeholder="gpu, berlin"
              {...field('tags')}
            />
            <Checkbox
              label={`Let it serve ${project.name}`}
              description={mayServe ? undefined : 'Only an owner of the project can let a host serve it.'}
              checked={serves}
              disabled={!mayServe}
              onChange={(event) => setServes(event.currentTarget.checked)}
            />
            {error !== null && <Failed error={error} />}
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={onClose}>
                Cancel
              </Button>
              <Button type="submit" loading={busy}>
                Make a code
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}
