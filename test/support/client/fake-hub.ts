/**
 * A hub on the loopback that a test controls. It refuses transports, repeats, drops and omits frames, cuts connections,
 * and loses answers. Its log is correct: it has each message that was appended, once for each key.
 * @module
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { ERRORS } from '../../../protocol/errors.ts';
import { type FakeFrame, fakeLog, offsetAt, Refused } from '../domain/fake-log.ts';

/** A hub that a test controls. */
export interface FakeHub {
  readonly url: string;
  /** Appends messages, one entry each, and pushes them to the subscribers. */
  readonly append: (channel: string, ...messages: readonly unknown[]) => void;
  /** Returns the messages of a channel. */
  readonly log: (channel: string) => readonly unknown[];
  /** Closes a channel for good. */
  readonly end: (channel: string) => void;
  /** Removes this many messages from the beginning of a channel. */
  readonly forget: (channel: string, messages: number) => void;
  /** The requests: `websocket`, `sse`, `long-poll`, `poll`, `post`, and the actions on sockets: `say subscribe`. */
  readonly asked: string[];
  /** The channels of each requested stream. */
  readonly streams: (readonly string[])[];
  /** Ends all sockets and held requests. */
  readonly cut: () => void;
  /** Returns the number of open sockets. */
  readonly sockets: () => number;
  readonly close: () => Promise<void>;
  /** Transports that are answered with 503. Sockets get no answer at all. */
  readonly refused: Set<string>;
  /** The tokens that are accepted. Undefined: all, and none. */
  tokens: readonly string[] | undefined;
  /** Returns the frames that are sent in place of one. */
  distort: (frame: FakeFrame) => readonly FakeFrame[];
  /** Returns the most long polls that were held at the same time. */
  readonly mostHeld: () => number;
  /** Channels that are refused. */
  readonly forbidden: Set<string>;
  /** False for an older hub, which ends a stream when a channel is gone, and does not name it. */
  saysEnds: boolean;
  /** The Stream-Poll-After of each answer at the end. Undefined for a hub without it. */
  pollAfter: string | undefined;
  /** True for a socket that appends a publish, and then ends without an answer. */
  losesAnswers: boolean;
}

interface Listening {
  readonly socket: WebSocket;
  readonly topic: string;
}

/** How long a poll is held, in milliseconds. */
const HOLD_MS = 300;

