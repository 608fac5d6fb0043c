/**
 * The health of a hub in the console, in a real browser. test/commands/console.test.ts has the numbers of a hub that `npm start` runs.
 * @module
 */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { complaintsOf, examineEverywhere, openBrowser, openSignedIn } from '../../support/console/browser.ts';
import { EVERYTHING, token } from '../../support/wire/wire.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => await browser?.close());

/** The report of a hub that has run for an hour. */
const REPORT = {
  ms: 3_600_000,
  connected: 3,
  deadLetters: 2,
  metrics: [
    { name: 'Published', count: 40, sum: 1_000, most: 30 },
    { name: 'Delivered', function: 'Push', count: 40, sum: 2_500, most: 90 },
    { name: 'Delivered', function: 'Deliver', count: 9, sum: 9, most: 1 },
    { name: 'PushLag', count: 4, sum: 200, most: 110 },
    { name: 'RefusedAccess', count: 1, sum: 7, most: 7 },
  ],
  calls: [
    { function: 'Publish', action: 'dynamodb:PutItem', count: 1_000_000 },
    { function: 'Publish', action: 'made:Up', count: 3 },
    { function: 'Dispatch', action: 'sqs:ChangeMessageVisibility', count: 20 },
  ],
  runs: [
    { function: 'Publish', count: 1_000_000, ms: 5_000 },
    { function: 'Stream', count: 10, ms: 3_600_000 },
  ],
};

test('a deployed hub names its dashboard, because CloudWatch has its numbers', async () => {
  const page = await openSignedIn(browser, 'health', await token(EVERYTHING));
  const complaints = complaintsOf(page);
  const shown = page.locator('main.health');
  await expect.poll(async () => await shown.innerText()).toContain('This hub is deployed');
  const stage = inject('hub').audience.replace('tidings:', '');
  expect(await shown.innerText()).toContain(`tidings-${stage}-hub-{Region}`);
  expect(await shown.getByRole('link').getAttribute('href')).toMatch(
    /^https:\/\/console\.aws\.amazon\.com\/cloudwatch\//,
  );
  await examineEverywhere(page, 'health-deployed');
  expect(complaints).toEqual([]);
  await page.close();
});

test('a hub on this machine shows its counts, calls and costs, and says when it does not answer', async () => {
  const page = await openSignedIn(browser, 'race', await token(EVERYTHING));
  const answers = [{ status: 503, json: { error: { code: 'unavailable', message: 'not now' } } }];
  await page.route('**/console/health', async (route) => {
    await route.fulfill(answers.shift() ?? { json: REPORT });
  });
  await page.getByRole('link', { name: 'Health' }).click();
  await expect
    .poll(async () => await page.getByRole('alert').allInnerTexts())
    .toEqual(['unavailable: not now']);
  // It looks again by itself.
  await expect.poll(async () => await page.getByRole('alert').count()).toBe(0);
  const shown = (await page.locator('main.health').innerText()).replaceAll(/\s+/g, ' ');
  for (const figure of [
    'Published 1,000',
    'Delivered 2,509',
    'Connected now 3',
    'average 50 ms',
    'longest 110 ms',
  ])
    expect(shown).toContain(figure);
  for (const row of ['Dead letters 2', 'WebSocket 2,500', 'Webhook 9', 'Long polling 0', '(401, 403) 7'])
    expect(shown).toContain(row);
  for (const cost of [
    'dynamodb:PutItem 1,000,000 $0.63',
    'made:Up 3 –',
    'sqs:ChangeMessageVisibility 20 under $0.0001',
    'AWS calls of functions $0.63 $450',
  ])
    expect(shown).toContain(cost);
  await examineEverywhere(page, 'health');
  await page.close();
});

test('a token that may not manage everything is told so', async () => {
  const page = await openSignedIn(browser, 'race', await token({ 'chat/*': ['subscribe'] }));
  await page.route('**/console/health', async (route) => {
    await route.fulfill({ status: 403, json: { error: { code: 'forbidden', message: 'no' } } });
  });
  await page.getByRole('link', { name: 'Health' }).click();
  await expect
    .poll(async () => await page.locator('main.health').getByRole('alert').allInnerTexts())
    .toContainEqual(expect.stringContaining('that needs manage on everything'));
  await page.close();
});
