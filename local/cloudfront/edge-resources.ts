/**
 * The CloudFront part of the table in resources.ts.
 * @module
 */
import { ACTED, type Properties } from '../template/properties.ts';

const NO_TLS = 'there is no TLS on one machine';
const NO_DNS = 'a name leads to no other machine here';
const NO_WEB_ACL = 'a web ACL is not simulated: what it would refuse is answered';
const TAGS = 'tags have no effect on behaviour';

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

/** The understood resource types and properties of CloudFront, and of what a distribution may have: a name, a certificate, a web ACL. */
export const CLOUDFRONT: Readonly<Record<string, Properties>> = {
  'AWS::CloudFront::Distribution': {
    DistributionConfig: {
      Origins: {
        Id: ACTED,
        DomainName: ACTED,
        OriginAccessControlId: ACTED,
        ConnectionAttempts: ACTED,
        OriginCustomHeaders: { HeaderName: ACTED, HeaderValue: ACTED },
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
      Aliases: NO_DNS,
      WebACLId: NO_WEB_ACL,
      Comment: 'for humans',
    },
    Tags: TAGS,
  },
  'AWS::Route53::RecordSet': {
    Name: NO_DNS,
    Type: NO_DNS,
    HostedZoneId: NO_DNS,
    AliasTarget: NO_DNS,
    Comment: 'for humans',
  },
  'AWS::CertificateManager::Certificate': {
    DomainName: NO_TLS,
    SubjectAlternativeNames: NO_TLS,
    DomainValidationOptions: NO_TLS,
    ValidationMethod: NO_TLS,
    KeyAlgorithm: NO_TLS,
    Tags: TAGS,
  },
  'AWS::WAFv2::WebACL': {
    DefaultAction: NO_WEB_ACL,
    Rules: NO_WEB_ACL,
    Scope: NO_WEB_ACL,
    VisibilityConfig: 'a metric only',
    Name: 'for humans',
    Description: 'for humans',
    Tags: TAGS,
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
