/**
 * PROTOCOL.md §8 and §10 over the wire: a page can read the refusals of the gateway, which no handler sees.
 * @module
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { callerAt, newChannel } from '../../support/wire/wire.ts';

const OURS = 'https://app.example';
const FOREIGN = 'https://evil.example';

/** Above the body that API Gateway takes, and above its request line and headers, in bytes. */
const TOO_MUCH_BODY = 10 * 1024 * 1024 + 1;
const TOO_MUCH_HEAD = 10_241;

let running: RunningHub;
beforeAll(async () => {
  // The rate of /tickets is a twentieth of it: one a second.
  running = await startHub({ context: { 'tidings:origins': OURS, 'tidings:requestsPerSecond': 20 } });
});
afterAll(async () => await running.close());

const hub = () =>
  callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` }, { comesAgain: false });

/** Repeats the request until the answer has that status, and returns what a page could read. */
async function refusedWith(status: number, origin: string, path: string, init: RequestInit) {
  let answer: Response | undefined;
  const ask = async () => {
    answer = await hub().request(path, { ...init, headers: { ...init.headers, Origin: origin } });
    return answer.status;
  };
  await expect.poll(ask, { interval: 10 }).toBe(status);
  return {
    cors: [...(answer?.headers ?? [])].filter(([name]) => name.startsWith('access-control-')),
    body: await answer?.text(),
  };
}

const REFUSALS: readonly (readonly [number, string, RequestInit])[] = [
  [429, '/tickets', { method: 'POST' }],
  [431, `/channels/${newChannel()}`, { headers: { 'X-Long': 'x'.repeat(TOO_MUCH_HEAD) } }],
  [
    413,
    `/channels/${newChannel()}`,
    { method: 'POST', headers: { 'Content-Type': 'image/png' }, body: Buffer.alloc(TOO_MUCH_BODY) },
  ],
];

test.each(REFUSALS)(
  '%i of the gateway itself is readable for allowed pages, and for no others',
  async (status, path, init) => {
    const ours = await refusedWith(status, OURS, path, init);
    expect(ours.cors).toEqual([
      ['access-control-allow-origin', OURS],
      ['access-control-expose-headers', 'Retry-After'],
    ]);
    // The answer is the gateway's, and not the hub's.
    expect(JSON.parse(ours.body ?? '')).toEqual({ message: expect.any(String) });
    expect((await refusedWith(status, FOREIGN, path, init)).cors).toEqual([]);
  },
);
