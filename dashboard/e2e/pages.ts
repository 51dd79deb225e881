import type { Page } from 'playwright-core';
import { setting } from './settings.ts';

const project = (path: string) => `/p/${setting('PROJECT')}/${path}`;

/** Every page of the dashboard, by the name of its picture. The agent of this name has something of everything. */
export const PAGES: readonly { name: string; path: string; act?: (page: Page) => Promise<void> }[] = [
  { name: 'agents', path: project('agents') },
  { name: 'agents-filtered', path: project('agents?q=nobody+is+called+so') },
  {
    name: 'new-agent',
    path: project('agents'),
    act: async (page) => {
      await page.getByRole('button', { name: 'New agent' }).first().click();
      await page.getByRole('dialog', { name: 'New agent' }).waitFor();
    },
  },
  { name: 'agent', path: project('agents/scout') },
  { name: 'agent-provisioning', path: project('agents/newcomer') },
  { name: 'agent-host-offline', path: project('agents/adrift') },
  { name: 'agent-waiting', path: project('agents/waiting') },
  { name: 'agent-error', path: project('agents/broken') },
  { name: 'agent-files', path: project('agents/scout?tab=files&file=memory_long') },
  { name: 'agent-conflict', path: project('agents/scout?tab=files&file=soul') },
  { name: 'agent-held', path: project('agents/scout?tab=files&file=user') },
  {
    name: 'agent-history',
    path: project('agents/scout?tab=files&file=memory_long'),
    act: async (page) => {
      await page.getByRole('button', { name: 'History' }).click();
      await page.getByRole('dialog', { name: /^History of/ }).waitFor();
    },
  },
  {
    name: 'agent-remove',
    path: project('agents/scout'),
    act: async (page) => {
      await page.getByRole('button', { name: 'More actions' }).click();
      await page.getByRole('menuitem', { name: 'Delete for good…' }).click();
      await page.getByRole('dialog', { name: /^Delete/ }).waitFor();
    },
  },
  { name: 'agent-configuration', path: project('agents/scout?tab=config') },
  { name: 'agent-activity', path: project('agents/scout?tab=activity') },
  { name: 'agent-log', path: project('agents/scout?tab=log') },
  { name: 'agent-missing', path: project('agents/nobody') },
  { name: 'hosts', path: project('hosts') },
  {
    name: 'host-add',
    path: project('hosts'),
    act: async (page) => {
      await page.getByRole('button', { name: 'Add a host' }).first().click();
      await page.getByRole('dialog', { name: 'Add a host' }).waitFor();
    },
  },
  { name: 'hosts-rent', path: project('hosts?view=rent') },
  {
    name: 'hosts-rent-checkout',
    path: project('hosts?view=rent'),
    act: async (page) => {
      await page
        .getByRole('button', { name: /^Rent a place on/ })
        .first()
        .click();
      await page.getByRole('dialog', { name: /^Rent a place on/ }).waitFor();
    },
  },
  {
    name: 'host',
    path: project('hosts'),
    act: async (page) => {
      await page.getByRole('main').getByRole('link', { name: /mini/ }).first().click();
      await page.getByRole('heading', { level: 1, name: /mini/ }).waitFor();
    },
  },
  {
    name: 'host-change',
    path: project('hosts'),
    act: async (page) => {
      await page
        .getByRole('main')
        .getByRole('link', { name: /mac-mini/ })
        .click();
      await page.getByRole('button', { name: 'Change' }).click();
      await page.getByRole('dialog', { name: /^Change/ }).waitFor();
    },
  },
  {
    name: 'queue',
    path: project('queue'),
    act: async (page) => {
      await page
        .getByRole('button', { name: /^Show details of/ })
        .first()
        .click();
    },
  },
  { name: 'queue-dead', path: project('queue?view=dead') },
  { name: 'queue-ended', path: project('queue?view=ended') },
  { name: 'billing', path: project('billing') },
  { name: 'billing-paid', path: project('billing?checkout=paid&agent=agent%3Aporter%3Amain') },
  { name: 'earnings', path: project('billing?view=earnings') },
  { name: 'project', path: project('project') },
  { name: 'not-found', path: '/no/such/page' },
];

/** Waits until a page has shown what it has to show. */
export async function settled(page: Page): Promise<void> {
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  await page.waitForLoadState('networkidle');
  await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'detached' });
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
}
