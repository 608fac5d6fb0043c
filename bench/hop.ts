/**
 * The transport hop: one publisher numbers its messages, and clients change between all ways of reading at random, with
 * nothing in their hands but an offset. Counts what was lost, doubled or out of order after the offset rule
 * (PROTOCOL.md §11, §12.3), which must be nothing.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';

export interface HopOptions {
  readonly url: string;
  readonly socketUrl: string;
  readonly token: string;
  readonly channel: string;
  readonly clients: number;
  readonly messages: number;
  /** Milliseconds between two publishes, at most; chosen evenly. */
  readonly pauseMs: number;
  /** Numbers from 0 to 1; decides everything that is left to chance here. */
  readonly random: () => number;
}

export interface HopResult {
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  /** How often clients changed over, and by which way the messages came. */
  readonly hops: number;
  readonly messagesBy: Readonly<Record<Way, number>>;
  /** Frames that came again and were dropped by the offset rule; and gaps, after which a client went on from its offset. */
  readonly droppedFrames: number;
  readonly gaps: number;
  /** From the last publish to the last client that had everything, in milliseconds. */
  readonly drainMs: number;
}

const WAYS = ['websocket', 'sse', 'long-poll', 'poll'] as const;
type Way = (typeof WAYS)[number];

/** How long a client keeps to one way, at most, in milliseconds. */
const STAY_MS = 1_500;

interface Hopper {
  offset: string;
  readonly got: unknown[];
  readonly by: Record<Way, number>;
  hops: number;
  droppedFrames: number;
  gaps: number;
}

interface Stay {
  readonly options: HopOptions;
  readonly hopper: Hopper;
  /** Aborted when it is time to hop, or when everything has come. */
  readonly signal: AbortSignal;
}

export async function hop(options: HopOptions): Promise<HopResult> {
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

export function sayHop(result: HopResult, say: (line: string) => void): void {
  const { lost, doubled, outOfOrder, hops, messagesBy, droppedFrames, gaps, drainMs } = result;
  say(`lost ${lost}, doubled ${doubled}, out of order ${outOfOrder}`);
  say(`${hops} hops; messages by ${WAYS.map((way) => `${way} ${messagesBy[way]}`).join(', ')}`);
  say(
    `${droppedFrames} frames came again and were dropped, ${gaps} gaps were read over; drained in ${drainMs.toFixed(0)} ms`,
  );
}

const newHopper = (): Hopper => ({
  offset: '-1',
  got: [],
  by: { websocket: 0, sse: 0, 'long-poll': 0, poll: 0 },
  hops: 0,
  droppedFrames: 0,
  gaps: 0,
});

async function publishAll({ url, token, channel, messages, pauseMs, random }: HopOptions): Promise<void> {
  for (let n = 0; n < messages; n++) {
    const headers = {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      'Producer-Id': 'hop',
      'Producer-Epoch': '0',
      'Producer-Seq': String(n),
    };
    const init = { method: 'POST', headers, body: String(n) };
    // As a producer, so that a retry after a lost answer is no second message.
    while (!(await fetch(`${url}/channels/${channel}`, init).catch(() => undefined))?.ok) await sleep(100);
    await sleep(random() * pauseMs);
  }
}

async function run(options: HopOptions, hopper: Hopper): Promise<void> {
  while (hopper.got.length < options.messages) {
    const way = WAYS[Math.floor(options.random() * WAYS.length)] ?? 'poll';
    const hopTime = AbortSignal.timeout(Math.ceil(50 + options.random() * STAY_MS));
    const before = hopper.got.length;
    hopper.hops++;
    // Whatever breaks, the offset in hand is what the next way goes on from.
    await READERS[way]({ options, hopper, signal: hopTime }).catch(() => sleep(20));
    hopper.by[way] += hopper.got.length - before;
  }
}

const READERS: Readonly<Record<Way, (stay: Stay) => Promise<void>>> = {
  websocket: readSocket,
  sse: readStream,
  'long-poll': (stay) => readPages(stay, '&live=long-poll'),
  poll: (stay) => readPages(stay, ''),
};

const isComplete = ({ options, hopper }: Stay): boolean => hopper.got.length >= options.messages;
const queryOf = ({ hopper }: Stay): string => `offset=${hopper.offset}`;

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
    // The page counts when it is whole, and with it its offset.
    if (Array.isArray(messages)) hopper.got.push(...messages);
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
      // Data without the control that follows it is not there yet.
      hopper.got.push(...batch);
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
  const subscribe = { action: 'subscribe', channel: options.channel, offset: hopper.offset };
  let isOver = false;
  socket.addEventListener('open', () => socket.send(JSON.stringify(subscribe)));
  socket.addEventListener('message', ({ data }) => {
    if (!isOver && !isComplete(stay)) take(hopper, JSON.parse(String(data)));
  });
  const complete = (async () => {
    while (!signal.aborted && !isComplete(stay)) await sleep(20);
  })();
  await Promise.race([ended, complete]);
  isOver = true;
  socket.close();
}

/** The offset rule of PROTOCOL.md §12.3. */
function take(hopper: Hopper, frame: Readonly<Record<string, unknown>>): void {
  const { type, from, next, messages, offset } = frame;
  // Who began at -1 learns from the answer where that is.
  if (type === 'subscribed' && hopper.offset === '-1' && typeof offset === 'string') hopper.offset = offset;
  if (type !== 'messages' || typeof from !== 'string' || typeof next !== 'string') return;
  if (hopper.offset !== '-1' && from !== hopper.offset) {
    if (next <= hopper.offset) hopper.droppedFrames++;
    else hopper.gaps++;
    return;
  }
  if (Array.isArray(messages)) hopper.got.push(...messages);
  hopper.offset = next;
}
