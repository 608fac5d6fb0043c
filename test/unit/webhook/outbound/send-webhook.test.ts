/**
 * Which request is sent, and which parts of the answer are kept.
 * @module
 */
import type { RequestListener } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { senderTo } from '../../../../lambda/webhook/outbound/send-webhook.ts';
import { newSecret } from '../../../../lambda/webhook/outbound/standard-webhooks.ts';
import { KEPT_ANSWER_BYTES, MAX_ANSWER_BYTES } from '../../../../protocol/limits.ts';
import { httpLoopback, type Loopback, loopback } from '../../../support/network/loopback.ts';
import { keeping, requestTo, SECRET } from '../../../support/webhooks/webhook-request.ts';

const DEADLINE_MS = 2_000;

const sender = () => senderTo({ rules: { isInsecureAllowed: true, ownHosts: [] }, deadlineMs: DEADLINE_MS });

const urlOf = ({ port }: Loopback, path = '/hooks?a=1') => `http://127.0.0.1:${port}${path}`;

/** The result of a request to a server with this answer. */
async function outcomeOf(answer: RequestListener) {
  return await sender().post(requestTo(urlOf(await httpLoopback(answer))));
}

describe('a post', () => {
  test('is exactly the request of §13.2', async () => {
    const { received, listener } = keeping();
    const at = 1_674_087_231_999;
    const { body, ...request } = requestTo(urlOf(await httpLoopback(listener)), { at });
    expect(await sender().post({ ...request, body })).toMatchObject({
      kind: 'answer',
      status: 200,
      answer: 'ok',
    });
    const [post] = received;
    expect(post).toMatchObject({ method: 'POST', path: '/hooks?a=1', body });
    expect(post?.headers).toEqual({
      host: new URL(request.url).host,
      connection: 'keep-alive',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': 'Tidings/0.1',
      'webhook-id': 'msg_1',
      'webhook-timestamp': '1674087231',
      'webhook-signature': expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
    });
  });

  test('has its header names in lower case on the wire', async () => {
    let wire = '';
    const server = await loopback((socket) => {
      socket.on('data', (bytes) => {
        wire += bytes.toString('latin1');
        if (wire.includes('}')) socket.end('HTTP/1.1 204 No Content\r\n\r\n');
      });
    });
    await sender().post(requestTo(urlOf(server)));
    const [head = ''] = wire.split('\r\n\r\n');
    const names = head
      .split('\r\n')
      .slice(1)
      .map((line) => line.replace(/:.*/, ''));
    expect(names).toEqual(names.map((name) => name.toLowerCase()));
    expect(names).toContain('webhook-signature');
  });

  test('is verified by the library of receivers, with any body, and by both secrets of a rotation', async () => {
    const { received, listener } = keeping();
    const url = urlOf(await httpLoopback(listener));
    const { post } = sender();
    const secrets = [newSecret(), SECRET];
    const text = fc.oneof(fc.json(), fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }));
    await fc.assert(
      fc.asyncProperty(text, async (body) => {
        received.length = 0;
        await post(requestTo(url, { body, secrets }));
        const [taken] = received;
        for (const secret of secrets) {
          const verify = () =>
            new Webhook(secret).verify(taken?.body ?? '', taken?.headers ?? {}, { jsonParse: false });
          expect(verify).not.toThrow();
        }
        const stranger = () => new Webhook(newSecret()).verify(taken?.body ?? '', taken?.headers ?? {});
        expect(stranger).toThrow('No matching signature');
      }),
      { numRuns: 40 },
    );
  });

  test('shares a connection with the previous post, but not with one that is under way', async () => {
    const { received, listener } = keeping();
    const server = await httpLoopback(listener);
    const { post } = sender();
    for (const body of ['{"n":1}', '{"n":2}', '{"n":3}']) {
      await post(requestTo(urlOf(server), { body }));
      // A connection is freed one turn of the event loop after its answer.
      await turn();
    }
    expect([received.length, server.accepts()]).toEqual([3, 1]);
    const many = Array.from({ length: 50 }, (_, n) => JSON.stringify({ n }));
    const outcomes = await Promise.all(many.map((body) => post(requestTo(urlOf(server), { body }))));
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['answer']));
    expect(new Set(received.slice(3).map(({ body }) => body))).toEqual(new Set(many));
  });

  test('has its own answer among many posts at the same time', async () => {
    const { post } = sender();
    const server = await httpLoopback(
      (request, response) => void response.end(request.headers['webhook-id']),
    );
    const ids = Array.from({ length: 50 }, (_, n) => `msg_${n}`);
    const outcomes = await Promise.all(ids.map((id) => post(requestTo(urlOf(server), { id }))));
    expect(outcomes.map((outcome) => outcome.kind === 'answer' && outcome.answer)).toEqual(ids);
  });
});

