/**
 * The load of the benchmark `overload`, in a thread of its own, so that a busy hub does not delay it.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import type { MeasuredHub } from '../hub.ts';
import { play } from './players.ts';

/** What the thread is to send, and for how long. */
export interface Load {
  /** `publishers`: requests at a fixed rate, without waiting for answers. `players`: clients in a room. */
  readonly kind: 'publishers' | 'players';
  /** The hub. */
  readonly hub: Pick<MeasuredHub, 'url' | 'socketUrl' | 'token'>;
  /** A part of channel names that is new for each load. */
  readonly run: string;
  /** Publishes a second, of all together. */
  readonly perSecond: number;
  /** Milliseconds before the measurement begins. */
  readonly settleMs: number;
  /** Milliseconds of the measurement. */
  readonly measuredMs: number;
}

/** One answer. */
export interface Answer {
  /** Milliseconds from the request to the answer. */
  readonly ms: number;
  /** The status. 0 if the connection broke, or if there was no answer in time. */
  readonly status: number;
  /** The code of a refusal of the hub, or the message of one of the platform. */
  readonly code: string;
  /** True if the answer says when to come again. */
  readonly hasRetryAfter: boolean;
}

/** What was measured. */
export interface Measured {
  /** Publishes that were due in the time of the measurement. */
  readonly offered: number;
  /** Publishes whose acknowledgement came in that time. */
  readonly completed: number;
  /** The answers to requests of that time. */
  readonly answers: readonly Answer[];
  /** Milliseconds from a publish to each delivery in that time; players only. */
  readonly delays: readonly number[];
  /** Requests of the clients, by kind, since their start; players only. */
  readonly requests: Requests;
}

/** Requests of clients: first attempts, and all that repeat one. */
export interface Requests {
  /** Publishes, openings of sockets and subscriptions, each the first time. */
  readonly first: number;
  /** The same, again. */
  readonly again: number;
}

const CHANNELS = 16;
const BODY = JSON.stringify({ x: 12.5, y: 40.25, at: 1_700_000_000_000 });
const TICK_MS = 10;

/** Requests without an answer after this time count as broken, in milliseconds. */
const PATIENCE_MS = 15_000;

async function publishers({ hub, run, perSecond, settleMs, measuredMs }: Load): Promise<Measured> {
  const began = performance.now();
  const from = began + settleMs;
  const to = from + measuredMs;
  const answers: Answer[] = [];
  let offered = 0;
  let completed = 0;
  const send = async (n: number): Promise<void> => {
    const sentAt = performance.now();
    const answer = await publish(hub, `overload/${run}/${n % CHANNELS}`);
    const at = performance.now();
    if (isStored(answer) && at >= from && at < to) completed += 1;
    if (sentAt < from || sentAt >= to) return;
    offered += 1;
    answers.push(answer);
  };
  const sending: Promise<void>[] = [];
  for (let sent = 0; performance.now() < to; await sleep(TICK_MS)) {
    const due = ((performance.now() - began) / 1_000) * perSecond;
    for (; sent < due; sent++) sending.push(send(sent));
  }
  await Promise.all(sending);
  return { offered, completed, answers, delays: [], requests: { first: 0, again: 0 } };
}

async function publish({ url, token }: Load['hub'], channel: string): Promise<Answer> {
  const began = performance.now();
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const response = await fetch(`${url}/channels/${channel}`, {
      method: 'POST',
      headers,
      body: BODY,
      signal,
    });
    const text = await response.text();
    const hasRetryAfter = response.headers.has('retry-after');
    return { ms: performance.now() - began, status: response.status, code: codeIn(text), hasRetryAfter };
  } catch {
    return { ms: performance.now() - began, status: 0, code: 'no answer', hasRetryAfter: false };
  }
}

/** True for an acknowledgement. */
export const isStored = ({ status }: Answer): boolean => status >= 200 && status < 300;

const codeIn = (text: string): string => /"(?:code|message)":"([^"]*)"/.exec(text)?.[1] ?? '';

parentPort?.on('message', (load: Load) => {
  const measuring = load.kind === 'publishers' ? publishers(load) : play(load);
  void measuring.then((measured) => parentPort?.postMessage(measured));
});
