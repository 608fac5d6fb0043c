/**
 * The race as a person reads it from the page.
 * @module
 */
import type { Locator, Page } from 'playwright-core';

/** The names of the tracks, in the order of the page. */
export const TRACKS = ['Short polling', 'Long polling', 'Server-Sent Events', 'WebSocket', 'Webhook'];

/** The part of the page about one track. */
export const trackOf = (page: Page, name: string): Locator => page.getByRole('region', { name, exact: true });

/** The text of a figure of a track. */
export const figure = async (page: Page, track: string, label: string): Promise<string> =>
  await trackOf(page, track)
    .locator('.figure', { has: page.getByText(label, { exact: true }) })
    .locator('dd')
    .innerText();

/** A figure of all tracks. */
export const figures = async (page: Page, label: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    await Promise.all(TRACKS.map(async (track) => [track, await figure(page, track, label)])),
  );

/** The same text for all tracks. */
export const everywhere = (text: string): Record<string, string> =>
  Object.fromEntries(TRACKS.map((track) => [track, text]));

/** How many messages the hub has stored, as the page says. */
export async function storedIn(page: Page): Promise<string> {
  const text = await page.locator('.sent').innerText();
  return / ([\d,]+) stored$/.exec(text)?.[1] ?? text;
}
