import { describe, expect, it } from 'vitest';
import type { HostView } from '../hosts/hosts';
import { backendChoices, chosenBackend, hostChoices, modelChoices, waitingWords } from './choices';

const host = (change: Partial<HostView>) =>
  ({
    id: 'h',
    name: 'mini',
    terms: 'own',
    shownStatus: 'online',
    backends: ['shared'],
    models: [],
    ...change,
  }) as HostView;

describe('where a new agent may live', () => {
  it('is a host that is off, too, and no host that runs only what is paid for', () => {
    const hosts = [
      host({}),
      host({ id: 'off', name: 'box', shownStatus: 'offline' }),
      host({ id: 'r', name: 'rack', terms: 'rented' }),
      host({ id: 'gone', shownStatus: 'retired' }),
    ];
    expect(hostChoices(hosts).map(({ label }) => label)).toEqual([
      'Any that has room',
      'mini',
      'box (offline)',
    ]);
  });

  it('says what would be waited for', () => {
    expect(waitingWords([host({})], '')).toBeNull();
    expect(waitingWords([host({}), host({ id: 'off', shownStatus: 'offline' })], 'off')).toMatch(
      /when one is back/,
    );
    expect(waitingWords([host({ terms: 'rented' })], '')).toMatch(/rent a place/);
    expect(waitingWords([], '')).toMatch(/No host serves/);
  });

  it('offers what the host can', () => {
    const hosts = [
      host({ models: ['b/b', 'a/a'] }),
      host({ id: 'p', backends: ['profile'], models: ['a/a'] }),
    ];
    expect(backendChoices(hosts, 'p').map(({ value }) => value)).toEqual(['profile']);
    expect(backendChoices(hosts, '').map(({ value }) => value)).toEqual(['shared', 'profile']);
    expect(modelChoices(hosts, '')).toEqual(['a/a', 'b/b']);
    const rented = host({ id: 'r', terms: 'rented', backends: ['docker'], models: ['c/c'] });
    expect(backendChoices([...hosts, rented], '').map(({ value }) => value)).toEqual(['shared', 'profile']);
    expect(modelChoices([...hosts, rented], '')).not.toContain('c/c');
  });

  it('is never another one than the one that is shown', () => {
    const offered = backendChoices([host({ backends: ['profile', 'docker'] })], '');
    expect(chosenBackend(offered, 'shared')).toBe('profile');
    expect(chosenBackend(offered, 'docker')).toBe('docker');
  });
});
