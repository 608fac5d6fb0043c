import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { isObject } from '../../../local/template/json.ts';
import { at, type Gate, jsonOf, resourceOf, startGate, synthesizeFixture, tamper } from '../support.ts';

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
let stack: LocalStack;
let gate: Gate;
beforeAll(async () => {
  fixture = await synthesizeFixture();
  gate = await startGate();
  stack = await startLocalStack({ assembly: fixture.assembly });
});
afterAll(async () => {
  await stack.close();
  await gate.close();
  fixture.remove();
});

const streamer = (query: string, init?: RequestInit) => fetch(`${stack.outputs.StreamUrl}?${query}`, init);
const iamUrl = () => stack.functionUrls['Front/Echo/FunctionUrl'] ?? '';

describe('streaming', () => {
  it('takes status, headers and cookies from the prelude', async () => {
    const answered = streamer(`way=paced&port=${gate.port}`);
    const response = await answered;
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('x-way')).toBe('paced');
    // A function URL renames this header.
    expect(response.headers.get('www-authenticate')).toBeNull();
    expect(response.headers.get('x-amzn-remapped-www-authenticate')).toBe('Bearer');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    for (const _ of [1, 2, 3]) {
      await gate.arrived(1);
      gate.open();
    }
    expect(await response.text()).toBe('onetwothree');
  });

  it('sends each chunk before the next one is written', async () => {
    const response = await streamer(`way=paced&port=${gate.port}`);
    const reader = response.body?.getReader();
    for (const chunk of ['one', 'two', 'three']) {
      // The function waits at the gate, so a chunk that arrives now was written before.
      await gate.arrived(1);
      const read = await reader?.read();
      expect(Buffer.from(read?.value ?? []).toString()).toBe(chunk);
      gate.open();
    }
    expect((await reader?.read())?.done).toBe(true);
  });

  it('is 200 without a prelude', async () => {
    const response = await streamer('way=plain');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain');
    expect(await response.text()).toBe('hello');
  });

  it('carries more than the limit of a buffered response', async () => {
    const response = await streamer('way=large');
    expect((await response.arrayBuffer()).byteLength).toBe(8 * 1024 * 1024);
  });

  it.each(['broken', 'exit'])(
    'breaks, and does not end, if the function fails in the middle (%s)',
    async (way) => {
      const response = await streamer(`way=${way}`);
      expect(response.status).toBe(201);
      await expect(response.text()).rejects.toThrow();
    },
  );

  it.each(['early', 'empty'])('is 502 if nothing was written (%s)', async (way) => {
    const response = await streamer(`way=${way}`);
    expect(response.status).toBe(502);
    expect(await response.text()).toBe('Internal Server Error');
  });

  it('does not interrupt the function when the client disconnects', async () => {
    const controller = new AbortController();
    await streamer(`way=paced&port=${gate.port}`, { signal: controller.signal });
    await gate.arrived(1);
    controller.abort();
    gate.open();
    for (const _ of ['two', 'three']) {
      await gate.arrived(1);
      gate.open();
    }
  });

  it('answers 413 to more than 6 MB', async () => {
    const response = await streamer('', { method: 'POST', body: Buffer.alloc(7 * 1024 * 1024) });
    expect(response.status).toBe(413);
  });

  it('is not possible behind the HTTP API: a prelude is no JSON', async () => {
    const response = await fetch(`${stack.url}/stream?way=large`, { method: 'POST' });
    expect(response.status).toBe(500);
  });
});

describe('access', () => {
  const signed = (key: string) => ({
    authorization: `AWS4-HMAC-SHA256 Credential=${key}/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0`,
  });

  it('with AWS_IAM needs a known key', async () => {
    for (const headers of [{}, { authorization: 'Bearer x' }, signed('ASIAUNKNOWN')]) {
      const response = await fetch(iamUrl(), { headers });
      expect(response.status).toBe(403);
      expect(await response.json()).toEqual({ Message: 'Forbidden' });
    }
    const response = await fetch(`${iamUrl()}/a%20b?x=1`, { headers: signed(stack.aws.accessKeyId) });
    expect(response.status).toBe(200);
    // A function URL does not decode the path.
    expect(await jsonOf(response)).toMatchObject({
      rawPath: '/a%20b',
      routeKey: '$default',
      rawQueryString: 'x=1',
    });
  });

  it('with NONE needs the permission for everybody', async () => {
    const copy = tamper(fixture.assembly, 'Front', (template) => {
      for (const resource of Object.values(at(template, 'Resources'))) {
        if (!isObject(resource) || resource.Type !== 'AWS::Lambda::Permission') continue;
        const properties = at(resource, 'Properties');
        if (properties.Action === 'lambda:InvokeFunctionUrl') properties.Principal = 'sns.amazonaws.com';
      }
    });
    const closed = await startLocalStack({ assembly: copy.assembly });
    try {
      expect((await fetch(closed.outputs.StreamUrl ?? '')).status).toBe(403);
    } finally {
      await closed.close();
      copy.remove();
    }
  });

  it('through the HTTP API needs its permission', async () => {
    const copy = tamper(fixture.assembly, 'Front', (template) => {
      const { properties } = resourceOf(template, 'AWS::Lambda::Permission', 'ApiANYecho');
      properties.SourceArn = 'arn:aws:execute-api:us-east-1:000000000000:other/*';
    });
    const closed = await startLocalStack({ assembly: copy.assembly });
    try {
      const statuses = [await fetch(`${closed.url}/echo`), await fetch(`${closed.url}/echo/a`)].map(
        ({ status }) => status,
      );
      expect(statuses).toContain(500);
    } finally {
      await closed.close();
      copy.remove();
    }
  });
});
