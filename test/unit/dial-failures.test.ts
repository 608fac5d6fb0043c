/**
 * Servers that behave badly: for each the right class, in time, and without a throw.
 * @module
 */
import type { LookupAddress } from 'node:dns';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type SenderSettings, senderTo } from '../../lambda/dial/send.ts';
import { certificateFor } from '../support/certificate.ts';
import { keeping, letterTo } from '../support/letter.ts';
import { closedPort, countDials, httpLoopback, httpsLoopback, loopback } from '../support/loopback.ts';

const DEADLINE_MS = 200;

const sender = (more: Partial<SenderSettings> = {}) =>
  senderTo({ rules: { isInsecureAllowed: true, ownHosts: [] }, deadlineMs: 5_000, ...more });

const hurried = (more: Partial<SenderSettings> = {}) => sender({ deadlineMs: DEADLINE_MS, ...more });

const error = (kind: string) => ({ kind: 'error', error: kind, ms: expect.any(Number) });

const never = () => new Promise<never>(() => {});

const CLOSING = 'HTTP/1.1 200 OK\r\nconnection: close\r\n';

/** Does this once a request has come. */
const onceAsked = (act: (socket: Socket) => void) =>
  loopback((socket) => void socket.once('data', () => act(socket)));

const saying = (text: string | Uint8Array) => onceAsked((socket) => void socket.end(text));

const postTo = async ({ port }: { port: number }, scheme = 'http', from = sender()) =>
  await from.post(letterTo(`${scheme}://localhost:${port}/`));

describe('dns_error', () => {
  test.each(['ENOTFOUND', 'ENODATA', 'EAI_AGAIN', 'ESERVFAIL', 'ETIMEOUT', 'ETIMEDOUT', 'ECONNREFUSED'])(
    'the name server says %s',
    async (code) => {
      const dials = countDials();
      const from = sender({
        resolve: () => Promise.reject(Object.assign(new Error(code), { code, syscall: 'queryA' })),
      });
      expect(await from.post(letterTo('http://hooks.example/'))).toEqual(error('dns_error'));
      expect(dials()).toBe(0);
    },
  );

  test('it has no address, or fails in a way of its own', async () => {
    for (const resolve of [async () => [], () => Promise.reject('what?')]) {
      expect(await sender({ resolve }).post(letterTo('http://hooks.example/'))).toEqual(error('dns_error'));
    }
  });
});

describe('connection_refused', () => {
  test('nobody listens, at one address or two', async () => {
    const port = await closedPort();
    expect(await sender().post(letterTo(`http://127.0.0.1:${port}/`))).toEqual(error('connection_refused'));
    expect(await postTo({ port })).toEqual(error('connection_refused'));
    expect(await postTo({ port }, 'https')).toEqual(error('connection_refused'));
  });
});

