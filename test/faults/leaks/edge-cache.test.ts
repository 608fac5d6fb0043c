/**
 * The cache of the front door over the wire (PROTOCOL.md §5, docs/adr/0013): which answers callers share, and which they never share. The local
 * edge does what CloudFront documents, and the worse case where the documentation is unclear.
 * @module
 */
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { keysOfLocalHub } from '../../../scripts/hub/hub-keys.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { mint } from '../../../scripts/mint.ts';
import { seededRandom } from '../../support/domain/random.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { type Caller, callerAt, newChannel, throughBusy } from '../../support/wire/wire.ts';

let running: RunningHub;
let hub: Caller;
let anonymous: Caller;
beforeAll(async () => {
  running = await startHub({ context: { 'tidings:anonymous': { 'public/*': ['subscribe'] } } });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
  anonymous = callerAt(running.stack.url);
});
afterEach(async () => await clearFaults(running.stack.control));
afterAll(async () => await running.close());

const nextOf = (response: Response): string => response.headers.get('Stream-Next-Offset') ?? 'none';
const outcomeOf = (response: Response): string | undefined =>
  response.headers.get('x-cache')?.split(' ', 1)[0];

const QUERY = 'dynamodb:Query';
const GET = 'dynamodb:GetItem';

/** Returns how often the read function has read a page of the channel. */
async function queries(wanted = QUERY): Promise<number> {
  const calls: unknown = await (await fetch(`${running.stack.control}/calls`)).json();
  if (!Array.isArray(calls)) throw new Error(`not a list: ${JSON.stringify(calls)}`);
  const own = calls.filter(
    ({ function: path, action }) => String(path).includes('/Read/') && action === wanted,
  );
  return own.reduce((sum, { count }) => sum + Number(count), 0);
}

/** Publishes more than one page. Returns the offset after each message. */
async function publishPages(channel: string): Promise<string[]> {
  const large = 'x'.repeat(100_000);
  const offsets: string[] = [];
  for (let n = 0; n < 14; n++) offsets.push(nextOf(await hub.publish(channel, [n, large])));
  return offsets;
}

const failing = (handler: Fault['function']): Fault => ({
  function: handler,
  at: 'invoke',
  effect: 'kill',
  times: 1_000,
});

describe('a page that is followed by more', () => {
  test('is requested from the hub once in a minute, however many callers without a token read it', async () => {
    const channel = newChannel('public');
    await publishPages(channel);
    const first = await anonymous.read(channel);
    expect([outcomeOf(first), first.headers.get('Cache-Control')]).toEqual([
      'Miss',
      'public, max-age=60, stale-if-error=0',
    ]);
    const body = await first.text();
    const before = await queries();
    const others = await Promise.all(Array.from({ length: 20 }, () => anonymous.read(channel)));
    expect(new Set(others.map(outcomeOf))).toEqual(new Set(['Hit']));
    for (const other of others) {
      expect([await other.text(), nextOf(other)]).toEqual([body, nextOf(first)]);
      expect(Number(other.headers.get('Age'))).toBeGreaterThanOrEqual(0);
    }
    expect(await queries()).toBe(before);
  });

  test('is requested from the hub by each caller with a token', async () => {
    const channel = newChannel('public');
    await publishPages(channel);
    const outcomes = await Promise.all(
      [hub, hub, hub].map(async (caller) => outcomeOf(await caller.read(channel))),
    );
    expect(outcomes).toEqual(['Miss', 'Miss', 'Miss']);
    const own = newChannel();
    await publishPages(own);
    expect((await hub.read(own)).headers.get('Cache-Control')).toBe('private, no-cache');
  });
});

