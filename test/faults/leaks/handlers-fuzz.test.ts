/**
 * Ten thousand requests and frames to all handlers, with random tokens: never a 5xx, never a message to a caller that may not
 * have it, and no memory that grows with them. FUZZ_SEED repeats a run.
 *
 * A model says what is allowed. Each message names its channel, so a message shows where it comes from on every transport: poll, long
 * poll, stream, socket or webhook.
 * @module
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { keysOfLocalHub } from '../../../scripts/hub/hub-keys.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { mint } from '../../../scripts/mint.ts';
import { seededRandom } from '../../support/domain/random.ts';
import { isThorough, share } from '../../support/thorough.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { sumsOf } from '../../support/wire/measured.ts';
import { type Receiver, startReceiver } from '../../support/wire/receiver.ts';
import { isToRepeat } from '../../support/wire/wire.ts';

const RUNS = share(10_000);
const AT_ONCE = 16;
const CALLERS = 40;
const SOCKETS = 12;
/** Endpoints to create. After them each message causes as much work as before. */
const ENDPOINTS = 30;
/**
 * Growth of a process in the third quarter and in the fourth, in MB. A heap may grow in one step before garbage is collected; a leak
 * grows in both.
 */
const MOST_GROWTH_MB = 48;

/**
 * On a machine with other work the store is sometimes late. A request that is told so is repeated after a pause, as a client does it
 * (PROTOCOL.md §9), so many times: one that is refused each time has found a defect, and so has one that is not told when to come again.
 */
const ATTEMPTS = 5;
const PAUSE_MS = 1_000;

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const random = seededRandom(SEED);
const pick = <T>(list: readonly T[]): T => {
  const one = list[Math.floor(random() * list.length)];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
};

const TENANTS = ['acme', 'umbrella', 'acme2'];
const CHANNELS = TENANTS.flatMap((tenant) =>
  ['orders', 'orders/eu', 'chat/1'].map((name) => `${tenant}/${name}`),
);
const PATTERNS = [
  ...CHANNELS,
  ...TENANTS.flatMap((tenant) => [`${tenant}/*`, `${tenant}/orders/*`, `${tenant}/chat/*`]),
];
const OPERATIONS = ['publish', 'subscribe', 'webhook', 'manage'] as const;
type Operation = (typeof OPERATIONS)[number];

/** The rule of PROTOCOL.md §2 and §7, written once more: the hub's code must not be tested with itself. */
const matches = (pattern: string, channel: string): boolean =>
  pattern === channel ||
  pattern === '*' ||
  (pattern.endsWith('/*') && channel.startsWith(pattern.slice(0, -1)));

interface Caller {
  readonly token: string | undefined;
  readonly isGood: boolean;
  readonly may: (operation: Operation, channel: string) => boolean;
}

let running: RunningHub;
let receiver: Receiver;
beforeAll(async () => {
  // Growth of memory shows only in processes that serve thousands of requests each.
  running = await startHub({ concurrency: 64, context: { 'tidings:streamSeconds': 2 } });
  receiver = await startReceiver();
});
afterAll(async () => {
  await saveGrants('handlers-fuzz', running.stack.control);
  await running.close();
  await receiver.close();
});

async function makeCaller(nth: number): Promise<Caller> {
  const keys = await keysOfLocalHub(running.stack);
  const capability: Record<string, Operation[]> = {};
  for (let grants = 1 + Math.floor(random() * 3); grants > 0; grants--)
    capability[pick(PATTERNS)] = OPERATIONS.filter(() => random() < 0.6);
  const may = (operation: Operation, channel: string): boolean =>
    Object.entries(capability).some(
      ([pattern, granted]) => matches(pattern, channel) && granted.includes(operation),
    );
  const token = await mint({ ...keys, capability, ttlSeconds: 3_600 });
  if (nth % 8 === 0) return { token: undefined, isGood: false, may: () => false };
  if (nth % 8 === 1) return { token: `${token.slice(0, -4)}AAAA`, isGood: false, may: () => false };
  if (nth % 8 === 2) {
    const foreign = await mint({ ...keys, audience: 'tidings:other', capability, ttlSeconds: 3_600 });
    return { token: foreign, isGood: false, may: () => false };
  }
  return { token, isGood: true, may };
}

/** What went wrong, for the assertion at the end. */
const wrong: unknown[] = [];
const seen = new Map<string, number>();
const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);

interface Ask {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly more?: Readonly<Record<string, string>>;
}

