import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { CopyBlock } from '../layout/CopyBlock';
import { useFocusBack } from '../layout/focus';
import { Failed } from '../layout/states';
import { call } from '../supabase/call';
import { type Row, useDb } from '../supabase/client';
import { EnrolSteps } from './EnrolSteps';
import type { Code } from './enrol';

/** How a host gets another key: by itself while it has one, else by a code of its owner's. */
export function NewKey({ host, onClose }: { host: Row<'hosts'>; onClose: () => void }) {
  useFocusBack();
  const db = useDb();
  const [code, setCode] = useState<Code | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const make = async () => {
    setBusy(true);
    setError(null);
    try {
      setCode(await call<Code>(db, 'create_enrolment_code', { host_id: host.id }));
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
      title={`Another key for ${host.name}`}
      closeButtonProps={{ 'aria-label': 'Close' }}
      closeOnClickOutside={!code}
      closeOnEscape={!code}
    >
      {code ? (
        <EnrolSteps code={code} onDone={onClose} />
      ) : (
        <Stack gap="md">
          <Text size="sm">While its key is good, the host replaces it by itself. On the machine:</Text>
          <CopyBlock text="creel worker rotate-key" label="the command" />
          <Text size="sm">
            Where the key is lost or was revoked, a code lets the machine in again, as the same host.
          </Text>
          {error !== null && <Failed error={error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            <Button loading={busy} onClick={() => void make()}>
              Make a code
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
