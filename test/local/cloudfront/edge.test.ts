import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { at, jsonOf, rawRequest, startGate, synthesizeFixture, tamper } from '../support.ts';

const VIA = '1.1 local.cloudfront.net (CloudFront)';
const MEGABYTE = 1024 * 1024;
const BINARY = { 'content-type': 'application/octet-stream' };

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
let stack: LocalStack;
const lines: string[] = [];
beforeAll(async () => {
  fixture = await synthesizeFixture({}, 'edge');
  stack = await startLocalStack({ assembly: fixture.assembly, log: (line) => lines.push(line) });
});
afterAll(async () => {
  await stack.close();
  fixture.remove();
});

const edge = (path: string, init?: RequestInit) => fetch(`${stack.url}${path}`, init);
const eventOf = async (path: string, init?: RequestInit) => jsonOf(await edge(path, init));
const bytes = (length: number) => Buffer.from(Array.from({ length }, (_, index) => (index * 7) % 256));
const sha256 = (body: Buffer) => createHash('sha256').update(body).digest('hex');

describe('the URL of the distribution', () => {
  it('is the URL of the stack and of the outputs; the API has another one', async () => {
    expect(stack.outputs.DoorUrl).toBe(stack.url);
    expect(stack.apiUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(stack.apiUrl).not.toBe(stack.url);
    expect((await fetch(`${stack.apiUrl}/x`)).status).toBe(200);
  });

  it('has the port of the options', async () => {
    const free = await startGate();
    await free.close();
    const other = await startLocalStack({ assembly: fixture.assembly, port: Number(free.port) });
    try {
      expect(other.url).toBe(`http://127.0.0.1:${free.port}`);
    } finally {
      await other.close();
    }
  });
});

describe('the origin', () => {
  it('gets the path and the query as they were sent', async () => {
    const target = '/a%2Fb/c%20d?x=1&x=%20&live=&&z&=y&%zz';
    const { body } = await rawRequest(`${stack.url}${target}`, {});
    expect(JSON.parse(body)).toMatchObject({ rawQueryString: 'x=1&x=%20&live=&&z&=y&%zz' });
    const signed = await rawRequest(`${stack.url}/signed${target}`, {});
    expect(JSON.parse(signed.body)).toMatchObject({ rawPath: '/signed/a%2Fb/c%20d' });
  });

  it('gets its own host, the forwarding headers, and the headers and cookies of the viewer', async () => {
    const headers = {
      'x-own': ['1', '2'],
      cookie: 'a=1; b=2',
      'x-forwarded-for': '192.0.2.1',
      te: 'trailers',
    };
    const { body } = await rawRequest(`${stack.url}/x`, { headers });
    const event: unknown = JSON.parse(body);
    const host = stack.apiUrl.replace('http://', '');
    expect(event).toMatchObject({ cookies: ['a=1', 'b=2'], requestContext: { domainName: host } });
    expect(at(event, 'headers')).toMatchObject({
      host,
      via: '1.1 local.cloudfront.net (CloudFront)',
      'x-amz-cf-id': expect.stringMatching(/^[\w-]{56}$/),
      'x-forwarded-for': '192.0.2.1, 127.0.0.1, 127.0.0.1',
      'x-own': '1,2',
    });
    expect(at(event, 'headers')).not.toHaveProperty('te');
  });

  it('gets the token of the caller if the policy forwards it and the origin has no access control', async () => {
    const event = await eventOf('/x', { headers: { authorization: 'Bearer x' } });
    expect(at(event, 'headers').authorization).toBe('Bearer x');
  });

  it('gets a signature in place of the token, which is in the header that the function has set', async () => {
    const headers = { authorization: 'Bearer x', 'x-moved': 'Bearer spoofed' };
    const event = await eventOf('/x?to=echo', { headers });
    expect(at(event, 'headers')).toMatchObject({
      authorization: expect.stringMatching(/^AWS4-HMAC-SHA256 Credential=EDGE/),
      'x-moved': 'Bearer x',
    });
    const spoofed = await eventOf('/x?to=echo', { headers: { 'x-moved': 'Bearer spoofed' } });
    expect(at(spoofed, 'headers')).not.toHaveProperty('x-moved');
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('gets every byte of a body (%s)', async (method) => {
    const body = bytes(1_024);
    const response = await edge('/x?binary', { method, body, headers: BINARY });
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  });

  it('gets a body of several megabytes in chunks', async () => {
    const chunks = Array.from({ length: 3 }, () => bytes(MEGABYTE));
    const headers = { ...BINARY, 'transfer-encoding': 'chunked' };
    const sent = await rawRequest(`${stack.url}/x`, { method: 'POST', headers, body: chunks });
    const event: unknown = JSON.parse(sent.body);
    const received = Buffer.from(String(at({ event }, 'event').body), 'base64');
    expect(sha256(received)).toBe(sha256(Buffer.concat(chunks)));
  });

  it('may refuse a body before it is read, and the connection stays open', async () => {
    const tooLarge = await edge('/x', { method: 'POST', body: Buffer.alloc(11 * MEGABYTE), headers: BINARY });
    expect(tooLarge.status).toBe(413);
    await tooLarge.text();
    expect((await edge('/x')).status).toBe(200);
  });

  it('gets a HEAD as a HEAD', async () => {
    const response = await edge('/x?binary', { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
  });

  it('gets every request if caching is disabled, even if its answers may be cached', async () => {
    const kept = { statusCode: 200, headers: { 'cache-control': 'public, max-age=60' }, body: 'kept' };
    const path = `/x?as=${encodeURIComponent(JSON.stringify(kept))}`;
    const ids = new Set<string | null>();
    for (const authorization of ['Bearer one', 'Bearer two', 'Bearer two']) {
      const response = await edge(path, { headers: { authorization } });
      expect(response.headers.get('cache-control')).toBe('public, max-age=60');
      expect(response.headers.get('x-cache')).toBe('Miss from cloudfront');
      ids.add(response.headers.get('apigw-requestid'));
    }
    expect(ids.size).toBe(3);
  });
});

describe('an origin with access control', () => {
  const url = () => stack.outputs.EchoUrl ?? '';
  const signedBy = (key: string) =>
    `AWS4-HMAC-SHA256 Credential=${key}/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0`;

  it('refuses every caller but the distribution', async () => {
    for (const authorization of ['', 'Bearer x', signedBy('EDGE0000000000000000'), signedBy('ASIAUNKNOWN')]) {
      expect((await fetch(url(), { headers: { authorization } })).status).toBe(403);
    }
    expect((await edge('/signed/x')).status).toBe(200);
  });

  it.each(['/signed/x', '/x?to=echo&leave'])(
    'refuses a request with the Authorization of a viewer, as on AWS (%s)',
    async (path) => {
      const response = await edge(path, { headers: { authorization: 'Bearer x' } });
      const { message } = await jsonOf(response);
      expect([response.status, message]).toEqual([
        403,
        'The request signature we calculated does not match the signature you provided.',
      ]);
      expect(lines.at(-1)).toContain('must not forward the Authorization of a viewer to echo');
    },
  );

  it.each(['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction'])(
    'needs the permission %s',
    async (action) => {
      const copy = tamper(fixture.assembly, 'Edge', (template) => {
        for (const resource of Object.values(at(template, 'Resources'))) {
          const { Action, Principal } = at({ Properties: {}, ...at({ resource }, 'resource') }, 'Properties');
          if (Action !== action || Principal !== 'cloudfront.amazonaws.com') continue;
          at(resource, 'Properties').SourceArn = 'arn:aws:cloudfront::000000000000:distribution/OTHER';
        }
      });
      const closed = await startLocalStack({ assembly: copy.assembly });
      try {
        expect((await fetch(`${closed.url}/signed/x`)).status).toBe(403);
      } finally {
        await closed.close();
        copy.remove();
      }
    },
  );

  it('accepts a body only with its hash', async () => {
    const body = bytes(512);
    const post = (headers: Record<string, string>) =>
      edge('/signed/x?binary', { method: 'POST', body, headers: { ...BINARY, ...headers } });
    expect((await post({})).status).toBe(403);
    expect((await post({ 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' })).status).toBe(403);
    const response = await post({ 'x-amz-content-sha256': sha256(body) });
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  });
});

describe('a distribution refuses', () => {
  it('a GET with a body, a method that the behavior does not allow, a missing path, and a URL or headers that are too long', async () => {
    const raw = (path: string, options: Parameters<typeof rawRequest>[1]) =>
      rawRequest(`${stack.url}${path}`, options);
    const answers = await Promise.all([
      raw('/x', { method: 'GET', headers: { 'content-length': '3' }, body: Buffer.from('abc') }),
      raw('/x', { method: 'PROPFIND' }),
      raw('/outside/x', { method: 'POST' }),
      raw('/x', { method: 'OPTIONS', target: '*' }),
      raw(`/${'x'.repeat(8_192)}`, {}),
      raw('/x', { headers: { 'x-long': 'x'.repeat(33_000) } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 400, 414, 494]);
    for (const { headers, body } of answers) {
      expect(headers).toMatchObject({ 'content-type': 'text/html', 'x-cache': 'Error from cloudfront' });
      expect(body).toContain('The request could not be satisfied');
    }
  });
});

describe('response parameters of the API', () => {
  it('change answers of the function with that status, and no answer of the gateway', async () => {
    const gate = await startGate();
    const post = () => edge('/narrow', { method: 'POST', body: gate.port });
    const held = post();
    try {
      await gate.arrived(1);
      const throttled = await post();
      expect(throttled.status).toBe(503);
      expect(throttled.headers.get('retry-after')).toBeNull();
      gate.open();
      const answered = await held;
      expect(answered.status).toBe(200);
      expect(answered.headers.get('retry-after')).toBeNull();
      expect(answered.headers.get('x-fresh')).toBe('b');
      expect(answered.headers.get('content-type')).toBeNull();
    } finally {
      gate.open();
      await gate.close();
    }
  });
});

const OURS = 'https://app.example';

describe('a request whose function is throttled', () => {
  it.each(['url', 'apiUrl'] as const)(
    'is refused before its body has come, and its connection goes on (%s)',
    async (name) => {
      const gate = await startGate();
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const held = edge('/narrow', { method: 'POST', body: gate.port });
      try {
        await gate.arrived(1);
        const headers = { 'content-length': '5', origin: OURS };
        const request = httpRequest(`${stack[name]}/narrow`, { method: 'POST', agent, headers });
        request.flushHeaders();
        const [answer]: IncomingMessage[] = await once(request, 'response');
        request.end('12345');
        expect(answer?.statusCode).toBe(503);
        expect(await answer?.setEncoding('utf8').toArray()).toEqual(['{"message":"Service Unavailable"}']);
        expect(answer?.headers).toMatchObject({
          'content-type': 'application/json',
          'content-length': '33',
          'apigw-requestid': expect.stringMatching(/^[\w-]{16}$/),
          ...(name === 'url' && { via: VIA, 'access-control-allow-origin': OURS }),
        });
        const next = httpRequest(`${stack[name]}/x`, { agent }).end();
        const [following]: IncomingMessage[] = await once(next, 'response');
        following?.resume();
        expect([following?.statusCode, next.reusedSocket]).toEqual([200, true]);
      } finally {
        agent.destroy();
        gate.open();
        expect((await held).status).toBe(200);
        await gate.close();
      }
    },
  );
});

describe('a response headers policy', () => {
  const corsOf = async (path: string, init: RequestInit = {}) => {
    const response = await edge(path, init);
    await response.body?.cancel();
    return [...response.headers].filter(([name]) => name.startsWith('access-control-'));
  };
  const asking = (as: object) => `/echo?as=${encodeURIComponent(JSON.stringify(as))}`;

  it('adds its headers to an answer without CORS headers', async () => {
    const added = [
      ['access-control-allow-origin', OURS],
      ['access-control-expose-headers', 'Retry-After'],
    ];
    expect(await corsOf('/echo', { headers: { origin: OURS } })).toEqual(added);
    const refused = await edge('/echo', { headers: { origin: OURS, 'x-long': 'x'.repeat(11_000) } });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([431, OURS]);
  });

  it('adds nothing for an unlisted origin or without an Origin header', async () => {
    for (const headers of [{ origin: 'https://evil.example' }, {}])
      expect(await corsOf('/echo', { headers })).toEqual([]);
    expect(await corsOf('/echo', { headers: { origin: 'https://a.other.example' } })).not.toEqual([]);
  });

  it('adds nothing to an answer with a CORS header', async () => {
    const own = { 'access-control-expose-headers': 'X-Own' };
    const path = asking({ statusCode: 200, headers: own, body: '' });
    expect(await corsOf(path, { headers: { origin: OURS } })).toEqual(Object.entries(own));
  });

  it('applies only to the behaviors that have it', async () => {
    expect(await corsOf('/signed/echo', { headers: { origin: OURS } })).toEqual([]);
  });
});
