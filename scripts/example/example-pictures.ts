/**
 * Takes pictures of the examples, with a hub, their backends and a real browser.
 * @module
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { openBrowser } from '../console/real-browser.ts';
import { startBackend } from './backend.ts';
import { findHub } from './example-hub.ts';

/** Pixels. The pictures are shown as wide as the text of a page. */
const VIEWPORT = { width: 1_000, height: 640 };
/** Time until the charts have lines, in milliseconds. */
const CHARTS_MS = 30_000;
/** Time until each bot has found a coin, in milliseconds. */
const GAME_MS = 20_000;
/** Time in which the assistant writes about half of its answer, in milliseconds. */
const HALF_MS = 3_500;

/** What is done before the picture of an example: it returns the page to show. */
type Scene = (open: (name?: string) => Promise<Page>) => Promise<Page>;

const SCENES: Readonly<Record<string, Scene>> = {
  async chat(open) {
    const [ada, bo] = [await open('Ada'), await open('Bo')];
    const say = async (page: Page, text: string): Promise<void> => {
      await page.getByLabel('Message', { exact: true }).fill(text);
      await page.getByRole('button', { name: 'Send' }).click();
      await ada.getByText(text).waitFor();
    };
    await say(bo, 'Does the deploy of Friday work with one Region?');
    await say(ada, 'Yes. The doctor found one quota, and it is raised.');
    await say(ada, 'wrong window, sorry');
    await ada.getByText('wrong window').locator('..').getByRole('button', { name: 'Delete' }).click();
    await say(bo, 'Then I will start it after lunch.');
    await bo.getByLabel('Message', { exact: true }).pressSequentially('And then');
    await ada.getByText('Bo is typing').waitFor();
    return ada;
  },
  async stocks(open) {
    const page = await open();
    await sleep(CHARTS_MS);
    return page;
  },
  async game(open) {
    const page = await open('Ada');
    await sleep(GAME_MS);
    return page;
  },
  async assistant(open) {
    const page = await open();
    await page.getByLabel('Question').fill('What happens to your answer when I reload the page?');
    await page.getByRole('button', { name: 'Ask' }).click();
    await sleep(HALF_MS);
    return page;
  },
};

/** Takes a picture of each example. @param fileOf returns the file for a name */
export async function photographExamples(fileOf: (name: string) => string): Promise<void> {
  const hub = await findHub({}, new AbortController().signal);
  if (hub === undefined) return;
  const browser = await openBrowser();
  try {
    for (const [name, scene] of Object.entries(SCENES)) {
      process.stdout.write(`playing ${name} …\n`);
      const environment = { ...hub.environment, PORT: '0' };
      const backend = startBackend(`${name}/server.ts`, environment, 'pipe');
      try {
        const url = await addressOf(backend);
        const page = await scene((visitor) => openPage(browser, url, visitor));
        await page.locator('main').screenshot({ path: fileOf(name) });
      } finally {
        backend.kill();
      }
      for (const context of browser.contexts()) await context.close();
    }
  } finally {
    await browser.close();
    await hub.close();
  }
}

async function addressOf({ stdout }: ChildProcess): Promise<string> {
  for await (const chunk of stdout ?? []) {
    const [url] = /http:\S+/.exec(String(chunk)) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error('the backend has ended, see above');
}

async function openPage(browser: Browser, url: string, visitor: string | undefined): Promise<Page> {
  const page = await browser.newPage({ viewport: VIEWPORT, locale: 'en-GB', colorScheme: 'light' });
  await page.goto(url);
  if (visitor === undefined) return page;
  await page.getByLabel('Your name').fill(visitor);
  await page.getByRole('button', { name: 'Enter' }).click();
  return page;
}
