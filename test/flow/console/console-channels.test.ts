/**
 * The channels of the console, in a real browser: the list, following, publishing, the history, and hostile content.
 * @module
 */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { complaintsOf, examineEverywhere, openBrowser, openWindow } from '../../support/console/browser.ts';
import { open, openChannels, publish, shownIn } from '../../support/console/channels.ts';
import { callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => await browser?.close());

test('a channel is found in the list, followed, published to, and deleted', async () => {
  const hub = await callerWith(EVERYTHING);
  const folder = newChannel('console');
  const channel = `${folder}/room1`;
  await hub.publish(channel, 'first');
  const page = await openChannels(browser, await token(EVERYTHING));
  const complaints = complaintsOf(page);
  const list = page.getByRole('region', { name: 'List of channels' });
  await list.getByLabel('Channel, or the beginning').fill(`${folder}/`);
  await expect
    .poll(async () => {
      // The list may be a second late.
      await list.getByRole('button', { name: 'List' }).click();
      return await list.locator('li').allInnerTexts();
    })
    .toEqual([channel]);
  await list.getByRole('button', { name: channel }).click();
  await expect.poll(async () => await shownIn(page)).toEqual(['"first"']);

  await publish(page, '{"text":"hello"}');
  await expect.poll(async () => await shownIn(page)).toEqual(['{"text":"hello"}', '"first"']);
  await publish(page, '[1,2]');
  await expect.poll(async () => await shownIn(page)).toEqual(['2', '1', '{"text":"hello"}', '"first"']);
  await publish(page, '{"text":');
  await expect
    .poll(async () => await page.getByRole('alert').allInnerTexts())
    .toContain('This is no JSON. A text needs quotation marks: "hello".');
  await hub.publish(channel, 'from elsewhere');
  await expect.poll(async () => (await shownIn(page))[0]).toBe('"from elsewhere"');
  const { next } = await hub.readAll(channel);
  expect(await page.locator('.messages .about').first().innerText()).toContain(next);
  await examineEverywhere(page, 'channels');

  page.on('dialog', (dialog) => void dialog.accept());
  await page.getByRole('button', { name: 'Delete' }).click();
  await expect.poll(async () => await list.locator('li').allInnerTexts()).not.toContain(channel);
  expect(
    (await hub.request(`/channels/${channel}`, { method: 'HEAD' })).headers.get('Stream-Next-Offset'),
  ).not.toBe(next);
  expect(complaints).toEqual([]);
  await page.close();
});

