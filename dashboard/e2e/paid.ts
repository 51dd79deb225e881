// Somebody lets a host, somebody else rents a place on it: from the price to an agent that runs, and to what was earned. At
// Stripe's own pages there is a stand-in, on which the test acts for the people.
import type { Page } from 'playwright-core';
import { COMMAND_MS, untilState } from './agents.ts';
import { ask, say } from './asking.ts';
import { openContext, signIn, untilConnection, withBrowser } from './browser.ts';
import { check } from './expect.ts';
import { setting } from './settings.ts';

await withBrowser('paid', async (browser) => {
  const landlord = await ask<{ email: string; project: string; host: string }>('landlord');
  const earnings = `/p/${landlord.project}/billing?view=earnings`;
  const letting = await openContext(browser);
  const hers = await letting.context.newPage();
  await signIn(hers, landlord.email);
  await setPrice(hers, landlord.project, '9');
  await hers.getByText('Nobody can rent it before you can be paid.').waitFor();
  await hers.getByRole('link', { name: 'Set up payouts' }).click();
  await hers.getByRole('button', { name: 'Set up payouts' }).click();
  await hers.waitForURL(/\/setup\/e\//);
  await ask('onboard', { account: lastOf(hers.url()) });
  await hers.goto(earnings);
  await ask('deliver');
  await hers.getByRole('region', { name: 'Payouts' }).getByText('Ready', { exact: true }).waitFor();
  say('a host is let, and its owner can be paid');

  const { context, complaints } = await openContext(browser);
  const page = await context.newPage();
  await signIn(page);
  await page.goto(`/p/${setting('PROJECT')}/hosts?view=rent`);
  const offer = page.getByRole('article', { name: landlord.host });
  await offer.getByText('$9.00', { exact: true }).waitFor();
  await offer.getByRole('button', { name: `Rent a place on ${landlord.host}` }).click();
  const dialog = page.getByRole('dialog', { name: `Rent a place on ${landlord.host}` });
  await dialog.getByLabel('Name of the agent').fill('Scout');
  await dialog.getByRole('button', { name: 'Go to payment' }).click();
  await page.waitForURL(/\/c\/pay\//);
  const session = lastOf(page.url());
  const { success_url, cancel_url } = await ask<{ success_url: string; cancel_url: string }>('session', {
    session,
  });
  say('a place is kept, and Stripe has been told what it costs');

  await page.goto(cancel_url);
  await page.getByText('The place for Scout is kept for a while').waitFor();
  const open = page.getByRole('region', { name: 'Waiting for a payment' });
  await open.getByText('Not paid', { exact: true }).waitFor();
  const pay = open.getByRole('button', { name: 'Go on to pay for Scout' });
  await pay.click();
  await page.waitForURL(/\/c\/pay\//);
  check(lastOf(page.url()) === session, 'it is the same checkout');
  say('who did not pay can go on');

  // Stripe sends people back before it tells of their payment.
  await ask('pay', { session });
  await page.goto(success_url);
  await page.getByText('Stripe has not told of the payment yet; when it has, Scout starts.').waitFor();
  check((await pay.count()) === 0, 'nobody is asked to pay for it again');
  await untilConnection(page, 'Live');
  await page.evaluate(() => {
    (window as unknown as { same: boolean }).same = true;
  });
  await ask('deliver');
  await page.getByText('Scout is paid for, and runs.').waitFor({ timeout: COMMAND_MS });
  check(await page.evaluate(() => 'same' in window), 'the page was not loaded anew');
  const row = page
    .getByRole('list', { name: 'Subscriptions' })
    .getByRole('listitem')
    .filter({ hasText: 'Scout' });
  await row.getByText('Paid', { exact: true }).waitFor();
  await row.getByText(/^Ran (at once|.* after the payment)$/).waitFor();
  say('from the payment to an agent that runs');

  await row.getByRole('button', { name: 'Manage the payments for Scout at Stripe' }).click();
  await page.waitForURL(/\/p\/session\//);
  await page.goBack();
  await page.getByRole('link', { name: 'Go to it' }).click();
  await page.getByRole('heading', { name: 'Scout', level: 1 }).waitFor();
  await untilState(page, 'Running');

  await hers.goto(earnings);
  await hers.getByText('$7.65', { exact: true }).first().waitFor();
  say('its host has earned something');
  for (const complaint of [...complaints, ...letting.complaints]) say(complaint);
  check(complaints.length + letting.complaints.length === 0, 'the browser had no complaint');
});

/** Gives the person's host a price. */
async function setPrice(page: Page, project: string, price: string): Promise<void> {
  await page.goto(`/p/${project}/hosts`);
  await page.getByRole('list', { name: 'Hosts of this project' }).getByRole('link').click();
  await page.getByRole('button', { name: 'Change' }).click();
  const dialog = page.getByRole('dialog', { name: /^Change/ });
  // To save what was not changed is no fault.
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Change' }).click();
  await dialog.getByLabel('Price a month').fill(price);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'hidden' });
}

/** What a page of Stripe's is for. */
function lastOf(url: string): string {
  return new URL(url).pathname.split('/').at(-1) ?? '';
}
