// Every page in light and dark, on a desktop and on a phone: a picture, and what axe says of it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { say } from './asking.ts';
import { openContext, signIn, withBrowser } from './browser.ts';
import { check } from './expect.ts';
import { PAGES, settled } from './pages.ts';
import { setting } from './settings.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SIZES = { desktop: { width: 1280, height: 860 }, phone: { width: 390, height: 844 } };

await withBrowser('looks', async (browser) => {
  const faults: string[] = [];
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const options = { viewport, colorScheme, reducedMotion: 'reduce', isMobile: size === 'phone' } as const;
      const { context, complaints } = await openContext(browser, options);
      const page = await context.newPage();
      const look = async (name: string) => {
        const picture = `${name}-${size}-${colorScheme}`;
        for (const fault of await faultsOf(page)) {
          faults.push(`${picture}: ${fault}`);
          say(`${picture}: ${fault}`);
        }
        await page.screenshot({ path: join(setting('SCREENSHOTS'), `${picture}.png`), fullPage: true });
      };
      await page.goto('/');
      await page.getByRole('button', { name: 'Sign in' }).waitFor();
      await look('sign-in');
      await signIn(page);
      for (const { name, path, act } of PAGES) {
        await goTo(page, path);
        await settled(page);
        if (act) {
          await act(page);
          await settled(page);
        }
        await look(name);
      }
      faults.push(...complaints.map((complaint) => `${size}, ${colorScheme}: ${complaint}`));
      await context.close();
      say(`${PAGES.length + 1} pages on a ${size}, ${colorScheme}`);
    }
  }
  check(faults.length === 0, `no page has a fault:\n${faults.join('\n')}`);
});

/** Goes to a page as a link does: a page that is loaded anew a hundred times takes minutes. */
async function goTo(page: Page, path: string): Promise<void> {
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').first().waitFor({ state: 'detached' });
  await page.evaluate((to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate', { state: null }));
  }, path);
  await page.waitForURL(
    (url) => url.pathname + url.search === new URL(path, url).pathname + new URL(path, url).search,
  );
}

/** What somebody would stumble over who sees, hears or moves otherwise, or has a narrow screen. */
async function faultsOf(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(
    () => (window as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run() as Promise<AxeResults>,
  );
  const faults = violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, any }) => `${id}: ${html.slice(0, 200)} ${any[0]?.message ?? ''}`),
    );
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wider > 0) faults.push(`it is ${wider} px wider than the window`);
  return faults;
}
