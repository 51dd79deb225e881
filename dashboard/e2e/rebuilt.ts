// The site is built anew under an open page, or the network goes, when a part of it is asked for that is not loaded yet.
import type { Page } from 'playwright-core';
import { say } from './asking.ts';
import { openContext, signIn, untilConnection, withBrowser } from './browser.ts';
import { check, eventually } from './expect.ts';

await withBrowser('rebuilt', async (browser) => {
  const { context } = await openContext(browser, { viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  const menus: string[] = [];
  page.on('response', (response) => {
    if (/\/(User|Project)Menu-/.test(response.url()) && response.ok()) menus.push(response.url());
  });
  await signIn(page);
  await untilConnection(page, 'Live');
  await eventually('the menus are loaded unasked', () => menus.length === 2);
  const loads = countLoads(page);
  let isNew = false;
  await page.route(/\/assets\/(Queue|Billing)Page-.*\.js/, async (route) => {
    if (isNew && /Queue/.test(route.request().url())) await route.fallback();
    else await route.fulfill({ status: 404, json: { message: 'not found' } });
  });

  // What is only about to be asked for loads nothing again: somebody may be writing.
  const looked = page.waitForResponse((response) => new URL(response.url()).pathname === '/');
  await link(page, 'Queue').hover();
  await looked;
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 0)));
  check((loads.count as number) === 0, 'a pointer that passes by loads nothing again');
  page.on('request', (request) => {
    if (request.isNavigationRequest()) isNew = true;
  });
  await link(page, 'Queue').click();
  await page.getByRole('heading', { name: 'Queue', level: 1 }).waitFor();
  check(loads.count === 1, `the page was loaded again once, not ${loads.count} times`);
  say('a part that an update took away comes with the page, loaded again');

  await link(page, 'Billing').click();
  await page.getByText('Creel was updated meanwhile. Load the page again.').waitFor();
  check(loads.count === 1, 'and not again a moment later: it says so instead');
  say('where that does not help it is said');

  await eventually('the menus are loaded unasked by this page, too', () => menus.length === 4);
  await context.setOffline(true);
  await untilConnection(page, 'Offline');
  await link(page, 'Hosts').click();
  await page.getByRole('alert').getByText('The server cannot be reached.').first().waitFor();
  check(await link(page, 'Agents').isVisible(), 'the rest of the page is there');
  await page
    .getByRole('button', { name: /^Account of/ })
    .locator('visible=true')
    .click();
  await page.getByRole('menuitem', { name: 'Sign out' }).waitFor();
  await page.keyboard.press('Escape');
  await context.setOffline(false);
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await page.getByRole('heading', { name: 'Hosts', level: 1 }).waitFor();
  check(loads.count === 1, 'nothing was loaded again for the network');
  say('without a network it is said, and tried again');
});

function link(page: Page, name: string) {
  return page.getByRole('navigation', { name: 'Pages', exact: true }).getByRole('link', { name });
}

function countLoads(page: Page): { readonly count: number } {
  const loads = { count: 0 };
  page.on('request', (request) => {
    if (request.isNavigationRequest()) loads.count += 1;
  });
  return loads;
}
