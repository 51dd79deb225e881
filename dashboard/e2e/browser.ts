import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { setting } from './settings.ts';

/** A cold page takes a second, and a minute where forty programs want two cores. */
const ACTION_MS = 120_000;

/** Where systems keep it; CREEL_CHROMIUM names another one. */
const PROGRAMS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/opt/homebrew/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** What a browser complained about: a page that works has nothing here. */
export type Complaints = string[];

/** Runs a program with a browser. Where it fails, what every page showed is kept. */
export async function withBrowser(
  name: string,
  program: (browser: Browser) => Promise<void>,
): Promise<never> {
  const browser = await openBrowser();
  try {
    await program(browser);
  } catch (error) {
    const pages = browser.contexts().flatMap((context) => context.pages());
    for (const [index, page] of pages.entries()) {
      const path = join(setting('SCREENSHOTS'), `failed-${name}-${index}.png`);
      await page.screenshot({ path, fullPage: true }).catch(() => undefined);
      process.stderr.write(`the page at ${page.url()} is shown in ${path}\n`);
    }
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exit(1);
  }
  await browser.close();
  process.exit(0);
}

async function openBrowser(): Promise<Browser> {
  const executablePath = process.env.CREEL_CHROMIUM ?? PROGRAMS.find((file) => existsSync(file));
  if (!executablePath) throw new Error('there is no Chromium; install it, or name it by CREEL_CHROMIUM');
  // Root has no sandbox; what is loaded is our own page.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** A browser of a person of his own, in which every refusal by the policy and every error is kept. */
export async function openContext(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ context: BrowserContext; complaints: Complaints }> {
  const context = await browser.newContext({ baseURL: setting('SUPABASE_URL'), ...options });
  context.setDefaultTimeout(ACTION_MS);
  const complaints: Complaints = [];
  await context.exposeFunction('tellRefused', (what: string) =>
    complaints.push(`refused by the policy: ${what}`),
  );
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      // What is typed over a selection the browser itself gives the style of what was there, in vain.
      const [element] = event.composedPath();
      if (element instanceof Element && element.closest('[contenteditable=true]')) return;
      const tell = (window as unknown as { tellRefused: (what: string) => void }).tellRefused;
      tell(`${event.violatedDirective} ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  context.on('weberror', (error) =>
    complaints.push(`error: ${error.error().stack ?? error.error().message}`),
  );
  context.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { context, complaints };
}

/** Signs in as a person does, and waits for the first page, which is another one for who has no project. */
export async function signIn(
  page: Page,
  email = setting('EMAIL'),
  password = setting('PASSWORD'),
  heading = 'Agents',
): Promise<void> {
  await page.goto('/');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
}

/** The badge that says how the page learns of changes. A narrow page has another one. */
export function liveBadge(page: Page) {
  return page
    .getByRole('status', { name: /^Connection:/ })
    .locator('visible=true')
    .first();
}

/** Waits until the badge says so. */
export async function untilConnection(page: Page, word: string, timeout = ACTION_MS): Promise<void> {
  await page
    .getByRole('status', { name: new RegExp(`^Connection: ${word}`) })
    .locator('visible=true')
    .first()
    .waitFor({ timeout });
}
