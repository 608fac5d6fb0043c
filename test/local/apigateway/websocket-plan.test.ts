import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLocalStack } from '../../../local/stack.ts';
import type { JsonObject } from '../../../local/template/json.ts';
import { type Backend, openClient, openIdentified, startBackend } from '../socket-stack.ts';
import { at, resourceOf, synthesizeFixture, tamper } from '../support.ts';

let backend: Backend;
let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
beforeAll(async () => {
  backend = await startBackend();
  fixture = await synthesizeFixture({ backend: backend.port }, 'socket');
});
afterAll(async () => {
  fixture.remove();
  await backend.close();
});

const GATEWAY = 'AWS::ApiGatewayV2::';

/** Starts the stack with a changed template, and runs `use` with it. */
async function withChange(change: (template: JsonObject) => void, use = async (_: string) => {}) {
  const copy = tamper(fixture.assembly, 'Socket', change);
  try {
    const stack = await startLocalStack({ assembly: copy.assembly });
    await use(`${stack.outputs.ApiEndpoint}/ws`).finally(() => stack.close());
  } finally {
    copy.remove();
  }
}

const set = (type: string, id: string, properties: JsonObject) => (template: JsonObject) => {
  Object.assign(resourceOf(template, `${GATEWAY}${type}`, id).properties, properties);
};
const drop = (type: string, id: string) => (template: JsonObject) => {
  delete at(template, 'Resources')[resourceOf(template, type, id).logicalId];
};

function respondToNobody(template: JsonObject): void {
  const route = resourceOf(template, `${GATEWAY}Route`, 'Apidisconnect');
  route.properties.RouteResponseSelectionExpression = '$default';
  set('RouteResponse', 'Apiask', { RouteId: { Ref: route.logicalId } })(template);
}

describe('a template is refused', () => {
  it.each<[string, (template: JsonObject) => void, string]>([
    [
      'another selection of routes',
      set('Api', 'Api', { RouteSelectionExpression: '$request.body.type' }),
      'selects routes by $request.body.type; only $request.body.action is understood',
    ],
    ['another protocol', set('Api', 'Api', { ProtocolType: 'GRAPHQL' }), 'only HTTP runs here'],
    [
      'a selection of routes on an HTTP API',
      set('Api', 'Http', { RouteSelectionExpression: '$request.body.action' }),
      'which only a WebSocket API needs',
    ],
    ['no stage', drop(`${GATEWAY}Stage`, 'Stage'), 'must have one stage'],
    ['a stage that is no word', set('Stage', 'Stage', { StageName: '$default' }), 'is a word in its URL'],
    ['an unknown key with $', set('Route', 'Apiask', { RouteKey: '$other' }), 'there are only $connect'],
    [
      'a key twice',
      set('Route', 'Apiask', { RouteKey: 'post' }),
      'has the key post, which another route has',
    ],
    [
      'an authorizer',
      set('Route', 'Apiconnect', { AuthorizationType: 'AWS_IAM' }),
      'only NONE is understood',
    ],
    ['an API key', set('Route', 'Apiconnect', { ApiKeyRequired: true }), 'has the property ApiKeyRequired'],
    ['no integration', set('Route', 'Apiask', { Target: 'integrations/x' }), 'has no integration'],
    ['half a response', drop(`${GATEWAY}RouteResponse`, 'Apiask'), 'or neither'],
    ['another response', set('RouteResponse', 'Apiask', { RouteResponseKey: 'x' }), 'or neither'],
    ['a response to nobody', respondToNobody, 'there is no connection to send one to'],
    [
      'another integration',
      set('Integration', 'Apiask', { IntegrationType: 'MOCK' }),
      'must be an AWS_PROXY',
    ],
    [
      'another payload format',
      set('Integration', 'Apiask', { PayloadFormatVersion: '2.0' }),
      'with payload format 1.0',
    ],
    [
      'binary messages',
      set('Integration', 'Apiask', { ContentHandlingStrategy: 'CONVERT_TO_BINARY' }),
      'Content',
    ],
    ['a timeout over 29 s', set('Integration', 'Apiask', { TimeoutInMillis: 30_000 }), 'must be 50 to 29000'],
    ['response parameters', set('Integration', 'Apiask', { ResponseParameters: {} }), 'only an HTTP API'],
    ['a function of nobody', set('Integration', 'Apiask', { IntegrationUri: 'x' }), 'which no template has'],
  ])('%s', async (_, change, sentence) => {
    await expect(withChange(change)).rejects.toThrow(sentence);
  });
});

describe('a template may have', () => {
  it('no $connect: every connection is accepted, without a subprotocol', async () => {
    await withChange(drop(`${GATEWAY}Route`, 'Apiconnect'), async (url) => {
      const client = await openClient(url);
      client.send({ action: 'ask' });
      client.socket.close();
      await expect(openClient(url, { protocols: ['a'] })).rejects.toThrow('no subprotocol');
    });
  });

  it('no $default: a message without a route is answered Forbidden', async () => {
    await withChange(drop(`${GATEWAY}Route`, 'Apidefault'), async (url) => {
      const client = await openIdentified(backend, url);
      client.send('hello');
      const frame: unknown = JSON.parse(await client.message('message'));
      expect(frame).toEqual({
        message: 'Forbidden',
        connectionId: client.id,
        requestId: expect.stringMatching(/=$/),
      });
      client.socket.close();
    });
  });
});

describe('the permission of each route', () => {
  it('is needed for the key of the route', async () => {
    const change = (template: JsonObject) => {
      drop('AWS::Lambda::Permission', 'Apiask')(template);
    };
    await withChange(change, async (url) => {
      const client = await openIdentified(backend, url);
      client.send({ action: 'ask' });
      expect(await client.message('message')).toContain('Internal server error');
      client.socket.close();
    });
    await withChange(drop('AWS::Lambda::Permission', 'Apiconnect'), async (url) => {
      await expect(openClient(url)).rejects.toThrow('502');
    });
  });
});
