import { ActionIcon } from '@mantine/core';
import { IconUserCircle } from '@tabler/icons-react';
import type { ComponentProps } from 'react';
import { useSession } from '../supabase/session';

/** What the menu of the account hangs on. */
export function UserButton(props: ComponentProps<'button'>) {
  const { user } = useSession();
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      aria-haspopup="menu"
      aria-label={`Account of ${user.email ?? 'you'}`}
      {...props}
    >
      <IconUserCircle size={20} stroke={1.6} />
    </ActionIcon>
  );
}
