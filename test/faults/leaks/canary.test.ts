/**
 * Secrets are not recorded: a token, tickets and a payload go through every handler, in good and bad requests, while the hub works and
 * while it fails. None of them is in a log line, a record or a refusal (PROTOCOL.md §7, §12.5).
 * @module
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { keysOfLocalHub } from '../../../scripts/hub/hub-keys.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { mint } from '../../../scripts/mint.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { callerAt, newChannel } from '../../support/wire/wire.ts';

const PAYLOAD = 'PAYLOAD-CANARY-4f9d2c';
/** A text that must be found: otherwise the test searches nothing. */
const LOGGED = 'LOGGED-CANARY-81b3ae';
const BROWSER = { Accept: 'text/event-stream' };
const JSON_TYPE = { 'Content-Type': 'application/json' };

let running: RunningHub;
let token: string;
const lines: string[] = [];
/** Bodies of refusals and error frames. */
const refusals: string[] = [];
const secrets = new Set<string>([PAYLOAD]);

beforeAll(async () => {
  running = await startHub({ context: { 'tidings:streamSeconds': 1 }, log: (line) => lines.push(line) });
  const keys = await keysOfLocalHub(running.stack);
  const capability = { '*': ['publish', 'subscribe', 'webhook', 'manage'] } as const;
  token = await mint({ ...keys, capability, ttlSeconds: 600, sub: 'canary' });
  keep(token);
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => await running.close());

/** A useful part must not be there either: the signature of a JWT. */
function keep(secret: string): string {
  secrets.add(secret);
  const signature = secret.split('.').at(-1);
  if (signature) secrets.add(signature);
  return secret;
}

async function ask(
  path: string,
  init: RequestInit = {},
  bearer: string | undefined = token,
): Promise<string> {
  const headers = bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` };
  // If the process is killed, the answer may be a closed connection.
  const answer = await callerAt(running.stack.url, headers).request(path, init).catch(String);
  if (typeof answer === 'string') return answer;
  const text = await answer.text().catch(String);
  if (!answer.ok) refusals.push(text);
  return text;
}

async function newTicket(): Promise<string> {
  const { ticket } = Object(JSON.parse(await ask('/tickets', { method: 'POST' })));
  return keep(String(ticket));
}

/** Opens a socket, sends all frames, and closes it when each was answered, or when the connection ends. */
async function say(query: string, protocols: readonly string[], ...said: readonly string[]): Promise<void> {
  const wire = new WebSocket(`${running.stack.socketUrl}${query}`, [...protocols]);
  await new Promise<void>((resolve) => {
    let answers = 0;
    wire.on('open', () => {
      for (const text of said) wire.send(text);
      if (said.length === 0) wire.close();
    });
    wire.on('message', (data) => {
      const frame = String(data);
      if (frame.includes('"error"')) refusals.push(frame);
      if (!frame.includes('"messages"') && ++answers === said.length) wire.close();
    });
    wire.on('error', () => {});
    wire.on('close', () => resolve());
  });
}

const post = (body: string, more: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { ...JSON_TYPE, ...more },
  body,
});

/** Each handler, with each place of a request that can carry a secret. */
async function goRound(channel: string): Promise<void> {
  const path = `/channels/${channel}`;
  const message = JSON.stringify([PAYLOAD]);
  await ask(path, post(message));
  await ask(path, post(message, { 'Idempotency-Key': 'key' }));
  await ask(path, post(JSON.stringify([PAYLOAD, PAYLOAD]), { 'Idempotency-Key': 'key' }));
  await ask(path, post(`[${PAYLOAD}`));
  await ask(path, post(`"${PAYLOAD}\ufffd"`));
  await ask(path, post(PAYLOAD, { 'Content-Type': 'text/plain' }));
  await ask(path, post(JSON.stringify(PAYLOAD.repeat(10_000))));
  await ask(`/channels/${channel}-put`, { ...post(message), method: 'PUT' });
  await ask(`/channels/${channel}-put`, { method: 'DELETE' });
  await ask(path);
  await ask(`${path}?offset=-1&live=long-poll`, { headers: { Prefer: 'wait=0' } });
  await ask(`${path}?offset=-1&live=sse`);
  await ask(path, { headers: BROWSER });
  await ask(`/events?channel=${channel}`);
  await ask('/webhooks', post(JSON.stringify({ url: 'http://x', description: PAYLOAD, secret: PAYLOAD })));
  await ask('/connections');
  await ask('/connections?principal=nobody', { method: 'DELETE' });
  for (const bearer of [`${token}x`, token.slice(1)]) await ask(path, {}, keep(bearer));
  for (const name of ['token', 'access_token']) {
    for (const target of [path, `/events?channel=${channel}`, '/webhooks', '/tickets', '/ws']) {
      await ask(
        `${target}${target.includes('?') ? '&' : '?'}${name}=${token}`,
        { headers: BROWSER },
        undefined,
      );
    }
    await say(`?${name}=${token}`, []);
  }
  const ticket = await newTicket();
  for (const _again of [1, 2]) await ask(`/events?channel=${channel}&ticket=${ticket}`, {}, undefined);
  await ask(`${path}?ticket=${await newTicket()}`, {}, undefined);
  await ask(`${path}?ticket=${await newTicket()}`, { headers: BROWSER }, undefined);
  const subscribe = JSON.stringify({ action: 'subscribe', channel, offset: '-1' });
  const publish = JSON.stringify({ action: 'publish', channel, messages: [PAYLOAD] });
  const bad = [
    `{"action":"${PAYLOAD}"}`,
    PAYLOAD,
    JSON.stringify({ action: 'publish', channel: `${PAYLOAD} ` }),
  ];
  await say('', ['tidings.v1', `bearer.${token}`], subscribe, publish, ...bad);
  const opening = await newTicket();
  for (const _again of [1, 2]) await say(`?ticket=${opening}`, ['tidings.v1'], publish);
  await say('', ['tidings.v1', `bearer.${token}x`]);
}

test('nothing secret is in a log line, a record or a refusal, whatever fails', async () => {
  await goRound(newChannel());
  const error = { status: 400, type: 'ValidationException', message: LOGGED };
  const failing: Omit<Fault, 'at' | 'effect'>[] = [
    { function: 'Publish', action: 'dynamodb:UpdateItem' },
    { function: 'Publish', action: 'dynamodb:PutItem' },
    { function: 'Publish', action: 'sns:Publish' },
    { function: 'Publish', action: 'dynamodb:Query', resource: 'Subscribers' },
    { function: 'Read', action: 'dynamodb:GetItem' },
    { function: 'Hold', action: 'dynamodb:GetItem' },
    { function: 'Stream', action: 'dynamodb:GetItem' },
    { function: 'Stream', action: 'dynamodb:PutItem', resource: 'Keys' },
    { function: 'Socket', action: 'dynamodb:PutItem' },
    { function: 'Socket', action: 'dynamodb:GetItem' },
    { function: 'Socket', action: 'sqs:SendMessage' },
    { function: 'Push', action: 'execute-api:ManageConnections' },
    { function: 'Push', action: 'dynamodb:Query' },
  ];
  for (const fault of failing) {
    await inject(running.stack.control, { ...fault, at: 'before', effect: error, times: 3 });
  }
  await goRound(newChannel());
  await clearFaults(running.stack.control);
  for (const name of ['Publish', 'Read', 'Stream', 'Socket', 'Push'] as const) {
    await inject(running.stack.control, { function: name, at: 'response', effect: 'kill' });
  }
  await goRound(newChannel());
  const records = await Promise.all(
    ['calls', 'grants', 'processes', 'connections', 'queues'].map(
      async (name) => await (await fetch(`${running.stack.control}/${name}`)).text(),
    ),
  );
  expect(refusals.length).toBeGreaterThan(50);
  expect(lines.filter((line) => line.includes(LOGGED)).length).toBeGreaterThan(5);
  expect(secrets.size).toBeGreaterThan(15);
  const kept = [...lines, ...refusals, ...records];
  for (const secret of secrets) {
    expect(kept.filter((text) => text.includes(secret))).toEqual([]);
  }
});
