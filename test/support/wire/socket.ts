/**
 * Talking to the hub under test on a socket, frame by frame, each held against docs/asyncapi.yaml.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { inject, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { Capability } from '../../../protocol/capability.ts';
import { type Heard, heard, said } from './asyncapi.ts';
import { token } from './wire.ts';

export type { Heard } from './asyncapi.ts';

export interface Opening {
  /** Default: the socket behind the front door. */
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
}

export interface Socket {
  /** The subprotocol that the hub answered, or nothing. */
  readonly protocol: string;
  /** Says a frame that the document knows. */
  readonly say: (frame: object) => void;
  /** Says whatever it is, in as few parts of 32 KB as it takes, or in one. */
  readonly sayAnything: (content: string | Buffer, more?: { readonly isWhole: boolean }) => void;
  /** The first frame that fits, be it there already. What does not fit stays for others. */
  readonly next: (fits?: (frame: Heard) => boolean) => Promise<Heard>;
  /** Says a frame with an id of its own, and answers what comes back with that. */
  readonly ask: (frame: object) => Promise<Heard>;
  /** What came and was not asked for yet. */
  readonly unread: () => readonly Heard[];
  /** The code that the connection ended with. */
  readonly ended: Promise<number>;
  readonly close: () => Promise<void>;
}

/** What API Gateway takes in one part of a message, in bytes. */
const PART_BYTES = 32 * 1024;

/** A socket with the capability; with undefined, one without a token. */
export async function socketWith(
  capability: Capability | undefined,
  opening: Opening = {},
  ttlSeconds?: number,
): Promise<Socket> {
  if (capability === undefined) return await openSocket(opening);
  const headers = { Authorization: `Bearer ${await token(capability, ttlSeconds)}` };
  return await openSocket({ ...opening, headers: { ...headers, ...opening.headers } });
}

/** As `statusOf`, sent again while the gateway refuses for its rate; for callers who may have as many as they open. */
export async function statusThroughRates(opening: Opening): Promise<number> {
  for (;;) {
    const status = await statusOf(opening);
    if (status !== 429) return status;
    await wait(THROTTLED_MS);
  }
}

/** How long to leave a gateway alone that says 429, in milliseconds. */
const THROTTLED_MS = 250;

/** The status that an opening is answered with: 101 if it is let in. */
export function statusOf({ url = inject('hub').socketUrl, headers = {}, protocols = [] }: Opening) {
  const wire = new WebSocket(url, [...protocols], { headers });
  return new Promise<number>((resolve, reject) => {
    wire.on('upgrade', ({ statusCode = 0 }) => resolve(statusCode));
    wire.on('open', () => wire.close());
    wire.on('unexpected-response', (request, { statusCode = 0 }) => {
      request.destroy();
      resolve(statusCode);
    });
    wire.on('error', reject);
  });
}

/** Opens a socket that ends with its test; the test fails if anything came on it that no hub may say. */
export async function openSocket({
  url = inject('hub').socketUrl,
  headers = {},
  protocols = [],
}: Opening): Promise<Socket> {
  const wire = new WebSocket(url, [...protocols], { headers });
  const inbox = inboxOf();
  wire.on('message', (data) => inbox.put(String(data)));
  const ended = new Promise<number>((resolve) => {
    wire.on('close', (code) => {
      inbox.end(new Error(`the socket ended with ${code}`));
      resolve(code);
    });
  });
  const close = async () => {
    wire.close();
    await ended;
    if (inbox.fault()) throw inbox.fault();
  };
  await new Promise<void>((resolve, reject) => {
    wire.on('open', resolve);
    wire.on('error', reject);
  });
  onTestFinished(close);
  const say = (frame: object) => sayInParts(wire, said(frame));
  return {
    protocol: wire.protocol,
    say,
    sayAnything: (content, { isWhole } = { isWhole: false }) =>
      isWhole ? wire.send(content) : sayInParts(wire, content),
    next: inbox.take,
    ask(frame) {
      const id = newId();
      say({ ...frame, id });
      return inbox.take((answer) => answer.id === id);
    },
    unread: inbox.unread,
    ended,
    close,
  };
}

let ids = 0;
const newId = (): string => `q${++ids}`;

function sayInParts(wire: WebSocket, content: string | Buffer): void {
  const bytes = Buffer.from(content);
  const binary = typeof content !== 'string';
  for (let at = 0; at === 0 || at < bytes.length; at += PART_BYTES) {
    const fin = at + PART_BYTES >= bytes.length;
    wire.send(bytes.subarray(at, at + PART_BYTES), { binary, fin });
  }
}

interface Waiting {
  readonly fits: (frame: Heard) => boolean;
  readonly resolve: (frame: Heard) => void;
  readonly reject: (error: Error) => void;
}

/** Keeps what came until somebody asks for it, in order. */
function inboxOf() {
  const frames: Heard[] = [];
  let waiting: Waiting[] = [];
  let fault: Error | undefined;
  let over: Error | undefined;
  const end = (error: Error): void => {
    over ??= error;
    for (const { reject } of waiting) reject(over);
    waiting = [];
  };
  return {
    end,
    /** What came that no hub may say. */
    fault: () => fault,
    unread: (): readonly Heard[] => [...frames],
    put(text: string): void {
      try {
        const frame = sound(text);
        const asker = waiting.find(({ fits }) => fits(frame));
        if (!asker) return void frames.push(frame);
        waiting = waiting.filter((other) => other !== asker);
        asker.resolve(frame);
      } catch (error) {
        fault ??= error instanceof Error ? error : new Error(String(error));
        end(fault);
      }
    },
    take: (fits: (frame: Heard) => boolean = () => true): Promise<Heard> =>
      new Promise((resolve, reject) => {
        const at = frames.findIndex(fits);
        const [frame] = at === -1 ? [] : frames.splice(at, 1);
        if (frame) resolve(frame);
        else if (over) reject(over);
        else waiting.push({ fits, resolve, reject });
      }),
  };
}

/** A frame that is one, and says of no defect. */
function sound(text: string): Heard {
  const frame = heard(text);
  if (frame.type === undefined || frame.code === 'internal') throw new Error(`the hub failed: ${text}`);
  return frame;
}
