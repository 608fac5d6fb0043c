/**
 * The console of `npm start`: its address signs in once, and it goes on when the hub was gone.
 * @module
 */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startHub } from '../../scripts/hub/local-hub.ts';
import { complaintsOf, openBrowser, openWindow } from '../support/console/browser.ts';
import { everywhere, figure, figures, storedIn, TRACKS } from '../support/console/race.ts';
import { type Command, run, temporaryDirectory } from './support.ts';

const READY = { timeout: 120_000, interval: 50 };
const directory = temporaryDirectory();
const running = new Set<Command>();
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  for (const command of running) command.process.kill('SIGKILL');
  await Promise.all([...running].map(({ ended }) => ended));
  directory.remove();
});

async function start(port: string): Promise<{ readonly hub: Command; readonly address: string }> {
  const hub = run(directory.path, 'scripts/start.ts', '--port', port, '--data', join(directory.path, 'data'));
  running.add(hub);
  await expect
    .poll(() => hub.output().includes('is ready') || hub.process.exitCode !== null, READY)
    .toBe(true);
  const [address = ''] = /http:\S+\/console#code=\S+/.exec(hub.output()) ?? [];
  if (address === '') throw new Error(hub.output());
  return { hub, address };
}

async function stop(hub: Command): Promise<void> {
  hub.process.kill('SIGINT');
  await hub.ended;
  running.delete(hub);
}

const states = async (page: Page): Promise<string[]> => await page.locator('.state').allInnerTexts();

/** What the hub has done: one message, by all transports. A stream is counted when it ends, which is too late for this test. */
async function healthShown(page: Page, address: string): Promise<void> {
  await page.getByRole('link', { name: 'Health' }).click();
  const shown = page.locator('main.health');
  const rowsOf = async (title: string): Promise<string[]> =>
    await page.getByRole('table', { name: title }).locator('tbody tr').allInnerTexts();
  const delivered = TRACKS.filter((track) => track !== 'Server-Sent Events').map((track) => `${track}\t1`);
  await expect
    .poll(async () => await rowsOf('Delivered by transport'))
    .toEqual(expect.arrayContaining(delivered));
  await expect.poll(async () => await shown.innerText()).toMatch(/Published\s+1\n/);
  expect(await shown.innerText()).toMatch(/Dead letters\s+0\n/);
  expect(await rowsOf('Refusals and failures')).toContainEqual(expect.stringMatching(/^Defects.*\t0$/));
  expect(await rowsOf('AWS calls by function')).toContainEqual(
    expect.stringMatching(/^Publish\tsns:Publish\t1\tunder \$0\.0001$/),
  );
  expect(await rowsOf('What this would cost')).toHaveLength(4);
  expect(await page.locator('tfoot').innerText()).toMatch(/^Together\t(under )?\$0\.\d+\t–$/);
  for (const token of ['', 'no.such.token']) {
    const headers = { Authorization: `Bearer ${token}` };
    const response = await fetch(new URL('/console/health', address), { headers });
    expect([response.status, await response.json()]).toMatchObject([403, { error: { code: 'forbidden' } }]);
  }
}

test('one click opens it signed in, and the address is worth nothing after that', async () => {
  const { hub, address } = await start('0');
  const page = await openWindow(browser);
  await page.goto(address);
  await expect.poll(async () => await states(page)).toEqual(Array(TRACKS.length).fill('Connected'));
  expect(page.url()).toBe(new URL('/console', address).href);
  // The receiver of npm start takes the webhook: no second terminal is needed.
  await page.getByRole('button', { name: 'Publish one' }).click();
  await expect.poll(async () => await figures(page, 'Arrived')).toEqual(everywhere('1'));

  await healthShown(page, address);

  const again = await openWindow(browser);
  await again.goto(address);
  await expect.poll(async () => await again.getByRole('alert').innerText()).toContain('used before');
  expect(again.url()).not.toContain('code');
  const code = new URL(address).hash.replace('#code=', '');
  for (const body of [JSON.stringify({ code }), '{}', '[', JSON.stringify({ code: 'x'.repeat(2_000) })]) {
    const response = await fetch(new URL('/console/sign-in', address), { method: 'POST', body });
    expect([response.status, await response.json()]).toMatchObject([403, { error: { code: 'forbidden' } }]);
  }
  await page.close();
  await again.close();
  await stop(hub);
});

test('says when the hub is gone, and continues from its offsets when it is back', async () => {
  const first = await start('0');
  const { port } = new URL(first.address);
  const page = await openWindow(browser);
  await page.goto(first.address);
  await expect.poll(async () => await states(page)).toEqual(Array(TRACKS.length).fill('Connected'));
  await page.getByRole('button', { name: 'Publish one' }).click();
  await expect.poll(async () => await figure(page, 'WebSocket', 'Arrived')).toBe('1');

  await stop(first.hub);
  await expect
    .poll(async () => await page.getByRole('alert').allInnerTexts(), READY)
    .toContainEqual(expect.stringContaining('The hub does not answer'));
  const second = await start(port);
  await expect.poll(async () => await page.getByRole('alert').count(), READY).toBe(0);
  await page.getByRole('button', { name: 'Publish one' }).click();
  await expect.poll(async () => await storedIn(page), READY).toBe('2');
  const clients = TRACKS.filter((track) => track !== 'Webhook');
  for (const track of clients) {
    await expect.poll(async () => await figure(page, track, 'Arrived'), READY).toBe('2');
    expect([await figure(page, track, 'Lost'), await figure(page, track, 'Doubled')]).toEqual(['0', '0']);
  }
  await page.close();
  await stop(second.hub);
});

test('works without the front door too, where sockets and streams have other hosts', async () => {
  const hub = await startHub({
    concurrency: 64,
    context: { 'tidings:console': true, 'tidings:edge': false },
  });
  const page = await openWindow(browser);
  const complaints = complaintsOf(page);
  try {
    const { url, socketUrl, functionUrls } = hub.stack;
    const policy = (await fetch(`${url}/console`)).headers.get('content-security-policy') ?? '';
    const origins = [socketUrl ?? '', ...Object.values(functionUrls)].map((each) => new URL(each).origin);
    expect(policy.split('; ')).toContain(`connect-src 'self' ${origins.join(' ')}`);
    await page.goto(`${url}/console`);
    await page.getByLabel('Token').fill(hub.token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    const clients = TRACKS.filter((track) => track !== 'Webhook');
    await expect
      .poll(async () => (await states(page)).slice(0, clients.length))
      .toEqual(Array(clients.length).fill('Connected'));
    await page.getByRole('button', { name: 'Publish one' }).click();
    for (const track of clients)
      await expect.poll(async () => await figure(page, track, 'Arrived')).toBe('1');
    expect(complaints).toEqual([]);
  } finally {
    await page.close();
    await hub.close();
  }
});
