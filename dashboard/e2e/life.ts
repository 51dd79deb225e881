// One agent's life on the page, with the real worker and the real OpenClaw.
import { readFile } from 'node:fs/promises';
import type { Page, Request } from 'playwright-core';
import { ask, done, say } from './asking.ts';
import { openBrowser, openContext, signIn, untilConnection } from './browser.ts';
import { check, eventually } from './expect.ts';

/** OpenClaw's command line on a busy machine, until its gateway is ready. */
const PROVISION_MS = 240_000;

const browser = await openBrowser();
const { context, complaints } = await openContext(browser, { viewport: { width: 1280, height: 860 } });
const page = await context.newPage();
const asked: Request[] = [];
page.on('request', (request) => asked.push(request));
await signIn(page);
await untilConnection(page, 'Live');
say('signed in, and live');

await createAgent(page, 'Scout');
const { seen, polls } = await watchProvisioning(page, 'Scout');
say(`provisioned: ${seen.join(' → ')}`);
check(seen[0] === 'Provisioning…', `the badge was there: ${seen.join(' → ')}`);
check(polls.length === 0, `realtime alone told: ${polls.join(', ')}`);
const listed = await ask<{ id: string; identityName?: string }[]>('openclaw_agents');
check(
  listed.some(({ id, identityName }) => id === 'scout' && identityName === 'Scout'),
  `openclaw agents list has it: ${JSON.stringify(listed)}`,
);
say('in openclaw agents list');

check(complaints.length === 0, `the browser had no complaint: ${complaints.join('\n')}`);
await browser.close();
done();

async function createAgent(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'New agent' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'New agent' });
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByRole('button', { name: 'Create agent' }).click();
  await dialog.waitFor({ state: 'hidden' });
}

/** The words on an agent's card, one after the other, and what was asked of the Data API meanwhile. */
async function watchProvisioning(page: Page, name: string) {
  const card = page.getByRole('listitem').filter({ hasText: name });
  await card.getByText('Provisioning…').waitFor();
  // Were the page loaded anew, this would be gone.
  await page.evaluate(() => Object.assign(window, { same: true }));
  const before = asked.length;
  const seen = ['Provisioning…'];
  await eventually(
    `${name} is provisioned`,
    async () => {
      const text = (await card.innerText())
        .split('\n')
        .find((line) => /^(Provisioning…|Deploying…|Running|Stopped|Error)$/.test(line));
      if (text && text !== seen.at(-1)) seen.push(text);
      return text === 'Running' || text === 'Stopped';
    },
    PROVISION_MS,
  );
  const polls = asked
    .slice(before)
    .map((request) => `${request.method()} ${new URL(request.url()).pathname}`)
    .filter((line) => /^GET \/rest\/v1\/(agents|agent_)/.test(line));
  check(await page.evaluate(() => 'same' in window), 'the page was not loaded anew');
  return { seen, polls };
}
