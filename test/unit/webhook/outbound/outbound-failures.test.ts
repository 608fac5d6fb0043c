/**
 * Servers that behave badly: for each the right class, in time, and without a throw.
 * @module
 */
import type { LookupAddress } from 'node:dns';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type SenderSettings, senderTo } from '../../../../lambda/webhook/outbound/send-webhook.ts';
import { keeping, requestTo } from '../../../support/webhooks/webhook-request.ts';
import { certificateFor } from '../../../support/wire/certificate.ts';
import {
  closedPort,
  countDials,
  httpLoopback,
  httpsLoopback,
  loopback,
} from '../../../support/wire/loopback.ts';

const DEADLINE_MS = 200;

const sender = (more: Partial<SenderSettings> = {}) =>
  senderTo({ rules: { isInsecureAllowed: true, ownHosts: [] }, deadlineMs: 5_000, ...more });

const hurried = (more: Partial<SenderSettings> = {}) => sender({ deadlineMs: DEADLINE_MS, ...more });

const error = (kind: string) => ({ kind: 'error', error: kind, ms: expect.any(Number) });

const HINTS = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n';

const never = () => new Promise<never>(() => {});

/** Does this once a request has come. */
const onceAsked = (act: (socket: Socket) => void) =>
  loopback((socket) => void socket.once('data', () => act(socket)));

const saying = (text: string | Uint8Array) => onceAsked((socket) => void socket.end(text));

const postTo = async ({ port }: { port: number }, scheme = 'http', from = sender()) =>
  await from.post(requestTo(`${scheme}://localhost:${port}/`));

describe('dns_error', () => {
  test.each(['ENOTFOUND', 'ENODATA', 'EAI_AGAIN', 'ESERVFAIL', 'ETIMEOUT', 'ETIMEDOUT', 'ECONNREFUSED'])(
    'the name server says %s',
    async (code) => {
      const dials = countDials();
      const from = sender({
        resolve: () => Promise.reject(Object.assign(new Error(code), { code, syscall: 'queryA' })),
      });
      expect(await from.post(requestTo('http://hooks.example/'))).toEqual(error('dns_error'));
      expect(dials()).toBe(0);
    },
  );

  test('it has no address, or fails in a way of its own', async () => {
    for (const resolve of [async () => [], () => Promise.reject('what?')]) {
      expect(await sender({ resolve }).post(requestTo('http://hooks.example/'))).toEqual(error('dns_error'));
    }
  });
});

describe('connection_refused', () => {
  test('nobody listens, at one address or two', async () => {
    const port = await closedPort();
    expect(await sender().post(requestTo(`http://127.0.0.1:${port}/`))).toEqual(error('connection_refused'));
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
    ['closed after 100 Continue', (socket) => socket.end('HTTP/1.1 100 Continue\r\n\r\n')],
    ['closed within the headers', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le')],
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
    ['drips its headers', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx: ')],
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
    const outcome = await hurried({ resolve: never }).post(requestTo('http://hooks.example/'));
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
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n'],
    ['headers of 17 KiB', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(17 * 1024)}\r\n\r\n`],
    ['ten thousand headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}\r\n`],
    [
      'another protocol from now on',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    ],
    ['a status of none', 'HTTP/1.1 000 None\r\ncontent-length: 1\r\n\r\na'],
  ])('it is %s', async (_what, text) => {
    expect(await postTo(await saying(text))).toEqual(error('bad_response'));
  });
});

describe('the status decides, however odd the rest of the answer is', () => {
  const OK = 'HTTP/1.1 200 OK\r\n';
  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
  const DONE = `${OK}content-length: 2\r\n\r\nok`;

  test.each([
    ['100 Continue that nobody asked for', CONTINUE + DONE],
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

  test('an answer before the message was read, and an end of the connection', async () => {
    const server = await loopback((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
    });
    const url = `http://127.0.0.1:${server.port}/`;
    const outcome = await sender().post(requestTo(url, { body: 'a'.repeat(4 * 1024 * 1024) }));
    expect(outcome).toMatchObject({ kind: 'answer', status: 200 });
  });

  test('an odd answer does not spoil the next one', async () => {
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
