import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { at, jsonOf, rawRequest, synthesizeFixture } from '../support.ts';

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

/** Requests one of the things that the function of the fixture can do. */
const doing = (way: string) => fetch(`${stack.url}/x?do=${way}`);

describe('the event', () => {
  it('has the shape of CloudFront Functions', async () => {
    const headers = { 'X-Mixed': ['one', 'two'], Cookie: 'a=1; b=x=y; a=2' };
    const { body } = await rawRequest(`${stack.url}/a%20b?do=event&q=%20&q=2&empty&%61=b`, { headers });
    const seen: unknown = JSON.parse(body);
    expect(seen).toMatchObject({ raw: 'do=event&q=%20&q=2&empty&%61=b', hasRaw: true });
    expect(at(seen, 'event')).toMatchObject({
      version: '1.0',
      context: {
        distributionDomainName: expect.stringMatching(/^d[0-9a-z]+\.cloudfront\.net$/),
        distributionId: stack.outputs.DistributionId,
        eventType: 'viewer-request',
        requestId: expect.stringMatching(/^[\w-]{56}$/),
      },
      viewer: { ip: '127.0.0.1' },
    });
    expect(at(seen, 'event', 'request')).toMatchObject({ method: 'GET', uri: '/a%20b' });
    expect(at(seen, 'event', 'request', 'querystring')).toEqual({
      do: { value: 'event' },
      q: { value: '%20', multiValue: [{ value: '%20' }, { value: '2' }] },
      empty: { value: '' },
      '%61': { value: 'b' },
    });
    expect(at(seen, 'event', 'request', 'headers')).toMatchObject({
      host: { value: stack.url.replace('http://', '') },
      'x-mixed': { value: 'one', multiValue: [{ value: 'one' }, { value: 'two' }] },
    });
    expect(at(seen, 'event', 'request', 'cookies')).toEqual({
      a: { value: '1', multiValue: [{ value: '1' }, { value: '2' }] },
      b: { value: 'x=y' },
    });
  });
});

describe('the function', () => {
  it('may answer itself, with text or bytes', async () => {
    const response = await doing('bytes');
    expect(response.status).toBe(418);
    expect(response.headers.get('x-two')).toBe('a, b');
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0xff, 0x00, 0xfe]);
  });

  it('keeps no state from one request to the next', async () => {
    for (const _ of [1, 2]) expect(await (await doing('count')).text()).toBe('1');
  });

  it('may be asynchronous, and may change headers, query and path', async () => {
    expect(at(await jsonOf(await doing('later')), 'headers')['x-later']).toBe('yes');
    expect(await jsonOf(await doing('query'))).toMatchObject({ rawQueryString: 'a=1&a=2&b=' });
    expect(await jsonOf(await doing('uri'))).toMatchObject({ rawPath: '/prefixed/x' });
  });

  it('may log', async () => {
    expect((await doing('log')).status).toBe(200);
    expect(lines).toContain('[edge] seen /x');
  });

  it.each([
    ['throw', 'on purpose'],
    ['loop', 'timed out'],
    ['never', 'never returned'],
    ['nothing', 'neither a request nor a response'],
    ['method', 'changed the method'],
    ['host', 'changed the header host'],
    ['relative', 'begin with a slash'],
    ['nowhere', 'no origin nowhere'],
    ['outside', 'Cannot read properties of undefined'],
    ['compile', 'Code generation from strings disallowed'],
    ['builtin', 'read only property'],
  ])('that does "%s" makes the answer 503, and the next request is served', async (way, reason) => {
    const response = await doing(way);
    expect(response.status).toBe(503);
    expect(response.headers.get('x-cache')).toBe('Error from cloudfront');
    expect(lines.at(-1)).toContain(reason);
    expect((await doing('later')).status).toBe(200);
  });

  it('cannot break the stack with an invalid header', async () => {
    expect((await doing('header')).status).toBe(502);
    expect((await doing('later')).status).toBe(200);
  });

  it('that loops fails only its own request, not the other requests of that moment', async () => {
    const ways = ['later', 'loop', 'later', 'throw', 'later'];
    const statuses = await Promise.all(ways.map(async (way) => (await doing(way)).status));
    expect(statuses).toEqual([200, 503, 200, 503, 200]);
  });
});
