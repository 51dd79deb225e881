// An owner's work on hosts, members, webhooks and dead letters, with the command line on the machine that becomes a host.
import type { Browser, Locator, Page } from 'playwright-core';
import { ask, say } from './asking.ts';
import { openContext, signIn, withBrowser } from './browser.ts';
import { check } from './expect.ts';
import { setting } from './settings.ts';

const project = (path: string) => `/p/${setting('PROJECT')}/${path}`;

await withBrowser('steer', async (browser) => {
  const { context, complaints } = await openContext(browser, { viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  await signIn(page);
  await becomeHost(page, 'desk');
  await steerHost(page, 'desk');
  await letIn(page, 'lu@example.com');
  await comeInVain(browser, 'lu@example.com');
  await tell(page, 'hooks.example.com');
  await tryAgain(page);
  check(complaints.length === 0, `the browser had no complaint: ${complaints.join('\n')}`);
});

/** Types the command of the dialog on a machine, and sees that it is a host. */
async function becomeHost(page: Page, name: string): Promise<void> {
  await page.goto(project('hosts'));
  await page.getByRole('button', { name: 'Add a host' }).first().click();
  const wish = page.getByRole('dialog', { name: 'Add a host' });
  await wish.getByLabel('Name').fill(name);
  await wish.getByLabel('Tags').fill('gpu, on the desk');
  await wish.getByRole('button', { name: 'Make a code' }).click();
  const steps = page.getByRole('dialog', { name: 'Enrol the machine' });
  await steps.getByText('Waiting for the machine.').waitFor();
  const [, ...args] = (await steps.locator('pre').first().innerText()).trim().split(' ');
  await ask('creel', { args });
  await steps.getByText('The machine is a host now.').waitFor();
  await steps.getByRole('button', { name: 'Done' }).click();
  await page
    .getByRole('list', { name: 'Hosts of this project' })
    .getByRole('link', { name: new RegExp(name) })
    .click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
  await page.getByText('gpu, on the desk').waitFor();
  await access(page).getByText('Good', { exact: true }).waitFor();
  say('a machine is a host by the command that the page shows');
}

/** Everything that its owner can do with a host, up to its end. */
async function steerHost(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'Drain' }).click();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Drain' }).waitFor();
  say('drained and resumed');

  await more(page, name, 'Give it another key…');
  const keys = page.getByRole('dialog', { name: `Another key for ${name}` });
  await keys.getByRole('button', { name: 'Make a code' }).click();
  await keys.getByText('Waiting for the machine.').waitFor();
  await access(page).getByText('Code for another key').waitFor();
  await keys.getByRole('button', { name: 'Close' }).last().click();
  await more(page, name, 'Revoke its access…');
  await confirm(page, name, 'Revoke access');
  await access(page).getByText('Revoked', { exact: true }).waitFor();
  check((await access(page).getByText('Unused').count()) === 0, 'the code has ended with it');
  say('let in again, and shut out');

  await more(page, name, 'Stop serving');
  await confirm(page, name, 'Stop serving');
  const serve = page.getByRole('button', { name: /^Let it serve/ });
  await serve.click();
  await serve.waitFor({ state: 'detached' });
  await more(page, name, 'Retire…');
  await confirm(page, name, 'Retire host');
  await page.getByRole('main').getByText('Retired', { exact: true }).waitFor();
  check((await page.getByRole('button', { name: 'Drain' }).count()) === 0, 'nothing more is asked of it');
  say('retired');
}

/** Adds a member, gives them another role and lets them go. */
async function letIn(page: Page, email: string): Promise<void> {
  await ask('person', { email });
  await page.goto(project('project'));
  const field = page.getByLabel('Add somebody who has signed up');
  const add = page.getByRole('button', { name: 'Add', exact: true });
  await field.fill(setting('EMAIL'));
  await add.click();
  await page.getByText('They are a member already.').waitFor();
  await field.fill(email);
  await add.click();
  const role = page.getByLabel(`Role of ${email}`);
  await role.waitFor();
  await role.selectOption({ label: 'Viewer' });
  await page.getByText(`${email} is viewer now.`).waitFor();
  await role.selectOption({ label: 'Owner' });
  await page.getByText(`${email} is owner now.`).waitFor();
  // Who gives up what nobody else could give back to them is asked first.
  const own = page.getByLabel(`Role of ${setting('EMAIL')}`);
  await own.selectOption({ label: 'Viewer' });
  const dialog = page.getByRole('dialog', { name: 'Be no owner any more?' });
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
  check((await own.inputValue()) === 'owner', 'nothing has changed');
  await page.getByRole('button', { name: `Remove ${email}` }).click();
  await confirm(page, email, 'Remove member');
  await role.waitFor({ state: 'detached' });
  say('a member came, changed and went');
}

/** Who has no project is told so, and can sign in as somebody else. */
async function comeInVain(browser: Browser, email: string): Promise<void> {
  const { context } = await openContext(browser);
  const page = await context.newPage();
  await signIn(page, email, setting('PASSWORD'), 'You have no project yet');
  await page.getByText(email).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await context.close();
  say('who has no project can go again');
}

/** Adds a webhook, pauses it and removes it. */
async function tell(page: Page, host: string): Promise<void> {
  await page.getByRole('button', { name: 'Add a webhook' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a webhook' });
  await dialog.getByLabel('Address').fill(`https://${host}/creel`);
  await dialog.getByRole('button', { name: 'Add' }).click();
  const secret = page.getByRole('dialog', { name: 'The secret of the webhook' });
  await secret.getByText(/^whsec_/).waitFor();
  await page.keyboard.press('Escape');
  await secret.getByRole('button', { name: 'I have kept it' }).click();
  const row = page.getByRole('list', { name: 'Webhooks' }).getByRole('listitem');
  await row.getByText('Enabled', { exact: true }).waitFor();
  await more(page, host, 'Pause');
  await row.getByText('Paused', { exact: true }).waitFor();
  await more(page, host, 'Remove…');
  await confirm(page, host, 'Remove webhook');
  await row.waitFor({ state: 'detached' });
  say('an address was told, and is told nothing any more');
}

/** Brings back what was tried no more. */
async function tryAgain(page: Page): Promise<void> {
  await ask('dead_letter');
  await page.goto(project('queue?view=dead'));
  await page.getByRole('button', { name: /^Try again: Restart/ }).click();
  await page.getByText('No dead letters').waitFor();
  await page.getByRole('button', { name: /^Open/ }).click();
  await page.getByRole('list', { name: 'What is open' }).getByText('Restart').waitFor();
  say('a dead letter is tried again');
}

function access(page: Page): Locator {
  return page.getByRole('region', { name: 'Access' });
}

/** Chooses what is behind the three dots of a host or a webhook. */
async function more(page: Page, name: string, item: string): Promise<void> {
  await page.getByRole('button', { name: `More about ${name}` }).click();
  await page.getByRole('menuitem', { name: item }).click();
}

/** Types the name, without which nothing happens. */
async function confirm(page: Page, name: string, verb: string): Promise<void> {
  const dialog = page.getByRole('dialog');
  const button = dialog.getByRole('button', { name: verb });
  check(await button.isDisabled(), 'nothing happens before the name is typed');
  await dialog.getByRole('textbox').fill(name);
  await button.click();
  await dialog.waitFor({ state: 'detached' });
}
