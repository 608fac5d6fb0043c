/**
 * A real browser with the console in it.
 * @module
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { expect, inject } from 'vitest';

export { openBrowser } from '../../../scripts/console/real-browser.ts';

/** Ignored by git. */
const PICTURES = resolve('.tidings/pictures');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const WIDE = { width: 1_280, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** Opens a window. Without a locale Chromium takes one from the machine that Intl does not know. */
export const openWindow = async (browser: Browser): Promise<Page> =>
  await browser.newPage({ viewport: WIDE, locale: 'en-GB' });

/** Opens a page of the console, and signs in with a token. @param name of the page, as in its address */
export async function openSignedIn(browser: Browser, name: string, secret: string): Promise<Page> {
  const page = await openWindow(browser);
  await page.goto(`${inject('hub').url}/console#${name}`);
  await page.getByLabel('Token').fill(secret);
  await page.getByRole('button', { name: 'Sign in' }).click();
  return page;
}

/** What the browser complains about: scripts that throw, and what the policy of the page forbids. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (line) => {
    if (/Content Security Policy|Trusted Type/i.test(line.text())) complaints.push(line.text());
  });
  return complaints;
}

/** Takes a picture for people. */
async function takePicture(page: Page, name: string): Promise<void> {
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: resolve(PICTURES, `${name}.png`), fullPage: true });
}

/** Expects that axe finds nothing serious. */
async function examine(page: Page, name: string): Promise<void> {
  // Once for each page: it is half a megabyte.
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(AXE);
  const serious = await page.evaluate<unknown[]>(`axe.run(document).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => ({ id, nodes: nodes.map(({ target, failureSummary }) => target + ' ' + failureSummary) })))`);
  expect(serious, name).toEqual([]);
}

/** The looks of which people get a picture: each size and each colour scheme once. */
const PICTURED = ['wide-light', 'phone-dark'];

/** Examines the page in light and dark, on a wide screen and on a phone. */
export async function examineEverywhere(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const look = `${size}-${colorScheme}`;
      if (PICTURED.includes(look)) await takePicture(page, `${name}-${look}`);
      await examine(page, `${name}-${look}`);
    }
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(overflow, `${name} is wider than the screen (${size})`).toBe(0);
  }
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: 'light' });
}
