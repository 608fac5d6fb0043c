/**
 * The front door: the distribution and its policies.
 * @module
 */
import { App, Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, test } from 'vitest';
import type { HubConfig } from '../../../lib/config/config.ts';
import { Edge } from '../../../lib/gateways/edge.ts';

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
  return {
    stack,
    edge: new Edge(stack, 'Edge', {
      api,
      streamUrl,
      socket,
      config: { name: 'Stack', origins },
      door: undefined,
    }),
  };
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

  test('is the only caller that the streaming URL allows', () => {
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

  test('runs the function for every request, compresses nothing, and accepts all methods, by HTTPS', () => {
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

  test('caches an answer only if its origin says so, and only for equal requests', () => {
    template.hasResourceProperties('AWS::CloudFront::CachePolicy', {
      CachePolicyConfig: {
        MinTTL: 0,
        DefaultTTL: 0,
        MaxTTL: 60,
        ParametersInCacheKeyAndForwardedToOrigin: {
          // A ticket is a secret, so it is in no cache key.
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

  test('forwards no Authorization to an origin for which it signs requests, and no cookie', () => {
    template.hasResourceProperties('AWS::CloudFront::OriginRequestPolicy', {
      OriginRequestPolicyConfig: {
        // Such names are unique in the account, so the same stage in another Region needs another name.
        Name: { 'Fn::Join': ['', ['Stack-', { Ref: 'AWS::Region' }]] },
        HeadersConfig: { HeaderBehavior: 'allExcept', Headers: ['host', 'authorization'] },
        QueryStringsConfig: { QueryStringBehavior: 'all' },
        CookiesConfig: { CookieBehavior: 'none' },
      },
    });
  });

  test('caches answers by Origin if origins are listed', () => {
    const headersOf = (origins: HubConfig['origins']): unknown => {
      const { stack: other } = stackWithEdge(new App({ analyticsReporting: false }), origins);
      const [policy] = Object.values(Template.fromStack(other).findResources('AWS::CloudFront::CachePolicy'));
      return policy?.Properties.CachePolicyConfig.ParametersInCacheKeyAndForwardedToOrigin.HeadersConfig
        .Headers;
    };
    expect(headersOf(LISTED)).toContain('Origin');
    expect(headersOf('*')).not.toContain('Origin');
  });

  test('adds CORS headers to refusals of API Gateway, and does not replace the headers of handlers', () => {
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

  test('caches no error', () => {
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
