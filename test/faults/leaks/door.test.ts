/**
 * A hub with a domain and a web ACL (docs/adr/0024): what comes by the front door is answered, and what goes around it is refused.
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { statusOf } from '../../support/wire/socket.ts';
import { newChannel } from '../../support/wire/wire.ts';

let running: RunningHub;
let authorization: Readonly<Record<string, string>>;
beforeAll(async () => {
  running = await startHub({
    context: {
      'tidings:domain': {
        name: 'hub.example.com',
        certificate: 'arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555',
        hostedZone: { hostedZoneId: 'Z0123456789ABCDEFGHIJ' },
      },
      'tidings:webAcl':
        'arn:aws:wafv2:us-east-1:123456789012:global/webacl/team/11111111-2222-3333-4444-555555555555',
      'tidings:console': true,
    },
  });
  authorization = { Authorization: `Bearer ${running.token}` };
});
afterAll(async () => await running.close());

/** A request to each function behind the HTTP API. */
const REQUESTS: readonly (readonly [of: string, method: string, path: string])[] = [
  ['publish', 'PUT', '/channels/door/a'],
  ['read', 'GET', '/channels/door/a'],
  ['read, for the list', 'GET', '/channels'],
  ['hold', 'GET', '/hold/channels/door/a?offset=now&live=long-poll'],
  ['webhooks', 'GET', '/webhooks'],
  ['tickets', 'POST', '/tickets'],
  ['console', 'GET', '/console'],
  ['a path that does not exist', 'GET', '/none'],
];

const JSON_TYPE = { 'Content-Type': 'application/json' };

const ask = (url: string, method: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(url, { method, headers: { ...authorization, ...headers } });

describe('around the front door', () => {
  test.each(REQUESTS)('the function of %s refuses every request', async (_of, method, path) => {
    for (const headers of [{}, { 'x-tidings-door': '' }, { 'X-Tidings-Door': 'x'.repeat(64) }]) {
      const answer = await ask(`${running.stack.apiUrl}${path}`, method, headers);
      expect([answer.status, await answer.json()]).toEqual([
        403,
        { error: { code: 'forbidden', message: expect.stringContaining('front door') } },
      ]);
    }
  });

  test('no socket opens', async () => {
    const url = running.stack.outputs.SocketUrl ?? '';
    for (const headers of [{}, { 'x-tidings-door': 'x'.repeat(64) }])
      expect(await statusOf({ url, headers: { ...authorization, ...headers } })).toBe(403);
  });

  test('the URL of streams answers nobody else than CloudFront', async () => {
    expect((await ask(`${running.stack.outputs.StreamUrl}channels/door/a`, 'GET')).status).toBe(403);
  });
});

describe('by the front door', () => {
  test('a long poll opens a wake socket, which does not go by the front door', async () => {
    const at = `${running.stack.url}/channels/${newChannel()}`;
    const publish = (n: number) =>
      fetch(at, { method: 'POST', body: `{"n":${n}}`, headers: { ...authorization, ...JSON_TYPE } });
    const next = (await publish(1)).headers.get('stream-next-offset');
    const held = ask(`${at}?offset=${next}&live=long-poll`, 'GET');
    const connections = async (): Promise<unknown> =>
      await (await fetch(`${running.stack.control}/connections`)).json();
    // No other test has opened a socket or a stream yet.
    await expect.poll(connections).toHaveLength(1);
    await publish(2);
    const answer = await held;
    expect([answer.status, await answer.json()]).toEqual([200, [{ n: 2 }]]);
  });

  test('everything is answered, whatever the viewer sends as the header', async () => {
    const channel = newChannel();
    const at = `${running.stack.url}/channels/${channel}`;
    const guess = { 'x-tidings-door': 'x'.repeat(64), ...JSON_TYPE };
    expect(
      (await fetch(at, { method: 'POST', body: '{"n":1}', headers: { ...authorization, ...guess } })).status,
    ).toBe(204);
    expect(await (await ask(`${at}?offset=-1`, 'GET', guess)).json()).toEqual([{ n: 1 }]);
    expect((await ask(`${running.stack.url}/webhooks`, 'GET')).status).toBe(200);
    expect((await ask(`${running.stack.url}/console`, 'GET')).status).toBe(200);
    expect((await ask(`${running.stack.url}/none`, 'GET')).status).toBe(404);
    const stream = await ask(`${at}?offset=-1&live=sse`, 'GET');
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    await stream.body?.cancel();
    const url = running.stack.socketUrl ?? '';
    expect(await statusOf({ url, headers: { ...authorization, ...guess } })).toBe(101);
  });
});
