/**
 * What the console shows of special channels, in a real browser: ephemeral messages, the newest message of each key, and who is here.
 * @module
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { complaintsOf, examineEverywhere, openBrowser } from '../../support/console/browser.ts';
import { open, openChannels, publish, shownIn } from '../../support/console/channels.ts';
import { socketWith } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => await browser?.close());

const show = (page: Page, view: string) => page.getByRole('button', { name: view, exact: true }).click();
const ephemeral = (page: Page) => page.getByLabel('Ephemeral: only to those who are');

test('an ephemeral message is shown as such, and is not in the history', async () => {
  const hub = await callerWith(EVERYTHING);
  const channel = newChannel('console');
  await hub.publish(channel, 'stored');
  const page = await openChannels(browser, await token(EVERYTHING));
  const complaints = complaintsOf(page);
  await open(page, channel);
  await ephemeral(page).check();
  // At most once: a subscriber may miss one.
  await expect
    .poll(async () => {
      await publish(page, '{"typing":true}');
      return await shownIn(page);
    })
    .toContain('{"typing":true}');
  const first = page.locator('.messages li').first();
  expect(await first.innerText()).toContain('ephemeral, not stored');
  expect(await first.innerText()).not.toMatch(/\d{16}/);
  await ephemeral(page).uncheck();
  await publish(page, '"kept"');
  await expect.poll(async () => (await shownIn(page))[0]).toBe('"kept"');
  // The history begins before the oldest message that has an offset.
  await page.getByRole('button', { name: 'Older messages' }).click();
  await expect.poll(async () => await page.locator('.channel-view').innerText()).toContain('the beginning');
  expect((await hub.readAll(channel)).messages).toEqual(['stored', 'kept']);
  await examineEverywhere(page, 'channels-ephemeral');
  expect(complaints).toEqual([]);
  await page.close();
});

test('a keyed channel is made, and its newest messages change as they come', async () => {
  const hub = await callerWith(EVERYTHING);
  const channel = newChannel('console');
  const page = await openChannels(browser, await token(EVERYTHING));
  const complaints = complaintsOf(page);
  await page.getByText('New keyed channel').click();
  await page.getByLabel('Name', { exact: true }).fill(channel);
  await page.getByLabel('Where the key is').fill('symbol');
  await page.getByRole('button', { name: 'Create it' }).click();
  await expect.poll(async () => await page.getByRole('alert').first().innerText()).toContain('Stream-Key');
  await page.getByLabel('Where the key is').fill('/symbol');
  await page.getByRole('button', { name: 'Create it' }).click();
  await expect
    .poll(async () => await page.locator('.channel-view').innerText())
    .toContain('keyed by /symbol');
  expect(await page.getByLabel('Message as').inputValue()).toBe('{"symbol":"a","value":1}');

  await show(page, 'Newest of each key');
  await expect
    .poll(async () => await page.locator('.channel-view').innerText())
    .toContain('No key has a value');
  const rows = page.locator('.rows tbody tr');
  const shown = async () => (await rows.allInnerTexts()).map((row) => row.split(/\s+/));
  await publish(page, '[{"symbol":"A","n":1},{"symbol":"B","n":1},{"symbol":"A","n":2}]');
  await expect.poll(shown).toEqual([
    ['A', '{"symbol":"A","n":2}'],
    ['B', '{"symbol":"B","n":1}'],
  ]);
  await hub.publish(channel, { symbol: '\u202eC', n: 3 }, { symbol: 'B', headers: { operation: 'delete' } });
  await expect.poll(shown).toEqual([
    ['A', '{"symbol":"A","n":2}'],
    ['\\u{202e}C', '{"symbol":"\\u{202e}C","n":3}'],
  ]);
  await publish(page, '{"n":1}');
  await expect
    .poll(async () => await page.locator('.channel-view .problem').first().innerText())
    .toContain('bad_key');
  await examineEverywhere(page, 'channels-keyed');
  await show(page, 'Messages');
  await expect.poll(async () => (await shownIn(page)).length).toBe(5);
  expect(complaints).toEqual([]);
  await page.close();
});

test('who is here: members come and go, and a channel without presence says why there are none', async () => {
  const channel = newChannel('present');
  const page = await openChannels(browser, await token(EVERYTHING));
  const complaints = complaintsOf(page);
  await open(page, channel);
  await show(page, 'Who is here');
  const view = page.locator('.channel-view');
  await expect.poll(async () => await view.innerText()).toContain('One member. This page is one of them');
  const other = await socketWith(EVERYTHING);
  await other.ask({ action: 'subscribe', channel, presence: { name: '<b>Alice</b>' } });
  const members = page.locator('.members li');
  await expect.poll(async () => (await members.allInnerTexts())[1]).toContain('{"name":"<b>Alice</b>"}');
  expect((await members.allInnerTexts())[1]).toContain('by websocket, since');
  await examineEverywhere(page, 'channels-presence');
  await other.close();
  await expect.poll(async () => await members.count()).toBe(1);
  // The page still follows the channel.
  await show(page, 'Messages');
  await publish(page, '"still here"');
  await expect.poll(async () => await shownIn(page)).toEqual(['"still here"']);

  await open(page, newChannel('console'));
  await show(page, 'Who is here');
  await expect.poll(async () => await view.innerText()).toContain('This channel has no presence');
  await publish(page, '"followed"');
  await show(page, 'Messages');
  await expect.poll(async () => await shownIn(page)).toEqual(['"followed"']);
  expect(complaints).toEqual([]);
  await page.close();
});
