/**
 * The front door: what the distribution must say, and where its function sends each request.
 * @module
 */
import { readFileSync } from 'node:fs';
import { createContext, Script } from 'node:vm';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, test } from 'vitest';
import type { HubConfig } from '../../lib/config/config.ts';
import { Edge } from '../../lib/gateways/edge.ts';

const STRICT = {
  '@aws-cdk/core:validateAgainstDefaultRules': true,
  '@aws-cdk/core:strictCfnValidateErrors': true,
  '@aws-cdk/core:failSynthOnValidationErrors': true,
};

const LISTED = ['https://app.example', 'http://localhost:5173'];

function stackWithEdge(app: App, origins: HubConfig['origins'] = '*'): { stack: Stack; edge: Edge } {
  const stack = new Stack(app, 'Stack');
  const api = new apigateway.HttpApi(stack, 'Api', { createDefaultStage: false });
  const streamer = new lambda.Function(stack, 'Streamer', {
    runtime: lambda.Runtime.NODEJS_24_X,
    handler: 'index.handler',
    code: lambda.Code.fromInline('exports.handler = () => {};'),
    role: new iam.Role(stack, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') }),
  });
  const streamUrl = streamer.addFunctionUrl({
    authType: lambda.FunctionUrlAuthType.AWS_IAM,
    invokeMode: lambda.InvokeMode.RESPONSE_STREAM,
  });
  const socket = new apigateway.WebSocketApi(stack, 'Socket');
  return { stack, edge: new Edge(stack, 'Edge', { api, streamUrl, socket, origins }) };
}

let template: Template;
let edge: Edge;
let stack: Stack;
beforeAll(() => {
  ({ stack, edge } = stackWithEdge(new App({ analyticsReporting: false })));
  template = Template.fromStack(stack);
});

const configLike = (config: object) =>
  template.hasResourceProperties('AWS::CloudFront::Distribution', { DistributionConfig: config });

describe('the distribution', () => {
  test('passes strict validation and AwsSolutions', () => {
    const app = new App({ context: STRICT, analyticsReporting: false });
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    stackWithEdge(app);
    expect(() => app.synth()).not.toThrow();
  });

  test('asks each origin once, by TLS, and waits longer than a held request is silent', () => {
    const origin = {
      ConnectionAttempts: 1,
      CustomOriginConfig: Match.objectLike({
        OriginProtocolPolicy: 'https-only',
        OriginSSLProtocols: ['TLSv1.2'],
        OriginReadTimeout: 35,
      }),
    };
    configLike({
      Origins: [
        Match.objectLike({ ...origin, Id: 'api', OriginAccessControlId: Match.absent() }),
        Match.objectLike({ ...origin, Id: 'socket', OriginAccessControlId: Match.absent() }),
        Match.objectLike({ ...origin, Id: 'stream', OriginAccessControlId: Match.anyValue() }),
      ],
    });
  });

  test('is the only one that may call the streaming URL', () => {
    template.hasResourceProperties('AWS::CloudFront::OriginAccessControl', {
      OriginAccessControlConfig: {
        OriginAccessControlOriginType: 'lambda',
        SigningBehavior: 'always',
        SigningProtocol: 'sigv4',
      },
    });
    const permissions = Object.values(template.findResources('AWS::Lambda::Permission'));
    const id = stack.resolve(edge.distribution.distributionId);
    for (const { Properties } of permissions) {
      expect(Properties).toMatchObject({ Principal: 'cloudfront.amazonaws.com' });
      expect(JSON.stringify(Properties.SourceArn)).toContain(`":distribution/",${JSON.stringify(id)}`);
    }
    const actions = permissions.map(({ Properties }) => Properties.Action);
    expect(actions.sort()).toEqual(['lambda:InvokeFunction', 'lambda:InvokeFunctionUrl']);
  });

  test('lets the function see every request, compresses nothing, and takes all methods, by HTTPS', () => {
    const [functionId] = Object.keys(template.findResources('AWS::CloudFront::Function'));
    const [originRequestPolicyId] = Object.keys(
      template.findResources('AWS::CloudFront::OriginRequestPolicy'),
    );
    const behavior = {
      AllowedMethods: Match.arrayWith(['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE']),
      Compress: false,
      FunctionAssociations: [
        { EventType: 'viewer-request', FunctionARN: { 'Fn::GetAtt': [functionId, 'FunctionARN'] } },
      ],
      OriginRequestPolicyId: { Ref: originRequestPolicyId },
      ViewerProtocolPolicy: 'redirect-to-https',
    };
    const [cachePolicyId] = Object.keys(template.findResources('AWS::CloudFront::CachePolicy'));
    configLike({
      DefaultCacheBehavior: { ...behavior, TargetOriginId: 'api', CachePolicyId: { Ref: cachePolicyId } },
      CacheBehaviors: [
        Match.objectLike({
          PathPattern: '/ws',
          TargetOriginId: 'socket',
          CachePolicyId: '4135ea2d-6df8-44a3-9df3-4b5a84be39ad',
          // AllViewerExceptHostHeader
          OriginRequestPolicyId: 'b689b0a8-53d0-40ab-baf2-68738e2966ac',
          ViewerProtocolPolicy: 'https-only',
        }),
        Match.objectLike({
          ...behavior,
          PathPattern: '/events',
          TargetOriginId: 'stream',
          // CachingDisabled
          CachePolicyId: '4135ea2d-6df8-44a3-9df3-4b5a84be39ad',
        }),
      ],
      HttpVersion: 'http2and3',
    });
  });

  test('keeps an answer only if its origin says so, for callers that differ in nothing', () => {
    template.hasResourceProperties('AWS::CloudFront::CachePolicy', {
      CachePolicyConfig: {
        MinTTL: 0,
        DefaultTTL: 0,
        MaxTTL: 60,
        ParametersInCacheKeyAndForwardedToOrigin: {
          // A ticket is a secret, which no cache is to know.
          QueryStringsConfig: { QueryStringBehavior: 'allExcept', QueryStrings: ['ticket'] },
          HeadersConfig: {
            HeaderBehavior: 'whitelist',
            Headers: ['Accept', 'Last-Event-ID', 'Prefer', 'x-tidings-alone', 'x-tidings-authorization'],
          },
          CookiesConfig: { CookieBehavior: 'none' },
        },
      },
    });
  });

  test('forwards no Authorization to an origin that it signs for, and no cookie', () => {
    template.hasResourceProperties('AWS::CloudFront::OriginRequestPolicy', {
      OriginRequestPolicyConfig: {
        // Such names are the account's: the same stage in another region must have another.
        Name: { 'Fn::Join': ['', ['Stack-', { Ref: 'AWS::Region' }]] },
        HeadersConfig: { HeaderBehavior: 'allExcept', Headers: ['host', 'authorization'] },
        QueryStringsConfig: { QueryStringBehavior: 'all' },
        CookiesConfig: { CookieBehavior: 'none' },
      },
    });
  });

  test('keeps what it answers one page from others, where pages are told apart', () => {
    const headersOf = (origins: HubConfig['origins']): unknown => {
      const { stack: other } = stackWithEdge(new App({ analyticsReporting: false }), origins);
      const [policy] = Object.values(Template.fromStack(other).findResources('AWS::CloudFront::CachePolicy'));
      return policy?.Properties.CachePolicyConfig.ParametersInCacheKeyAndForwardedToOrigin.HeadersConfig
        .Headers;
    };
    expect(headersOf(LISTED)).toContain('Origin');
    expect(headersOf('*')).not.toContain('Origin');
  });

  test('lets the pages that may call read what the gateway refuses, and leaves the headers of the doors alone', () => {
    for (const origins of ['*', LISTED] as const) {
      const { stack: other } = stackWithEdge(new App({ analyticsReporting: false }), origins);
      const made = Template.fromStack(other);
      made.hasResourceProperties('AWS::CloudFront::ResponseHeadersPolicy', {
        ResponseHeadersPolicyConfig: {
          CorsConfig: {
            OriginOverride: false,
            AccessControlAllowCredentials: false,
            AccessControlAllowOrigins: { Items: origins === '*' ? ['*'] : LISTED },
            AccessControlExposeHeaders: { Items: ['Retry-After'] },
          },
        },
      });
      const [id] = Object.keys(made.findResources('AWS::CloudFront::ResponseHeadersPolicy'));
      made.hasResourceProperties('AWS::CloudFront::Distribution', {
        DistributionConfig: {
          DefaultCacheBehavior: { ResponseHeadersPolicyId: { Ref: id } },
          CacheBehaviors: Match.arrayWith([
            Match.objectLike({ PathPattern: '/events', ResponseHeadersPolicyId: { Ref: id } }),
          ]),
        },
      });
    }
  });

  test('keeps no error', () => {
    const codes = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];
    configLike({
      CustomErrorResponses: codes.map((ErrorCode) => ({ ErrorCode, ErrorCachingMinTTL: 0 })),
    });
  });

  test('has its URL without a trailing slash', () => {
    expect(stack.resolve(edge.url)).toEqual({
      'Fn::Join': ['', ['https://', stack.resolve(edge.distribution.distributionDomainName)]],
    });
  });
});

