/**
 * Webhooks: whether the function that delivers can resolve a name (PROTOCOL.md §13).
 * @module
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { fieldsOf } from '../../../protocol/fields.ts';
import { type Check, expectThat, unseen } from '../check.ts';
import type { Session } from '../session.ts';
import { describe } from '../wire.ts';

/**
 * A public name for a run without a receiver. It accepts no webhooks, but any answer shows that the name was resolved.
 * It belongs to AWS, so that no third party gets requests of a test.
 */
const SOME_NAME = 'https://checkip.amazonaws.com/';

/** The time limit for the first attempt, in milliseconds: a cold start, and 15 s for the receiver. */
const ATTEMPT_MS = 40_000;
const POLL_MS = 500;

/** The hub must find the address of a name. */
export const webhookByName: Check = {
  number: 10,
  title: 'a webhook to a name',
  expected: 'an attempt that finds the address of the name, and is delivered if there is a receiver',
  async run(session) {
    const channel = await session.newChannel();
    return await withReceiver(session, async (url) => {
      const endpoint = await createEndpoint(session, url ?? SOME_NAME, channel);
      const { status, error } = await testAttempt(session, endpoint);
      const came = `${error ?? status} from ${new URL(url ?? SOME_NAME).host}`;
      expectThat(error !== 'dns_error' && error !== 'blocked' && error !== 'interrupted', came);
      if (url !== undefined) expectThat(Number(status) >= 200 && Number(status) < 300, came);
      if (!session.hub.isLocal) return came;
      return unseen(`${came}: a local hub asks no name server`);
    });
  },
};

/** Runs the work with the URL of a receiver: the one of --receiver, one on this machine for a local hub, or none. */
export async function withReceiver<T>(
  { receiver, hub }: Session,
  work: (url: string | undefined) => Promise<T>,
): Promise<T> {
  if (receiver !== undefined || !hub.isLocal) return await work(receiver);
  const server = createServer(
    (request, response) => void request.resume().on('end', () => response.writeHead(204).end()),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  try {
    return await work(`http://localhost:${typeof address === 'object' ? address?.port : ''}/`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Creates an endpoint for the messages of a channel. Returns its path. It is deleted after the run. */
export async function createEndpoint(
  { ask, removeLater }: Session,
  url: string,
  channel: string,
): Promise<string> {
  const body = JSON.stringify({ url, channels: [channel], description: 'smoke' });
  const answer = await ask('/webhooks', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  if (answer.status !== 201) throw new Error(`POST /webhooks was answered ${await describe(answer)}`);
  const path = `/webhooks/${String(fieldsOf(await answer.json()).id)}`;
  removeLater(path);
  return path;
}

/** Sends a test message. Returns its first attempt. */
async function testAttempt({ ask, stopped }: Session, endpoint: string) {
  const asked = await ask(`${endpoint}/test`, { method: 'POST' });
  if (asked.status !== 202) throw new Error(`POST ${endpoint}/test was answered ${await describe(asked)}`);
  const { delivery } = fieldsOf(await asked.json());
  const end = performance.now() + ATTEMPT_MS;
  for (;;) {
    const answer = await ask(`${endpoint}/deliveries/${String(delivery)}`);
    const { attempts } = fieldsOf(await answer.json());
    const [first] = Array.isArray(attempts) ? attempts.map(fieldsOf) : [];
    if (first) return first;
    if (performance.now() > end) throw new Error(`no attempt within ${ATTEMPT_MS / 1_000} s`);
    await wait(POLL_MS, undefined, { signal: stopped });
  }
}