/** Starts a hub on a free port. */
export async function fakeHub(): Promise<FakeHub> {
  const listening = new Set<Listening>();
  const wakes = new Set<() => void>();
  let held = 0;
  let mostHeld = 0;
  const server = createServer((request, response) => void answer(request, response));
  const upgrades = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has('tidings.v1') ? 'tidings.v1' : false),
  });

  const send = (socket: WebSocket, sent: FakeFrame): void => {
    for (const each of hub.distort(sent)) socket.send(JSON.stringify(each));
  };
  const tell = (name: string, from: number, to: number): void => {
    for (const { socket, topic } of listening) {
      const matches = topic === '*' || (topic.endsWith('/*') && name.startsWith(topic.slice(0, -1)));
      if (topic === name || matches) send(socket, log.frame(name, topic, from, to));
    }
    for (const wake of [...wakes]) wake();
  };
  const log = fakeLog(tell);
  const forget = (isOver: (each: Listening) => boolean): void => {
    for (const each of [...listening]) if (isOver(each)) listening.delete(each);
  };
  const mayCome = (token: string | undefined): boolean =>
    hub.tokens === undefined || (token !== undefined && hub.tokens.includes(token));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://fake');
    const name = url.pathname.replace('/channels/', '');
    const way = wayOf(request, url);
    hub.asked.push(way);
    try {
      if (!mayCome(request.headers.authorization?.replace('Bearer ', ''))) throw new Refused('unauthorized');
      if (hub.refused.has(way)) throw new Refused('unavailable');
      if (way === 'post') return await answerPost(name, request, response);
      const offset = url.searchParams.get('offset') ?? '-1';
      if (way === 'sse') return answerEvents(url.searchParams.getAll('channel'), offset.split('.'), response);
      if (hub.forbidden.has(name)) throw new Refused('forbidden');
      const before = url.searchParams.get('before');
      if (before !== null)
        return answerHistory(name, before, Number(url.searchParams.get('limit')), response);
      const last = url.searchParams.get('last');
      const from = last === null ? log.start(name, offset) : log.last(name, Number(last));
      if (way === 'long-poll' && from === log.channel(name).messages.length && !log.channel(name).isClosed)
        await news();
      answerPage(name, from, way, response);
    } catch (error) {
      const code = error instanceof Refused ? error.code : 'internal';
      response.writeHead(ERRORS[code].status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ error: { code, message: `the fake says ${code}` } }));
    }
  }

  const news = (): Promise<void> =>
    new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        wakes.delete(wake);
        held -= 1;
        resolve();
      };
      const timer = setTimeout(wake, HOLD_MS);
      wakes.add(wake);
      held += 1;
      mostHeld = Math.max(mostHeld, held);
    });

  function answerPage(name: string, from: number, way: string, response: ServerResponse): void {
    const { messages, isClosed } = log.channel(name);
    const found = messages.slice(from);
    const headers: Record<string, string> = {
      'Content-Type': 'application/json',
      'Stream-Start-Offset': offsetAt(from),
      'Stream-Next-Offset': offsetAt(messages.length),
      'Stream-Up-To-Date': 'true',
      ...(isClosed ? { 'Stream-Closed': 'true' } : {}),
      ...(hub.pollAfter === undefined ? {} : { 'Stream-Poll-After': hub.pollAfter }),
      ...(way === 'long-poll' ? { 'Stream-Cursor': '7' } : {}),
    };
    const isEmpty = way === 'long-poll' && found.length === 0;
    response.writeHead(isEmpty ? 204 : 200, headers).end(isEmpty ? undefined : JSON.stringify(found));
  }

  function answerHistory(name: string, before: string, limit: number, response: ServerResponse): void {
    const to = log.start(name, before);
    const from = Math.max(log.channel(name).floor, to - limit);
    const isStart = from === log.channel(name).floor;
    const headers: Record<string, string> = {
      'Content-Type': 'application/json',
      'Stream-Start-Offset': offsetAt(from),
      'Stream-Next-Offset': offsetAt(to),
      ...(isStart ? { 'Stream-Start-Of-History': 'true' } : {}),
    };
    response.writeHead(200, headers).end(JSON.stringify(log.channel(name).messages.slice(from, to)));
  }

  async function answerPost(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body: unknown = JSON.parse(await textOf(request));
    const key = request.headers['idempotency-key'];
    const messages = Array.isArray(body) ? body : [body];
    const next = log.append(name, typeof key === 'string' ? key : undefined, messages);
    response.writeHead(204, { 'Stream-Next-Offset': next }).end();
  }

  function answerEvents(names: readonly string[], ids: readonly string[], response: ServerResponse): void {
    hub.streams.push(names);
    if (names.some((name) => hub.forbidden.has(name))) throw new Refused('forbidden');
    if (!hub.saysEnds) names.forEach((name, index) => void log.start(name, ids[index] ?? ''));
    const over = new Set<string>();
    const at = [...ids];
    const event = (kind: string, said: object): string =>
      `${kind === '' ? '' : `event: ${kind}\n`}id: ${at.join('.')}\ndata: ${JSON.stringify(said)}\n\n`;
    const endOf = (kind: string, channel: string): string => {
      over.add(channel);
      return hub.saysEnds ? event(kind, { channel }) : '';
    };
    const newsOf = (channel: string, index: number): string => {
      if (over.has(channel)) return '';
      const { messages, isClosed, floor } = log.channel(channel);
      const from = Number((at[index] ?? '').slice(0, 12));
      if (hub.saysEnds && (from < floor || from > messages.length)) return endOf('gone', channel);
      const found = messages.slice(log.start(channel, at[index] ?? '')).map((message, each) => {
        at[index] = offsetAt(from + each + 1);
        return event('', { channel, message });
      });
      return found.join('') + (isClosed ? endOf('closed', channel) : '');
    };
    const write = (): void => {
      response.write(names.map(newsOf).join(''));
      if (over.size === names.length) response.end();
    };
    const isOver = (name: string, index: number): boolean =>
      log.channel(name).isClosed && log.channel(name).messages.length === log.start(name, at[index] ?? '');
    if (names.every(isOver)) return void response.writeHead(204).end();
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(`retry: 1000\nid: ${at.join('.')}\n\n`);
    write();
    wakes.add(write);
    response.on('close', () => wakes.delete(write));
  }

  server.on('upgrade', (request, socket, head) => {
    hub.asked.push('websocket');
    const offered = request.headers['sec-websocket-protocol'] ?? '';
    const isRefused = hub.refused.has('websocket') || !mayCome(/bearer\.([^, ]+)/.exec(offered)?.[1]);
    if (isRefused) return void socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
    upgrades.handleUpgrade(request, socket, head, (upgraded) => {
      upgraded.on('message', (data) => hear(upgraded, JSON.parse(String(data))));
      upgraded.on('close', () => forget((each) => each.socket === upgraded));
    });
  });

  function hear(socket: WebSocket, said: Said): void {
    const { action, channel = '', id } = said;
    hub.asked.push(`say ${action}`);
    const reply = (more: object): void => socket.send(JSON.stringify({ id, channel, ...more }));
    try {
      if (action === 'ping') reply({ type: 'pong', connection: 'fake' });
      if (action === 'subscribe') subscribe(socket, said, reply);
      if (action === 'unsubscribe') {
        forget((each) => each.socket === socket && each.topic === channel);
        reply({ type: 'unsubscribed' });
      }
      if (action === 'publish') {
        const offset = log.append(channel, said.key, said.messages ?? []);
        if (hub.losesAnswers) socket.terminate();
        else reply({ type: 'published', offset });
      }
    } catch (error) {
      const code = error instanceof Refused ? error.code : 'internal';
      reply({ type: 'error', code, message: `the fake says ${code}` });
    }
  }

  function subscribe(
    socket: WebSocket,
    { channel = '', offset = 'now', last }: Said,
    reply: (more: object) => void,
  ): void {
    const isThere = [...listening].some((each) => each.socket === socket && each.topic === channel);
    if (isThere || channel.endsWith('*')) {
      listening.add({ socket, topic: channel });
      reply({ type: 'subscribed' });
      return;
    }
    const from = last === undefined ? log.start(channel, offset) : log.last(channel, last);
    const { messages, isClosed } = log.channel(channel);
    listening.add({ socket, topic: channel });
    reply({ type: 'subscribed', offset: offsetAt(from), ...(isClosed ? { closed: true } : {}) });
    if (from < messages.length) send(socket, log.frame(channel, channel, from, messages.length));
  }

  const hub: FakeHub = {
    url: '',
    append(name, ...messages) {
      for (const message of messages) log.append(name, undefined, [message]);
    },
    log: (name) => log.channel(name).messages,
    end(name) {
      const channel = log.channel(name);
      channel.isClosed = true;
      tell(name, channel.messages.length, channel.messages.length);
    },
    forget(name, messages) {
      log.channel(name).floor = messages;
    },
    asked: [],
    streams: [],
    mostHeld: () => mostHeld,
    cut() {
      for (const socket of upgrades.clients) socket.terminate();
      server.closeAllConnections();
    },
    sockets: () => upgrades.clients.size,
    async close() {
      hub.cut();
      server.close();
      await once(server, 'close');
    },
    pollAfter: undefined,
    refused: new Set(),
    forbidden: new Set(),
    saysEnds: true,
    tokens: undefined,
    distort: (each) => [each],
    losesAnswers: false,
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(hub, { url: `http://127.0.0.1:${portOf(server.address())}` });
}

interface Said {
  readonly action: string;
  readonly id?: string;
  readonly channel?: string;
  readonly offset?: string;
  readonly last?: number;
  readonly key?: string;
  readonly messages?: readonly unknown[];
}

function wayOf({ method }: IncomingMessage, url: URL): string {
  if (method === 'POST') return 'post';
  if (url.pathname === '/events') return 'sse';
  return url.searchParams.get('live') ?? 'poll';
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

const portOf = (address: AddressInfo | string | null): number =>
  typeof address === 'object' && address ? address.port : 0;