const ROUTE = new URL('../../lib/gateways/edge-function/route.js', import.meta.url);
/** https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html */
const MAX_CODE_BYTES = 10 * 1024;

const VIEWER = '203.0.113.7';

type Values = Record<string, { value: string; multiValue?: { value: string }[] }>;

/** What becomes of a request: the origin if one was selected, the path, and the headers as pairs. */
function route(method: string, target: string, headers: Values = {}) {
  const [uri = '', query] = target.split('?');
  const source = readFileSync(ROUTE, 'utf8').replace(/^import cf from 'cloudfront';/, '');
  const selected: string[] = [];
  const request = { method, uri, headers: structuredClone(headers), rawQueryString: () => query };
  const event = { context: { requestId: 'request-1' }, viewer: { ip: VIEWER }, request };
  const cf = { selectRequestOriginById: (id: string) => selected.push(id) };
  const returned: unknown = new Script(`'use strict';${source};handler(event)`).runInContext(
    createContext({ cf, event }),
  );
  expect(returned).toBe(request);
  const sent = Object.entries(request.headers).map(([name, { value }]) => [name, value]);
  const { 'user-agent': client, ...others } = Object.fromEntries(sent);
  return { origin: selected, uri: request.uri, headers: others, client };
}

const accept = (...values: string[]): Values => ({
  accept: { value: values[0] ?? '', multiValue: values.map((value) => ({ value })) },
});
/** A long poll from a place in the log. */
const HELD = '/channels/a?live=long-poll&offset=0000000000000001';
const EVENTS = { accept: { value: 'text/event-stream' } };

