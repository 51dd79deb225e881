// Everything that an agent can write is full of scripts: it is shown as text, and nothing of it runs.
import { ask, say } from './asking.ts';
import { openContext, signIn, withBrowser } from './browser.ts';
import { check } from './expect.ts';
import { settled } from './pages.ts';
import { setting } from './settings.ts';

await withBrowser('hostile', async (browser) => {
  const { context, complaints } = await openContext(browser);
  const attack = await ask<string>('attack');
  const page = await context.newPage();
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(setting('SUPABASE_URL'))) elsewhere.push(request.url());
  });
  await signIn(page);
  const agent = `/p/${setting('PROJECT')}/agents/mallory`;
  for (const path of [
    `/p/${setting('PROJECT')}/agents`,
    agent,
    `${agent}?tab=files&file=soul`,
    `${agent}?tab=files&file=memory_long`,
    `${agent}?tab=config`,
    `${agent}?tab=activity`,
    `${agent}?tab=log`,
    `/p/${setting('PROJECT')}/hosts`,
    `/p/${setting('PROJECT')}/hosts/bbbbbbbb-0000-4000-8000-00000000000e`,
    `/p/${setting('PROJECT')}/queue`,
    `/p/${setting('PROJECT')}/billing`,
    `/p/${setting('PROJECT')}/project`,
  ]) {
    await page.goto(path);
    await settled(page);
    check(!(await page.evaluate(() => 'pwned' in window)), `nothing ran on ${path}`);
    const made = await page.evaluate(() => {
      const inside = [document, ...[...document.querySelectorAll('*')].flatMap((e) => e.shadowRoot ?? [])];
      return inside.flatMap((root) =>
        [
          ...root.querySelectorAll(
            '[onerror], [onload], iframe, object, embed, base, a[href^="javascript:" i]',
          ),
        ].map((e) => e.outerHTML),
      );
    });
    check(made.length === 0, `no element came of it on ${path}: ${made.join('\n')}`);
  }
  await page.goto(`${agent}?tab=files&file=soul`);
  const editor = page.getByRole('textbox', { name: 'Text of SOUL.md' });
  await editor.waitFor();
  check((await editor.innerText()).includes(attack.split('\n')[0] ?? attack), 'SOUL.md is shown as it is');
  check(elsewhere.length === 0, `nobody else was asked: ${elsewhere.join(', ')}`);
  check(complaints.length === 0, `the policy had nothing to refuse: ${complaints.join('\n')}`);
  say('nothing of it ran');
});