describe('a read that starts after a publish was answered', () => {
  // A read that begins at the end makes no Query.
  test.each([
    ['-1', QUERY],
    ['the end', GET],
  ])('sees it, although a read that started before is in flight (from %s)', async (from, action) => {
    // A round counts if the earlier read came first. On a busy machine the client of the store repeats a call that is late, and then
    // reads what is new.
    for (let rounds = 0; rounds < 5; ) {
      const channel = newChannel('public');
      const end = nextOf(await hub.publish(channel, 'before'));
      const offset = from === '-1' ? '-1' : end;
      const before = await queries(action);
      // The earlier read has read the store, and its answer is late.
      await inject(running.stack.control, {
        function: 'Read',
        at: 'after',
        action,
        effect: { delayMs: 600 },
      });
      const early = anonymous.read(channel, offset);
      await expect.poll(() => queries(action), { interval: 2 }).toBeGreaterThan(before);
      await hub.publish(channel, 'after');
      const late = await Promise.all([1, 2, 3].map(() => anonymous.read(channel, offset)));
      for (const response of late) expect(await response.json()).toContain('after');
      if (!(await (await early).text()).includes('after')) rounds++;
    }
  });

  test('sees it each time, among readers that never stop', async () => {
    const channel = newChannel('public');
    await hub.publish(channel, -1);
    let isOver = false;
    const readers = Array.from({ length: 10 }, async () => {
      while (!isOver) await (await anonymous.read(channel)).arrayBuffer();
    });
    // Readers that went on after a failure would take the faults of later tests.
    onTestFinished(async () => {
      isOver = true;
      await Promise.all(readers);
    });
    for (let round = 0; round < 50; round++) {
      expect((await throughBusy(() => hub.publish(channel, round))).status).toBe(204);
      const pages = await Promise.all(
        [1, 2, 3].map(async () => await (await throughBusy(() => anonymous.read(channel))).json()),
      );
      for (const page of pages) expect(page).toContain(round);
    }
  });

  test('gets no Stream-Up-To-Date before a gap, although it gets the same messages as before (§4.2)', async () => {
    const channel = newChannel('public');
    await hub.publish(channel, 'one');
    const all = await anonymous.read(channel);
    expect([await all.json(), all.headers.get('Stream-Up-To-Date')]).toEqual([['one'], 'true']);
    await inject(running.stack.control, {
      function: 'Publish',
      at: 'before',
      action: 'dynamodb:PutItem',
      effect: 'kill',
    });
    expect((await hub.publish(channel, 'lost')).status).toBeGreaterThanOrEqual(500);
    expect((await hub.publish(channel, 'two')).status).toBe(204);
    const part = await anonymous.read(channel);
    const messages: unknown = await part.json();
    // On a busy machine the gap may have been sealed by now.
    const isSealed = Array.isArray(messages) && messages.includes('two');
    expect([messages, part.headers.get('Stream-Up-To-Date')]).toEqual(
      isSealed ? [['one', 'two'], 'true'] : [['one'], null],
    );
  });
});

describe('while the hub fails', () => {
  test('no caller gets an earlier answer', async () => {
    const channel = newChannel('public');
    const end = nextOf(await hub.publish(channel, 'deleted'));
    await (await anonymous.read(channel)).arrayBuffer();
    await (await anonymous.read(channel, end)).arrayBuffer();
    await hub.request(`/channels/${channel}`, { method: 'DELETE' });
    await inject(running.stack.control, failing('Read'));
    for (const offset of ['-1', end, '-1']) {
      const response = await anonymous.read(channel, offset);
      expect(response.status).toBeGreaterThanOrEqual(500);
      expect(await response.text()).not.toContain('deleted');
    }
    await clearFaults(running.stack.control);
    expect((await anonymous.read(channel)).status).toBe(200);
  });

  test('no long poll gets an earlier answer', async () => {
    const channel = newChannel('public');
    const end = nextOf(await hub.publish(channel, 1));
    const held = () =>
      anonymous.request(`/channels/${channel}?live=long-poll&offset=${end}`, {
        headers: { Prefer: 'wait=0' },
      });
    expect((await held()).status).toBe(204);
    await inject(running.stack.control, failing('Hold'));
    // For a second it is answered from the cache.
    await expect.poll(async () => (await held()).status).toBeGreaterThanOrEqual(500);
  });

  test('a transient refusal is not cached', async () => {
    const channel = newChannel('public');
    await hub.publish(channel, 1);
    await inject(running.stack.control, { ...failing('Read'), times: 1 });
    expect((await anonymous.read(channel)).status).toBeGreaterThanOrEqual(500);
    expect((await anonymous.read(channel)).status).toBe(200);
  });
});

describe('long polls without a token', () => {
  const hold = (channel: string, offset: string, seconds: number) =>
    anonymous.request(`/channels/${channel}?live=long-poll&offset=${offset}`, {
      headers: { Prefer: `wait=${seconds}` },
    });
  const holding = async () => {
    const processes: unknown = await (await fetch(`${running.stack.control}/processes`)).json();
    if (!Array.isArray(processes)) throw new Error(`not a list: ${JSON.stringify(processes)}`);
    const own = processes.filter(({ function: path }) => String(path).includes('/Hold/'));
    return own.reduce((sum, { inFlight }) => sum + Number(inFlight), 0);
  };

  test('at one offset are one request to the hub, whether a message comes or not', async () => {
    const channel = newChannel('public');
    const end = nextOf(await hub.publish(channel, 'old'));
    for (const news of [['new'], []]) {
      const offset = news.length > 0 ? end : nextOf(await hub.read(channel, 'now'));
      const polls = Array.from({ length: 8 }, () => hold(channel, offset, news.length > 0 ? 20 : 5));
      if (news.length > 0) await expect.poll(holding).toBe(1);
      for (const message of news) await hub.publish(channel, message);
      const answers = await Promise.all(polls);
      expect(answers.map(outcomeOf).sort()).toEqual([...Array(7).fill('Hit'), 'Miss']);
      for (const answer of answers) {
        if (answer.status === 204) expect([news, nextOf(answer)]).toEqual([[], offset]);
        else expect(await answer.json()).toEqual(news);
      }
    }
  });

  test.each(['now', '-1'])('from %s are one request to the hub each', async (offset) => {
    const channel = newChannel('public');
    const polls = Array.from({ length: 3 }, () => hold(channel, offset, 20));
    await expect.poll(holding).toBe(3);
    let isOver = false;
    const answers = Promise.all(polls).finally(() => {
      isOver = true;
    });
    // A request that has reached the hub may not have read yet where the end is.
    while (!isOver) await hub.publish(channel, 'new');
    for (const answer of await answers)
      expect([outcomeOf(answer), await answer.json()]).toEqual(['Miss', expect.arrayContaining(['new'])]);
  });
});

