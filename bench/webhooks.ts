/**
 * The effect of an endpoint that never answers on the others. Nine healthy endpoints get events all the time. A tenth
 * accepts connections and never answers. It has a thousand events of its own.
 *
 * Method: ROUNDS rounds of two runs of RUN_SECONDS: one with the tenth endpoint, and one without it, in alternating
 * order. Its events are published at the beginning of the run. Each run measures the time from the answer of a publish
 * to the arrival at the receiver. The result is the ratio of the two p95 within a round. Before that, AWS calls per
 * delivery are counted: for messages that come one by one, and for a batch.
 * @module
 */
import { createServer, type Server } from 'node:http';
import type { MeasuredHub } from './hub.ts';
import { median, quantile, sorted, sum } from './numbers.ts';

const HEALTHY = 9;
const HOLE_EVENTS = 1_000;
const HOLE_BATCH = 100;
const ROUNDS = 3;
const RUN_SECONDS = 30;
/** The time between two publishes, in milliseconds. Each goes to one healthy endpoint. */
const PAUSE_MS = 50;
const COUNTED = 50;

interface Site {
  readonly url: string;
  /** The times of arrival, by the text of the data. */
  readonly arrivals: Map<string, number>;
  readonly close: () => void;
}

/** Runs the benchmark, and prints its result. */
export async function webhooks(hub: MeasuredHub): Promise<void> {
  const site = await openSite();
  const healthy = Array.from({ length: HEALTHY }, (_, nth) => `bench/webhooks/${nth}`);
  for (const channel of healthy) await create(hub, `${site.url}/ok`, channel);
  try {
    await countCalls(hub, site, healthy[0] ?? '');
    hub.print(
      `black hole: ${HOLE_EVENTS} events beside ${HEALTHY} healthy endpoints, ${ROUNDS} rounds of ${RUN_SECONDS} s\n`,
    );
    const ratios: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const order = round % 2 === 0 ? [false, true] : [true, false];
      const p95: Record<string, number> = {};
      for (const hasHole of order) {
        const hole = hasHole ? await create(hub, `${site.url}/hole`, `bench/hole/${round}`) : undefined;
        const times = await run(hub, site, healthy, hasHole ? `bench/hole/${round}` : undefined);
        p95[String(hasHole)] = quantile(times, 0.95);
        hub.print(
          `${hasHole ? 'with the hole   ' : 'without         '} p50 ${quantile(times, 0.5).toFixed(0)} ms  p95 ${quantile(times, 0.95).toFixed(0)} ms  p99 ${quantile(times, 0.99).toFixed(0)} ms  (${times.length} deliveries)`,
        );
        if (hole) await request(hub, 'DELETE', `/webhooks/${hole}`);
      }
      ratios.push((p95.true ?? Number.NaN) / (p95.false ?? Number.NaN));
    }
    hub.print(
      `\np95 with / without: median ${median(ratios).toFixed(2)}  rounds ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}`,
    );
  } finally {
    site.close();
  }
}

async function run(
  hub: MeasuredHub,
  site: Site,
  channels: readonly string[],
  hole: string | undefined,
): Promise<number[]> {
  if (hole)
    for (let batch = 0; batch < HOLE_EVENTS / HOLE_BATCH; batch++)
      await publish(
        hub,
        hole,
        Array.from({ length: HOLE_BATCH }, (_, nth) => `hole-${batch}-${nth}`),
      );
  const published = new Map<string, number>();
  const end = performance.now() + RUN_SECONDS * 1_000;
  for (let nth = 0; performance.now() < end; nth++) {
    const text = `${hole ?? 'none'}-${nth}-${end}`;
    await publish(hub, channels[nth % channels.length] ?? '', [text]);
    published.set(text, performance.now());
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  await arrived(site, [...published.keys()]);
  return sorted(
    [...published].map(([text, at]) => Math.max(0, (site.arrivals.get(text) ?? Number.NaN) - at)),
  );
}

async function countCalls(hub: MeasuredHub, site: Site, channel: string): Promise<void> {
  await publish(hub, channel, ['warm']);
  await arrived(site, ['warm']);
  for (const [what, batches] of [
    ['one by one', Array.from({ length: COUNTED }, (_, nth) => [`single-${nth}`])],
    ['in a batch', [Array.from({ length: COUNTED }, (_, nth) => `batch-${nth}`)]],
  ] as const) {
    await hub.forgetCalls();
    for (const batch of batches) {
      await publish(hub, channel, batch);
      await arrived(site, batch);
      // Wait until the owner has released its lease. Otherwise the next message finds it at work.
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    const rows = (await hub.calls()).filter(({ who }) => who === 'Dispatch' || who === 'Deliver');
    const per = (pattern: RegExp) =>
      (sum(rows.filter(({ action }) => pattern.test(action)).map(({ count }) => count)) / COUNTED).toFixed(2);
    hub.print(
      `${COUNTED} ${what}: ${per(/:(Put|Update|Delete)Item$/)} writes, ${per(/:(GetItem|Query|BatchGetItem)$/)} reads, ${per(/^sqs:SendMessage|ChangeMessage/)} sends per delivery`,
    );
  }
  hub.print('');
}

async function arrived(site: Site, texts: readonly string[]): Promise<void> {
  for (let tries = 0; !texts.every((text) => site.arrivals.has(text)); tries++) {
    if (tries > 6_000) throw new Error('not everything arrived within a minute');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function create(hub: MeasuredHub, url: string, channel: string): Promise<string> {
  const response = await request(hub, 'POST', '/webhooks', { url, channels: [channel] });
  const made: unknown = await response.json();
  if (response.status !== 201 || typeof made !== 'object' || made === null || !('id' in made))
    throw new Error(`no endpoint: ${response.status} ${JSON.stringify(made)}`);
  return String(made.id);
}

async function publish(hub: MeasuredHub, channel: string, texts: readonly string[]): Promise<void> {
  const response = await request(hub, 'POST', `/channels/${channel}`, texts);
  if (!response.ok) throw new Error(`a publish answered ${response.status}`);
}

async function request(hub: MeasuredHub, method: string, path: string, body?: object): Promise<Response> {
  const headers = { Authorization: `Bearer ${hub.token}`, 'Content-Type': 'application/json' };
  return await fetch(hub.url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
}

/** Accepts what comes to /ok, and never answers what comes to /hole. */
async function openSite(): Promise<Site> {
  const arrivals = new Map<string, number>();
  const server: Server = createServer((request, response) => {
    const now = performance.now();
    if (request.url === '/hole') return;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { data } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      if (!arrivals.has(data)) arrivals.set(data, now);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the site has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    arrivals,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