test('the history is read page by page, to its beginning; a closed channel says so', async () => {
  const hub = await callerWith(EVERYTHING);
  const channel = newChannel('console');
  await hub.publish(channel, ...Array.from({ length: 120 }, (_, n) => n));
  const page = await openChannels(browser, await token(EVERYTHING));
  await open(page, channel);
  await expect.poll(async () => (await shownIn(page)).length).toBe(50);
  const older = page.getByRole('button', { name: 'Older messages' });
  await older.click();
  await expect.poll(async () => (await shownIn(page)).length).toBe(100);
  await older.click();
  await expect.poll(async () => (await shownIn(page)).length).toBe(120);
  await older.click();
  await expect
    .poll(async () => await page.locator('.channel-view').innerText())
    .toContain('This is the beginning');
  expect(await shownIn(page)).toEqual(Array.from({ length: 120 }, (_, n) => String(119 - n)));
  await hub.request(`/channels/${channel}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Stream-Closed': 'true' },
  });
  await expect.poll(async () => await page.locator('.channel-view .state').innerText()).toContain('Closed');
  expect(await page.getByRole('button', { name: 'Publish' }).isDisabled()).toBe(true);
  await page.close();
});

test('hostile messages are text: scripts do not run, directions do not turn, and long lines are cut until they are wanted', async () => {
  const hub = await callerWith(EVERYTHING);
  const channel = newChannel('console');
  const script = '<img src=x onerror="window.attacked=true"><script>window.attacked=true</script>';
  const long = 'a'.repeat(100_000);
  await hub.publish(channel, script, '\u202egnp.exe\u2066', long);
  const page = await openChannels(browser, await token(EVERYTHING));
  const complaints = complaintsOf(page);
  await open(page, channel);
  await expect.poll(async () => (await shownIn(page)).length).toBe(3);
  const [last = '', turned, markup] = await shownIn(page);
  expect([turned, markup]).toEqual(['"\\u{202e}gnp.exe\\u{2066}"', JSON.stringify(script)]);
  expect(last.length).toBeLessThan(1_000);
  await page.getByRole('button', { name: 'Show all' }).click();
  expect((await shownIn(page))[0]).toBe(`"${long}"`);
  await examineEverywhere(page, 'channels-hostile');
  expect(await page.evaluate('window.attacked')).toBeUndefined();
  expect(complaints).toEqual([]);
  await page.close();
});

test('a channel that is deleted while it is shown says so, and can be followed again', async () => {
  const hub = await callerWith(EVERYTHING);
  const channel = newChannel('console');
  await hub.publish(channel, 'before');
  const page = await openChannels(browser, await token(EVERYTHING));
  await open(page, channel);
  await expect.poll(async () => await shownIn(page)).toEqual(['"before"']);
  await hub.request(`/channels/${channel}`, { method: 'DELETE' });
  // The channel of the same name is another one: the offset of the reader is not in it.
  await hub.publish(channel, 'after');
  await expect
    .poll(async () => await page.getByRole('alert').allInnerTexts())
    .toContainEqual(expect.stringContaining('The channel was deleted'));
  await page.getByRole('button', { name: 'Follow it again' }).click();
  await expect.poll(async () => await shownIn(page)).toEqual(['"after"']);
  await page.close();
});

test('a token without manage cannot list, and can open a channel by its name', async () => {
  const hub = await callerWith(EVERYTHING);
  const channel = newChannel('console');
  const page = await openChannels(browser, await token({ 'console/*': ['publish', 'subscribe'] }));
  await expect.poll(async () => await page.getByRole('alert').innerText()).toContain('may not list');
  await open(page, channel);
  await expect.poll(async () => await page.locator('.channel-view').innerText()).toContain('No message yet');
  await hub.publish(channel, { n: 1 });
  await expect.poll(async () => await shownIn(page)).toEqual(['{"n":1}']);
  await page.close();
});

test('a hub that is busy says so, and the next attempt goes on', async () => {
  const page = await openWindow(browser);
  const refusals = [
    { status: 503, code: 'unavailable' },
    { status: 429, code: 'too_many_requests' },
  ];
  await page.route('**/channels?*', async (route) => {
    const refusal = refusals.shift();
    if (refusal === undefined) return await route.continue();
    const { status, code } = refusal;
    await route.fulfill({ status, json: { error: { code, message: 'not now' } } });
  });
  await page.goto(`${inject('hub').url}/console#channels`);
  await page.getByLabel('Token').fill(await token(EVERYTHING));
  await page.getByRole('button', { name: 'Sign in' }).click();
  const alert = page.getByRole('alert');
  await expect.poll(async () => await alert.innerText()).toBe('unavailable: not now');
  await page.getByRole('button', { name: 'Refresh' }).click();
  await expect.poll(async () => await alert.innerText()).toBe('too_many_requests: not now');
  await page.getByRole('button', { name: 'Refresh' }).click();
  await expect.poll(async () => await alert.count()).toBe(0);
  await page.close();
});

test('a token that ends while the page is open leads back to the sign-in, with the reason', async () => {
  // The hub allows for 30 s of clock difference (PROTOCOL.md §7): this token has ten left.
  const page = await openChannels(browser, await token(EVERYTHING, -20));
  await open(page, newChannel('console'));
  await expect.poll(async () => await page.getByLabel('Token').count(), { timeout: 120_000 }).toBe(1);
  expect(await page.getByRole('alert').innerText()).toContain('does not accept the token any more');
  await page.close();
});
