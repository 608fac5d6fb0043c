import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLocalStack } from '../../../local/stack.ts';
import { at, resourceOf, synthesizeFixture, tamper } from '../support.ts';

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
beforeAll(async () => {
  fixture = await synthesizeFixture({}, 'edge');
});
afterAll(() => fixture.remove());

describe('the start', () => {
  type Config = ReturnType<typeof at>;
  const first = (list: unknown) => at({ first: Array.isArray(list) ? list[0] : undefined }, 'first');
  const refused: [string, (config: Config) => void][] = [
    ['DistributionConfig.Logging', (config) => Object.assign(config, { Logging: {} })],
    ['must be 1', (config) => Object.assign(first(config.Origins), { ConnectionAttempts: 3 })],
    [
      'unknown origin request policy other',
      (config) => Object.assign(at(config, 'DefaultCacheBehavior'), { OriginRequestPolicyId: 'other' }),
    ],
    [
      'unknown cache policy',
      (config) => Object.assign(at(config, 'DefaultCacheBehavior'), { CachePolicyId: 'other' }),
    ],
    [
      'caches OPTIONS',
      (config) =>
        Object.assign(at(config, 'DefaultCacheBehavior'), { CachedMethods: ['GET', 'HEAD', 'OPTIONS'] }),
    ],
    ['does not exist', (config) => Object.assign(first(config.CacheBehaviors), { TargetOriginId: 'none' })],
    [
      'for viewer-request',
      (config) => Object.assign(first(first(config.CacheBehaviors).FunctionAssociations), { EventType: 'x' }),
    ],
  ];

  it.each(refused)(
    'refuses a distribution that would behave differently on AWS (%s)',
    async (reason, change) => {
      await expect(
        startTampered('AWS::CloudFront::Distribution', (properties) =>
          change(at(properties, 'DistributionConfig')),
        ),
      ).rejects.toThrow(reason);
    },
  );

  it.each([
    ['has 10241 bytes of code', { FunctionCode: 'x'.repeat(10_241) }],
    ['does not compile', { FunctionCode: 'function handler(' }],
    ['only cloudfront-js-2.0', { FunctionConfig: { Runtime: 'cloudfront-js-1.0' } }],
  ])('refuses a function that %s', async (reason, change) => {
    await expect(
      startTampered('AWS::CloudFront::Function', (properties) => Object.assign(properties, change)),
    ).rejects.toThrow(reason);
  });

  it.each([
    ['cookies in its key', { CookiesConfig: { CookieBehavior: 'all' } }],
    ['compresses', { EnableAcceptEncodingGzip: true }],
    ['the header behavior all', { HeadersConfig: { HeaderBehavior: 'all' } }],
    ['the query string behavior some', { QueryStringsConfig: { QueryStringBehavior: 'some' } }],
  ])('refuses a cache policy with %s', async (reason, change) => {
    await expect(
      startTampered('AWS::CloudFront::CachePolicy', ({ CachePolicyConfig: config }) =>
        Object.assign(at(config, 'ParametersInCacheKeyAndForwardedToOrigin'), change),
      ),
    ).rejects.toThrow(reason);
  });

  it.each([
    { HeadersConfig: { HeaderBehavior: 'whitelist', Headers: ['x-own'] } },
    { QueryStringsConfig: { QueryStringBehavior: 'none' } },
    { CookiesConfig: { CookieBehavior: 'whitelist', Cookies: ['a'] } },
  ])('refuses an origin request policy with %j', async (change) => {
    await expect(
      startTampered('AWS::CloudFront::OriginRequestPolicy', ({ OriginRequestPolicyConfig: config }) =>
        Object.assign(at({ config }, 'config'), change),
      ),
    ).rejects.toThrow(/must forward all headers except some|OriginRequestPolicyConfig/);
  });

  it.each([
    ['only headers', { Destination: 'overwrite.statuscode', Source: '200' }],
    ['only static values', { Destination: 'overwrite:header.x', Source: '$context.requestId' }],
  ])('refuses response parameters if it understands %s of them', async (reason, parameter) => {
    await expect(
      startTampered('AWS::ApiGatewayV2::Integration', (properties) => {
        properties.ResponseParameters = { '200': { ResponseParameters: [parameter] } };
      }),
    ).rejects.toThrow(reason);
  });

  async function startTampered(type: string, change: (properties: Config) => void): Promise<void> {
    const copy = tamper(fixture.assembly, 'Edge', (template) =>
      change(resourceOf(template, type).properties),
    );
    try {
      const started = await startLocalStack({ assembly: copy.assembly });
      await started.close();
    } finally {
      copy.remove();
    }
  }
});
