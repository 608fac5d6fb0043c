import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { at, jsonOf, rawRequest, resourceOf, synthesizeFixture, tamper } from '../support.ts';

const MEGABYTE = 1024 * 1024;

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
let stack: LocalStack;
beforeAll(async () => {
  fixture = await synthesizeFixture();
  stack = await startLocalStack({ assembly: fixture.assembly });
});
afterAll(async () => {
  await stack.close();
  fixture.remove();
});

const eventOf = async (path: string, init?: RequestInit) => jsonOf(await fetch(`${stack.url}${path}`, init));
/** Has the function return `result`, and returns the answer of the gateway. */
const returning = (result: unknown, init?: RequestInit) => {
  return fetch(`${stack.url}/echo?as=${encodeURIComponent(JSON.stringify(result))}`, init);
};

describe('event', () => {
  it('has the shape of payload format 2.0', async () => {
    const event = await eventOf('/echo?a=1', { headers: { 'user-agent': 'test/1' } });
    expect(event).toMatchObject({
      version: '2.0',
      routeKey: 'ANY /echo',
      rawPath: '/echo',
      rawQueryString: 'a=1',
      queryStringParameters: { a: '1' },
      isBase64Encoded: false,
      requestContext: {
        accountId: '000000000000',
        domainName: stack.url.replace('http://', ''),
        http: {
          method: 'GET',
          path: '/echo',
          protocol: 'HTTP/1.1',
          sourceIp: '127.0.0.1',
          userAgent: 'test/1',
        },
        routeKey: 'ANY /echo',
        stage: '$default',
      },
    });
    expect(event).not.toHaveProperty('body');
    expect(event).not.toHaveProperty('cookies');
    expect(event).not.toHaveProperty('pathParameters');
    const context = at(event, 'requestContext');
    expect(context.time).toMatch(/^\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
    expect(Math.abs(Date.now() - Number(context.timeEpoch))).toBeLessThan(10_000);
    expect(at(event, 'headers')).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    });
    expect(at(event, 'headers')['x-amzn-trace-id']).toMatch(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/);
  });

  it('has headers in lower case, joined by a comma, and a list of cookies', async () => {
    const headers = { 'X-Mixed-Case': ['one', 'two'], Cookie: 'a=1; b=2' };
    const { body } = await rawRequest(`${stack.url}/echo`, { headers });
    const event: unknown = JSON.parse(body);
    expect(event).toMatchObject({ cookies: ['a=1', 'b=2'], headers: { 'x-mixed-case': 'one,two' } });
    expect(at(event, 'headers')).not.toHaveProperty('cookie');
    expect(at(event, 'headers')).not.toHaveProperty('connection');
  });

  it.each(['constructor', '__proto__', 'toString'])('accepts the name %s like any other', async (name) => {
    const { body } = await rawRequest(`${stack.url}/echo?${name}=1&${name}=2`, { headers: { [name]: 'x' } });
    const { headers, queryStringParameters } = JSON.parse(body);
    const own = (map: object) =>
      Object.entries(map).find(([key]) => key === name.toLowerCase() || key === name)?.[1];
    expect([own(headers), own(queryStringParameters)]).toEqual(['x', '1,2']);
  });

  it('joins the values of a repeated query name, and has the raw query', async () => {
    const event = await eventOf('/echo?x=1&x=2&y=a%20b&z');
    expect(event).toMatchObject({
      rawQueryString: 'x=1&x=2&y=a%20b&z',
      queryStringParameters: { x: '1,2', y: 'a b', z: '' },
    });
  });

  it('has path parameters and the decoded path', async () => {
    expect(await eventOf('/things/a%20b')).toMatchObject({
      routeKey: 'GET /things/{id}',
      rawPath: '/things/a b',
      pathParameters: { id: 'a b' },
    });
    expect(await eventOf('/echo/a/b%2Fc')).toMatchObject({
      routeKey: 'ANY /echo/{proxy+}',
      pathParameters: { proxy: 'a/b/c' },
    });
  });

  it.each([
    'text/plain',
    'application/json; charset=utf-8',
    'application/xml',
    'application/x-www-form-urlencoded',
  ])('has a body of %s as text', async (type) => {
    const event = await eventOf('/echo', { method: 'POST', body: 'grün', headers: { 'content-type': type } });
    expect(event).toMatchObject({ body: 'grün', isBase64Encoded: false });
    expect(at(event, 'headers')['content-length']).toBe('5');
  });

  it.each(['application/octet-stream', 'image/png', 'application/vnd.api+json'])(
    'has a body of %s in base64',
    async (type) => {
      const event = await eventOf('/echo', {
        method: 'POST',
        body: 'text',
        headers: { 'content-type': type },
      });
      expect(event).toMatchObject({ body: 'dGV4dA==', isBase64Encoded: true });
    },
  );

  it('carries every byte in both directions', async () => {
    const bytes = Buffer.from(Array.from({ length: 1_024 }, (_, index) => index % 256));
    const headers = { 'content-type': 'application/octet-stream' };
    const response = await fetch(`${stack.url}/echo?binary`, { method: 'POST', body: bytes, headers });
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  });

  it.each(['HEAD', 'OPTIONS', 'PATCH', 'DELETE', 'PUT'])(
    'accepts %s on a route for any method',
    async (method) => {
      const response = await returning({ statusCode: 200, headers: { 'x-seen': 'yes' } }, { method });
      expect(response.status).toBe(200);
      expect(response.headers.get('x-seen')).toBe('yes');
    },
  );
});

