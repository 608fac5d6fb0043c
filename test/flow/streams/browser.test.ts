/**
 * A real browser: its EventSource and its fetch, from a page of another origin.
 * @module
 */
import chromium from '@sparticuz/chromium';
import { build } from 'esbuild';
import { type Browser, type Page, chromium as playwright } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { newTicket } from '../../support/wire/ticket.ts';
import { callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);
let browser: Browser;
let page: Page;
beforeAll(async () => {
  browser = await playwright.launch({
    executablePath: await chromium.executablePath(),
    args: chromium.args,
    headless: true,
  });
  page = await browser.newPage();
  // Scripts as the page has them, in text: this project is compiled without the types of browsers.
  await page.setContent('<html><body></body></html>');
});
afterAll(async () => await browser?.close());

const run = <T>(script: string): Promise<T> => page.evaluate<T>(`(async () => { ${script} })()`);

test('EventSource: onopen at once, onmessage for each event, resumed by itself', async () => {
  const channel = newChannel('public');
  const url = `${inject('hub').url}/channels/${channel}`;
  await run(`
    window.seen = [];
    window.source = new EventSource(${JSON.stringify(url)});
    source.onmessage = ({ data, lastEventId }) => seen.push([JSON.parse(data), lastEventId]);
    await new Promise((resolve, reject) => { source.onopen = resolve; source.onerror = reject; });
  `);
  await hub.publish(channel, 1, 2);
  const seen = () => run<[unknown, string][]>('return window.seen;');
  await expect.poll(async () => (await seen()).map(([data]) => data)).toEqual([1, 2]);
  expect((await seen()).map(([, id]) => id).every((id) => /^\d{16}$/.test(id))).toBe(true);
  await run('source.close();');
});

test('fetch: publishes and long-polls across origins, and may see the offset', async () => {
  const url = `${inject('hub').url}/channels/${newChannel()}`;
  const headers = { Authorization: `Bearer ${await token(EVERYTHING)}`, 'Content-Type': 'application/json' };
  const answer = await run<[number, string, unknown]>(`
    const headers = ${JSON.stringify(headers)};
    const held = fetch(${JSON.stringify(`${url}?offset=-1&live=long-poll`)}, { headers });
    await fetch(${JSON.stringify(url)}, { method: 'POST', headers, body: '{"from":"a page"}' });
    const response = await held;
    return [response.status, response.headers.get('Stream-Next-Offset'), await response.json()];
  `);
  expect(answer).toEqual([200, expect.stringMatching(/^\d{16}$/), [{ from: 'a page' }]]);
});

test('EventSource with a ticket: ends with its token, stops at the used ticket, and continues with a new one', async () => {
  const channel = newChannel();
  const url = `${inject('hub').url}/channels/${channel}`;
  await hub.publish(channel, 1);
  // The hub allows for 30 s of clock difference (§7) and uses the last five of them to end things: this token has nine to ten left.
  const first = await newTicket(EVERYTHING, -15);
  await run(`
    window.seen = [];
    window.open = (url) => {
      window.source = new EventSource(url);
      source.onmessage = ({ data, lastEventId }) => { seen.push(JSON.parse(data)); window.last = lastEventId; };
    };
    open(${JSON.stringify(`${url}?ticket=${first}`)});
  `);
  const seen = () => run<unknown[]>('return seen;');
  await expect.poll(seen).toEqual([1]);
  await expect.poll(() => run('return source.readyState;')).toBe(2);
  await hub.publish(channel, 2);
  const second = await newTicket(EVERYTHING);
  await run(`open(${JSON.stringify(`${url}?ticket=${second}&offset=`)} + last);`);
  await expect.poll(seen).toEqual([1, 2]);
  await run('source.close();');
});

test.each(['sse', 'long-poll'])(
  'the client follows eight channels by %s over HTTP/1.1, and can publish at the same time',
  async (transport) => {
    const { outputFiles } = await build({
      entryPoints: ['client/index.ts'],
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'tidings',
      platform: 'browser',
    });
    const channels = Array.from({ length: 8 }, () => newChannel());
    const options = { url: inject('hub').url, token: await token(EVERYTHING), transports: [transport] };
    // A page and a context of its own: connections that other tests left open do not count among its six.
    const tab = await browser.newPage();
    const inTab = <T>(script: string): Promise<T> => tab.evaluate<T>(`(async () => { ${script} })()`);
    await tab.setContent('<html><body></body></html>');
    await tab.addScriptTag({ content: outputFiles[0]?.text ?? '' });
    await inTab(`
    window.taken = {}; window.live = new Set(); window.errors = [];
    window.hub = tidings.connect(${JSON.stringify(options)});
    for (const channel of ${JSON.stringify(channels)}) {
      taken[channel] = [];
      hub.subscribe(channel, {
        onMessages: ({ messages }) => taken[channel].push(...messages),
        onTransport: (name) => live.add(channel + ' ' + name),
        onError: ({ code }) => errors.push(code),
      });
    }
  `);
    await expect
      .poll(() => inTab<string[]>('return [...live].sort();'))
      .toEqual(channels.map((channel) => `${channel} ${transport}`).toSorted());
    // From within the page, so that each publish needs a connection in addition to those that are held.
    const took = await inTab<number[]>(`
    const times = [];
    for (const channel of ${JSON.stringify(channels)}) {
      const began = performance.now();
      await hub.publish(channel, ['to ' + channel]);
      times.push(performance.now() - began);
    }
    return times;
  `);
    expect(Math.max(...took)).toBeLessThan(5_000);
    await expect
      .poll(() => inTab<Record<string, unknown[]>>('return taken;'))
      .toEqual(Object.fromEntries(channels.map((channel) => [channel, [`to ${channel}`]])));
    expect(await inTab<string[]>('return errors;')).toEqual([]);
    await inTab('hub.close();');
  },
);
