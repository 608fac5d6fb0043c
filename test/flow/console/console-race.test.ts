/**
 * The console as a person uses it, in a real browser: signing in, and the race.
 * @module
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { fieldsOf } from '../../../protocol/fields.ts';
import { complaintsOf, examineEverywhere, openBrowser, openWindow } from '../../support/console/browser.ts';
import { everywhere, figure, figures, storedIn, TRACKS, trackOf } from '../../support/console/race.ts';
import { isHubLocal } from '../../support/webhooks/webhook-calls.ts';
import { type Receiver, startReceiver } from '../../support/wire/receiver.ts';
import { callerWith, EVERYTHING, token } from '../../support/wire/wire.ts';

let browser: Browser;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await receiver?.close();
});

async function openConsole(): Promise<Page> {
  const page = await openWindow(browser);
  await page.goto(`${inject('hub').url}/console`);
  return page;
}

async function signIn(page: Page, secret: string): Promise<void> {
  await page.getByLabel('Token').fill(secret);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** The endpoints of a channel, as the hub lists them. */
async function endpointsOf(channel: string): Promise<string[]> {
  const caller = await callerWith(EVERYTHING);
  const found: string[] = [];
  for (let after = ''; ; ) {
    const page: unknown = await (await caller.request(`/webhooks?limit=100${after}`)).json();
    const { endpoints, next } = fieldsOf(page);
    for (const { id, channels } of Array.isArray(endpoints) ? endpoints : [])
      if (channels.includes(channel)) found.push(id);
    if (next === undefined) return found;
    after = `&after=${next}`;
  }
}

test('a wrong token is refused with a sentence, and stays out of the address and of the storage', async () => {
  const page = await openConsole();
  const complaints = complaintsOf(page);
  await examineEverywhere(page, 'sign-in');
  await signIn(page, 'no.such.token');
  const alert = page.getByRole('alert');
  await expect.poll(async () => await alert.innerText()).toContain('does not accept this token');
  await signIn(page, await token(EVERYTHING, -120));
  await expect.poll(async () => await alert.innerText()).toContain('has expired');
  await signIn(page, await token(EVERYTHING));
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  expect(page.url()).toBe(`${inject('hub').url}/console`);
  expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage, document.cookie])')).toBe(
    '[{},{},""]',
  );
  await page.reload();
  await page.getByLabel('Token').waitFor();
  expect(complaints).toEqual([]);
  await page.close();
});

