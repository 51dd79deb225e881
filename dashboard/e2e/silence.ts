// Realtime dies under the page, in two ways: it says so, goes on by polling, and recovers.
import type { Page } from 'playwright-core';
import { card } from './agents.ts';
import { ask, say } from './asking.ts';
import { openContext, signIn, untilConnection, withBrowser } from './browser.ts';
import { check } from './expect.ts';

/** So soon the page owns up to be no longer live. */
const NOTICED_MS = 15_000;
/** Some polls. */
const POLLED_MS = 20_000;
/** A client that was cut off waits up to ten seconds before it tries again. */
const RECOVERED_MS = 60_000;

await withBrowser('silence', async (browser) => {
  const { context, complaints } = await openContext(browser);
  const page = await context.newPage();
  await signIn(page);
  await untilConnection(page, 'Live');
  let count = 0;
  for (const how of ['silence', 'cut']) {
    await ask(how);
    const begin = performance.now();
    await untilConnection(page, 'Polling', NOTICED_MS);
    say(`${how}: noticed after ${((performance.now() - begin) / 1_000).toFixed(1)} s`);
    count += 1;
    await ask('make_agent', { name: `Polled ${count}` });
    await card(page, `Polled ${count}`).waitFor({ timeout: POLLED_MS });
    say(`${how}: what changes is found by polling`);
    await ask('mend');
    await untilConnection(page, 'Live', RECOVERED_MS);
    say(`${how}: live again`);
    const polls = countPolls(page);
    await ask('make_agent', { name: `Heard ${count}` });
    await card(page, `Heard ${count}`).waitFor();
    check(polls() === 0, 'what changes is heard, and not polled');
  }

  // Without the whole server nobody can ask either.
  await context.setOffline(true);
  await untilConnection(page, 'Offline', NOTICED_MS);
  await context.setOffline(false);
  await untilConnection(page, 'Live', RECOVERED_MS);
  say('offline and back');
  check(complaints.length === 0, `the browser had no complaint: ${complaints.join('\n')}`);
});

/** Counts how often agents are asked for from now on. */
function countPolls(page: Page): () => number {
  let polls = 0;
  page.on('request', (request) => {
    if (/\/rest\/v1\/agents\?/.test(request.url())) polls += 1;
  });
  return () => polls;
}