describe('response', () => {
  it('takes status, headers and cookies from the result', async () => {
    const response = await returning({
      statusCode: 418,
      headers: { 'X-A': 'b', 'Content-Type': 'text/html' },
      cookies: ['a=1', 'b=2'],
      body: 'tea',
    });
    expect(response.status).toBe(418);
    expect(response.headers.get('x-a')).toBe('b');
    expect(response.headers.get('content-type')).toBe('text/html');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(response.headers.get('apigw-requestid')).toMatch(/.{10,}/);
    expect(await response.text()).toBe('tea');
  });

  it('decodes base64', async () => {
    const response = await returning({ statusCode: 200, body: 'AP8=', isBase64Encoded: true });
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0, 255]);
  });

  it.each([[{ a: 1 }], [[1, 2]], ['text'], [null]])(
    'makes a JSON body of %j, which has no status',
    async (result) => {
      const response = await returning(result);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(await response.json()).toEqual(result);
    },
  );

  it.each([
    [{ statusCode: 'many' }],
    [{ statusCode: 99 }],
    [{ statusCode: 200, body: { a: 1 } }],
    [{ statusCode: 200, headers: { a: 'b\r\nc' } }],
  ])('answers 500 for %j', async (result) => {
    const response = await returning(result);
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ message: 'Internal Server Error' });
  });

  it('has no body and no length with 204 and 304', async () => {
    for (const statusCode of [204, 304]) {
      const response = await returning({ statusCode, headers: { etag: '"a"' } });
      expect(response.status).toBe(statusCode);
      expect(response.headers.get('content-length')).toBeNull();
      expect(response.headers.get('etag')).toBe('"a"');
    }
  });

  it('is 404 without a route', async () => {
    const response = await fetch(`${stack.url}/nowhere`);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ message: 'Not Found' });
    expect((await fetch(`${stack.url}/things/1`, { method: 'DELETE' })).status).toBe(404);
  });
});

