import { Button, Checkbox, Group, Modal, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useFocusBack } from '../layout/focus';
import { Failed } from '../layout/states';
import { call } from '../supabase/call';
import { useDb } from '../supabase/client';
import { EVENTS, urlProblem } from './hooks';
import { useProject } from './project';
import { ShownSecret } from './ShownSecret';

/** Asks for an address and what it is to be told, then shows its secret. */
export function AddWebhook({ onClose, refresh }: { onClose: () => void; refresh: () => Promise<unknown> }) {
  useFocusBack();
  const db = useDb();
  const project = useProject();
  const [url, setUrl] = useState('');
  const [events, setEvents] = useState(EVENTS.map(({ value }) => value));
  const [touched, setTouched] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const problem = urlProblem(url);
  if (secret) return <ShownSecret secret={secret} onClose={onClose} />;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (problem || events.length === 0) return;
    setBusy(true);
    setError(null);
    try {
      const made = await call<{ secret: string }>(db, 'create_webhook', {
        project_id: project.id,
        url: url.trim(),
        events,
      });
      setSecret(made.secret);
      await refresh();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title="Add a webhook" closeButtonProps={{ 'aria-label': 'Close' }}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <TextInput
            label="Address"
            type="url"
            placeholder="https://example.com/creel"
            value={url}
            onChange={(event) => setUrl(event.currentTarget.value)}
            error={touched ? problem : null}
            autoComplete="off"
            data-autofocus
          />
          <Checkbox.Group
            label="It is told when"
            value={events}
            onChange={setEvents}
            error={touched && events.length === 0 ? 'Choose one at least.' : null}
          >
            <Stack gap={8} mt={8}>
              {EVENTS.map(({ value, label }) => (
                <Checkbox key={value} value={value} label={label} />
              ))}
            </Stack>
          </Checkbox.Group>
          {error !== null && <Failed error={error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Add
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