describe('the function', () => {
  test('fits what CloudFront takes', () => {
    expect(readFileSync(ROUTE).byteLength).toBeLessThan(MAX_CODE_BYTES);
  });

  test.each<[string, string, Values?]>([
    ['GET', '/events?channel=a&channel=b'],
    ['HEAD', '/events'],
    ['OPTIONS', '/events'],
    ['GET', '/channels/a/b?live=sse'],
    ['GET', '/v1/stream/a?offset=-1&live=sse'],
    ['GET', '/channels/a?live=sse&live=long-poll'],
    ['GET', '/channels/a?l%69ve=%73se'],
    ['GET', '/channels/a%zz?live=sse'],
    ['GET', '/channels/a', EVENTS],
    ['GET', '/channels/a?Live=long-poll', EVENTS],
    ['GET', '/channels/a?x=live=long-poll', EVENTS],
    ['GET', '/channels/a', accept('text/html, Text/Event-Stream;q=0.5')],
    ['GET', '/channels/a', accept('text/html', 'text/event-stream')],
  ])('streams %s %s %j', (method, target, headers) => {
    expect(route(method, target, headers)).toMatchObject({ origin: ['stream'], uri: target.split('?')[0] });
  });

  test.each([
    ['/%63hannels/a?live=sse', '/channels/a'],
    ['/channels/a%2Fb?live=sse', '/channels/a/b'],
    ['/%65vents?channel=a%2Fb', '/events'],
    // No name of a channel: it stays as it is, for a handler to refuse.
    ['/channels/a%20b?live=sse', '/channels/a%20b'],
    ['/channels/a%252Fb?live=sse', '/channels/a%252Fb'],
  ])('has no percent-encoding in a path that is signed: %s', (target, uri) => {
    expect(route('GET', target)).toMatchObject({ origin: ['stream'], uri });
  });

  test.each([
    ['/channels/a/b?live=long-poll', '/hold/channels/a/b'],
    ['/v1/stream/a?live=long-poll&offset=-1', '/hold/v1/stream/a'],
    ['/channels/a%2Fb?offset=x&live=long%2Dpoll', '/hold/channels/a%2Fb'],
    ['/channels/a?live=long-poll&live=sse', '/hold/channels/a'],
  ])('holds GET %s', (target, uri) => {
    expect(route('GET', target)).toMatchObject({ origin: [], uri });
    expect(route('GET', target, EVENTS)).toMatchObject({ origin: [], uri });
  });

  test.each<[string, string, Values?]>([
    ['GET', '/channels/a'],
    ['GET', '/channels/a?'],
    ['GET', '/channels/a?live'],
    ['GET', '/channels/a?live=', EVENTS],
    ['GET', '/channels/a?live=SSE', EVENTS],
    ['GET', '/channels/a?live=%zz', EVENTS],
    ['GET', '/channels/a?Live=sse'],
    ['GET', '/channels/a?xlive=sse'],
    ['GET', '/channels/a', accept('text/event-streams', 'application/text/event-stream', '*/*')],
    ['HEAD', '/channels/a?live=sse'],
    ['HEAD', '/channels/a?live=long-poll', EVENTS],
    ['POST', '/channels/a?live=sse', EVENTS],
    ['PUT', '/channels/a?live=long-poll'],
    ['DELETE', '/channels/a'],
    ['GET', '/?live=sse', EVENTS],
    ['GET', '/channels?live=sse'],
    ['GET', '/x/channels/a?live=long-poll'],
    ['GET', '/hold/channels/a?live=long-poll'],
    ['GET', '/events/?live=sse', EVENTS],
    ['GET', '/eventsx'],
  ])('leaves %s %s %j to the API as it is', (method, target, headers) => {
    expect(route(method, target, headers)).toMatchObject({ origin: [], uri: target.split('?')[0] });
  });

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('has %s /events refused by the API', (method) => {
    const token = { authorization: { value: 'Bearer a' } };
    expect(route(method, '/events', token)).toMatchObject({
      origin: ['api'],
      uri: '/events',
      headers: { 'x-tidings-authorization': 'Bearer a' },
    });
  });

  test.each(['/events', '/channels/a', '/channels/a?live=long-poll'])(
    'says to the log of the API who asks for %s, whatever the caller says',
    (target) => {
      const headers = { 'user-agent': { value: '198.51.100.1', multiValue: [{ value: '198.51.100.1' }] } };
      expect(route('GET', target, headers).client).toBe(VIEWER);
      expect(route('GET', target).client).toBe(VIEWER);
    },
  );

  const spoofed = {
    'x-tidings-authorization': { value: 'Bearer spoofed' },
    'x-tidings-alone': { value: '' },
  };

  test.each([
    ['GET', '/events'],
    ['GET', '/channels/a?live=sse'],
    ['GET', '/channels/a?live=long-poll&offset=0000000000000001'],
    ['GET', '/channels/a'],
    ['POST', '/channels/a'],
    ['POST', '/tickets'],
    ['OPTIONS', '/nowhere'],
  ])('moves the token of %s %s: an origin may be signed for in its place', (method, target) => {
    const { headers } = route(method, target, { ...spoofed, authorization: { value: 'Bearer a' } });
    expect(headers).toEqual({ 'x-tidings-authorization': 'Bearer a', 'x-tidings-alone': 'request-1' });
  });

  test.each(['/events', '/channels/a?live=sse', '/channels/a?live=long-poll', '/channels/a', '/'])(
    'takes from a caller what only it may say (%s)',
    (target) => {
      const { headers } = route('GET', target, spoofed);
      expect(headers).not.toHaveProperty('x-tidings-authorization');
      expect(['request-1', undefined]).toContain(headers['x-tidings-alone']);
    },
  );

  test('lets only callers without a token or a ticket share an answer', () => {
    for (const target of ['/channels/a?ticket=x', '/channels/a?live=long-poll&t%69cket=', '/?ticket']) {
      expect(route('GET', target).headers).toEqual({ 'x-tidings-alone': 'request-1' });
    }
    expect(route('GET', '/channels/a?tickets=x').headers).toEqual({});
    for (const target of ['/channels/a', HELD]) {
      const token = { authorization: { value: 'Bearer a' } };
      expect(route('GET', target, token).headers).toEqual({
        'x-tidings-authorization': 'Bearer a',
        'x-tidings-alone': 'request-1',
      });
    }
    for (const target of ['/channels/a', HELD]) expect(route('GET', target, spoofed).headers).toEqual({});
  });

  test.each([
    ['HEAD', '/channels/a'],
    ['GET', '/channels/a?offset=now'],
    ['GET', '/channels/a?off%73et=now&offset=-1'],
    ['GET', '/channels/a?live=long-poll'],
    ['GET', '/channels/a?live=long-poll&offset=-1'],
    ['GET', '/channels/a?live=long-poll&offset=now'],
  ])('lets no other request wait for what means something else a moment later: %s %s', (method, target) => {
    expect(route(method, target).headers).toEqual({ 'x-tidings-alone': 'request-1' });
  });

  test.each(['if-none-match', 'if-modified-since', 'range'])(
    'lets no other request have what was answered to a caller with %s',
    (name) => {
      expect(route('GET', '/channels/a', { [name]: { value: 'x' } }).headers).toMatchObject({
        'x-tidings-alone': 'request-1',
      });
    },
  );
});
