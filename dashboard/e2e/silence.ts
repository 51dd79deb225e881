// Realtime dies under the page, in two ways: it says so, goes on by polling, and recovers.
import type { Page } from 'playwright-core';
import { card } from './agents.ts';
import { ask, say } from './asking.ts';
import { openContext, signIn, untilConnection, withBrowser } from './browser.ts';
import { check, eventually } from './expect.ts';

/** So soon the page owns up to be no longer live. */
const NOTICED_MS = 15_000;
/** A page that polls does so every five seconds. */
const QUIET_MS = 6_000;

await withBrowser('silence', async (browser) => {
  const { context, complaints } = await openContext(browser);
  const page = await context.newPage();
  await signIn(page);
  await untilConnection(page, 'Live');
  let count = 0;
  for (const how of ['silence', 'cut']) {
    await ask(how);
    const begin = Date.now();
    const noticed = await page.waitForFunction(
      () => document.querySelector('[data-live-mode=polling]') && Date.now(),
    );
    const took = Number(await noticed.jsonValue()) - begin;
    say(`${how}: noticed after ${(took / 1_000).toFixed(1)} s`);
    check(took <= NOTICED_MS, `it is noticed within ${NOTICED_MS} ms, not ${took}`);
    count += 1;
    await ask('make_agent', { name: `Polled ${count}` });
    await card(page, `Polled ${count}`).waitFor();
    say(`${how}: what changes is found by polling`);
    await ask('mend');
    await untilConnection(page, 'Live');
    say(`${how}: live again`);
    const asked = watchQuestions(page);
    // With the connection comes one look at everything.
    await eventually('it has looked', () => Date.now() - asked.last > QUIET_MS);
    const before = asked.count;
    await ask('make_agent', { name: `Heard ${count}` });
    await card(page, `Heard ${count}`).waitFor();
    check(asked.count === before, 'what changes is heard, and not polled');
  }

  // Without the whole server nobody can ask either.
  await context.setOffline(true);
  await untilConnection(page, 'Offline');
  await context.setOffline(false);
  await untilConnection(page, 'Live');
  say('offline and back');
  check(complaints.length === 0, `the browser had no complaint: ${complaints.join('\n')}`);
});

/** Counts how often agents are asked for from now on. */
function watchQuestions(page: Page): { count: number; last: number } {
  const asked = { count: 0, last: Date.now() };
  page.on('request', (request) => {
    if (!/\/rest\/v1\/agents\?/.test(request.url())) return;
    asked.count += 1;
    asked.last = Date.now();
  });
  return asked;
}
