// Who may only look is offered nothing that they may not do, on any page.
import { ask, say } from './asking.ts';
import { openContext, signIn, withBrowser } from './browser.ts';
import { check } from './expect.ts';
import { PAGES, settled } from './pages.ts';

/** What changes nothing but what is shown; and a machine of one's own, which everybody may bring. */
const HARMLESS = [
  /^(Show|Hide) details of /,
  /^(Show all|Show more.*|Load more.*|History|Close|Add a host)$/,
  /^Copy /,
];

/** How a log is read. */
const HARMLESS_FIELDS = ['Follow'];

await withBrowser('viewer', async (browser) => {
  const { context, complaints } = await openContext(browser);
  const page = await context.newPage();
  await signIn(page, await ask<string>('viewer'));
  const faults: string[] = [];
  // What a button opens that is not there cannot be looked at.
  const pages = new Map(PAGES.map(({ name, path }) => [path, name]));
  for (const [path, name] of pages) {
    await page.goto(path);
    await settled(page);
    const main = page.locator('main');
    const buttons = await main
      .locator('button:visible:not([aria-pressed])')
      .evaluateAll((all) => all.map((each) => each.getAttribute('aria-label') || each.textContent || ''));
    for (const button of buttons) {
      if (!HARMLESS.some((harmless) => harmless.test(button.trim()))) faults.push(`${name}: ${button}`);
    }
    const fields = await main
      .locator('[contenteditable=true], textarea:enabled:not([readonly]), input[type=checkbox]:enabled')
      .evaluateAll((all) =>
        all.map((each) => (each as HTMLInputElement).labels?.[0]?.textContent ?? 'a field'),
      );
    for (const field of fields) if (!HARMLESS_FIELDS.includes(field)) faults.push(`${name}: ${field}`);
  }
  check(faults.length === 0, `nothing is offered:\n${faults.join('\n')}`);
  check(complaints.length === 0, `the browser had no complaint: ${complaints.join('\n')}`);
  say(`a viewer looked at ${pages.size} pages`);
});