test('the header that the edge writes is removed when a client sends it to the edge, and is a token without the edge', async () => {
  const token = `Bearer ${running.token}`;
  const bad = 'Bearer no.to.ken';
  const channel = newChannel();
  const header = 'x-tidings-authorization';
  const statusAt = async (url: string, headers: Record<string, string>, path = `/channels/${channel}`) => {
    const response = await callerAt(url, headers).request(path);
    await response.body?.cancel();
    return response.status;
  };
  const { url, apiUrl } = running.stack;
  for (const path of [undefined, `/channels/${channel}?live=sse&offset=-1`, `/events?channel=${channel}`]) {
    expect(await statusAt(url, { [header]: token }, path)).toBe(401);
    expect(await statusAt(url, { [header]: bad, Authorization: token }, path)).toBe(200);
  }
  expect(await statusAt(apiUrl, { [header]: token })).toBe(200);
  expect(await statusAt(apiUrl, { Authorization: token })).toBe(200);
  expect(await statusAt(apiUrl, { [header]: token, Authorization: bad })).toBe(200);
  expect(await statusAt(apiUrl, { [header]: bad, Authorization: token })).toBe(401);
});

test('no caller gets an answer of another: each answer is the one that the hub gives to that caller alone', async () => {
  const random = seededRandom(7);
  const pick = <T>(...values: readonly [T, ...T[]]): T =>
    values[Math.floor(random() * values.length)] ?? values[0];
  const keys = await keysOfLocalHub(running.stack);
  const bearer = async (channel: string) =>
    `Bearer ${await mint({ ...keys, capability: { [channel]: ['subscribe'] }, ttlSeconds: 600 })}`;
  const [open, ofAnn, ofBob] = [newChannel('public'), newChannel('ann'), newChannel('bob')];
  const [[first = '', second = '', ...offsets]] = [await publishPages(open)];
  for (const channel of [ofAnn, ofBob]) await publishPages(channel);
  const [ann, bob] = [await bearer(ofAnn), await bearer(ofBob)];
  const places = ['-1', first, second, ...offsets] as const;
  const tags = await Promise.all(
    places.map(async (place) => (await hub.read(open, place)).headers.get('ETag') ?? ''),
  );

  /** Returns an answer without the parts that differ from one answer to the next. */
  async function said(response: Response): Promise<unknown> {
    const names = ['stream-next-offset', 'stream-up-to-date', 'etag', 'content-type', 'cache-control'];
    const headers = Object.fromEntries(names.map((name) => [name, response.headers.get(name)]));
    return { status: response.status, headers, text: await response.text() };
  }

  /** Half of the requests of a batch are for one page, of which the cache has no copy before the batch. */
  async function compare(round: number): Promise<void> {
    const isHot = random() < 0.5;
    const token = pick<string | undefined>(undefined, undefined, ann, bob, 'Bearer no.to.ken', 'Basic x');
    const live = isHot ? '' : pick('', '&live=long-poll', '&live=sse&x=1', '&ticket=x');
    const [channel, offset] = isHot ? [open, '-1'] : [pick(open, ofAnn, ofBob), pick('now', '7', ...places)];
    const path = `/channels/${channel}?offset=${offset}&_=${round}${live}`;
    const method = isHot ? 'GET' : pick('GET', 'HEAD', 'OPTIONS');
    const condition = random() < 0.5 ? undefined : pick('*', ...tags.slice(0, 3));
    const own: Record<string, string> = { Prefer: 'wait=0' };
    if (token !== undefined) own.Authorization = token;
    if (condition !== undefined) own['If-None-Match'] = condition;
    const spoofed: Record<string, string> = pick(
      {},
      { 'x-tidings-authorization': pick(ann, bob, `Bearer ${running.token}`) },
      { 'x-tidings-alone': '' },
    );
    const edge = callerAt(running.stack.url, { ...own, ...spoofed });
    const api = callerAt(running.stack.apiUrl, own);
    const through = throughBusy(() => edge.request(path, { method }));
    const around = throughBusy(() => api.request(path, { method }));
    const [got, expected] = [await said(await through), await said(await around)];
    // Streams are refused by two handlers, each with its own message.
    if (live === '&live=sse&x=1' && method === 'GET') expect(Object(got).status).toBeGreaterThanOrEqual(400);
    else expect({ path, method, own, spoofed, got }).toEqual({ path, method, own, spoofed, got: expected });
  }

  for (let round = 0; round < 25; round++)
    await Promise.all(Array.from({ length: 10 }, () => compare(round)));
});
