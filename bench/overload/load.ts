/**
 * The load of the benchmark `overload`, in a process of its own, so that a busy hub does not delay it. It must be cheap, because it
 * shares the cores with the hub: connections are used again, and a request takes a fifth of what `fetch` takes.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { type Answer, codeIn, isStored, type Load, type Measured } from './measured.ts';
import { play } from './players.ts';

const CHANNELS = 16;
const BODY = JSON.stringify({ x: 12.5, y: 40.25, at: 1_700_000_000_000 });
const TICK_MS = 5;

/** Requests without an answer after this time count as broken, in milliseconds. */
const PATIENCE_MS = 15_000;

async function publishers(load: Load): Promise<Omit<Measured, 'cpuMs'>> {
  const { hub, run, perSecond, settleMs, measuredMs } = load;
  // No limit: a request that waited for a connection would not be at the hub when it is due.
  const pool = new Pool(hub.url, {
    connections: null,
    headersTimeout: PATIENCE_MS,
    bodyTimeout: PATIENCE_MS,
  });
  const headers = { authorization: `Bearer ${hub.token}`, 'content-type': 'application/json' };
  const began = performance.now();
  const from = began + settleMs;
  const to = from + measuredMs;
  const answers: Answer[] = [];
  const lateness: number[] = [];
  let completed = 0;
  const send = async (n: number, dueAt: number): Promise<void> => {
    const sentAt = performance.now();
    const answer = await publish(pool, `/channels/overload/${run}/${n % CHANNELS}`, headers);
    const at = performance.now();
    if (isStored(answer) && at >= from && at < to) completed += 1;
    if (sentAt < from || sentAt >= to) return;
    lateness.push(sentAt - dueAt);
    answers.push(answer);
  };
  const sending: Promise<void>[] = [];
  for (let sent = 0; performance.now() < to; await sleep(TICK_MS)) {
    const due = ((performance.now() - began) / 1_000) * perSecond;
    for (; sent < due; sent++) sending.push(send(sent, began + (sent * 1_000) / perSecond));
  }
  await Promise.all(sending);
  await pool.destroy();
  return {
    offered: answers.length,
    completed,
    answers,
    lateness,
    waits: [],
    delays: [],
    requests: { first: 0, again: 0 },
  };
}

async function publish(pool: Pool, path: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const began = performance.now();
  try {
    const response = await pool.request({ method: 'POST', path, headers: { ...headers }, body: BODY });
    const text = await response.body.text();
    const hasRetryAfter = response.headers['retry-after'] !== undefined;
    return { ms: performance.now() - began, status: response.statusCode, code: codeIn(text), hasRetryAfter };
  } catch {
    return { ms: performance.now() - began, status: 0, code: 'no answer', hasRetryAfter: false };
  }
}

async function measured(load: Load): Promise<Measured> {
  const before = process.cpuUsage();
  const result = load.kind === 'publishers' ? await publishers(load) : await play(load.kind, load);
  const { user, system } = process.cpuUsage(before);
  return { ...result, cpuMs: (user + system) / 1_000 };
}

process.on('message', (load: Load) => void measured(load).then((result) => process.send?.(result)));
process.on('disconnect', () => process.exit());