describe('a handshake', () => {
  test('is an OPTIONS with the origin, and no body', async () => {
    const { received, listener } = keeping((_request, response) => {
      response
        .writeHead(200, { 'WebHook-Allowed-Origin': 'hub.example', 'WebHook-Allowed-Rate': '120' })
        .end();
    });
    const url = urlOf(await httpLoopback(listener));
    expect(await sender().askHandshake(url, 'hub.example')).toMatchObject({
      kind: 'answer',
      status: 200,
      allowedOrigin: 'hub.example',
      allowedRate: '120',
      retryAfter: undefined,
    });
    const host = new URL(url).host;
    const headers = {
      host,
      connection: 'keep-alive',
      'user-agent': 'Tidings/0.1',
      'webhook-request-origin': 'hub.example',
    };
    expect(received).toEqual([{ method: 'OPTIONS', path: '/hooks?a=1', headers, body: '' }]);
  });
});

describe('of an answer', () => {
  test.each([200, 204, 299, 304, 400, 410, 429, 500, 503, 599])('%i is kept', async (status) => {
    const outcome = await outcomeOf((_request, response) => void response.writeHead(status).end());
    expect(outcome).toEqual({
      kind: 'answer',
      status,
      ms: expect.any(Number),
      answer: '',
      retryAfter: undefined,
      allowedOrigin: undefined,
      allowedRate: undefined,
    });
    expect(Number.isInteger(outcome.ms) && outcome.ms >= 0 && outcome.ms < DEADLINE_MS).toBe(true);
  });

  test('Retry-After is kept as it was sent', async () => {
    const answer: RequestListener = (_request, response) =>
      void response.writeHead(503, { 'Retry-After': 'Fri, 31 Dec 1999 23:59:59 GMT' }).end('busy');
    expect(await outcomeOf(answer)).toMatchObject({
      status: 503,
      answer: 'busy',
      retryAfter: 'Fri, 31 Dec 1999 23:59:59 GMT',
    });
  });

  test('the first KiB is kept, without half a character', async () => {
    const outcome = await outcomeOf((_request, response) => void response.end('☃'.repeat(1_000)));
    expect(outcome).toMatchObject({ answer: '☃'.repeat(Math.floor(KEPT_ANSWER_BYTES / 3)) });
  });

  test('control characters are replaced', async () => {
    const bytes = Buffer.concat([
      Buffer.from('a\u001b[2Jb\u0000\tc\r\nd\ne\u007f\u009b'),
      Buffer.of(0xff, 0xfe, 0x41),
    ]);
    const outcome = await outcomeOf((_request, response) => void response.end(bytes));
    expect(outcome).toMatchObject({ answer: 'a\ufffd[2Jb\ufffd\tc\nd\ne\ufffd\ufffd\ufffd\ufffdA' });
  });

  test('a compressed body is not unpacked', async () => {
    const packed = gzipSync(Buffer.alloc(1024 * 1024));
    const outcome = await outcomeOf((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed);
    });
    expect(outcome).toMatchObject({ kind: 'answer', status: 200 });
    expect(outcome.kind === 'answer' && outcome.answer).not.toContain('\0');
  });

  test('the largest allowed body is read, and the connection stays', async () => {
    const server = await httpLoopback(
      (_request, response) => void response.end(Buffer.alloc(MAX_ANSWER_BYTES, 'a')),
    );
    const { post } = sender();
    for (const _ of [1, 2]) {
      await turn();
      const answer = 'a'.repeat(KEPT_ANSWER_BYTES);
      expect(await post(requestTo(urlOf(server)))).toMatchObject({ kind: 'answer', status: 200, answer });
    }
    expect(server.accepts()).toBe(1);
  });

  test.each([
    ['announced', { 'content-length': String(1024 ** 3) }],
    ['unannounced', {}],
  ])('a GiB is cut off, %s', async (_how, headers) => {
    let written = 0;
    const cut = Promise.withResolvers<boolean>();
    const piece = Buffer.alloc(64 * 1024, 'a');
    const outcome = await outcomeOf((_request, response) => {
      const more = (): void => {
        for (let isFree = true; isFree && written < 1024 ** 3; written += piece.length)
          isFree = response.write(piece);
      };
      response
        .writeHead(200, headers)
        .on('drain', more)
        .on('close', () => cut.resolve(true));
      more();
    });
    expect(outcome).toMatchObject({ kind: 'answer', status: 200, answer: 'a'.repeat(KEPT_ANSWER_BYTES) });
    expect(await cut.promise).toBe(true);
    // At most the bytes that fit into the buffers of two sockets were sent.
    expect(written).toBeLessThan(16 * 1024 ** 2);
  });
});
