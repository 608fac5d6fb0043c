import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  GoneException,
  LimitExceededException,
  PayloadTooLargeException,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import {
  type Backend,
  contextOf,
  idOf,
  keyOf,
  openClient,
  openIdentified,
  startBackend,
} from '../socket-stack.ts';
import { rawRequest, synthesizeFixture } from '../support.ts';

const KILOBYTE = 1_024;

let backend: Backend;
let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
let stack: LocalStack;
let url: string;
beforeAll(async () => {
  backend = await startBackend();
  fixture = await synthesizeFixture({ backend: backend.port }, 'socket');
  stack = await startLocalStack({ assembly: fixture.assembly });
  url = `${stack.outputs.ApiEndpoint}/ws`;
});
afterAll(async () => {
  await stack.close();
  fixture.remove();
  await backend.close();
});
beforeEach(() => backend.answer({}));
afterEach(async () => {
  await control('faults', { method: 'DELETE' });
  await control('calls', { method: 'DELETE' });
  backend.reset();
});

const control = (path: string, init?: RequestInit) => fetch(`${stack.control}/${path}`, init);
const callback = () => url.replace('ws://', 'http://');
const sdk = (key = stack.aws.accessKeyId) =>
  new ApiGatewayManagementApiClient({
    endpoint: callback(),
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: key, secretAccessKey: 'not verified' },
  });
const post = (ConnectionId: string, Data: string | Buffer, key?: string) =>
  sdk(key).send(new PostToConnectionCommand({ ConnectionId, Data }));
const signed = (key: string, service = 'execute-api', headers = 'host;x-amz-date') => ({
  authorization: `AWS4-HMAC-SHA256 Credential=${key}/20260101/us-east-1/${service}/aws4_request, SignedHeaders=${headers}, Signature=0`,
  'x-amz-date': '20260101T000000Z',
});
const raw = (method: string, id: string, headers: Record<string, string>) =>
  rawRequest(`${callback()}/@connections/${id}`, {
    method,
    headers,
    ...(method === 'POST' && { body: Buffer.from('x') }),
  });
const open = () => openIdentified(backend, url);

describe('a connection', () => {
  it('gets the posts to its id, and no other connection does', async () => {
    const [one, other] = [await open(), await open()];
    await post(one.id, 'to one');
    await post(other.id, 'to the other');
    await one.message('to one');
    await other.message('to the other');
    expect([one.messages, other.messages]).toEqual([['to one'], ['to the other']]);
    one.socket.close();
    other.socket.close();
  });

  it('can be described and closed by a function', async () => {
    const client = await open();
    const described = await sdk().send(new GetConnectionCommand({ ConnectionId: client.id }));
    expect(described.ConnectedAt).toBeInstanceOf(Date);
    expect(described.LastActiveAt).toBeInstanceOf(Date);
    expect(described.Identity).toMatchObject({ SourceIp: '127.0.0.1' });
    await sdk().send(new DeleteConnectionCommand({ ConnectionId: client.id }));
    expect((await client.closed).code).toBe(1_000);
    const { event } = await backend.end(client.id);
    expect(contextOf(event).disconnectStatusCode).toBe(1_000);
    await expect(post(client.id, 'x')).rejects.toBeInstanceOf(GoneException);
  });

  it('is unknown before the answer of $connect, and open right after it', async () => {
    const held = Promise.withResolvers<object>();
    backend.answer({ $connect: () => held.promise });
    const opening = openClient(url);
    const id = idOf(await backend.event((event) => keyOf(event) === '$connect'));
    await expect(post(id, 'early')).rejects.toBeInstanceOf(GoneException);
    await expect(sdk().send(new GetConnectionCommand({ ConnectionId: id }))).rejects.toBeInstanceOf(
      GoneException,
    );
    held.resolve({ statusCode: 200 });
    const client = await opening;
    await post(id, 'late');
    await client.message('late');
    expect(client.messages).toEqual(['late']);
    client.socket.close();
  });

  it('is 410 without a body if it never existed, as on AWS', async () => {
    const admin = signed(stack.aws.accessKeyId);
    for (const method of ['POST', 'GET', 'DELETE']) {
      const answer = await raw(method, 'L0SM9cOFvHcCIhw%3D', admin);
      expect([answer.status, answer.headers['x-amzn-errortype'], answer.body]).toEqual([
        410,
        'GoneException',
        '',
      ]);
    }
    for (const id of ['x', 'L0SM9cOFvHcCIhw', '%ZZ']) {
      const answer = await raw('POST', id, admin);
      expect([answer.status, answer.headers['x-amzn-errortype']]).toEqual([400, 'BadRequestException']);
    }
  });

  it('accepts its id with and without percent-encoding', async () => {
    const client = await open();
    const target = callback().replace(/^http:\/\/[^/]+/, '');
    for (const path of [`@connections/${client.id}`, `%40connections/${encodeURIComponent(client.id)}`]) {
      const headers = signed(stack.aws.accessKeyId);
      const options = { method: 'POST', target: `${target}/${path}`, headers, body: Buffer.from(path) };
      expect((await rawRequest(callback(), options)).status).toBe(200);
      await client.message(path);
    }
    client.socket.close();
  });

  it('gets up to 128 KB, in frames of 32 KB', async () => {
    const client = await openIdentified(backend, url, { maxFragments: 4 });
    await expect(post(client.id, Buffer.alloc(128 * KILOBYTE + 1, 'x'))).rejects.toBeInstanceOf(
      PayloadTooLargeException,
    );
    const largest = 'é'.repeat(64 * KILOBYTE - 1); // two bytes each: some lie over the edge of a frame
    await post(client.id, `-${largest}-`);
    expect(await client.message('-')).toBe(`-${largest}-`);
    await post(client.id, '');
    await post(client.id, 'end');
    await client.message('end');
    expect(client.messages.slice(1)).toEqual(['', 'end']);
    client.socket.close();

    const strict = await openIdentified(backend, url, { maxFragments: 3 });
    await post(strict.id, Buffer.alloc(96 * KILOBYTE, 'x'));
    await strict.message('x');
    await post(strict.id, Buffer.alloc(96 * KILOBYTE + 1, 'x'));
    expect((await strict.closed).code).toBe(1_006);
    expect(strict.messages).toHaveLength(1);
  });

  it('gets 429 for posts while its buffer is full, and more messages when the client reads again', async () => {
    const client = await open();
    client.socket.pause();
    const megabyte = Buffer.alloc(128 * KILOBYTE, 'x');
    let sent = 0;
    let refusal: unknown;
    while (refusal === undefined && sent < 1_000) {
      await post(client.id, megabyte).then(
        () => {
          sent += 1;
        },
        (error: unknown) => {
          refusal = error;
        },
      );
    }
    expect(refusal).toBeInstanceOf(LimitExceededException);
    client.socket.resume();
    await expect.poll(() => client.messages.length).toBe(sent);
    await post(client.id, 'again');
    await client.message('again');
    client.socket.close();
  });
});

