/**
 * The connections of the console, in a real browser: who is connected, with which subscriptions, and the end of one.
 * @module
 */
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { complaintsOf, examineEverywhere, openBrowser, openSignedIn } from '../../support/console/browser.ts';
import { subscribe } from '../../support/wire/follow.ts';
import { openSocket, type Socket } from '../../support/wire/socket.ts';
import { EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => await browser?.close());

async function socketOf(principal: string): Promise<Socket> {
  const bearer = await token(EVERYTHING, 600, principal);
  return await openSocket({ headers: { Authorization: `Bearer ${bearer}` } });
}

/** The rows of a name. Other tests have connections, too. */
const rowsOf = (page: Page, name: string): Locator =>
  page.locator('li.connection', { has: page.getByText(name, { exact: true }) });

/** Refreshes until the rows of a name are as wanted: the list may be a second late, and may have several pages. */
async function until(page: Page, name: string, wanted: (texts: readonly string[]) => boolean): Promise<void> {
  await expect
    .poll(
      async () => {
        if (wanted(await rowsOf(page, name).allInnerTexts())) return true;
        const more = page.getByRole('button', { name: 'More' });
        await ((await more.count()) > 0 ? more : page.getByRole('button', { name: 'Refresh' })).click();
        return false;
      },
      { timeout: 20_000, interval: 300 },
    )
    .toBe(true);
}

test('a socket appears with its subscriptions, End ends it, and its client is told', async () => {
  // What others have written is text, with its direction.
  const name = `<b>ada</b>\u202e ${newChannel()}`;
  const shown = name.replace('\u202e', '\\u{202e}');
  const [one, other] = [await socketOf(name), await socketOf(`${name} too`)];
  const channels = Array.from({ length: 10 }, () => newChannel());
  for (const channel of channels) await subscribe(one, channel);
  const page = await openSignedIn(browser, 'connections', await token(EVERYTHING));
  const complaints = complaintsOf(page);
  const asked: string[] = [];
  let isSure = false;
  page.on('dialog', (dialog) => {
    asked.push(dialog.message());
    void (isSure ? dialog.accept() : dialog.dismiss());
  });
  await until(page, shown, ([text = '']) => text.includes('2 more'));
  const row = rowsOf(page, shown);
  expect(await row.innerText()).toMatch(/by WebSocket, since [\d:]{8}, ends by [\d:]{8}, /);
  await row.getByText('2 more').click();
  const names = (await row.getByRole('listitem').allInnerTexts()).toSorted();
  expect(names).toEqual(channels.toSorted());
  await until(page, `${shown} too`, ([text = '']) => text.includes('No subscriptions'));
  await examineEverywhere(page, 'connections');

  // By keyboard, and first without being sure.
  const end = row.getByRole('button', { name: `End the connection of ${shown}` });
  await end.focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => asked.length).toBe(1);
  expect(asked[0]).toContain(`End the connection of ${shown}?`);
  expect((await one.ask({ action: 'ping' })).type).toBe('pong');
  isSure = true;
  await page.keyboard.press('Enter');
  await one.ended;
  expect(one.unread()).toContainEqual({
    type: 'error',
    code: 'unauthorized',
    message: 'the hub was told to end this connection',
  });
  // It looks by itself until the row is gone, and the focus is where the news is.
  await expect.poll(async () => await row.count()).toBe(0);
  await expect.poll(async () => await page.locator('.news').innerText()).toBe('The connection has ended.');
  expect(await page.evaluate('document.activeElement.className')).toBe('news');
  expect(await rowsOf(page, `${shown} too`).count()).toBe(1);
  expect((await other.ask({ action: 'ping' })).type).toBe('pong');
  expect(complaints).toEqual([]);
  await other.close();
  await page.close();
});

test('an empty list, a long one, and a hub that is busy are said', async () => {
  const page = await openSignedIn(browser, 'race', await token(EVERYTHING));
  const busy = { status: 503, json: { error: { code: 'unavailable', message: 'not now' } } };
  const answers = [busy, { json: { connections: [], next: 'more' } }, { json: { connections: [] } }];
  await page.route('**/connections?*', async (route) => {
    await route.fulfill(answers.shift() ?? { json: { connections: [] } });
  });
  const refresh = page.getByRole('button', { name: 'Refresh' });
  const shown = page.locator('main.connections');
  await page.getByRole('link', { name: 'Connections' }).click();
  await expect
    .poll(async () => await shown.getByRole('alert').allInnerTexts())
    .toEqual(['unavailable: not now']);
  await examineEverywhere(page, 'connections-error');
  await refresh.click();
  await expect.poll(async () => await shown.innerText()).toContain('More looks further');
  expect(await shown.getByRole('alert').count()).toBe(0);
  await refresh.click();
  await expect.poll(async () => await shown.innerText()).toContain('Nobody is connected');
  expect(await page.getByRole('button', { name: 'More' }).count()).toBe(0);
  await page.close();
});

test('a token that may not manage everything is told so, and sees nobody', async () => {
  const name = `unseen ${newChannel()}`;
  const socket = await socketOf(name);
  const page = await openSignedIn(browser, 'connections', await token({ '*': ['publish', 'subscribe'] }));
  await expect
    .poll(async () => await page.locator('main.connections').getByRole('alert').allInnerTexts())
    .toContainEqual(expect.stringContaining('that needs manage on everything'));
  expect(await page.locator('main').innerText()).not.toContain(name);
  await socket.close();
  await page.close();
});
