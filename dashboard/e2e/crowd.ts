// A thousand agents: only what is near the window is in the document, and it is live.
import { ask, say } from './asking.ts';
import { openContext, signIn, untilConnection, withBrowser } from './browser.ts';
import { check, eventually } from './expect.ts';
import { setting } from './settings.ts';

/** The window shows some 30 cards; beyond its edges some rows more are there already. */
const CARDS_MAX = 80;
const AGENTS = 1_000;

await withBrowser('crowd', async (browser) => {
  const { context, complaints } = await openContext(browser, { viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  await signIn(page);
  await untilConnection(page, 'Live');
  await page.goto(`/p/${setting('PROJECT')}/agents`);
  const cards = page.getByRole('list', { name: 'Agents' }).getByRole('listitem');
  await cards.first().waitFor();
  const usable = await page.evaluate(() => performance.now());
  say(`with ${AGENTS} agents the page was usable ${Math.round(usable)} ms after it was asked for`);
  await untilConnection(page, 'Live');
  check((await cards.first().getAttribute('aria-setsize')) === String(AGENTS), 'all are counted');
  check((await cards.count()) <= CARDS_MAX, `of ${AGENTS} cards only some are there: ${await cards.count()}`);

  const frames = await page.evaluate(async () => {
    const taken: number[] = [];
    let before = performance.now();
    const end = document.documentElement.scrollHeight;
    for (let y = 0; y < end; y += 240) {
      window.scrollTo(0, y);
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      taken.push(now - before);
      before = now;
    }
    return taken.sort((a, b) => a - b);
  });
  const at = (share: number) => Math.round(frames[Math.floor(frames.length * share)] ?? 0);
  say(
    `${frames.length} frames of scrolling: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${Math.round(frames.at(-1) ?? 0)} ms`,
  );
  check((await cards.count()) <= CARDS_MAX, 'at the end only some are there, too');
  const last = cards.last();
  check((await last.getAttribute('aria-posinset')) === String(AGENTS), 'the last one is the last one');

  const name = (
    (await last.getByRole('link').innerText()).split('\n').find((line) => /^Agent \d+$/.test(line)) ?? ''
  ).trim();
  check(name, 'it has a name');
  await ask('rename', { name, role: 'woken up' });
  await last.getByText('woken up').waitFor();
  say('an agent at the far end changes while one looks');

  const stopped = page.getByRole('group', { name: 'State' }).getByRole('button', { name: /^Stopped/ });
  await ask('stop_some');
  await eventually(
    '300 changes at once are counted',
    async () => (await stopped.innerText()).replaceAll(/\D/g, '') === '300',
  );
  say('300 changes at once are shown');
  check((await cards.count()) <= CARDS_MAX, 'and only some are there still');
  check(complaints.length === 0, `the browser had no complaint: ${complaints.join('\n')}`);
});
