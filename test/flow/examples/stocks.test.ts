/**
 * The stocks example: live prices, the last ones at once for a page that comes late, and a slow page that skips.
 * @module
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { examineEverywhere, openBrowser, openWindow } from '../../support/console/browser.ts';
import { type RunningExample, startExample, visit } from '../../support/examples/application.ts';
import { callerAt, token } from '../../support/wire/wire.ts';

const CHANNEL = 'demo/stocks/prices';
const SYMBOLS = 20;
/** With ten prices in a second and a look every two, a slow page skips 19 of 20. On a busy machine there are fewer prices. */
const LEAST_SKIPPED = 3;
let browser: Browser;
let stocks: RunningExample;
beforeAll(async () => {
  [browser, stocks] = await Promise.all([openBrowser(), startExample('stocks')]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), stocks?.stop()]);
});

const figure = async (page: Page, label: string): Promise<number> => {
  const box = page.locator('.figures > div', { hasText: label });
  return Number.parseFloat(await box.locator('dd').innerText());
};

/** The prices on the page: symbol and price. */
async function shownIn(page: Page): Promise<Record<string, string>> {
  const rows = await page.locator('.stocks .row').allInnerTexts();
  return Object.fromEntries(rows.map((row) => row.split(/\s+/).slice(0, 2)));
}

/** The newest prices that the hub has. */
async function newestPrices(): Promise<Record<string, string>> {
  const secret = await token({ [CHANNEL]: ['subscribe'] });
  const hub = callerAt(inject('hub').url, { Authorization: `Bearer ${secret}` });
  const { messages } = await hub.readAll(CHANNEL, 'latest');
  return Object.fromEntries(messages.map((each) => [Object(each).symbol, Object(each).price.toFixed(2)]));
}

/** The files and the first token of the page, so that it can be opened after the end of the backend. */
async function recordOf({ url }: RunningExample) {
  const json = { 'Content-Type': 'application/json' };
  const init = { method: 'POST', headers: json, body: '{"name":"Guest"}' };
  const answers = await Promise.all(
    ['', 'page.js', 'style.css', 'token'].map(async (path) => {
      const answer = await fetch(`${url}${path}`, path === 'token' ? init : {});
      const headers = Object.fromEntries(answer.headers);
      return [`${url}${path}`, { headers, body: await answer.text() }] as const;
    }),
  );
  return new Map(answers);
}

async function expectOnlyReads(secret: string): Promise<void> {
  const visitor = callerAt(inject('hub').url, { Authorization: `Bearer ${secret}` });
  expect((await visitor.read(CHANNEL, 'latest')).status).toBe(200);
  expect((await visitor.publish(CHANNEL, { symbol: 'ACME', price: 1, n: 1, at: 1 })).status).toBe(403);
}

test('prices are live, a slow page skips and does not fall behind, and a page that comes late has the last prices at once', async () => {
  const { page, complaints } = await visit(browser, stocks);
  await expect.poll(async () => Object.keys(await shownIn(page)).length).toBe(SYMBOLS);
  expect(await page.locator('canvas').count()).toBe(SYMBOLS);
  const before = await shownIn(page);
  await expect.poll(async () => await shownIn(page)).not.toEqual(before);
  await expect.poll(async () => await figure(page, 'Prices received')).toBeGreaterThan(10 * SYMBOLS);
  // On a busy machine a few are skipped for every page.
  expect(await figure(page, 'Skipped')).toBeLessThan(await figure(page, 'Prices received'));
  await examineEverywhere(page, 'example-stocks');

  await page.getByRole('button', { name: 'Slow tab' }).click();
  // The button begins the count again.
  await expect
    .poll(async () => (await figure(page, 'Skipped')) / (await figure(page, 'Prices received')))
    .toBeGreaterThan(LEAST_SKIPPED);

  const record = await recordOf(stocks);
  await expectOnlyReads(JSON.parse(record.get(`${stocks.url}token`)?.body ?? '').token);
  await stocks.stop();
  const newest = await newestPrices();
  expect(Object.keys(newest).length).toBe(SYMBOLS);
  // The exchange is closed. The slow page has its last prices with the next look.
  await expect.poll(async () => await shownIn(page)).toEqual(newest);

  const late = await openWindow(browser);
  await late.route(`${stocks.url}**`, async (route) => {
    const answer = record.get(route.request().url());
    await (answer ? route.fulfill(answer) : route.abort());
  });
  await late.goto(stocks.url);
  await expect.poll(async () => await shownIn(late)).toEqual(newest);
  expect(await figure(late, 'Prices received')).toBe(SYMBOLS);
  expect(complaints).toEqual([]);
  await late.close();
  await page.close();
});
