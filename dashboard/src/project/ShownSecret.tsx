import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { CopyBlock } from '../layout/CopyBlock';
import { useFocusBack } from '../layout/focus';

/** A secret of a webhook, which is told this once. */
export function ShownSecret({
  secret,
  onClose,
  children,
}: {
  secret: string;
  onClose: () => void;
  children?: ReactNode;
}) {
  useFocusBack();
  return (
    <Modal
      opened
      onClose={onClose}
      title="The secret of the webhook"
      closeButtonProps={{ 'aria-label': 'Close' }}
      closeOnClickOutside={false}
      closeOnEscape={false}
    >
      <Stack gap="md">
        <Text size="sm">
          Deliveries are signed with it, in the form of Standard Webhooks. It is shown this once.
        </Text>
        <CopyBlock text={secret} label="the secret" />
        {children && <Text size="sm">{children}</Text>}
        <Group justify="flex-end">
          <Button onClick={onClose}>I have kept it</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
