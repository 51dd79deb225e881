import { Menu } from '@mantine/core';
import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { expect, it, vi } from 'vitest';
import { show } from '../testing/render';
import { ConfirmByName } from './ConfirmByName';

const open = (onConfirm: () => Promise<unknown>, onClose = () => {}) =>
  show(
    <ConfirmByName
      opened
      title="Delete Ada"
      name="ada"
      verb="Delete agent"
      onConfirm={onConfirm}
      onClose={onClose}
    >
      It goes for good.
    </ConfirmByName>,
  );

it('nothing is destroyed before its name is typed', async () => {
  const onConfirm = vi.fn(async () => {});
  const onClose = vi.fn();
  open(onConfirm, onClose);
  const button = screen.getByRole('button', { name: 'Delete agent' });
  expect(button).toBeDisabled();
  const field = screen.getByRole('textbox', { name: /type ada to confirm/i });
  await userEvent.type(field, 'adam{Enter}');
  expect(onConfirm).not.toHaveBeenCalled();
  await userEvent.type(field, '{Backspace}{Enter}');
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(onConfirm).toHaveBeenCalledTimes(1);
});

it('what fails is said where it was asked', async () => {
  open(async () => {
    throw { code: '42501', message: 'permission denied' };
  });
  await userEvent.type(screen.getByRole('textbox'), 'ada{Enter}');
  expect(await screen.findByRole('alert')).toHaveTextContent('You may not do this.');
});

it('gives the focus back to the button of the menu that led to it', async () => {
  function Danger() {
    const [asking, setAsking] = useState(false);
    return (
      <>
        <Menu>
          <Menu.Target>
            <button type="button">More</button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => setAsking(true)}>Delete</Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <ConfirmByName
          opened={asking}
          title="Delete Ada"
          name="ada"
          verb="Delete agent"
          onConfirm={async () => {}}
          onClose={() => setAsking(false)}
        >
          It goes for good.
        </ConfirmByName>
      </>
    );
  }
  show(<Danger />);
  const button = screen.getByRole('button', { name: 'More' });
  button.focus();
  await userEvent.keyboard('{Enter}');
  const item = await screen.findByRole('menuitem', { name: 'Delete' });
  item.focus();
  await userEvent.keyboard('{Enter}');
  await screen.findByRole('textbox', { name: /type ada to confirm/i });
  await userEvent.keyboard('{Escape}');
  await waitFor(() => expect(button).toHaveFocus());
});
