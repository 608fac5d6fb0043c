/**
 * Posts to connections: their results, and the bound of posts in flight.
 * @module
 */
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { Sha256 } from '@aws-crypto/sha256-js';
import {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import { SignatureV4 } from '@smithy/signature-v4';
import { describe, expect, test } from 'vitest';
import { rateLimiter, type Time } from '../../../lambda/aws/sockets/rate-limiter.ts';
import {
  type ConnectionsSettings,
  connectionsInApiGateway,
} from '../../../lambda/aws/sockets/socket-poster.ts';
import { MAX_POST_BYTES } from '../../../protocol/limits.ts';
import { type Answer, type PostsGateway, postsGateway } from '../../support/domain/posts-gateway.ts';

const REGION = 'eu-west-1';
const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token==' };

/** Does not wait, and records the requested waits. */
function noTime(): Time & { readonly waits: number[] } {
  const waits: number[] = [];
  const after = (ms: number, then: () => void): void => {
    waits.push(ms);
    setImmediate(then);
  };
  return { waits, now: () => 0, after };
}

/** Time that stands still until the test advances it. */
function handTime() {
  let now = 0;
  let timers: { readonly at: number; readonly then: () => void }[] = [];
  const pass = (ms: number): void => {
    now += ms;
    const due = timers.filter(({ at }) => at <= now);
    timers = timers.filter(({ at }) => at > now);
    for (const { then } of due) then();
  };
  return {
    now: () => now,
    after: (ms: number, then: () => void) => void timers.push({ at: now + ms, then }),
    pass,
  };
}

const connectionsTo = ({ endpoint }: { endpoint: string }, more: Partial<ConnectionsSettings> = {}) =>
  connectionsInApiGateway({
    endpoint,
    region: REGION,
    credentials: CREDENTIALS,
    inFlight: 8,
    perSecond: 100_000,
    time: noTime(),
    timeoutMs: 5_000,
    ...more,
  });

const idsOf = (count: number) => Array.from({ length: count }, (_, n) => `Zc${n}aFx=`);
const inTurn = (...answers: readonly Answer[]) => postsGateway((_post, before) => answers[before] ?? 'reset');

describe('the result of a post', () => {
  test.each<[Answer[], string]>([
    [[200], 'sent'],
    [[410], 'gone'],
    [[400], 'gone'],
    [[429, 200], 'sent'],
    [[429, 429, 410], 'gone'],
    [[429, 429, 429], 'busy'],
    [[500, 200], 'sent'],
    [[500, 502, 504], 'unsure'],
    [[503, 429, 429], 'unsure'],
    [[429, 429, 503], 'unsure'],
    [['reset', 200], 'sent'],
    [['reset', 'reset', 'reset'], 'unsure'],
    [['reset', 429, 429], 'unsure'],
    [['reset', 410], 'gone'],
  ])('%j: %s', async (answers, expected) => {
    const gateway = await inTurn(...answers);
    expect(await connectionsTo(gateway).post('Zabc=', '{}')).toBe(expected);
    expect(gateway.posts).toHaveLength(answers.length);
  });

  test.each<[Answer, string]>([
    [200, 'sent'],
    [410, 'gone'],
    [429, 'busy'],
    [503, 'unsure'],
    ['reset', 'unsure'],
  ])('that may be attempted once, %j: %s', async (answer, expected) => {
    const gateway = await inTurn(answer, 200);
    expect(await connectionsTo(gateway).post('Zabc=', '{}', Number.POSITIVE_INFINITY, 1)).toBe(expected);
    expect(gateway.posts).toHaveLength(1);
  });

  test('that waits beyond its time is busy, and it is not sent', async () => {
    let now = 1_000;
    const gateway = await postsGateway(() => {
      now = 2_000;
      return 200;
    });
    const { post } = connectionsTo(gateway, { inFlight: 1, clock: () => now });
    const posts = [post('Za=', '{}', 1_500), post('Zb=', '{}', 1_500), post('Zc=', '{}', 2_500)];
    expect(await Promise.all(posts)).toEqual(['sent', 'busy', 'sent']);
    expect(gateway.posts).toHaveLength(2);
  });

  test('without an answer in time is that of a lost connection', async () => {
    const cases: readonly (readonly [readonly Answer[], string])[] = [
      [['hang', 'hang', 'hang'], 'unsure'],
      [['hang', 200], 'sent'],
      [['hang', 429, 429], 'unsure'],
    ];
    const tried = cases.map(async ([answers, expected]) => {
      const gateway = await inTurn(...answers);
      expect(await connectionsTo(gateway, { timeoutMs: 60 }).post('Zabc=', '{}')).toBe(expected);
      expect(gateway.posts).toHaveLength(answers.length);
    });
    await Promise.all(tried);
  });

  test.each([
    [403, 'execute-api:ManageConnections'],
    [413, `a frame of 3 bytes is too large to be posted: the limit is ${MAX_POST_BYTES}`],
    [404, 'was answered 404'],
    [302, 'was answered 302'],
  ])('%i is a defect, and is not tried again', async (status, sentence) => {
    const gateway = await inTurn(status, 200);
    const connections = connectionsTo(gateway);
    await expect(connections.post('Zabc=', 'abc')).rejects.toThrow(sentence);
    expect(await connections.post('Zabc=', 'abc')).toBe('sent');
  });

  test('to a closed port is unsure', async () => {
    expect(await connectionsTo({ endpoint: 'http://127.0.0.1:9/ws' }).post('Zabc=', '{}')).toBe('unsure');
  });

  test('that cannot be sent is a defect, not unsure', async () => {
    const credentials = { ...CREDENTIALS, sessionToken: 'two\nlines' };
    const connections = connectionsTo(await inTurn(200), { credentials });
    await expect(connections.post('Zabc=', '{}')).rejects.toThrow('x-amz-security-token');
  });

  test('has random pauses of 50 to 250 ms between attempts', async () => {
    const time = noTime();
    for (const chance of [0, 0.5, 1]) {
      await connectionsTo(await inTurn(429, 503, 429), { time, random: () => chance }).post('Zabc=', '{}');
    }
    expect(time.waits).toEqual([50, 50, 150, 150, 250, 250]);
  });
});

describe('the result of closing a connection', () => {
  test.each<[Answer[], string]>([
    [[204], 'closed'],
    [[410], 'gone'],
    [[400], 'gone'],
    [[429, 204], 'closed'],
    [[429, 429, 429], 'busy'],
    [['reset', 500, 503], 'busy'],
  ])('%j: %s', async (answers, expected) => {
    const gateway = await inTurn(...answers);
    expect(await connectionsTo(gateway).close('Zabc=')).toBe(expected);
    expect(gateway.posts).toHaveLength(answers.length);
  });

  test('comes from a DELETE without a body, signed as the SDK signs it', async () => {
    const at = Date.UTC(2026, 0, 1);
    const gateway = await inTurn(204, 200);
    const connections = connectionsTo(gateway, { clock: () => at });
    await connections.close('a+b/c==');
    await connections.post('a+b/c==', '{}');
    const [{ method, path = '', headers, body } = { method: '', headers: {}, body: '' }] = gateway.posts;
    expect([method, path, body]).toEqual(['DELETE', '/ws/@connections/a%2Bb%2Fc%3D%3D', '']);
    expect(headers).toMatchObject({ authorization: await signatureOf('DELETE', path, headers, body, at) });
  });

  test('of 403 is a defect', async () => {
    await expect(connectionsTo(await inTurn(403)).close('Zabc=')).rejects.toThrow(
      'execute-api:ManageConnections',
    );
  });
});

describe('the connection slots', () => {
  const slowly = () => postsGateway(() => wait(3).then(() => 200));

  test('are all used and never exceeded, each with one socket that stays open', async () => {
    const gateway = await slowly();
    const connections = connectionsTo(gateway);
    for (let round = 0; round < 2; round++) {
      const posted = await Promise.all(idsOf(200).map((id) => connections.post(id, '{}')));
      expect(new Set(posted)).toEqual(new Set(['sent']));
    }
    expect(gateway.posts).toHaveLength(400);
    expect([gateway.mostAtOnce(), gateway.sockets()]).toEqual([8, 8]);
  });

  test('take posts in the order of the calls', async () => {
    const gateway = await slowly();
    const connections = connectionsTo(gateway, { inFlight: 1 });
    await Promise.all(idsOf(50).map((id) => connections.post(id, id)));
    expect(gateway.posts.map(({ body }) => body)).toEqual(idsOf(50));
    expect(gateway.sockets()).toBe(1);
  });

  test('keep the order of a connection for a caller that awaits each post', async () => {
    const gateway = await postsGateway((_post, before) => (before % 5 === 3 ? 429 : 200));
    const connections = connectionsTo(gateway);
    const frames = ['0', '1', '2', '3', '4', '5'];
    const sending = idsOf(20).map(async (id) => {
      for (const frame of frames) while ((await connections.post(id, `${id}${frame}`)) !== 'sent');
    });
    await Promise.all(sending);
    for (const id of idsOf(20)) {
      const came = gateway.posts.map(({ body }) => body).filter((body) => body.startsWith(id));
      expect([...new Set(came)]).toEqual(frames.map((frame) => id + frame));
      expect(came).toEqual(came.toSorted());
    }
  });

  test('go on while a busy connection waits for its next attempt', async () => {
    const time = handTime();
    const gateway = await postsGateway((post, before) => (before === 0 && post.body === 'slow' ? 429 : 200));
    const connections = connectionsTo(gateway, { inFlight: 1, time });
    const slow = connections.post('Zslow=', 'slow');
    expect(await connections.post('Zfast=', 'fast')).toBe('sent');
    time.pass(250);
    expect(await slow).toBe('sent');
    expect(gateway.posts.map(({ body }) => body)).toEqual(['slow', 'fast', 'slow']);
  });

  test('survive a closed port, with more posts than slots', async () => {
    const { post } = connectionsTo({ endpoint: 'http://127.0.0.1:1/ws' }, { inFlight: 1 });
    expect(await Promise.all(idsOf(5).map((id) => post(id, 'x')))).toEqual(idsOf(5).map(() => 'unsure'));
  });

  test('survive a server that closes each connection, and one that resets some', async () => {
    const closing = await postsGateway(() => 200, true);
    const all = await Promise.all(idsOf(40).map((id) => connectionsTo(closing).post(id, '{}')));
    expect(new Set(all)).toEqual(new Set(['sent']));
    expect(closing.posts).toHaveLength(40);
    const resetting = await postsGateway((_post, before) => (before % 3 === 1 ? 'reset' : 200));
    const connections = connectionsTo(resetting, { inFlight: 4 });
    const posted = await Promise.all(idsOf(60).map((id) => connections.post(id, id)));
    expect(posted.filter((one) => one !== 'sent' && one !== 'unsure')).toEqual([]);
    expect(new Set(resetting.posts.map(({ body }) => body)).size).toBe(60);
  });
});

describe('the rate limiter', () => {
  test.each([3, 250, 9_000])('of %i a second is used fully and never exceeded', (perSecond) => {
    const time = handTime();
    let started = 0;
    const mayStart = rateLimiter(perSecond, time, resume);
    function resume(): void {
      while (mayStart()) started++;
    }
    resume();
    const burst = Math.max(1, perSecond / 10);
    expect(started).toBe(Math.floor(burst));
    for (let ms = 1; ms <= 10_000; ms++) {
      time.pass(1);
      expect(started).toBeLessThanOrEqual(burst + (perSecond * ms) / 1_000 + 1e-6);
    }
    expect(started).toBeGreaterThanOrEqual(perSecond * 10 * 0.98);
  });

  test('delays posts, repeated attempts included', async () => {
    const time = handTime();
    const gateway = await postsGateway((_post, before) => (before === 0 ? 429 : 200));
    const connections = connectionsTo(gateway, { perSecond: 20, time, random: () => 0 });
    const posting = Promise.all(idsOf(4).map((id) => connections.post(id, '{}')));
    for (let came = 2; came <= 5; came++) {
      await expect.poll(() => gateway.posts.length).toBe(came);
      await wait(10);
      expect(gateway.posts).toHaveLength(came);
      time.pass(50);
    }
    time.pass(250);
    expect(await posting).toEqual(['sent', 'sent', 'sent', 'sent']);
  });
});

describe('on the wire', () => {
  const IDS = ['Zabc123dEFgHij=', 'a+b/c==', "with space!'()*", 'Grüße'];
  const wire = ({ posts }: PostsGateway) =>
    posts.map(({ method, path, body, headers }) => {
      const { host, 'content-type': type, 'content-length': length } = headers;
      return { method, path, body, host, type, length };
    });

  test('a post is equal to that of the SDK', async () => {
    const gateway = await postsGateway(() => 200);
    const client = new ApiGatewayManagementApiClient({
      endpoint: gateway.endpoint,
      region: REGION,
      credentials: CREDENTIALS,
    });
    const frames = ['{"text":"Grüße, 世界 🎉"}', 'x'.repeat(MAX_POST_BYTES)];
    const pairs = IDS.flatMap((id) => frames.map((frame) => ({ id, frame })));
    for (const { id, frame } of pairs) {
      await client.send(new PostToConnectionCommand({ ConnectionId: id, Data: frame }));
    }
    for (const { id, frame } of pairs) await connectionsTo(gateway).post(id, frame);
    const sent = wire(gateway);
    expect(sent.slice(pairs.length)).toEqual(sent.slice(0, pairs.length));
    client.destroy();
  });

  test('a post is signed for its host, port and path', async () => {
    const at = Date.UTC(2026, 0, 1);
    const gateway = await postsGateway(() => 200);
    for (const id of IDS) await connectionsTo(gateway, { clock: () => at }).post(id, '{}');
    for (const { path = '', headers, body } of gateway.posts) {
      const authorization = await signatureOf('POST', path, headers, body, at);
      expect(headers).toMatchObject({ authorization, 'x-amz-security-token': CREDENTIALS.sessionToken });
    }
  });
});

/** Returns the Authorization header that the SDK would send. */
async function signatureOf(
  method: string,
  path: string,
  { host = '', 'content-type': type = '' }: IncomingHttpHeaders,
  body: string,
  at: number,
): Promise<string | undefined> {
  const sdk = new SignatureV4({
    region: REGION,
    service: 'execute-api',
    credentials: CREDENTIALS,
    sha256: Sha256,
    applyChecksum: false,
  });
  const headers = { host, 'content-type': type };
  const request = { method, protocol: 'http:', hostname: '', path, query: {}, headers, body };
  return (await sdk.sign(request, { signingDate: new Date(at) })).headers.authorization;
}
