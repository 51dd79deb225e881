import type { Locator, Page } from 'playwright-core';
import { check } from './expect.ts';

/** A gateway that starts on a busy machine. */
export const COMMAND_MS = 240_000;

/** An agent's card among the others. */
export function card(page: Page, name: string): Locator {
  return page
    .getByRole('list', { name: 'Agents' })
    .getByRole('listitem')
    .filter({ has: page.getByText(name, { exact: true }) });
}

/** Makes an agent with what the dialog proposes, but where it runs. */
export async function createAgent(page: Page, name: string, runsIn?: string): Promise<void> {
  await page.getByRole('button', { name: 'New agent' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'New agent' });
  await dialog.getByLabel('Name').fill(name);
  if (runsIn) await dialog.getByLabel('Runs in').selectOption({ label: runsIn });
  await dialog.getByRole('button', { name: 'Create agent' }).click();
  await dialog.waitFor({ state: 'hidden' });
}

/** Goes to an agent by its card. */
export async function openAgent(page: Page, name: string): Promise<void> {
  await page.getByRole('link', { name: 'Agents', exact: true }).locator('visible=true').first().click();
  await card(page, name).getByRole('link').click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
}

/** Waits until the agent's page says that it is in this state. */
export async function untilState(page: Page, word: string): Promise<void> {
  await page
    .getByRole('main')
    .getByRole('status')
    .getByText(word, { exact: true })
    .first()
    .waitFor({ timeout: COMMAND_MS });
}

/** Goes to one of an agent's files; answers its editor. */
export async function openFile(page: Page, file: string): Promise<Locator> {
  await page.getByRole('navigation', { name: 'Of this agent' }).getByRole('link', { name: 'Files' }).click();
  await page.getByRole('navigation', { name: 'Files' }).getByRole('link', { name: file }).click();
  const editor = page.getByRole('textbox', { name: `Text of ${file}` });
  await editor.waitFor();
  return editor;
}

/** Writes a text in the place of what is in an editor. */
export async function write(page: Page, editor: Locator, text: string): Promise<void> {
  await editor.click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText(text);
}

/** Saves what is in the editor of a file. */
export async function save(page: Page, file: string): Promise<void> {
  await page.getByRole('region', { name: file }).getByRole('button', { name: 'Save' }).click();
}

/** The folder of an agent, as its page names it. */
export async function workspaceOf(page: Page): Promise<string> {
  await page
    .getByRole('navigation', { name: 'Of this agent' })
    .getByRole('link', { name: 'Overview' })
    .click();
  const folder = await page.getByRole('term').filter({ hasText: 'Workspace' }).locator('+ dd').innerText();
  check(folder.startsWith('/'), `${folder} is a folder`);
  return folder;
}