describe('connection_error', () => {
  test('it is closed at once', async () => {
    const server = await loopback((socket) => void socket.end());
    expect(await postTo(server)).toEqual(error('connection_error'));
    expect(await postTo(server, 'https')).toEqual(error('connection_error'));
  });

  test.each<[string, (socket: Socket) => void]>([
    ['closed instead of an answer', (socket) => socket.end()],
    ['reset instead of an answer', (socket) => socket.resetAndDestroy()],
    ['closed within the headers', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le')],
    [
      'closed within the body',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthat was'),
    ],
    [
      'closed within a chunk',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nthat'),
    ],
    [
      'closed within a body that goes on to the end',
      (socket) => socket.end(`${CLOSING}content-length: 9\r\n\r\nthat`),
    ],
    // Lengths that contradict each other are the same to undici as one that does not come true.
    ['of two lengths', (socket) => socket.end(`${CLOSING}content-length: 1\r\ncontent-length: 2\r\n\r\nab`)],
    [
      'reset within the body',
      (socket) =>
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthat', () => socket.resetAndDestroy()),
    ],
  ])('it is %s', async (_what, act) => {
    expect(await postTo(await onceAsked(act))).toEqual(error('connection_error'));
  });
});

describe('tls_error', () => {
  const { key, cert } = certificateFor('localhost');
  const good = { key, cert };

  test('the server does not speak TLS', async () => {
    expect(await postTo(await httpLoopback(keeping().listener), 'https')).toEqual(error('tls_error'));
    expect(await postTo(await saying('220 mail.example ESMTP\r\n'), 'https')).toEqual(error('tls_error'));
  });

  test.each([
    ['of nobody that is known', good, undefined],
    ['of another name', certificateFor('elsewhere.example'), 'its own'],
    ['that has run out', certificateFor('localhost', new Date(Date.UTC(2021, 0, 1))), 'its own'],
  ])('a certificate %s', async (_what, certificate, trusted) => {
    const { received, listener } = keeping();
    const server = await httpsLoopback(certificate, listener);
    const from = sender(trusted ? { ca: certificate.cert } : {});
    expect(await postTo(server, 'https', from)).toEqual(error('tls_error'));
    // A second time too: no session is resumed that was never verified.
    expect(await postTo(server, 'https', from)).toEqual(error('tls_error'));
    expect(received).toEqual([]);
  });

  test('a version of TLS that is too old, or a wish for a certificate of ours', async () => {
    const old = await httpsLoopback(
      { ...good, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' },
      keeping().listener,
    );
    expect(await postTo(old, 'https', sender({ ca: cert }))).toEqual(error('tls_error'));
    const mutual = await httpsLoopback(
      { ...good, requestCert: true, rejectUnauthorized: true },
      keeping().listener,
    );
    const outcome = await postTo(mutual, 'https', sender({ ca: cert }));
    expect(outcome).toMatchObject({
      kind: 'error',
      error: expect.stringMatching(/^(tls|connection)_error$/),
    });
  });

  test('and none with a certificate that is known', async () => {
    const { received, listener } = keeping();
    const server = await httpsLoopback(good, listener);
    expect(await postTo(server, 'https', sender({ ca: cert }))).toMatchObject({
      kind: 'answer',
      status: 200,
    });
    expect(received).toHaveLength(1);
  });
});

describe('timeout', () => {
  const isInTime = (ms: number) => ms >= DEADLINE_MS - 2 && ms < DEADLINE_MS + 1_000;

  test.each<[string, (socket: Socket) => void]>([
    ['takes the request and says nothing', () => {}],
    [
      'says nothing after its headers',
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n'),
    ],
    ['drips its headers', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx: ')],
    ['drips its body', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n')],
    ['drips without an end', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\n\r\n')],
    ['is about to answer for ever', (socket) => drip(socket, '', 'HTTP/1.1 102 Processing\r\n\r\n')],
  ])('it %s', async (_what, act) => {
    const cut = Promise.withResolvers<boolean>();
    const server = await onceAsked((socket) => {
      socket.on('close', () => cut.resolve(true));
      act(socket);
    });
    const outcome = await postTo(server, 'http', hurried());
    expect(outcome).toEqual(error('timeout'));
    expect(outcome.ms).toSatisfy(isInTime);
    expect(await cut.promise).toBe(true);
  });

  test('it does not shake hands', async () => {
    const outcome = await postTo(await loopback(), 'https', hurried());
    expect(outcome).toEqual(error('timeout'));
    expect(outcome.ms).toSatisfy(isInTime);
  });

  test('its name server does not answer, and nobody is dialled', async () => {
    const dials = countDials();
    const outcome = await hurried({ resolve: never }).post(letterTo('http://hooks.example/'));
    expect(outcome).toEqual(error('timeout'));
    expect(outcome.ms).toSatisfy(isInTime);
    expect(dials()).toBe(0);
  });

  test('nothing is sent on a connection that comes about too late', async () => {
    const taken = Promise.withResolvers<string>();
    const server = await loopback((socket) => {
      let said = '';
      socket.on('data', (bytes) => {
        said += bytes.toString();
      });
      socket.on('close', () => taken.resolve(said));
    });
    const found = Promise.withResolvers<LookupAddress[]>();
    expect(await postTo(server, 'http', hurried({ resolve: () => found.promise }))).toEqual(error('timeout'));
    found.resolve([{ address: '127.0.0.1', family: 4 }]);
    expect(await taken.promise).toBe('');
  });

  test('others are served meanwhile', async () => {
    const hole = await loopback();
    const server = await httpLoopback(keeping().listener);
    const from = sender({ deadlineMs: 1_000 });
    const lost = Array.from({ length: 20 }, () => postTo(hole, 'http', from));
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => postTo(server, 'http', from)));
    expect(outcomes.filter(({ kind }) => kind === 'answer')).toHaveLength(20);
    expect(await Promise.all(lost)).toEqual(lost.map(() => error('timeout')));
  });
});

describe('bad_response', () => {
  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['another version of HTTP', 'HTTP/9.9 200 OK\r\n\r\n'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n'],
    ['a control character', 'HTTP/1.1 200 OK\r\nx: \u0000\r\n\r\n'],
    ['a chunk of no size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
    ['headers of 17 KiB', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(17 * 1024)}\r\n\r\n`],
    ['ten thousand headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}\r\n`],
    [
      'another protocol from now on',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    ],
    ['to continue, unasked', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['a status of none', 'HTTP/1.1 000 None\r\ncontent-length: 1\r\n\r\na'],
  ])('it is %s', async (_what, text) => {
    expect(await postTo(await saying(text))).toEqual(error('bad_response'));
  });

  test('is not one with hints before it, of HTTP 1.0, or without a length', async () => {
    const hints =
      'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n';
    expect(await postTo(await saying(hints))).toMatchObject({ kind: 'answer', status: 202 });
    const old = 'HTTP/1.0 200 OK\r\n\r\nto the end';
    expect(await postTo(await saying(old))).toMatchObject({
      kind: 'answer',
      status: 200,
      answer: 'to the end',
    });
  });
});

test('whatever bytes come, there is an outcome, and nothing is thrown', async () => {
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
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), pieces, behind), async (said) => {
      bytes = said;
      const outcome = await postTo(server, 'http', from);
      if (outcome.kind === 'error') expect(outcome.error).toMatch(/^(bad_response|connection_error)$/);
    }),
    { numRuns: 500 },
  );
});

/** A byte now and then, for as long as anybody listens. */
function drip(socket: Socket, first: string, then = 'a'): void {
  socket.write(first);
  const timer = setInterval(() => socket.write(then), 10);
  socket.on('close', () => clearInterval(timer));
}