async function request(caller: Caller, ask: Ask, attempt = 1): Promise<{ status: number; text: string }> {
  const { method, path, body, more = {} } = ask;
  const authorization = caller.token === undefined ? {} : { Authorization: `Bearer ${caller.token}` };
  const response = await fetch(running.stack.url + path, {
    method,
    headers: { ...authorization, 'Content-Type': 'application/json', Prefer: 'wait=0', ...more },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const { status } = response;
  count(`${method} ${status === 503 ? `503 ${text}` : status}`);
  if (isToRepeat({ status, retryAfter: response.headers.get('Retry-After'), text }) && attempt < ATTEMPTS) {
    await wait(attempt * PAUSE_MS);
    return await request(caller, ask, attempt + 1);
  }
  if (status >= 500) wrong.push({ method, path, status, text });
  return { status, text };
}

/** Compares an answer with the model. */
function judge(
  caller: Caller,
  isAllowed: boolean,
  { status, text }: { status: number; text: string },
  about: object,
): void {
  const refusals = caller.isGood ? [403, 404] : [401];
  const isRefused = refusals.includes(status);
  if (isAllowed === isRefused) wrong.push({ about, isAllowed, status, text: text.slice(0, 200) });
}

/** Every message that a caller receives must be of a channel that the caller may read. */
function inspect(caller: Caller, operation: Operation, text: string, about: object): void {
  for (const [, channel = ''] of text.matchAll(/"from-channel":"([^"]+)"/g))
    if (!caller.may(operation, channel)) wrong.push({ leaked: channel, about });
}

const messageOf = (channel: string): string =>
  JSON.stringify({ 'from-channel': channel, n: Math.floor(random() * 1e6) });

const made: string[] = [];

/** A caller with every right makes sure that some accepted message has an endpoint: of random callers perhaps none has both rights. */
async function deliverOne(): Promise<void> {
  const channel = pick(CHANNELS);
  const keys = await keysOfLocalHub(running.stack);
  const token = await mint({ ...keys, capability: { '*': [...OPERATIONS] }, ttlSeconds: 3_600 });
  const caller: Caller = { token, isGood: true, may: () => true };
  const body = JSON.stringify({ url: `${receiver.url}/${encodeURIComponent(channel)}`, channels: [channel] });
  expect((await request(caller, { method: 'POST', path: '/webhooks', body })).status).toBe(201);
  await request(caller, { method: 'POST', path: `/channels/${channel}`, body: messageOf(channel) });
  await expect.poll(() => receiver.received.map(({ body }) => body.channel)).toContain(channel);
}

async function askAboutWebhooks(caller: Caller): Promise<void> {
  const id = made.length > 0 ? pick(made) : 'ep_none';
  const path = pick([
    `/webhooks/${id}`,
    `/webhooks/${id}/deliveries`,
    '/webhooks',
    `/webhooks/${id}/deliveries/x`,
  ]);
  const answer = await request(caller, { method: pick(['GET', 'PATCH', 'POST', 'OPTIONS']), path });
  inspect(caller, 'webhook', answer.text, { path });
  if (/whsec_/.test(answer.text)) wrong.push({ secret: path });
}

const ACTIONS: readonly ((caller: Caller) => Promise<void>)[] = [
  async (caller) => {
    const channel = pick(CHANNELS);
    const answer = await request(caller, {
      method: 'POST',
      path: `/channels/${channel}`,
      body: messageOf(channel),
    });
    judge(caller, caller.may('publish', channel), answer, { publish: channel });
  },
  async (caller) => {
    const channel = pick(CHANNELS);
    const live = pick(['', '', '&live=long-poll']);
    const offset = pick(['-1', '-1', 'now', '0000000000000000', 'x']);
    const answer = await request(caller, {
      method: 'GET',
      path: `/channels/${channel}?offset=${offset}${live}`,
    });
    inspect(caller, 'subscribe', answer.text, { read: channel, live });
    if (answer.status !== 400)
      judge(caller, caller.may('subscribe', channel), answer, { read: channel, live });
  },
  async (caller) => {
    // If a request names several channels, all must be allowed.
    const channels = [pick(CHANNELS), pick(CHANNELS)].filter((one, at, all) => all.indexOf(one) === at);
    const path = `/events?${channels.map((channel) => `channel=${channel}`).join('&')}`;
    const answer = await request(caller, { method: 'GET', path, more: { Accept: 'text/event-stream' } });
    inspect(caller, 'subscribe', answer.text.replaceAll('\\"', '"'), { events: channels });
    judge(
      caller,
      channels.every((channel) => caller.may('subscribe', channel)),
      answer,
      { events: channels },
    );
  },
  async (caller) => {
    if (made.length >= ENDPOINTS) return await askAboutWebhooks(caller);
    const pattern = pick(PATTERNS);
    const body = JSON.stringify({
      url: `${receiver.url}/${encodeURIComponent(pattern)}`,
      channels: [pattern],
    });
    const answer = await request(caller, { method: 'POST', path: '/webhooks', body });
    const isAllowed = caller.may('webhook', pattern.replace(/\*$/, 'any/thing'));
    if (!answer.text.includes('too_many_webhooks')) judge(caller, isAllowed, answer, { webhook: pattern });
    if (answer.status === 201) made.push(String(JSON.parse(answer.text).id));
  },
  askAboutWebhooks,
  async (caller) => {
    const answer = await request(caller, { method: 'POST', path: '/tickets' });
    judge(caller, caller.isGood, answer, { tickets: true });
  },
  async (caller) => {
    const path = pick([
      '/channels/',
      '/channels/..%2f..',
      '/nothing',
      '/v1/stream/acme/*',
      '/ws',
      '/connections',
      '/%00',
    ]);
    await request(caller, { method: pick(['GET', 'PUT', 'DELETE', 'POST', 'PATCH']), path });
  },
];

/** Opens a socket and compares each of its frames with the model of its caller. */
function openSocket(caller: Caller): Promise<WebSocket | undefined> {
  const wire = new WebSocket(running.stack.socketUrl ?? '', {
    headers: caller.token === undefined ? {} : { Authorization: `Bearer ${caller.token}` },
  });
  wire.on('message', (data) => {
    const text = String(data);
    count(`frame ${String(JSON.parse(text).type)}`);
    inspect(caller, 'subscribe', text, { socket: true });
    if (/"code":"internal"|Internal server error/.test(text)) wrong.push({ frame: text });
  });
  return new Promise((resolve) => {
    wire.on('open', () => resolve(wire));
    wire.on('error', () => resolve(undefined));
  });
}

function sayOn(wire: WebSocket): void {
  const channel = pick(PATTERNS);
  const said = pick([
    { action: 'subscribe', channel },
    { action: 'subscribe', channel, offset: '-1' },
    { action: 'unsubscribe', channel },
    { action: 'publish', channel: pick(CHANNELS), messages: [] },
    { action: 'ping' },
    { action: pick(['', 'Subscribe', '__proto__']), channel },
  ]);
  const text = said.action === 'publish' ? publishOf(String(said.channel)) : JSON.stringify(said);
  count('frame said');
  wire.send(text);
}

const publishOf = (channel: string): string =>
  `{"action":"publish","channel":"${channel}","messages":[${messageOf(channel)}]}`;

/** Resident memory of each process of the hub's functions, in MB. */
async function residentMb(): Promise<Map<number, number>> {
  const rows: unknown = await (await fetch(`${running.stack.control}/processes`)).json();
  const pids = Array.isArray(rows) ? rows.map(({ pid }) => Number(pid)) : [];
  return new Map(
    pids.map((pid) => [
      pid,
      Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1_024,
    ]),
  );
}

/** Returns the growth of each process that existed all the time, from one measurement to the next. */
function growthOf([first = new Map(), ...later]: readonly Map<number, number>[]): number[][] {
  return [...first].flatMap(([pid, start]) => {
    const sizes = [start, ...later.map((sizes) => sizes.get(pid))];
    if (!sizes.every((mb) => mb !== undefined)) return [];
    return [sizes.slice(1).map((mb, at) => Math.round(mb - (sizes[at] ?? mb)))];
  });
}

test(`${RUNS} requests and frames by ${CALLERS} callers (FUZZ_SEED=${SEED})`, async () => {
  const callers = await Promise.all(Array.from({ length: CALLERS }, (_, nth) => makeCaller(nth)));
  const opened = await Promise.all(callers.slice(0, SOCKETS).map(openSocket));
  const sockets = opened.filter((wire) => wire !== undefined);
  // Of the twelve, those without a good token were refused.
  expect(sockets.length).toBe(callers.slice(0, SOCKETS).filter(({ isGood }) => isGood).length);
  const measured: Map<number, number>[] = [];
  for (let done = 0; done < RUNS; done += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        if (random() < 0.3 && sockets.length > 0) sayOn(pick(sockets));
        else await pick(ACTIONS)(pick(callers));
      }),
    );
    const isDue = done >= ((2 + measured.length) * RUNS) / 4;
    if (isDue) measured.push(await residentMb());
  }
  measured.push(await residentMb());
  for (const wire of sockets) wire.close();
  await deliverOne();
  // A webhook carries only messages that match its pattern, which is in the URL.
  for (const { path, body } of receiver.received) {
    const pattern = decodeURIComponent(path.slice(path.lastIndexOf('/') + 1));
    if (!matches(pattern, String(body.channel))) wrong.push({ leakedByWebhook: body.channel, pattern });
  }
  const growth = growthOf(measured);
  console.log(
    `handlers fuzz FUZZ_SEED=${SEED}: ${JSON.stringify(Object.fromEntries([...seen].sort()))}; webhooks ${receiver.received.length}; growth ${growth.map((quarters) => quarters.join('+')).join(', ')} MB`,
  );
  expect(wrong.slice(0, 10)).toEqual([]);
  // A repeated request hides no defect: each handler counts its own.
  const sums = await sumsOf(running.stack.control);
  expect(Object.entries(sums).filter(([name, count]) => name.startsWith('Defects') && count > 0)).toEqual([]);
  // A process that is warming up grows in the first thousand requests, too: only a long run can tell.
  if (isThorough)
    expect(growth.filter((quarters) => quarters.every((mb) => mb > MOST_GROWTH_MB))).toEqual([]);
}, 240_000);
