/**
 * Clients that change transports. One publisher numbers its messages, and clients change between all transports at
 * random, with only an offset. They begin at the beginning, at the last 1,000 messages, or at the newest message of each key of a keyed
 * channel, on which each message has a key of its own: all are the same messages. The result counts what was lost, delivered twice or out
 * of order after the gap rule (PROTOCOL.md §11, §12.3). All counts must be 0.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_MESSAGES } from '../protocol/limits.ts';

/** The ways to begin. */
export type Start = 'beginning' | 'last' | 'latest';

/** The hub, and the size of the run. */
export interface HopOptions {
  /** The URL of the hub. */
  readonly url: string;
  /** The URL of the sockets. */
  readonly socketUrl: string;
  /** A token that may publish and subscribe. */
  readonly token: string;
  /** The channel of the run. */
  readonly channel: string;
  /** The number of clients. */
  readonly clients: number;
  /** The number of messages. */
  readonly messages: number;
  /** The longest time between two publishes, in milliseconds. Each is drawn evenly. */
  readonly pauseMs: number;
  /** Where each client begins. With `latest` the channel is keyed. */
  readonly start: Start;
  /** Returns a number from 0 to 1. It decides everything that is random here. */
  readonly random: () => number;
}

/** The counts over all clients. */
export interface HopResult {
  /** Messages that a client did not get, over all clients. */
  readonly lost: number;
  /** Messages that a client got twice, over all clients. */
  readonly doubled: number;
  /** Messages that came after a later one, over all clients. */
  readonly outOfOrder: number;
  /** Changes of transport, over all clients. */
  readonly hops: number;
  /** Messages by each transport, over all clients. */
  readonly messagesBy: Readonly<Record<Transport, number>>;
  /** Repeated frames that the gap rule dropped. */
  readonly droppedFrames: number;
  /** Gaps, after each of which a client continued from its offset. */
  readonly gaps: number;
  /** The time from the last publish to the last client that had all messages, in milliseconds. */
  readonly drainMs: number;
}

const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'poll'] as const;
type Transport = (typeof TRANSPORTS)[number];

/** The longest time that a client uses one transport, in milliseconds. */
const STAY_MS = 1_500;

interface Hopper {
  /** Undefined until the first answer. */
  offset: string | undefined;
  readonly got: unknown[];
  readonly by: Record<Transport, number>;
  hops: number;
  droppedFrames: number;
  gaps: number;
}

interface Stay {
  readonly options: HopOptions;
  readonly hopper: Hopper;
  /** Aborted when the client must change transports. */
  readonly signal: AbortSignal;
}

/** Runs the benchmark. Returns its result. */
export async function hop(options: HopOptions): Promise<HopResult> {
  if (options.start === 'latest') await createKeyed(options);
  const hoppers = Array.from({ length: options.clients }, newHopper);
  const reading = Promise.all(hoppers.map((hopper) => run(options, hopper)));
  await publishAll(options);
  const published = performance.now();
  await reading;
  const drainMs = performance.now() - published;
  const sum = (count: (hopper: Hopper) => number) => hoppers.reduce((total, one) => total + count(one), 0);
  return {
    lost: sum(({ got }) => options.messages - new Set(got).size),
    doubled: sum(({ got }) => got.length - new Set(got).size),
    outOfOrder: sum(({ got }) => got.filter((n, at) => at > 0 && Number(n) <= Number(got[at - 1])).length),
    hops: sum(({ hops }) => hops),
    messagesBy: {
      websocket: sum(({ by }) => by.websocket),
      sse: sum(({ by }) => by.sse),
      'long-poll': sum(({ by }) => by['long-poll']),
      poll: sum(({ by }) => by.poll),
    },
    droppedFrames: sum(({ droppedFrames }) => droppedFrames),
    gaps: sum(({ gaps }) => gaps),
    drainMs,
  };
}

/** Prints the result. */
export function printHop(result: HopResult, print: (line: string) => void): void {
  const { lost, doubled, outOfOrder, hops, messagesBy, droppedFrames, gaps, drainMs } = result;
  print(`lost ${lost}, doubled ${doubled}, out of order ${outOfOrder}`);
  print(
    `${hops} hops; messages by ${TRANSPORTS.map((transport) => `${transport} ${messagesBy[transport]}`).join(', ')}`,
  );
  print(
    `${droppedFrames} frames were repeated and dropped, ${gaps} gaps were read later; drained in ${drainMs.toFixed(0)} ms`,
  );
}

const newHopper = (): Hopper => ({
  offset: undefined,
  got: [],
  by: { websocket: 0, sse: 0, 'long-poll': 0, poll: 0 },
  hops: 0,
  droppedFrames: 0,
  gaps: 0,
});

/** Creates the channel with the number of a message as its key. */
async function createKeyed({ url, token, channel }: HopOptions): Promise<void> {
  const headers = {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    'Stream-Key': '/n',
  };
  const init = { method: 'PUT', headers };
  while (!(await fetch(`${url}/channels/${channel}`, init).catch(() => undefined))?.ok) await sleep(100);
}

/** Returns the numbers of messages. */
const numbersIn = (messages: readonly unknown[]): readonly unknown[] =>
  messages.map((message) =>
    typeof message === 'object' && message !== null && 'n' in message ? message.n : message,
  );

