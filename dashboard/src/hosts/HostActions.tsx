import { ActionIcon, Button, Menu } from '@mantine/core';
import {
  IconDots,
  IconKey,
  IconLinkOff,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlus,
  IconPower,
  IconShieldOff,
} from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { tellDone, useAction } from '../layout/action';
import { ConfirmByName } from '../layout/ConfirmByName';
import { useProject } from '../project/project';
import { useDb } from '../supabase/client';
import { changeHost, hostActions, retireHost, revokeAccess, setServing } from './change';
import type { FleetHost } from './fleet';
import { NewKey } from './NewKey';

type Asked = 'newKey' | 'revoke' | 'retire' | 'release' | null;

/** What can be done with a host. */
export function HostActions({ view, agentCount }: { view: FleetHost; agentCount: number }) {
  const db = useDb();
  const project = useProject();
  const queries = useQueryClient();
  const { host } = view;
  const may = hostActions(view, project.role);
  const [asked, setAsked] = useState<Asked>(null);
  const refresh = () => queries.invalidateQueries({ queryKey: ['live', project.id] });
  const [change, busy] = useAction(async (status: 'draining' | 'online') => {
    await changeHost(db, host.id, { status });
    await refresh();
    return status === 'draining' ? `${host.name} takes nothing new.` : `${host.name} takes work again.`;
  });
  const [serve, serving] = useAction(async () => {
    await setServing(db, host.id, project.id, true);
    await refresh();
    return `${host.name} serves ${project.name} now.`;
  });
  const confirmed = (act: () => Promise<void>, done: string) => async () => {
    await act();
    await refresh();
    tellDone(done);
  };
  const close = () => setAsked(null);
  if (!Object.values(may).some(Boolean)) return null;
  return (
    <>
      {may.serve && (
        <Button leftSection={<IconPlus size={16} />} loading={serving} onClick={() => void serve()}>
          Let it serve {project.name}
        </Button>
      )}
      {may.drain && (
        <Button
          variant="default"
          leftSection={<IconPlayerPause size={16} stroke={1.6} />}
          loading={busy}
          onClick={() => void change('draining')}
        >
          Drain
        </Button>
      )}
      {may.resume && (
        <Button
          leftSection={<IconPlayerPlay size={16} stroke={1.6} />}
          loading={busy}
          onClick={() => void change('online')}
        >
          Resume
        </Button>
      )}
      {(may.newKey || may.release) && (
        <Menu position="bottom-end" width={230}>
          <Menu.Target>
            <ActionIcon variant="default" size={36} aria-label={`More about ${host.name}`}>
              <IconDots size={18} stroke={1.6} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {may.newKey && (
              <Menu.Item leftSection={<IconKey size={16} stroke={1.6} />} onClick={() => setAsked('newKey')}>
                Give it another key…
              </Menu.Item>
            )}
            {may.release && (
              <Menu.Item
                leftSection={<IconLinkOff size={16} stroke={1.6} />}
                onClick={() => setAsked('release')}
              >
                Stop serving {project.name}…
              </Menu.Item>
            )}
            {may.revoke && (
              <>
                <Menu.Divider />
                <Menu.Item
                  color="red"
                  leftSection={<IconShieldOff size={16} stroke={1.6} />}
                  onClick={() => setAsked('revoke')}
                >
                  Revoke its access…
                </Menu.Item>
                <Menu.Item
                  color="red"
                  leftSection={<IconPower size={16} stroke={1.6} />}
                  onClick={() => setAsked('retire')}
                >
                  Retire…
                </Menu.Item>
              </>
            )}
          </Menu.Dropdown>
        </Menu>
      )}
      {asked === 'newKey' && <NewKey host={host} onClose={close} />}
      <ConfirmByName
        opened={asked === 'release'}
        onClose={close}
        title={`Stop serving ${project.name}?`}
        name={host.name}
        verb="Stop serving"
        onConfirm={confirmed(
          () => setServing(db, host.id, project.id, false),
          `${host.name} does not serve ${project.name} any more.`,
        )}
      >
        {agentsWords(agentCount)} {host.name} may not touch this project any more. It can be let in again.
      </ConfirmByName>
      <ConfirmByName
        opened={asked === 'revoke'}
        onClose={close}
        title={`Revoke the access of ${host.name}?`}
        name={host.name}
        verb="Revoke access"
        onConfirm={confirmed(
          () => revokeAccess(db, host.id),
          `Every login and key of ${host.name} has ended.`,
        )}
      >
        Every login and key of it ends at once. What it is at work on goes back when its lease ends; agents
        there go on running, and nobody hears of them. Another key lets it in again.
      </ConfirmByName>
      <ConfirmByName
        opened={asked === 'retire'}
        onClose={close}
        title={`Retire ${host.name}?`}
        name={host.name}
        verb="Retire host"
        onConfirm={confirmed(() => retireHost(db, host.id), `${host.name} is out of service.`)}
      >
        It is taken out of service for good: nothing waits for it any more, and its logins and keys end.{' '}
        {agentsWords(agentCount)} To only pause it, drain it.
      </ConfirmByName>
    </>
  );
}

function agentsWords(count: number): string {
  if (count === 0) return 'No agent of this project lives there.';
  if (count === 1)
    return 'One agent of this project lives there: remove it first, or make it anew elsewhere.';
  return `${count} agents of this project live there: remove them first, or make them anew elsewhere.`;
}
