/**
 * The sockets of calls: how many, in which order, and what becomes of requests that get no answer.
 * @module
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { requestsTo } from '../../../../lambda/aws/calls/http-requests.ts';

const PATIENT_MS = 60_000;
const BODY = Buffer.from('{}');
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Starts a server. `on` gets each request as text, with its socket, and the number of the socket. */
async function serve(on: (socket: Socket, request: string, number: number) => void): Promise<string> {
  let count = 0;
  const server = createTcpServer((socket) => {
    const number = ++count;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => on(socket, data.toString(), number));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  return `http://127.0.0.1:${address.port}`;
}

test('calls that follow each other use one socket', async () => {
  const numbers: number[] = [];
  const send = requestsTo(
    await serve((socket, _request, number) => {
      numbers.push(number);
      socket.write(OK);
    }),
  );
  for (let n = 0; n < 5; n++)
    expect(await send(['a', 'b'], BODY, PATIENT_MS)).toMatchObject({ status: 200, body: '{}' });
  expect(numbers).toEqual([1, 1, 1, 1, 1]);
});

test('calls at the same time use a socket each', async () => {
  const waiting: Socket[] = [];
  const send = requestsTo(
    await serve((socket) => {
      waiting.push(socket);
      if (waiting.length === 3) for (const one of waiting) one.write(OK);
    }),
  );
  const answers = await Promise.all([1, 2, 3].map(() => send([], BODY, PATIENT_MS)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(new Set(waiting).size).toBe(3);
});

test('there are no more sockets than allowed, and the other calls wait for them', async () => {
  const MOST = 3;
  const open: Socket[] = [];
  const served: string[] = [];
  const url = await serve((socket, request) => {
    const [, name = ''] = /x-name: (\w+)/.exec(request) ?? [];
    served.push(name);
    if (served.length <= MOST) open.push(socket);
    else socket.write(OK);
    if (served.length === MOST) for (const one of open) one.write(OK);
  });
  const send = requestsTo(url, MOST);
  const names = Array.from({ length: 7 }, (_, n) => `n${n}`);
  await Promise.all(names.map((name) => send(['x-name', name], BODY, PATIENT_MS)));
  expect(new Set(open).size).toBe(MOST);
  expect(served.toSorted()).toEqual(names.toSorted());
});

describe('a request without an answer', () => {
  test('fails after its timeout, and is not sent any more if it has no socket by then', async () => {
    const late = Promise.withResolvers<Socket>();
    let received = 0;
    const send = requestsTo(
      await serve((socket, request) => {
        received++;
        if (request.includes('x-wanted')) socket.write(OK);
        else late.resolve(socket);
      }),
    );
    // On a busy machine the first of them may not even have a socket in time.
    while (received === 0) await expect(send([], BODY, 20)).rejects.toMatchObject({ name: 'TimeoutError' });
    // A late answer is not taken for that of the next request.
    (await late.promise).write(OK.replace('{}', '[]'));
    expect(await send(['x-wanted', 'yes'], BODY, PATIENT_MS)).toMatchObject({ body: '{}' });
  });

  test('ends its socket, so that the service may notice it', async () => {
    let requests = 0;
    const closed = Promise.withResolvers<void>();
    const send = requestsTo(
      await serve((socket) => {
        requests++;
        socket.on('close', () => closed.resolve());
      }),
    );
    while (requests === 0) await expect(send([], BODY, 20)).rejects.toMatchObject({ name: 'TimeoutError' });
    await closed.promise;
  });

  test.each([
    ['before the answer', ''],
    ['in the middle of the answer', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{'],
  ])('fails if the connection ends %s, and the next one has another connection', async (_when, part) => {
    let requests = 0;
    const send = requestsTo(
      await serve((socket) => {
        if (++requests > 1) socket.write(OK);
        else socket.end(part);
      }),
    );
    await expect(send([], BODY, PATIENT_MS)).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' });
    expect(await send([], BODY, PATIENT_MS)).toMatchObject({ body: '{}' });
  });

  test('fails if no connection is possible', async () => {
    const url = await serve(() => {});
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    await expect(requestsTo(url)([], BODY, PATIENT_MS)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

test('an answer in many parts, with characters across their borders', async () => {
  const text = JSON.stringify({ text: 'Grüße, 世界 🎉'.repeat(50) });
  const bytes = Buffer.from(text);
  const send = requestsTo(
    await serve((socket) => {
      socket.setNoDelay(true);
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`);
      for (let at = 0; at < bytes.length; at += 7) socket.write(bytes.subarray(at, at + 7));
    }),
  );
  expect((await send([], BODY, PATIENT_MS)).body).toBe(text);
});
