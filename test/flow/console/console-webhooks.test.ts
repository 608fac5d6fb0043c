/**
 * The webhooks of the console, in a real browser: endpoints, deliveries, and what can be asked of them.
 * @module
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { complaintsOf, examineEverywhere, openBrowser, openSignedIn } from '../../support/console/browser.ts';
import { isHubLocal } from '../../support/webhooks/webhook-calls.ts';
import { dataOf, type Receiver, startReceiver, verify } from '../../support/wire/receiver.ts';
import { callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

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

async function openWebhooks(secret: string): Promise<Page> {
  const page = await openSignedIn(browser, 'webhooks', secret);
  page.on('dialog', (dialog) => void dialog.accept());
  return page;
}

async function add(page: Page, url: string, channel: string): Promise<void> {
  await page.getByLabel('URL', { exact: true }).fill(url);
  await page.getByLabel('Channels or patterns').fill(channel);
  await page.getByRole('button', { name: 'Add the endpoint' }).click();
}

/** The deliveries that the page shows, the latest first: their status and channel. */
const deliveriesIn = async (page: Page): Promise<string[]> =>
  await page.evaluate<string[]>(`[...document.querySelectorAll('.deliveries summary')]
    .map((row) => row.querySelector('.delivery-status').textContent + ' ' + row.querySelector('bdi').textContent)`);

test.runIf(isHubLocal)(
  'an endpoint is added, tested, rotated, disabled, enabled, recovered, replayed and deleted',
  async () => {
    const hub = await callerWith(EVERYTHING);
    const channel = newChannel('console');
    const page = await openWebhooks(await token(EVERYTHING));
    const complaints = complaintsOf(page);
    const says = async (text: string): Promise<void> =>
      await expect.poll(async () => await page.locator('.news').innerText()).toContain(text);
    await add(page, receiver.url, channel);
    const secret = page.locator('.new-endpoint .secret code');
    await secret.waitFor();
    const first = await secret.innerText();
    await expect.poll(async () => await page.locator('.channel-view .state').innerText()).toBe('enabled');

    await page.getByRole('button', { name: 'Send a test' }).click();
    await says('A test is on its way');
    await expect.poll(async () => await deliveriesIn(page)).toEqual(['delivered test']);
    await hub.publish(channel, { n: 1 });
    await expect
      .poll(async () => await deliveriesIn(page))
      .toEqual([`delivered ${channel}`, 'delivered test']);
    for (const delivered of receiver.received) verify(first, delivered);

    await page.getByRole('button', { name: 'Rotate the secret' }).click();
    await says('new secret');
    const second = await page.locator('.channel-view .secret code').innerText();
    expect(second).not.toBe(first);

    await page.getByRole('button', { name: 'Disable', exact: true }).click();
    await says('disabled');
    await hub.publish(channel, { n: 2 });
    await expect.poll(async () => (await deliveriesIn(page))[0]).toBe(`skipped ${channel}`);
    await page.getByRole('button', { name: 'Enable', exact: true }).click();
    await says('enabled');
    await page.getByText('Send again', { exact: true }).click();
    await page.getByRole('button', { name: 'Recover', exact: true }).click();
    await says('sends again what failed');
    await expect.poll(() => dataOf(receiver)).toContainEqual({ n: 2 });
    await expect.poll(async () => (await deliveriesIn(page))[0]).toBe(`delivered ${channel}`);

    const before = receiver.received.length;
    await page.getByRole('button', { name: 'Replay', exact: true }).click();
    await says('sends the messages again');
    await expect.poll(() => receiver.received.length).toBeGreaterThanOrEqual(before + 2);
    const last = receiver.received.at(-1);
    if (last) verify(second, last);
    await examineEverywhere(page, 'webhooks');

    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await expect
      .poll(async () => await page.getByRole('region', { name: 'List of endpoints' }).innerText())
      .not.toContain(receiver.url);
    expect(complaints).toEqual([]);
    await page.close();
  },
);

test.runIf(isHubLocal)(
  'a failed delivery shows its attempts and the answers as text, and is tried once more',
  async () => {
    const hub = await callerWith(EVERYTHING);
    const channel = newChannel('console');
    const hostile = '<script>window.attacked=true</script>\u202e';
    receiver.reply = () => ({ status: 500, body: hostile });
    const page = await openWebhooks(await token(EVERYTHING));
    await add(page, receiver.url, channel);
    await page.locator('.channel-view .state').waitFor();
    await hub.publish(channel, 'to be refused');
    await expect.poll(async () => await deliveriesIn(page)).toEqual([`waiting ${channel}`]);
    await page.locator('.deliveries summary').click();
    const details = page.locator('.deliveries details');
    await expect.poll(async () => await details.innerText()).toMatch(/Attempt 1: 500 in/);
    expect(await details.locator('pre').first().innerText()).toBe(
      '<script>window.attacked=true</script>\\u{202e}',
    );
    await examineEverywhere(page, 'webhooks-failed');
    receiver.reply = () => ({ status: 204 });
    await page.getByRole('button', { name: 'Try once more' }).click();
    await expect.poll(async () => await deliveriesIn(page)).toEqual([`delivered ${channel}`]);

    // Five failures in a row open the circuit.
    receiver.reply = () => ({ status: 500 });
    const state = page.locator('.channel-view .state');
    await hub.publish(channel, 1, 2, 3, 4, 5);
    await expect
      .poll(async () => await state.innerText())
      .toMatch(/^enabled, failing since .*, paused until [\d:]+ \(the circuit is open/);
    receiver.reply = () => ({ status: 204 });
    await page.getByRole('button', { name: 'Try again now' }).click();
    await expect.poll(async () => await state.innerText()).toBe('enabled');
    await expect
      .poll(async () => new Set(await deliveriesIn(page)))
      .toEqual(new Set([`delivered ${channel}`]));
    expect(await page.evaluate('window.attacked')).toBeUndefined();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.close();
  },
);

test.runIf(isHubLocal)(
  'what the hub refuses is said: a URL that it does not call, and a token without the right',
  async () => {
    const page = await openWebhooks(await token({ 'chat/*': ['subscribe'] }));
    await expect
      .poll(async () => await page.getByRole('region', { name: 'List of endpoints' }).innerText())
      .toContain('There are no endpoints yet');
    await add(page, receiver.url, 'chat/room1');
    await expect.poll(async () => await page.getByRole('alert').innerText()).toContain('forbidden');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').fill(await token(EVERYTHING));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await add(page, `${inject('hub').url}/channels/a`, 'chat/room1');
    await expect.poll(async () => await page.getByRole('alert').innerText()).toContain('address_not_allowed');
    await page.close();
  },
);
