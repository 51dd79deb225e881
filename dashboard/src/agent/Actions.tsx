import { ActionIcon, Button, Menu } from '@mantine/core';
import {
  IconDots,
  IconPlayerPlay,
  IconPlayerStop,
  IconRefresh,
  IconRocket,
  IconTrash,
  IconTrashX,
} from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useCallback, useState } from 'react';
import type { AgentView } from '../agents/agents';
import { useAction } from '../layout/action';
import { ConfirmByName } from '../layout/ConfirmByName';
import { useDb } from '../supabase/client';
import { type CommandType, offeredCommands, sendCommand } from './command';

const TOLD: Partial<Record<CommandType, string>> = {
  deploy: 'is on its way to a host.',
  start: 'is told to start.',
  stop: 'is told to stop.',
  restart: 'is told to restart.',
};

const BUTTONS = [
  { type: 'deploy', label: 'Deploy', icon: IconRocket },
  { type: 'start', label: 'Start', icon: IconPlayerPlay },
  { type: 'restart', label: 'Restart', icon: IconRefresh },
  { type: 'stop', label: 'Stop', icon: IconPlayerStop },
] as const;

/** What can be done with an agent. */
export function Actions({ view }: { view: AgentView }) {
  const { agent, name } = view;
  const db = useDb();
  const navigate = useNavigate();
  const [isAsking, setIsAsking] = useState(false);
  // What is asked stays what it is while the question goes away.
  const [asked, setAsked] = useState<'undeploy' | 'delete'>('undeploy');
  const ask = (what: typeof asked) => {
    setAsked(what);
    setIsAsking(true);
  };
  const offered = offeredCommands(agent, view.state.pendingId !== null);
  const [send, busy] = useAction(
    useCallback(
      async (type: CommandType) => {
        await sendCommand(db, agent, type);
        return `${name} ${TOLD[type]}`;
      },
      [db, agent, name],
    ),
  );
  const remove = async () => {
    await sendCommand(db, agent, 'undeploy', asked === 'delete' ? { delete_row: true } : {});
    if (asked === 'delete')
      await navigate({ to: '/p/$project/agents', params: { project: agent.project_id } });
  };
  return (
    <>
      {BUTTONS.map(
        ({ type, label, icon: Icon }) =>
          offered[type] && (
            <Button
              key={type}
              variant="default"
              leftSection={<Icon size={16} stroke={1.7} />}
              loading={busy}
              onClick={() => void send(type)}
            >
              {label}
            </Button>
          ),
      )}
      {offered.remove && (
        <Menu position="bottom-end" width={230}>
          <Menu.Target>
            <ActionIcon variant="default" size={36} aria-label="More actions">
              <IconDots size={18} stroke={1.7} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {agent.status !== 'removed' && (
              <Menu.Item leftSection={<IconTrash size={16} stroke={1.6} />} onClick={() => ask('undeploy')}>
                Remove from its host…
              </Menu.Item>
            )}
            <Menu.Item
              color="red"
              leftSection={<IconTrashX size={16} stroke={1.6} />}
              onClick={() => ask('delete')}
            >
              Delete for good…
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
      <ConfirmByName
        opened={isAsking}
        onClose={() => setIsAsking(false)}
        title={asked === 'delete' ? `Delete ${name}` : `Remove ${name} from its host`}
        name={view.short}
        verb={asked === 'delete' ? 'Delete agent' : 'Remove agent'}
        onConfirm={remove}
      >
        {asked === 'delete'
          ? 'Its host stops it and takes it off; then its row, its history and its commands go. The host keeps an archive of its files for a while.'
          : 'Its host stops it and takes it off, and keeps an archive of its files for a while. Its documents stay here, and Start brings it back.'}
      </ConfirmByName>
    </>
  );
}
