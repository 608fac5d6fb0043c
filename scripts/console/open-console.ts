/**
 * Opens the console of a local hub in a real browser, by the address that `npm start` prints.
 * @module
 */
import type { BrowserContextOptions, Page } from 'playwright-core';
import { consoleLink } from '../hub/console-link.ts';
import { startHub } from '../hub/local-hub.ts';
import { openBrowser } from './real-browser.ts';

/** Requests at a time in one process of a function: the page shares the machine with the hub. */
const CONCURRENCY = 64;

/** A console that is open and signed in. */
export interface OpenConsole {
  /** The page of the browser. */
  readonly page: Page;
  /** Ends the browser and the hub. */
  readonly close: () => Promise<void>;
}

/** A row of the race: the label of each figure, and its text. */
export type RaceRow = Readonly<Record<string, string>>;

/** Starts a hub and a browser, and opens the console. */
export async function openConsole(options: BrowserContextOptions): Promise<OpenConsole> {
  const link = await consoleLink();
  const { intercept } = link;
  const context = { 'tidings:console': true };
  const hub = await startHub({ concurrency: CONCURRENCY, context, intercept });
  const browser = await openBrowser();
  // Without a locale Chromium takes one from the machine that Intl does not know.
  const page = await browser.newPage({ locale: 'en-GB', ...options });
  await page.goto(link.addressOf(hub));
  await page.getByRole('button', { name: 'Start the stream' }).waitFor();
  return {
    page,
    async close() {
      await browser.close();
      await hub.close();
      link.close();
    },
  };
}

/** Returns the figures of all tracks as the page shows them, by the names of the tracks. */
export async function readRace(page: Page): Promise<Readonly<Record<string, RaceRow>>> {
  // In text, because this project is compiled without the types of browsers.
  return await page.evaluate<Record<string, RaceRow>>(`Object.fromEntries(
    [...document.querySelectorAll('section.track')].map((track) => [
      track.querySelector('h2').textContent,
      {
        State: track.querySelector('.state').textContent,
        ...Object.fromEntries(
          [...track.querySelectorAll('.figure')].map((figure) => [
            figure.querySelector('dt').textContent,
            figure.querySelector('dd').textContent,
          ]),
        ),
      },
    ]),
  )`);
}
