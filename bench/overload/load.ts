/**
 * The load of the benchmark `overload`, in a thread of its own, so that a busy hub does not delay it.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { type Answer, isStored, type Load, type Measured } from './measured.ts';
import { play } from './players.ts';

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

const codeIn = (text: string): string => /"(?:code|message)":"([^"]*)"/.exec(text)?.[1] ?? '';

parentPort?.on('message', (load: Load) => {
  const { kind } = load;
  const measuring = kind === 'publishers' ? publishers(load) : play(kind, load);
  void measuring.then((measured) => parentPort?.postMessage(measured));
});
