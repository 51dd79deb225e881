import { act, screen } from '@testing-library/react';
import { type ComponentType, Suspense } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { show } from '../testing/render';
import { browser } from './load';
import { part } from './part';

type Module = { default: ComponentType<object> };
const lost = (): Promise<Module> =>
  Promise.reject(new TypeError('Failed to fetch dynamically imported module'));

const server = (ok: boolean) =>
  vi.spyOn(globalThis, 'fetch').mockImplementation(async () => {
    if (!ok) throw new TypeError('Failed to fetch');
    return new Response();
  });

beforeEach(() => sessionStorage.clear());

async function showLate(load: () => Promise<Module>) {
  // What React catches it tells the console, too.
  vi.spyOn(console, 'error').mockImplementation(() => {});
  const Late = part(load);
  return act(async () =>
    show(
      <>
        <p>the rest</p>
        <Suspense>
          <Late />
        </Suspense>
      </>,
    ),
  );
}

describe('a part that is loaded late', () => {
  it('says that the network is gone, leaves the rest, and comes when it is tried again', async () => {
    server(false);
    const reload = vi.spyOn(browser, 'reload').mockImplementation(() => {});
    const load = vi.fn(lost);
    await showLate(load);
    expect(await screen.findByRole('alert')).toHaveTextContent('The server cannot be reached.');
    expect(screen.getByText('the rest')).toBeInTheDocument();
    load.mockResolvedValue({ default: () => 'here it is' });
    await act(async () => screen.getByRole('button', { name: 'Try again' }).click());
    expect(await screen.findByText('here it is', { exact: false })).toBeInTheDocument();
    expect(reload).not.toHaveBeenCalled();
  });

  it('has the page loaded again when an update took it away, and no more than once', async () => {
    server(true);
    const reload = vi.spyOn(browser, 'reload').mockImplementation(() => {});
    const drawn = await showLate(lost);
    expect(await screen.findByRole('alert')).toHaveTextContent('Creel was updated');
    expect(reload).toHaveBeenCalledTimes(1);
    drawn.unmount();
    await showLate(lost);
    expect(await screen.findByRole('alert')).toHaveTextContent('Load the page again.');
    expect(reload).toHaveBeenCalledTimes(1);
  });
});
