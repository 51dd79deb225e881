// Everything by the keyboard: no pointer is touched, and the focus is never lost.
import type { Locator, Page } from 'playwright-core';
import { say } from './asking.ts';
import { openContext, untilConnection, withBrowser } from './browser.ts';
import { check, eventually } from './expect.ts';
import { setting } from './settings.ts';

/** More than any page has to be passed by. */
const TABS_MAX = 80;

await withBrowser('keyboard', async (browser) => {
  const { context, complaints } = await openContext(browser, { viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  const press = (key: string) => page.keyboard.press(key);
  await page.goto('/');
  await untilFocused(page, page.getByLabel('E-mail address'), 'the field of the address at first');
  await page.keyboard.type(setting('EMAIL'));
  await press('Tab');
  await page.keyboard.type(setting('PASSWORD'));
  await press('Enter');
  await page.getByRole('heading', { name: 'Agents', level: 1 }).waitFor();
  await untilConnection(page, 'Live');
  say('signed in');

  await tabTo(page, page.getByRole('link', { name: 'Skip to content' }));
  await press('Enter');
  await untilFocused(page, page.getByRole('main'), 'the content after the link to it');
  await tabTo(page, page.getByRole('button', { name: 'New agent' }).first());
  say('skipped to the content');

  const account = page.getByRole('button', { name: /^Account of/ }).locator('visible=true');
  for (const time of ['first', 'second']) {
    await tabTo(page, account);
    await press('Enter');
    await untilWithin(page, page.getByRole('menu'), 'the menu');
    await press('ArrowDown');
    await untilFocused(page, page.getByRole('menuitem', { name: 'Light' }), 'the first of the menu');
    await press('Escape');
    await untilFocused(page, account, `the button of the menu, the ${time} time`);
  }
  say('a menu gives the focus back');

  const create = page.getByRole('button', { name: 'New agent' }).first();
  await tabTo(page, create);
  await press('Enter');
  const dialog = page.getByRole('dialog', { name: 'New agent' });
  await untilFocused(page, dialog.getByLabel('Name'), 'the name');
  await press('Escape');
  await untilFocused(page, create, 'the button of the dialog');
  await press('Enter');
  await untilFocused(page, dialog.getByLabel('Name'), 'the name');
  await page.keyboard.type('Keys');
  await press('Enter');
  await dialog.waitFor({ state: 'detached' });
  const made = page.getByRole('list', { name: 'Agents' }).getByRole('link', { name: /Keys/ });
  await made.waitFor();
  say('an agent is made');

  await tabTo(page, made);
  await press('Enter');
  await page.getByRole('heading', { name: 'Keys', level: 1 }).waitFor();
  await untilFocused(page, page.getByRole('main'), 'the content of another page');
  const files = page.getByRole('navigation', { name: 'Of this agent' }).getByRole('link', { name: 'Files' });
  await tabTo(page, files);
  await press('Enter');
  const editor = page.getByRole('textbox', { name: 'Text of SOUL.md' });
  await editor.waitFor();
  await tabTo(page, editor);
  await page.keyboard.type('typed by keys');
  await press('ControlOrMeta+s');
  await page.getByText('SOUL.md is saved.').first().waitFor();
  await press('Tab');
  check(!(await isFocused(editor)), 'the editor lets the focus go');
  say('a file is written and left');

  const more = page.getByRole('button', { name: 'More actions' });
  await tabTo(page, more, 'Shift+Tab');
  await press('Enter');
  const removal = page.getByRole('menuitem', { name: 'Delete for good…' });
  await removal.waitFor();
  while (!(await isFocused(removal))) await press('ArrowDown');
  await press('Enter');
  const confirm = page.getByRole('dialog', { name: /^Delete/ });
  await untilFocused(page, confirm.getByRole('textbox'), 'the field that is to be filled');
  await press('Escape');
  await untilFocused(page, more, 'the button that led to the question');
  await press('Enter');
  await removal.waitFor();
  while (!(await isFocused(removal))) await press('ArrowDown');
  await press('Enter');
  await untilFocused(page, confirm.getByRole('textbox'), 'the field that is to be filled');
  await page.keyboard.type('key');
  await press('Enter');
  check(await confirm.isVisible(), 'half a name deletes nothing');
  await page.keyboard.type('s');
  await press('Enter');
  await confirm.waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'Agents', level: 1 }).waitFor();
  say('an agent is deleted');
  check(complaints.length === 0, `the browser had no complaint: ${complaints.join('\n')}`);
});

/** Goes on with the Tab key until this has the focus. */
async function tabTo(page: Page, wanted: Locator, key = 'Tab'): Promise<void> {
  for (let pressed = 0; pressed < TABS_MAX; pressed += 1) {
    if (await isFocused(wanted)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`no key leads to ${wanted}; the focus is on ${await focused(page)}`);
}

async function untilFocused(page: Page, wanted: Locator, what: string): Promise<void> {
  await eventually(`the focus is on ${what}`, () => isFocused(wanted)).catch(async (error: unknown) => {
    throw new Error(`${error}; it is on ${await focused(page)}`);
  });
}

/** What is shown a moment before it takes the focus would lose a key that is pressed then. */
async function untilWithin(page: Page, wanted: Locator, what: string): Promise<void> {
  const isWithin = async () =>
    (await wanted.count()) === 1 &&
    (await wanted.evaluate((element) => element.contains(document.activeElement)));
  await eventually(`the focus is within ${what}`, isWithin).catch(async (error: unknown) => {
    throw new Error(`${error}; it is on ${await focused(page)}`);
  });
}

/** An editor's text is in a shadow root, which has a focus of its own. */
async function isFocused(wanted: Locator): Promise<boolean> {
  if ((await wanted.count()) !== 1) return false;
  return wanted.evaluate(
    (element) => (element.getRootNode() as Document | ShadowRoot).activeElement === element,
  );
}

function focused(page: Page): Promise<string> {
  return page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200) ?? 'nothing');
}
