// One agent's life on the page, with the real worker and the real OpenClaw.
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page, Request } from 'playwright-core';
import {
  COMMAND_MS,
  card,
  createAgent,
  openAgent,
  openFile,
  save,
  untilState,
  workspaceOf,
  write,
} from './agents.ts';
import { ask, say } from './asking.ts';
import { openContext, signIn, untilConnection, withBrowser } from './browser.ts';
import { check, eventually } from './expect.ts';

const asked: Request[] = [];

await withBrowser('life', async (browser) => {
  const { context, complaints } = await openContext(browser, { viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  page.on('request', (request) => asked.push(request));
  await signIn(page);
  await untilConnection(page, 'Live');
  say('signed in, and live');

  await createAgent(page, 'Scout');
  const { seen, polls } = await watchProvisioning(page, 'Scout');
  check(seen[0] === 'Provisioning…', `the badge was there: ${seen.join(' → ')}`);
  check(polls.length === 0, `realtime alone told: ${polls.join(', ')}`);
  say(`provisioned: ${seen.join(' → ')}`);
  const listed = await ask<{ id: string; identityName?: string }[]>('openclaw_agents');
  check(
    listed.some(({ id, identityName }) => id === 'scout' && identityName === 'Scout'),
    `openclaw agents list has it: ${JSON.stringify(listed)}`,
  );
  say('in openclaw agents list');

  await openAgent(page, 'Scout');
  const workspace = await workspaceOf(page);
  await page.getByRole('button', { name: 'Stop' }).click();
  await untilState(page, 'Stopped');
  say('stopped');
  await page.getByRole('button', { name: 'Start' }).click();
  await untilState(page, 'Running');
  say('started');

  const soul = await openFile(page, 'SOUL.md');
  await write(page, soul, '# Scout\n\nYou count the waves, and nothing else.\n');
  await save(page, 'SOUL.md');
  await eventually('the text of the page is on the disk', async () =>
    (await readFile(join(workspace, 'SOUL.md'), 'utf8')).includes('You count the waves, and nothing else.'),
  );
  say('what the page wrote is on the disk');

  const memory = await openFile(page, 'MEMORY.md');
  await appendFile(join(workspace, 'MEMORY.md'), '\n- The tide turns at six.\n');
  await memory.getByText('The tide turns at six.').waitFor();
  say('what the disk has is on the page');

  await makeConflict(page, workspace);
  const conflict = page.getByRole('region', { name: 'SOUL.md was changed on both sides' });
  await conflict.waitFor();
  await conflict.getByText('of the page').first().waitFor();
  await conflict.getByText('of the disk').first().waitFor();
  say('a conflict is shown');
  await conflict.getByRole('button', { name: 'Take the page’s' }).click();
  await conflict.waitFor({ state: 'hidden' });
  await eventually('the page’s text is on the disk', async () =>
    (await readFile(join(workspace, 'SOUL.md'), 'utf8')).includes('You are the Scout of the page.'),
  );
  say('the conflict is resolved');
  const marks = page.getByRole('img', { name: /has a conflict|is held back|cannot be written/ });
  await eventually('of no file is there anything to be said', async () => (await marks.count()) === 0);

  check(complaints.length === 0, `the browser had no complaint: ${complaints.join('\n')}`);
});

/** The words on an agent's card, one after the other, and what was asked of the Data API meanwhile. */
async function watchProvisioning(page: Page, name: string) {
  const agent = card(page, name);
  await agent.getByText('Provisioning…').waitFor();
  // Were the page loaded anew, this would be gone.
  await page.evaluate(() => Object.assign(window, { same: true }));
  const before = asked.length;
  const seen = ['Provisioning…'];
  await eventually(
    `${name} is provisioned`,
    async () => {
      const lines = (await agent.innerText()).split('\n');
      const word = lines.find((line) => /^(Provisioning…|Deploying…|Running|Stopped|Error)$/.test(line));
      if (word && word !== seen.at(-1)) seen.push(word);
      return word === 'Running' || word === 'Stopped';
    },
    COMMAND_MS,
  );
  const polls = asked
    .slice(before)
    .map((request) => `${request.method()} ${new URL(request.url()).pathname}`)
    .filter((line) => /^GET \/rest\/v1\/agent/.test(line));
  check(await page.evaluate(() => 'same' in window), 'the page was not loaded anew');
  return { seen, polls };
}

/** The page saves, and the disk is written before the worker has read what the page saved: neither knows of the other. */
async function makeConflict(page: Page, workspace: string): Promise<void> {
  const editor = await openFile(page, 'SOUL.md');
  await write(page, editor, '# Scout\n\nYou are the Scout of the page.\n');
  await ask('hold_docs');
  const sent = page.waitForRequest(/\/rpc\/write_doc/);
  await save(page, 'SOUL.md');
  await sent;
  await ask('until_waiting');
  await writeFile(join(workspace, 'SOUL.md'), '# Scout\n\nYou are the Scout of the disk.\n');
  await ask('release_docs');
}