describe('limits', () => {
  it('answers 413 to more than 10 MB, even while the client still sends', async () => {
    const small = await fetch(`${stack.url}/echo`, { method: 'POST', body: Buffer.alloc(11 * MEGABYTE) });
    expect(small.status).toBe(413);
    expect(await small.json()).toEqual({ message: 'Request Entity Too Large' });
    const chunks = Array.from({ length: 24 }, () => Buffer.alloc(MEGABYTE));
    const sent = await rawRequest(`${stack.url}/echo`, { method: 'POST', body: chunks });
    expect(sent.status).toBe(413);
  });

  it('answers 413 if the event has more than 6 MB, although the body has less', async () => {
    const headers = { 'content-type': 'application/octet-stream' };
    const fits = await fetch(`${stack.url}/echo?binary`, {
      method: 'POST',
      body: Buffer.alloc(4 * MEGABYTE),
      headers,
    });
    expect(fits.status).toBe(200);
    const tooLarge = await fetch(`${stack.url}/echo`, {
      method: 'POST',
      body: Buffer.alloc(5 * MEGABYTE),
      headers,
    });
    expect(tooLarge.status).toBe(413);
    expect(await tooLarge.json()).toEqual({ message: 'Request Entity Too Large' });
  });

  it('answers 500 if the function returns more than 6 MB', async () => {
    const response = await fetch(`${stack.url}/trouble`, { method: 'POST', body: 'large' });
    expect(response.status).toBe(500);
  });

  it('answers 431 to more than 10,240 bytes of headers', async () => {
    const fits = await fetch(`${stack.url}/echo`, { headers: { 'x-long': 'x'.repeat(9_500) } });
    expect(fits.status).toBe(200);
    const tooLong = await fetch(`${stack.url}/echo`, { headers: { 'x-long': 'x'.repeat(10_240) } });
    expect(tooLong.status).toBe(431);
    const veryLong = await rawRequest(`${stack.url}/echo`, { headers: { 'x-long': 'x'.repeat(70_000) } });
    expect(veryLong.status).toBe(431);
  });

  it('gives the function a path that cannot be decoded as it was sent', async () => {
    const event: unknown = await (await fetch(`${stack.url}/things/%zz`)).json();
    expect(event).toMatchObject({ rawPath: '/things/%zz' });
  });
});

describe('CORS of the API', () => {
  let copy: ReturnType<typeof tamper>;
  let shared: LocalStack;
  beforeAll(async () => {
    copy = tamper(fixture.assembly, 'Front', (template) => {
      resourceOf(template, 'AWS::ApiGatewayV2::Api').properties.CorsConfiguration = {
        AllowOrigins: ['https://app.example', 'http://localhost:*'],
        AllowMethods: ['GET', 'POST'],
        AllowHeaders: ['authorization'],
        ExposeHeaders: ['etag'],
        MaxAge: 60,
      };
    });
    shared = await startLocalStack({ assembly: copy.assembly });
  });
  afterAll(async () => {
    await shared.close();
    copy.remove();
  });
  const preflight = (origin: string) => {
    const headers = { origin, 'access-control-request-method': 'POST' };
    return rawRequest(`${shared.url}/nowhere`, { method: 'OPTIONS', headers });
  };

  it('answers preflights itself, even without a route', async () => {
    const { status, headers } = await preflight('https://app.example');
    expect(status).toBe(204);
    expect(headers).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      'access-control-allow-methods': 'GET,POST',
      'access-control-allow-headers': 'authorization',
      'access-control-max-age': '60',
    });
    expect((await preflight('https://evil.example')).headers).not.toHaveProperty(
      'access-control-allow-origin',
    );
  });

  it('replaces the headers of the function', async () => {
    const as = JSON.stringify({
      statusCode: 200,
      headers: { 'access-control-allow-origin': '*', etag: '"a"' },
    });
    const headers = { origin: 'http://localhost:3000' };
    const answer = await rawRequest(`${shared.url}/echo?as=${encodeURIComponent(as)}`, { headers });
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': 'http://localhost:3000',
      'access-control-expose-headers': 'etag',
      etag: '"a"',
    });
  });
});
