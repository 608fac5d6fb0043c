/**
 * Answers of servers that break the rules of HTTP: those that the hub refuses, and those whose status it accepts.
 * @module
 */
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loopback } from '../../../support/network/loopback.ts';
import {
  DEADLINE_MS,
  drip,
  error,
  hurried,
  onceAsked,
  postTo,
  saying,
  sender,
} from '../../../support/webhooks/odd-servers.ts';
import { requestTo } from '../../../support/webhooks/webhook-request.ts';

const HINTS = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n';

describe('bad_response', () => {
  test.each([
    ['of another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['with two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    ['without a status', 'HTTP/1.1 OK\r\n\r\n'],
    ['with a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['with a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n'],
    ['with headers of 17 KiB', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(17 * 1024)}\r\n\r\n`],
    ['with ten thousand headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}\r\n`],
    [
      'that switches to another protocol',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    ],
    ['with the status 000', 'HTTP/1.1 000 None\r\ncontent-length: 1\r\n\r\na'],
  ])('an answer %s', async (_what, text) => {
    expect(await postTo(await saying(text))).toEqual(error('bad_response'));
  });
});

describe('the status decides, whatever the rest of the answer is', () => {
  const OK = 'HTTP/1.1 200 OK\r\n';
  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
  const DONE = `${OK}content-length: 2\r\n\r\nok`;

  test.each([
    ['100 Continue without a request for it', CONTINUE + DONE],
    [
      '100 Continue twice, 102 and 103',
      `${CONTINUE}${CONTINUE}HTTP/1.1 102 Processing\r\n\r\n${HINTS}${DONE}`,
    ],
    ['a folded header', `${OK}x: a\r\n b\r\ncontent-length: 2\r\n\r\nok`],
    ['a header that begins with a fold', `${OK}x:\r\n\tb\r\ncontent-length: 2\r\n\r\nok`],
    ['LF alone', 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok'],
    ['LF alone and a fold', 'HTTP/1.1 200 OK\nx: a\n b\ncontent-length: 2\n\nok'],
    ['LF alone in some lines', `${OK}content-length: 2\n\nok`],
    ['HTTP 1.0', 'HTTP/1.0 200 OK\r\n\r\nok'],
    ['a version that does not exist', 'HTTP/9.9 200 OK\r\ncontent-length: 2\r\n\r\nok'],
    ['no reason', 'HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok'],
    ['a control character', `${OK}x: \u0000\r\ncontent-length: 2\r\n\r\nok`],
    ['bytes that are no UTF-8', Buffer.from(`${OK}x: \u00e9\u00ff\r\ncontent-length: 2\r\n\r\nok`, 'latin1')],
    ['an empty line before it', `\r\n${DONE}`],
    [
      'two ways to find its end',
      `${OK}content-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    ],
    ['more than it announced', `${DONE} and more`],
    ['an answer behind it', `${DONE}HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n`],
    ['fewer bytes than it announced', `${OK}content-length: 100\r\n\r\nok`],
    ['fewer, and it said that it would close', `${OK}connection: close\r\ncontent-length: 9\r\n\r\nok`],
    ['an end within a chunk', `${OK}transfer-encoding: chunked\r\n\r\nff\r\nok`],
    ['chunks without a last one', `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n`],
    ['chunks with LF alone', 'HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\nok\n0\n\n'],
  ])('%s', async (_what, text) => {
    expect(await postTo(await saying(text))).toMatchObject({ kind: 'answer', status: 200, answer: 'ok' });
  });

  test.each([
    ['a body that it must not have', 'HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok', 204],
    ['a chunk of no size', `${OK}transfer-encoding: chunked\r\n\r\nzz\r\n`, 200],
    ['a refusal that is cut short', 'HTTP/1.1 500 Oh\r\ncontent-length: 9\r\n\r\n', 500],
    ['a refusal by LF alone', 'HTTP/1.1 410 Gone\n\n', 410],
  ])('%s', async (_what, text, status) => {
    expect(await postTo(await saying(text))).toMatchObject({ kind: 'answer', status, answer: '' });
  });

  test('Retry-After counts in a folded header', async () => {
    const text = 'HTTP/1.1 503 Busy\nRetry-After:\n 120\ncontent-length: 0\n\n';
    expect(await postTo(await saying(text))).toMatchObject({ status: 503, retryAfter: '120' });
  });

  test('a connection that is reset within the body', async () => {
    const server = await onceAsked((socket) => {
      socket.write(`${OK}content-length: 100\r\n\r\nok`, () => socket.resetAndDestroy());
    });
    expect(await postTo(server)).toMatchObject({ kind: 'answer', status: 200 });
  });

  test.each<[string, (socket: Socket) => void]>([
    ['nothing after its headers', (socket) => socket.write(`${OK}content-length: 9\r\n\r\n`)],
    ['a body that drips', (socket) => drip(socket, `${OK}content-length: 1000000\r\n\r\n`)],
    ['a body without an end', (socket) => drip(socket, `${OK}\r\n`)],
  ])('%s: at the deadline, and the connection is cut', async (_what, act) => {
    const cut = Promise.withResolvers<boolean>();
    const server = await onceAsked((socket) => {
      socket.on('close', () => cut.resolve(true));
      act(socket);
    });
    const outcome = await postTo(server, 'http', hurried());
    expect(outcome).toMatchObject({ kind: 'answer', status: 200 });
    expect(outcome.ms).toBeLessThan(DEADLINE_MS + 1_000);
    expect(await cut.promise).toBe(true);
  });

  test('an answer before the message was read, then the end of the connection', async () => {
    const server = await loopback((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
    });
    const url = `http://127.0.0.1:${server.port}/`;
    const outcome = await sender().post(requestTo(url, { body: 'a'.repeat(4 * 1024 * 1024) }));
    expect(outcome).toMatchObject({ kind: 'answer', status: 200 });
  });

  test('an odd answer does not damage the next one', async () => {
    const answers = [
      'HTTP/1.1 200 OK\nx: a\n b\ncontent-length: 1\n\n1',
      `${CONTINUE}${OK}content-length: 1\r\n\r\n2`,
      `${OK}content-length: 1\r\n\r\n3 and more`,
      `${OK}content-length: 1\r\n\r\n4`,
    ];
    const server = await loopback((socket) => {
      socket.on('data', (bytes) => {
        if (String(bytes).includes('}')) socket.write(answers.shift() ?? '');
      });
    });
    const from = sender();
    const outcomes = [];
    for (const _ of [...answers]) outcomes.push(await postTo(server, 'http', from));
    expect(outcomes.map((outcome) => outcome.kind === 'answer' && outcome.answer)).toEqual([
      '1',
      '2',
      '3',
      '4',
    ]);
  });
});

test('every sequence of bytes has a result, and nothing is thrown', async () => {
  let bytes: Uint8Array = Buffer.alloc(0);
  const server = await onceAsked((socket) => void socket.end(bytes));
  const part = fc.constantFrom(
    'HTTP/1.1 ',
    '200 OK',
    '101 x',
    '\r\n',
    'content-length: ',
    '5',
    'connection: upgrade',
    ': ',
    '\0',
    'transfer-encoding: chunked',
    'trailer: x',
    'ff;a=b',
  );
  const pieces = fc.array(part, { maxLength: 16 }).map((parts) => Buffer.from(parts.join('')));
  const head = Buffer.from('HTTP/1.1 200 OK\r\n');
  const behind = fc.uint8Array({ maxLength: 200 }).map((rest) => Buffer.concat([head, rest]));
  const from = sender();
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), pieces, behind), async (sent) => {
      bytes = sent;
      const outcome = await postTo(server, 'http', from);
      if (outcome.kind === 'error') expect(outcome.error).toMatch(/^(bad_response|connection_error)$/);
    }),
    { numRuns: 500 },
  );
});