async function publishAll({
  url,
  token,
  channel,
  messages,
  pauseMs,
  start,
  random,
}: HopOptions): Promise<void> {
  for (let n = 0; n < messages; n++) {
    const headers = {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      'Producer-Id': 'hop',
      'Producer-Epoch': '0',
      'Producer-Seq': String(n),
    };
    const init = { method: 'POST', headers, body: start === 'latest' ? JSON.stringify({ n }) : String(n) };
    // Published as a producer, so that a retry after a lost answer is not a second message.
    while (!(await fetch(`${url}/channels/${channel}`, init).catch(() => undefined))?.ok) await sleep(100);
    await sleep(random() * pauseMs);
  }
}

async function run(options: HopOptions, hopper: Hopper): Promise<void> {
  while (hopper.got.length < options.messages) {
    const transport = TRANSPORTS[Math.floor(options.random() * TRANSPORTS.length)] ?? 'poll';
    const hopTime = AbortSignal.timeout(Math.ceil(50 + options.random() * STAY_MS));
    const before = hopper.got.length;
    hopper.hops++;
    // After any error the next transport continues from the same offset.
    await READERS[transport]({ options, hopper, signal: hopTime }).catch(() => sleep(20));
    hopper.by[transport] += hopper.got.length - before;
  }
}

const READERS: Readonly<Record<Transport, (stay: Stay) => Promise<void>>> = {
  websocket: readSocket,
  sse: readStream,
  'long-poll': (stay) => readPages(stay, '&live=long-poll'),
  poll: (stay) => readPages(stay, ''),
};

const isComplete = ({ options, hopper }: Stay): boolean => hopper.got.length >= options.messages;

const STARTS: Readonly<Record<Start, Readonly<Record<string, string | number>>>> = {
  beginning: { offset: '-1' },
  last: { last: MAX_MESSAGES },
  latest: { offset: 'latest' },
};

/** Returns what a request has that says where to continue, or to begin. */
const placeOf = ({ options, hopper: { offset } }: Stay) =>
  offset === undefined ? STARTS[options.start] : { offset };

const queryOf = (stay: Stay): string =>
  Object.entries(placeOf(stay))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');

async function readPages(stay: Stay, live: string): Promise<void> {
  const { options, hopper, signal } = stay;
  while (!signal.aborted && !isComplete(stay)) {
    const headers = { Authorization: `Bearer ${options.token}` };
    const response = await fetch(`${options.url}/channels/${options.channel}?${queryOf(stay)}${live}`, {
      headers,
      signal,
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const messages: unknown = response.status === 200 ? await response.json() : [];
    // A page counts only when it is complete, together with its offset.
    if (Array.isArray(messages)) hopper.got.push(...numbersIn(messages));
    hopper.offset = response.headers.get('Stream-Next-Offset') ?? hopper.offset;
    if (live === '') await sleep(100, undefined, { signal });
  }
}

async function readStream(stay: Stay): Promise<void> {
  const { options, hopper, signal } = stay;
  const headers = { Authorization: `Bearer ${options.token}` };
  const url = `${options.url}/channels/${options.channel}?live=sse&${queryOf(stay)}`;
  const response = await fetch(url, { headers, signal });
  if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
  let text = '';
  let batch: unknown[] = [];
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const data = event.match(/^data: ?(.*)$/gm)?.map((line) => line.replace(/^data: ?/, '')) ?? [];
      if (event.startsWith('event: data')) batch = JSON.parse(data.join('\n'));
      if (!event.startsWith('event: control')) continue;
      // Data without the control event that follows it does not count yet.
      hopper.got.push(...numbersIn(batch));
      batch = [];
      hopper.offset = JSON.parse(data.join('\n')).streamNextOffset;
    }
    if (isComplete(stay)) return;
  }
}

async function readSocket(stay: Stay): Promise<void> {
  const { options, hopper, signal } = stay;
  const socket = new WebSocket(options.socketUrl, ['tidings.v1', `bearer.${options.token}`]);
  const ended = new Promise<void>((resolve) => {
    socket.addEventListener('close', () => resolve());
    socket.addEventListener('error', () => resolve());
    signal.addEventListener('abort', () => resolve());
  });
  const subscribe = { action: 'subscribe', channel: options.channel, ...placeOf(stay) };
  let isOver = false;
  socket.addEventListener('open', () => socket.send(JSON.stringify(subscribe)));
  socket.addEventListener('message', ({ data }) => {
    if (!isOver && !isComplete(stay)) onFrame(hopper, JSON.parse(String(data)));
  });
  const complete = (async () => {
    while (!signal.aborted && !isComplete(stay)) await sleep(20);
  })();
  await Promise.race([ended, complete]);
  isOver = true;
  socket.close();
}

/** Applies the gap rule of PROTOCOL.md §12.3. */
function onFrame(hopper: Hopper, frame: Readonly<Record<string, unknown>>): void {
  const { type, from, next, messages, offset } = frame;
  // A client that has no offset yet gets it from the answer.
  if (type === 'subscribed' && hopper.offset === undefined && typeof offset === 'string')
    hopper.offset = offset;
  if (type !== 'messages' || typeof from !== 'string' || typeof next !== 'string') return;
  if (hopper.offset !== undefined && from !== hopper.offset) {
    if (next <= hopper.offset) hopper.droppedFrames++;
    else hopper.gaps++;
    return;
  }
  if (Array.isArray(messages)) hopper.got.push(...numbersIn(messages));
  hopper.offset = next;
}