test.runIf(isHubLocal)(
  'a message arrives by all five transports, none lost and none doubled, also after a cut and a freeze',
  async () => {
    const page = await openConsole();
    const complaints = complaintsOf(page);
    await signIn(page, await token(EVERYTHING));
    await page.getByLabel('URL of a receiver').fill(receiver.url);
    await page.getByRole('button', { name: 'Send webhooks there' }).click();
    await expect
      .poll(async () => await page.locator('.state').allInnerTexts())
      .toEqual(Array(TRACKS.length).fill('Connected'));
    const channel = await page.locator('.channel bdi').innerText();

    await page.getByRole('button', { name: 'Publish one' }).click();
    await expect.poll(async () => await figures(page, 'Arrived')).toEqual(everywhere('1'));

    // Ten a second, as the page begins with, until there is something to see.
    await page.getByRole('button', { name: 'Start the stream' }).click();
    await trackOf(page, 'WebSocket').getByRole('button', { name: 'Cut 5 s' }).click();
    await expect
      .poll(async () => await trackOf(page, 'WebSocket').locator('.state').innerText())
      .toBe('Network cut');
    await trackOf(page, 'Server-Sent Events').getByRole('button', { name: 'Freeze' }).click();
    await expect.poll(async () => await storedIn(page)).toMatch(/^\d{2,}$/);
    const frozen = Number(await figure(page, 'Server-Sent Events', 'Arrived'));
    await expect
      .poll(async () => Number(await figure(page, 'Long polling', 'Arrived')))
      .toBeGreaterThan(frozen + 5);
    await trackOf(page, 'Server-Sent Events').getByRole('button', { name: 'Freeze' }).click();
    await expect
      .poll(async () => Number(await figure(page, 'Server-Sent Events', 'Arrived')))
      .toBeGreaterThan(frozen + 5);
    await expect.poll(async () => Number(await storedIn(page))).toBeGreaterThan(60);
    await examineEverywhere(page, 'race');
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    // The page shows its numbers with a delay. With this button they are those after the last publish.
    await page.getByRole('button', { name: 'Start the stream' }).waitFor();
    await expect
      .poll(async () => await page.locator('.sent').innerText())
      .toMatch(/^(\d+) published, \1 stored$/);
    const all = await storedIn(page);
    await expect.poll(async () => await figures(page, 'Arrived')).toEqual(everywhere(all));
    expect(await figures(page, 'Lost')).toEqual(everywhere('0'));
    expect(await figures(page, 'Doubled')).toEqual(everywhere('0'));
    for (const track of TRACKS) {
      expect(await figure(page, track, 'p50')).toMatch(/^[\d.,]+ m?s$/);
      expect(await figure(page, track, '$ a million')).toMatch(/^\$[\d.,]+$/);
      expect(Number((await figure(page, track, 'AWS calls')).replaceAll(',', ''))).toBeGreaterThan(0);
    }
    // All tracks are at the end of the log.
    const { next } = await (await callerWith(EVERYTHING)).readAll(channel);
    for (const track of TRACKS.slice(0, -1))
      expect(await trackOf(page, track).locator('header').innerText()).toContain(`at offset ${next}`);
    const ids = new Set(receiver.received.map(({ id }) => id));
    expect(ids.size).toBe(Number(all));

    expect(await endpointsOf(channel)).toHaveLength(1);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await expect.poll(async () => await endpointsOf(channel)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  },
);

test('a hundred more sockets get everything too; for streams they are calculated', async () => {
  const page = await openConsole();
  await signIn(page, await token(EVERYTHING));
  const sockets = trackOf(page, 'WebSocket');
  await sockets.getByRole('button', { name: '+100 clients' }).click();
  await trackOf(page, 'Long polling').getByRole('button', { name: '+100 clients' }).click();
  await expect.poll(async () => await sockets.locator('.clients').first().innerText()).toBe('101 clients');
  expect(await trackOf(page, 'Long polling').locator('.clients').first().innerText()).toBe(
    '1 client, and 100 calculated',
  );
  // Each socket begins at the same offset, so it gets the message also if it connects later: on a busy machine after some backoffs.
  await page.getByRole('button', { name: 'Publish one' }).click();
  await expect.poll(async () => await figure(page, 'WebSocket', 'Arrived'), { timeout: 120_000 }).toBe('101');
  expect([await figure(page, 'WebSocket', 'Lost'), await figure(page, 'WebSocket', 'Doubled')]).toEqual([
    '0',
    '0',
  ]);
  await page.close();
});

test.runIf(isHubLocal)(
  'a token that may not publish is told so, and a webhook that the hub refuses too',
  async () => {
    const page = await openConsole();
    await signIn(page, await token({ 'chat/*': ['subscribe'] }));
    await expect
      .poll(async () => await page.getByRole('alert').innerText())
      .toMatch(/cannot begin[\s\S]*forbidden/);
    await examineEverywhere(page, 'race-refused');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await signIn(page, await token({ 'chat/*': ['publish', 'subscribe'] }));
    await page.getByLabel('URL of a receiver').fill(receiver.url);
    await page.getByRole('button', { name: 'Send webhooks there' }).click();
    await expect
      .poll(async () => await trackOf(page, 'Webhook').innerText())
      .toMatch(/Stopped[\s\S]*forbidden/);
    await page.close();
  },
);