describe('the caller of @connections', () => {
  /** Returns the access key of the function for this action. */
  async function keyFor(client: Awaited<ReturnType<typeof open>>, action: string): Promise<string> {
    client.send({ action });
    return (await backend.event((event) => keyOf(event) === action)).key;
  }

  it('must be known, and must sign host and date for this service', async () => {
    const client = await open();
    const key = client.key;
    const { 'x-amz-date': _, ...undated } = signed(key);
    const refused: [Record<string, string>, string][] = [
      [{}, 'MissingAuthenticationTokenException'],
      [{ authorization: 'Bearer x' }, 'MissingAuthenticationTokenException'],
      [signed('ASIAUNKNOWN'), 'UnrecognizedClientException'],
      [undated, 'IncompleteSignatureException'],
      [signed(key, 'execute-api', 'x-amz-date'), 'IncompleteSignatureException'],
      [signed(key, 'execute-api', 'host'), 'IncompleteSignatureException'],
      [signed(key, 'lambda'), 'InvalidSignatureException'],
    ];
    for (const [headers, type] of refused) {
      const answer = await raw('POST', client.id, headers);
      expect([answer.status, answer.headers['x-amzn-errortype']]).toEqual([403, type]);
    }
    expect((await raw('PUT', client.id, signed(stack.aws.accessKeyId))).status).toBe(403);
    expect((await raw('POST', client.id, signed(key))).status).toBe(200);
    await client.message('x');
    expect(client.messages).toEqual(['x']);
    client.socket.close();
  });

  it('must have the grant for the method', async () => {
    const client = await open();
    const [poster, mute] = [await keyFor(client, 'post'), await keyFor(client, 'mute')];
    const statuses = async (key: string) => {
      const requests = ['POST', 'GET', 'DELETE'].map((method) => raw(method, client.id, signed(key)));
      return (await Promise.all(requests)).map(({ status }) => status);
    };
    expect(await statuses(poster)).toEqual([200, 403, 403]);
    expect(await statuses(mute)).toEqual([403, 403, 403]);
    const { body } = await raw('DELETE', client.id, signed(mute));
    expect(body).toMatch(
      /User: arn:aws:sts::000000000000:assumed-role\/.* is not authorized to perform: execute-api:ManageConnections on resource: arn:aws:execute-api:us-east-1:000000000000:\w{10}\/ws\/DELETE\/@connections\//,
    );
    expect(await statuses(client.key)).toEqual([200, 200, 204]);
    await client.closed;
  });

  it('is counted, and faults apply to it', async () => {
    const client = await open();
    const fault = async (at: string, effect: unknown) => {
      const body = { function: 'Socket/Talk', action: 'execute-api:ManageConnections', at, effect };
      expect((await control('faults', { method: 'POST', body: JSON.stringify(body) })).status).toBe(204);
    };
    await fault('before', { status: 429, type: 'LimitExceededException' });
    await expect(post(client.id, 'refused', client.key)).rejects.toBeInstanceOf(LimitExceededException);
    await fault('after', { status: 500, type: 'InternalServerException' });
    await expect(post(client.id, 'arrived', client.key)).rejects.toThrow('InternalServerException');
    await fault('before', { delayMs: 1 });
    await post(client.id, 'delayed', client.key);
    await fault('after', 'kill');
    await expect(post(client.id, 'last', client.key)).rejects.toThrow('socket hang up');
    await client.message('last');
    expect(client.messages).toEqual(['arrived', 'delayed', 'last']);
    expect(await (await control('calls')).json()).toContainEqual({
      function: 'Socket/Talk',
      action: 'execute-api:ManageConnections',
      count: 4,
    });
    client.socket.close();
  });
});
