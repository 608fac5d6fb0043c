/**
 * The CloudFront part of the table in resources.ts.
 * @module
 */
import { ACTED, type Properties } from '../template/properties.ts';

const NO_TLS = 'there is no TLS on one machine';

const BEHAVIOR: Properties = {
  TargetOriginId: ACTED,
  AllowedMethods: ACTED,
  FunctionAssociations: { EventType: ACTED, FunctionARN: ACTED },
  OriginRequestPolicyId: ACTED,
  CachePolicyId: ACTED,
  ResponseHeadersPolicyId: ACTED,
  CachedMethods: ACTED,
  Compress: 'answers are not compressed',
  ViewerProtocolPolicy: NO_TLS,
};

/** The understood resource types and properties. */
export const CLOUDFRONT: Readonly<Record<string, Properties>> = {
  'AWS::CloudFront::Distribution': {
    DistributionConfig: {
      Origins: {
        Id: ACTED,
        DomainName: ACTED,
        OriginAccessControlId: ACTED,
        ConnectionAttempts: ACTED,
        CustomOriginConfig: {
          OriginReadTimeout: ACTED,
          OriginProtocolPolicy: NO_TLS,
          OriginSSLProtocols: NO_TLS,
        },
      },
      DefaultCacheBehavior: BEHAVIOR,
      CacheBehaviors: { ...BEHAVIOR, PathPattern: ACTED },
      CustomErrorResponses: { ErrorCode: ACTED, ErrorCachingMinTTL: ACTED },
      Enabled: 'a disabled distribution would not be in the template',
      HttpVersion: 'HTTP/1.1 is spoken here; newer versions differ in speed only',
      IPV6Enabled: 'loopback only',
      ViewerCertificate: NO_TLS,
      Comment: 'for humans',
    },
    Tags: 'tags have no effect on behaviour',
  },
  'AWS::CloudFront::Function': {
    FunctionCode: ACTED,
    FunctionConfig: { Runtime: ACTED, Comment: 'for humans' },
    Name: 'found by its ARN, which follows from the logical id here',
    AutoPublish: 'there is one stage here, and it is live',
  },
  'AWS::CloudFront::OriginAccessControl': {
    OriginAccessControlConfig: {
      OriginAccessControlOriginType: ACTED,
      SigningBehavior: ACTED,
      SigningProtocol: 'only the signer is checked here, not the signature',
      Name: 'for humans',
      Description: 'for humans',
    },
  },
  'AWS::CloudFront::CachePolicy': {
    CachePolicyConfig: {
      MinTTL: ACTED,
      DefaultTTL: ACTED,
      MaxTTL: ACTED,
      ParametersInCacheKeyAndForwardedToOrigin: {
        HeadersConfig: { HeaderBehavior: ACTED, Headers: ACTED },
        QueryStringsConfig: { QueryStringBehavior: ACTED, QueryStrings: ACTED },
        CookiesConfig: { CookieBehavior: ACTED },
        EnableAcceptEncodingGzip: ACTED,
        EnableAcceptEncodingBrotli: ACTED,
      },
      Name: 'for humans',
      Comment: 'for humans',
    },
  },
  'AWS::CloudFront::OriginRequestPolicy': {
    OriginRequestPolicyConfig: {
      HeadersConfig: { HeaderBehavior: ACTED, Headers: ACTED },
      QueryStringsConfig: { QueryStringBehavior: ACTED },
      CookiesConfig: { CookieBehavior: ACTED },
      Name: 'for humans',
      Comment: 'for humans',
    },
  },
  'AWS::CloudFront::ResponseHeadersPolicy': {
    ResponseHeadersPolicyConfig: {
      CorsConfig: {
        AccessControlAllowCredentials: ACTED,
        AccessControlAllowHeaders: { Items: ACTED },
        AccessControlAllowMethods: { Items: ACTED },
        AccessControlAllowOrigins: { Items: ACTED },
        AccessControlExposeHeaders: { Items: ACTED },
        AccessControlMaxAgeSec: ACTED,
        OriginOverride: ACTED,
      },
      Name: 'for humans',
      Comment: 'for humans',
    },
  },
};
