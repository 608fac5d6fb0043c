/**
 * The quota of callers when the store is slow (PROTOCOL.md §8): the SDK gives up on a write after 800 ms and sends it once more. The
 * store also carries out the first write, earlier or later than the second.
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { tokenOfUser } from '../../support/access/user-token.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { openSocket, statusOf } from '../../support/wire/socket.ts';
import { callerAt, newChannel } from '../../support/wire/wire.ts';

const HELD_PER_CALLER = 2;
const CONNECTIONS_PER_CALLER = 20;
/** Longer than the SDK waits for an answer, in milliseconds. */
const TOO_LATE_MS = 1_500;

let running: RunningHub;
beforeAll(async () => {
  running = await startHub({
    context: {
      'tidings:maxHolds': 10,
      'tidings:maxStreams': 10,
      'tidings:heldPerCaller': HELD_PER_CALLER,
      'tidings:connectionsPerCaller': CONNECTIONS_PER_CALLER,
    },
  });
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => {
  await saveGrants('quota-late', running.stack.control);
  await running.close();
});

const tokenOf = (sub: string): Promise<string> => tokenOfUser(running, sub);
const hubOf = async (sub: string) =>
  callerAt(running.stack.url, { Authorization: `Bearer ${await tokenOf(sub)}` });

/** Delays the nth write of the handler to a table, once: the write itself, or only its answer. */
const delay = (handler: Fault['function'], at: 'before' | 'after', action: string, call = 1) =>
  inject(running.stack.control, {
    function: handler,
    at,
    action: `dynamodb:${action}`,
    resource: 'Subscribers',
    call,
    effect: { delayMs: TOO_LATE_MS },
  });

describe.each(['before', 'after'] as const)('a write that is late (delayed %s it is carried out)', (at) => {
  // The first three writes book a place. The next three give it back.
  test.each([1, 4])('counts each long poll once: write %i', async (call) => {
    const hub = await hubOf(`held ${at} ${call}`);
    const channel = newChannel();
    /** Sends one more long poll than may be held, all at once. Those that are held are answered when the last one has been refused. */
    const hold = async () => {
      const end = (await hub.readAll(channel)).next;
      const path = `/channels/${channel}?live=long-poll&offset=${end}`;
      const asked = Array.from({ length: HELD_PER_CALLER + 1 }, () => hub.request(path));
      await Promise.race(asked);
      await hub.publish(channel, 'enough');
      return (await Promise.all(asked)).map(({ status }) => status).sort();
    };
    expect(await hold()).toEqual([200, 200, 429]);
    await delay('Hold', at, 'UpdateItem', call);
    expect(await hold()).toEqual([200, 200, 429]);
    // The late write of a request that was refused may book a place after all, until that request would have ended.
    await expect.poll(hold, { timeout: 40_000 }).toEqual([200, 200, 429]);
  });

  test('counts each connection once', async () => {
    const token = await tokenOf(`connected ${at}`);
    const as = { url: running.stack.socketUrl ?? '', headers: { Authorization: `Bearer ${token}` } };
    const open: Awaited<ReturnType<typeof openSocket>>[] = [];
    for (let n = 0; n < CONNECTIONS_PER_CALLER; n++) {
      if (n < 5) await delay('Socket', at, 'UpdateItem');
      open.push(await openSocket(as));
    }
    expect(await statusOf(as)).toBe(429);
    for (let n = 0; n < 3; n++) {
      await delay('Socket', at, 'UpdateItem');
      await open.pop()?.close();
    }
    const reopen = async () => {
      await openSocket(as).then(
        (socket) => open.push(socket),
        () => {},
      );
      return open.length;
    };
    await expect.poll(reopen).toBe(CONNECTIONS_PER_CALLER);
    expect(await statusOf(as)).toBe(429);
    await Promise.all(open.map((socket) => socket.close()));
  });
});

test('a connection that could not be opened after its booking uses no place', async () => {
  const as = {
    url: running.stack.socketUrl ?? '',
    headers: { Authorization: `Bearer ${await tokenOf('unlucky')}` },
  };
  const { control } = running.stack;
  // The token ends before the connection would, so the hub sends a message about it to a queue, which fails here.
  const busy = { status: 503, type: 'ServiceUnavailable', message: 'busy' };
  const fault = { function: 'Socket', at: 'before', action: 'sqs:SendMessage', effect: busy } as const;
  for (let n = 0; n < 3; n++) {
    await inject(control, { ...fault, times: 3 });
    expect(await statusOf(as)).toBeGreaterThanOrEqual(500);
  }
  await clearFaults(control);
  const open = [];
  for (let n = 0; n < CONNECTIONS_PER_CALLER; n++) open.push(await openSocket(as));
  expect(await statusOf(as)).toBe(429);
  await Promise.all(open.map((socket) => socket.close()));
});

test('the places of streams that were open when the hub was stopped are free when the streams would have ended', async () => {
  const data = mkdtempSync(join(tmpdir(), 'tidings-seats-'));
  const context = {
    'tidings:streamSeconds': 4,
    'tidings:maxStreams': 10,
    'tidings:heldPerCaller': HELD_PER_CALLER,
  };
  const path = `/channels/${newChannel()}`;
  const headers = { Accept: 'text/event-stream' };
  const open = async ({ stack, token }: RunningHub) => {
    const response = await callerAt(stack.url, { Authorization: `Bearer ${token}` }).request(path, {
      headers,
    });
    const { value = new Uint8Array() } = (await response.body?.getReader().read()) ?? {};
    return new TextDecoder().decode(value);
  };
  try {
    const stopped = await startHub({ data, context });
    for (let n = 0; n < HELD_PER_CALLER + 1; n++) expect(await open(stopped)).toMatch(/\nid: /);
    await stopped.close();
    const started = await startHub({ data, context });
    const allIn = async () => {
      const answers = await Promise.all(Array.from({ length: HELD_PER_CALLER }, () => open(started)));
      return answers.every((text) => text.includes('\nid: '));
    };
    await expect.poll(allIn).toBe(true);
    await started.close();
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});
