import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readThrottle } from '../../../local/apigateway/route-throttle.ts';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { openClient, openIdentified, startBackend } from '../socket-stack.ts';
import { resourceOf, startGate, synthesizeFixture, tamper } from '../support.ts';

const stageWith = (properties: object) => ({
  stack: 'Front',
  logicalId: 'Stage',
  path: 'Front/Stage',
  type: 'AWS::ApiGatewayV2::Stage',
  name: 'Stage',
  properties: { ...properties },
});
const settings = (rate: number, burst: number) => ({
  ThrottlingRateLimit: rate,
  ThrottlingBurstLimit: burst,
});

describe('the bucket of a route', () => {
  /** Returns how many of `tries` are admitted. */
  const count = (tries: number, admits: () => boolean) =>
    Array.from({ length: tries }, admits).filter(Boolean).length;

  it('holds its burst and fills at its rate, up to its burst', () => {
    let now = 0;
    const admits = readThrottle(stageWith({ DefaultRouteSettings: settings(10, 5) }), ['GET /a'], () => now);
    expect(count(20, () => admits('GET /a'))).toBe(5);
    now += 100;
    expect(count(20, () => admits('GET /a'))).toBe(1);
    now += 350;
    expect(count(20, () => admits('GET /a'))).toBe(3);
    now += 50;
    expect(count(20, () => admits('GET /a'))).toBe(1);
    now += 3_600_000;
    expect(count(20, () => admits('GET /a'))).toBe(5);
  });

  it('admits a tenth of the requests at ten times its rate', () => {
    let now = 0;
    const admits = readThrottle(stageWith({ DefaultRouteSettings: settings(50, 50) }), ['GET /a'], () => now);
    const letIn = count(10_000, () => {
      now += 2;
      return admits('GET /a');
    });
    expect(letIn).toBe(50 + 20 * 50 - 1);
  });

  it('is separate from other routes, and may have settings of its own', () => {
    const stage = stageWith({
      DefaultRouteSettings: settings(1, 1),
      RouteSettings: { 'GET /b': settings(1, 3) },
    });
    const admits = readThrottle(stage, ['GET /a', 'GET /b', 'GET /c'], () => 0);
    expect(['GET /a', 'GET /b', 'GET /c'].map((key) => count(9, () => admits(key)))).toEqual([1, 3, 1]);
  });

  it('does not exist without settings; a missing member has the value of the account', () => {
    expect(count(6_000, () => readThrottle(stageWith({}), ['GET /a'])('GET /a'))).toBe(6_000);
    const partly = stageWith({
      DefaultRouteSettings: settings(1, 1),
      RouteSettings: { 'GET /a': { ThrottlingRateLimit: 1 } },
    });
    const admits = readThrottle(partly, ['GET /a'], () => 0);
    expect(count(6_000, () => admits('GET /a'))).toBe(5_000);
  });

  it.each([
    [{ RouteSettings: { 'GET /z': settings(1, 1) } }, 'GET /z, which is no route of it'],
    [{ DefaultRouteSettings: { LoggingLevel: 'INFO' } }, 'LoggingLevel, which the local stack'],
    [{ DefaultRouteSettings: { ThrottlingRateLimit: 'fast' } }, 'must be a number'],
  ])('refuses %j', (properties, sentence) => {
    expect(() => readThrottle(stageWith(properties), ['GET /a'])).toThrow(sentence);
  });
});

/** A rate at which no token is added while a test runs. */
const NEVER = 0.001;

describe('an HTTP API', () => {
  let stack: LocalStack;
  let undo: () => void;
  beforeAll(async () => {
    const fixture = await synthesizeFixture();
    const changed = tamper(fixture.assembly, 'Front', (template) => {
      resourceOf(template, 'AWS::ApiGatewayV2::Stage').properties.RouteSettings = {
        'ANY /echo': settings(NEVER, 3),
        'POST /narrow': settings(NEVER, 1),
      };
    });
    undo = () => {
      changed.remove();
      fixture.remove();
    };
    stack = await startLocalStack({ assembly: changed.assembly });
  });
  afterAll(async () => {
    await stack.close();
    undo();
  });

  it('answers 429 above the rate of a route, and answers other routes', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(`${stack.url}/echo`)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(7);
    expect(await refused[0]?.json()).toEqual({ message: 'Too Many Requests' });
    expect((await fetch(`${stack.url}/echo/more`)).status).toBe(200);
  });

  it('answers 429 above the rate of a route whose function is throttled, too', async () => {
    const gate = await startGate();
    const post = () => fetch(`${stack.url}/narrow`, { method: 'POST', body: gate.port });
    const held = post();
    try {
      await gate.arrived(1);
      const refused = await post();
      expect([refused.status, await refused.json()]).toEqual([429, { message: 'Too Many Requests' }]);
    } finally {
      gate.open();
      await held;
      await gate.close();
    }
  });
});

describe('a WebSocket API', () => {
  it('refuses handshakes with 429, and answers messages with an error frame', async () => {
    const backend = await startBackend();
    const fixture = await synthesizeFixture({ backend: backend.port }, 'socket');
    const changed = tamper(fixture.assembly, 'Socket', (template) => {
      resourceOf(template, 'AWS::ApiGatewayV2::Stage', 'Stage').properties.RouteSettings = {
        $connect: settings(NEVER, 1),
        ask: settings(NEVER, 2),
      };
    });
    const stack = await startLocalStack({ assembly: changed.assembly });
    try {
      backend.answer({ ask: ({ event }) => ({ statusCode: 200, body: event.body }) });
      const url = `${stack.outputs.ApiEndpoint}/ws`;
      const client = await openIdentified(backend, url);
      await expect(openClient(url)).rejects.toThrow('429');
      for (let n = 0; n < 3; n++) client.send(`{"action":"ask","n":${n}}`);
      await expect.poll(() => client.messages).toHaveLength(3);
      const refused = client.messages
        .map((text) => JSON.parse(text))
        .filter(({ action }) => action !== 'ask');
      expect(refused).toEqual([
        { message: 'Too Many Requests', connectionId: client.id, requestId: expect.any(String) },
      ]);
      client.send('{"action":"another"}');
      await backend.event((event) => event.body === '{"action":"another"}');
      client.socket.close();
    } finally {
      await stack.close();
      await backend.close();
      changed.remove();
      fixture.remove();
    }
  });
});
