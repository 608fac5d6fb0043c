/**
 * The channels of the console as a person uses them.
 * @module
 */
import type { Browser, Page } from 'playwright-core';
import { expect } from 'vitest';
import { openSignedIn } from './browser.ts';

export const openChannels = (browser: Browser, secret: string): Promise<Page> =>
  openSignedIn(browser, 'channels', secret);

/** Opens a channel by its name, and waits until the page follows it. */
export async function open(page: Page, channel: string): Promise<void> {
  await page.getByLabel('Channel, or the beginning').fill(channel);
  await page.getByRole('button', { name: 'Open' }).click();
  await expect.poll(async () => await page.locator('.channel-view .state').innerText()).toContain('Live by');
}

export const publish = async (page: Page, text: string): Promise<void> => {
  await page.getByLabel('Message as').fill(text);
  await page.getByRole('button', { name: 'Publish' }).click();
};

/** The messages that the page shows, the newest first. */
export const shownIn = (page: Page): Promise<string[]> => page.locator('.messages pre').allInnerTexts();
