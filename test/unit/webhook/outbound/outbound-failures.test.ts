/**
 * Requests that end without an answer. Each has the right class, ends in time, and throws nothing.
 * @module
 */
import type { LookupAddress } from 'node:dns';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { certificateFor } from '../../../support/network/certificate.ts';
import {
  closedPort,
  countConnects,
  httpLoopback,
  httpsLoopback,
  loopback,
} from '../../../support/network/loopback.ts';
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
import { keeping, requestTo } from '../../../support/webhooks/webhook-request.ts';

const never = () => new Promise<never>(() => {});

describe('dns_error', () => {
  test.each(['ENOTFOUND', 'ENODATA', 'EAI_AGAIN', 'ESERVFAIL', 'ETIMEOUT', 'ETIMEDOUT', 'ECONNREFUSED'])(
    'the name server answers %s',
    async (code) => {
      const connects = countConnects();
      const from = sender({
        resolve: () => Promise.reject(Object.assign(new Error(code), { code, syscall: 'queryA' })),
      });
      expect(await from.post(requestTo('http://hooks.example/'))).toEqual(error('dns_error'));
      expect(connects()).toBe(0);
    },
  );

  test('the name has no address, or the resolver fails in an unknown way', async () => {
    for (const resolve of [async () => [], () => Promise.reject('what?')]) {
      expect(await sender({ resolve }).post(requestTo('http://hooks.example/'))).toEqual(error('dns_error'));
    }
  });
});

describe('connection_refused', () => {
  test('no server listens, at one address or two', async () => {
    const port = await closedPort();
    expect(await sender().post(requestTo(`http://127.0.0.1:${port}/`))).toEqual(error('connection_refused'));
    expect(await postTo({ port })).toEqual(error('connection_refused'));
    expect(await postTo({ port }, 'https')).toEqual(error('connection_refused'));
  });
});

describe('connection_error', () => {
  test('the connection is closed at once', async () => {
    const server = await loopback((socket) => void socket.end());
    expect(await postTo(server)).toEqual(error('connection_error'));
    expect(await postTo(server, 'https')).toEqual(error('connection_error'));
  });

  test.each<[string, (socket: Socket) => void]>([
    ['closed instead of an answer', (socket) => socket.end()],
    ['reset instead of an answer', (socket) => socket.resetAndDestroy()],
    ['closed after 100 Continue', (socket) => socket.end('HTTP/1.1 100 Continue\r\n\r\n')],
    ['closed within the headers', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le')],
  ])('the connection is %s', async (_what, act) => {
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
    ['of an unknown authority', good, undefined],
    ['of another name', certificateFor('elsewhere.example'), 'its own'],
    ['that has run out', certificateFor('localhost', new Date(Date.UTC(2021, 0, 1))), 'its own'],
  ])('a certificate %s', async (_what, certificate, trusted) => {
    const { received, listener } = keeping();
    const server = await httpsLoopback(certificate, listener);
    const from = sender(trusted ? { ca: certificate.cert } : {});
    expect(await postTo(server, 'https', from)).toEqual(error('tls_error'));
    // A second time, since a session that was never verified must not be resumed.
    expect(await postTo(server, 'https', from)).toEqual(error('tls_error'));
    expect(received).toEqual([]);
  });

  test('a version of TLS that is too old, or a server that wants a certificate of the hub', async () => {
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

  test('does not occur with a trusted certificate', async () => {
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
    ['accepts the request and answers nothing', () => {}],
    ['drips its headers', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx: ')],
    ['announces its answer without end', (socket) => drip(socket, '', 'HTTP/1.1 102 Processing\r\n\r\n')],
  ])('the server %s', async (_what, act) => {
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

  test('the server does not answer the TLS handshake', async () => {
    const outcome = await postTo(await loopback(), 'https', hurried());
    expect(outcome).toEqual(error('timeout'));
    expect(outcome.ms).toSatisfy(isInTime);
  });

  test('the name server does not answer, and no connection is made', async () => {
    const connects = countConnects();
    const outcome = await hurried({ resolve: never }).post(requestTo('http://hooks.example/'));
    expect(outcome).toEqual(error('timeout'));
    expect(outcome.ms).toSatisfy(isInTime);
    expect(connects()).toBe(0);
  });

  test('nothing is sent on a connection that is made too late', async () => {
    const received = Promise.withResolvers<string>();
    const server = await loopback((socket) => {
      let sent = '';
      socket.on('data', (bytes) => {
        sent += bytes.toString();
      });
      socket.on('close', () => received.resolve(sent));
    });
    const found = Promise.withResolvers<LookupAddress[]>();
    expect(await postTo(server, 'http', hurried({ resolve: () => found.promise }))).toEqual(error('timeout'));
    found.resolve([{ address: '127.0.0.1', family: 4 }]);
    expect(await received.promise).toBe('');
  });

  test('other endpoints are served meanwhile', async () => {
    const silent = await loopback();
    const server = await httpLoopback(keeping().listener);
    const from = sender({ deadlineMs: 1_000 });
    const lost = Array.from({ length: 20 }, () => postTo(silent, 'http', from));
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => postTo(server, 'http', from)));
    expect(outcomes.filter(({ kind }) => kind === 'answer')).toHaveLength(20);
    expect(await Promise.all(lost)).toEqual(lost.map(() => error('timeout')));
  });
});
