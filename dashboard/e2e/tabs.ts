// Two tabs and a command line act on one project at once, with the real worker and a stand-in for OpenClaw.
import type { Page } from 'playwright-core';
import { card, createAgent, openAgent, openFile, save, untilState, write } from './agents.ts';
import { ask, say } from './asking.ts';
import { openContext, signIn, untilConnection, withBrowser } from './browser.ts';
import { check, eventually } from './expect.ts';
import { setting } from './settings.ts';

/** After so long a button is gone for good. */
const LATE_MS = 10_000;

await withBrowser('tabs', async (browser) => {
  const { context, complaints } = await openContext(browser, { viewport: { width: 1280, height: 860 } });
  const first = await context.newPage();
  await signIn(first);
  const second = await context.newPage();
  await second.goto(`/p/${setting('PROJECT')}/agents`);
  const tabs = [first, second];
  for (const tab of tabs) await untilConnection(tab, 'Live');
  say('two tabs are live');

  await Promise.all([
    createAgent(first, 'Ada', 'A gateway of its own'),
    ask('creel', { args: ['agent', 'create', 'bob', '--name', 'Bob'] }),
  ]);
  for (const tab of tabs) {
    await untilCard(tab, 'Ada', 'Running');
    // The host's one gateway does not run here.
    await untilCard(tab, 'Bob', 'Stopped');
  }
  say('what a tab and the command line made is in both tabs');

  await openAgent(first, 'Ada');
  await first.getByRole('button', { name: 'Stop' }).click();
  await untilCard(second, 'Ada', 'Stopped');
  await ask('creel', { args: ['agent', 'start', 'ada'] });
  await untilState(first, 'Running');
  await untilCard(second, 'Ada', 'Running');
  say('each shows what the other did');

  // All three at once: whatever comes last counts, and everybody shows the same.
  await openAgent(second, 'Ada');
  await Promise.all([
    press(first, 'Stop'),
    press(second, 'Restart'),
    ask('creel', { args: ['agent', 'stop', 'ada', '--no-wait'] }),
  ]);
  const agreed = await eventually('all agree', async () => {
    const [row] = await ask<{ status: string; open: number }[]>('rows', {
      sql: `select status, (select count(*)::int from agent_commands where status in ('pending', 'sent')) as open
              from agents where agent_key = 'agent:ada:main'`,
    });
    const shown = await Promise.all(tabs.map(stateOf));
    const word = row?.status === 'running' ? 'Running' : 'Stopped';
    return row?.open === 0 && shown.every((each) => each === word) && word;
  });
  say(`three at once: all agree on ${agreed}`);

  // Both tabs write one document, in different places: nobody's words are lost.
  const editors = await Promise.all(tabs.map((tab) => openFile(tab, 'USER.md')));
  const [editor, other] = editors;
  check(editor && other, 'both have the file open');
  await write(first, editor, '# User\n\nfirst\n\nmiddle\n\nlast\n');
  await save(first, 'USER.md');
  await other.getByText('middle').waitFor();
  await write(second, other, '# User\n\nfirst\n\nmiddle\n\nlast, by the second tab\n');
  await write(first, editor, '# User\n\nfirst, by the first tab\n\nmiddle\n\nlast\n');
  await save(first, 'USER.md');
  await first.getByText('USER.md is saved.').first().waitFor();
  const meanwhile = second.getByRole('region', { name: 'Changed meanwhile' });
  await meanwhile.getByRole('button', { name: 'Take both' }).click();
  await other.getByText('first, by the first tab').waitFor();
  await save(second, 'USER.md');
  await editor.getByText('last, by the second tab').waitFor();
  const [doc] = await ask<{ content: string }[]>('rows', {
    sql: "select content from brain_docs where agent_key = 'agent:ada:main' and doc_type = 'user'",
  });
  check(
    doc?.content === '# User\n\nfirst, by the first tab\n\nmiddle\n\nlast, by the second tab\n',
    `both are in it: ${JSON.stringify(doc?.content)}`,
  );
  say('what both tabs wrote is in the document');
  check(complaints.length === 0, `the browser had no complaint: ${complaints.join('\n')}`);
});

/** Presses a button, unless others were faster and it is gone. */
async function press(page: Page, name: string): Promise<void> {
  await page
    .getByRole('button', { name })
    .click({ timeout: LATE_MS })
    .catch(() => undefined);
}

/** Waits until an agent's card says that it is in this state. */
async function untilCard(page: Page, name: string, word: string): Promise<void> {
  await card(page, name).getByText(word, { exact: true }).waitFor();
}

/** The state that an agent's page shows. */
function stateOf(page: Page): Promise<string> {
  return page.getByRole('main').getByRole('status').first().innerText();
}
