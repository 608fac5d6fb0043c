/**
 * The front door: one CloudFront distribution before the HTTP API, the streaming function URL and the WebSocket API.
 * @module
 */
import { fileURLToPath } from 'node:url';
import { CfnOutput, Duration, Fn, Stack, Validations } from 'aws-cdk-lib';
import type * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { FunctionUrlOrigin, HttpOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import { AaaaRecord, ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { CloudFrontTarget } from 'aws-cdk-lib/aws-route53-targets';
import { Construct } from 'constructs';
import { EDGE_TOKEN } from '../../protocol/headers.ts';
import { TICKET } from '../../protocol/url.ts';
import type { HubConfig } from '../config/config.ts';
import type { DomainOption } from '../config/existing-options.ts';
import { SOCKET_PATH } from '../functions/socket.ts';
import type { Door } from './door.ts';

/** The origins, and the options. */
export interface EdgeProps {
  /** Answers everything that is not streamed, by its default stage. */
  readonly api: apigateway.HttpApi;
  /** Streams. Its auth type must be AWS_IAM, so that only the distribution can call it. */
  readonly streamUrl: lambda.FunctionUrl;
  /** Takes WebSocket connections. */
  readonly socket: apigateway.WebSocketApi;
  /** The options. If `origins` are listed, answers depend on the Origin header. */
  readonly config: Pick<HubConfig, 'name' | 'origins' | 'domain' | 'webAcl'>;
  /** The header by which the API knows the distribution; undefined if the API may be called directly. */
  readonly door: Door | undefined;
}

/**
 * The default is three. CloudFront repeats a GET if the origin is silent, and a held GET would then be held twice.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
 */
const CONNECTION_ATTEMPTS = 1;

/**
 * Longest silence of an origin, before its answer and between two packets. A held read is silent for 25 s, the HTTP API ends
 * requests after 30 s, and a stream sends something every 15 s. Quota: 120 s.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
 */
const READ_TIMEOUT = Duration.seconds(35);

/** The longest that handlers let anything be cached (PROTOCOL.md §5). So a deleted channel can be read here for a minute at most. */
const MAX_TTL = Duration.seconds(60);

/**
 * All statuses that can be set. By default CloudFront caches an error for 10 s, most of them even with `no-store`: a short
 * throttle would last ten seconds, and one caller would get the answer to another caller's bad request.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html
 */
const ERRORS = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

/**
 * The headers of the cache key, beside path and query. The function sets `x-tidings-alone` on requests whose answer is right for
 * no other request (docs/adr/0013), so that two callers never wait for or get the same answer. The quota is 10 headers.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
 */
const KEY_HEADERS = ['Accept', 'Last-Event-ID', 'Prefer', 'x-tidings-alone', EDGE_TOKEN];

const ROUTE = fileURLToPath(new URL('edge-function/route.js', import.meta.url));

/** The distribution, its function and its policies. */
export class Edge extends Construct {
  /** The CloudFront distribution. */
  readonly distribution: cloudfront.Distribution;
  /** Without a trailing slash. */
  readonly url: string;
  /** Its policies have this name: such names are unique in the account, and the CDK's defaults would be the same in every Region. */
  readonly #name: string;

  constructor(scope: Construct, id: string, { api, streamUrl, socket, config, door }: EdgeProps) {
    super(scope, id);
    const { name, origins, domain, webAcl } = config;
    this.#name = `${name}-${Stack.of(this).region}`;
    const timing = { connectionAttempts: CONNECTION_ATTEMPTS, readTimeout: READ_TIMEOUT };
    const toGateway = { ...timing, ...(door ? { customHeaders: door.headers } : {}) };
    // The function selects origins by these ids.
    const toApi = new HttpOrigin(Fn.select(2, Fn.split('/', api.apiEndpoint)), {
      originId: 'api',
      protocolPolicy: cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
      ...toGateway,
    });
    const toStream = FunctionUrlOrigin.withOriginAccessControl(streamUrl, {
      originId: 'stream',
      originAccessControl: this.#access(),
      ...timing,
    });
    const toSocket = new HttpOrigin(Fn.select(2, Fn.split('/', socket.apiEndpoint)), {
      originId: 'socket',
      protocolPolicy: cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
      ...toGateway,
    });
    const behavior = this.#behavior(origins);
    this.distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: 'Tidings: the front door',
      defaultBehavior: { ...behavior, origin: toApi, cachePolicy: this.#cachePolicy(origins !== '*') },
      additionalBehaviors: {
        // CloudFront forwards the upgrade by itself. The path is the name of the stage.
        [`/${SOCKET_PATH}`]: {
          origin: toSocket,
          cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
          originRequestPolicy: cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
          viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        },
        '/events': { ...behavior, origin: toStream, cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED },
      },
      errorResponses: ERRORS.map((httpStatus) => ({ httpStatus, ttl: Duration.seconds(0) })),
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      ...(domain ? this.#named(domain) : {}),
      ...(webAcl ? { webAclId: webAcl } : {}),
    });
    this.url = `https://${domain?.name ?? this.distribution.distributionDomainName}`;
    if (domain) this.#addRecords(domain);
    this.#acknowledge(config);
  }

  /** Returns what both behaviors share. The function can select the streaming origin in each of them. */
  #behavior(origins: HubConfig['origins']): Omit<cloudfront.BehaviorOptions, 'origin'> {
    const route = new cloudfront.Function(this, 'Route', {
      comment: 'Tidings: picks the origin of a request',
      code: cloudfront.FunctionCode.fromFile({ filePath: ROUTE }),
      runtime: cloudfront.FunctionRuntime.JS_2_0,
    });
    return {
      allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
      // Compression would hold events back until there are enough bytes.
      compress: false,
      functionAssociations: [{ function: route, eventType: cloudfront.FunctionEventType.VIEWER_REQUEST }],
      originRequestPolicy: this.#originRequestPolicy(),
      responseHeadersPolicy: this.#refusalPolicy(origins),
      viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
    };
  }

  /**
   * Handlers set the CORS headers themselves (docs/adr/0003), and CloudFront then adds none. API Gateway and Lambda refuse some
   * requests before a handler runs (429, 413, 431). Without this policy a page could not tell such a refusal from a network error.
   * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/understanding-response-headers-policies.html
   */
  #refusalPolicy(origins: HubConfig['origins']): cloudfront.ResponseHeadersPolicy {
    return new cloudfront.ResponseHeadersPolicy(this, 'RefusalPolicy', {
      comment: 'Tidings: lets pages read what the gateway refuses',
      responseHeadersPolicyName: this.#name,
      corsBehavior: {
        accessControlAllowCredentials: false,
        accessControlAllowHeaders: ['Authorization'],
        accessControlAllowMethods: ['ALL'],
        accessControlAllowOrigins: origins === '*' ? ['*'] : [...origins],
        accessControlExposeHeaders: ['Retry-After'],
        originOverride: false,
      },
    });
  }

  /**
   * Both origins route by their own host name, so CloudFront must not forward the viewer's Host. It must not forward the viewer's
   * Authorization to an origin for which it signs requests: in public reports the signature is then missing or wrong, and
   * Lambda answers 403. The edge function moves that header, and this policy excludes it. No answer depends on a
   * cookie, and CloudFront does not revalidate if it forwards cookies:
   * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#RequestCustomConditionalGETs
   */
  #originRequestPolicy(): cloudfront.OriginRequestPolicy {
    return new cloudfront.OriginRequestPolicy(this, 'OriginRequestPolicy', {
      comment: 'Tidings: all but what the origins have of their own',
      originRequestPolicyName: this.#name,
      headerBehavior: cloudfront.OriginRequestHeaderBehavior.denyList('host', 'authorization'),
      queryStringBehavior: cloudfront.OriginRequestQueryStringBehavior.all(),
      cookieBehavior: cloudfront.OriginRequestCookieBehavior.none(),
    });
  }

  /** Returns the access to the streaming URL. */
  #access(): cloudfront.FunctionUrlOriginAccessControl {
    return new cloudfront.FunctionUrlOriginAccessControl(this, 'Access', {
      originAccessControlName: this.#name,
      signing: cloudfront.Signing.SIGV4_ALWAYS,
    });
  }

  /** Returns the policy that caches only as the origin says. */
  #cachePolicy(variesByOrigin: boolean): cloudfront.CachePolicy {
    const headers = variesByOrigin ? [...KEY_HEADERS, 'Origin'] : KEY_HEADERS;
    return new cloudfront.CachePolicy(this, 'CachePolicy', {
      comment: 'Tidings: as the origin says',
      minTtl: Duration.seconds(0),
      defaultTtl: Duration.seconds(0),
      maxTtl: MAX_TTL,
      // A ticket is as secret as a token, and no answer that depends on it is shared.
      queryStringBehavior: cloudfront.CacheQueryStringBehavior.denyList(TICKET),
      headerBehavior: cloudfront.CacheHeaderBehavior.allowList(...headers),
      cookieBehavior: cloudfront.CacheCookieBehavior.none(),
    });
  }

  /** Returns what the distribution needs to answer by a name. */
  #named({ name, certificate }: DomainOption) {
    return {
      domainNames: [name],
      certificate: Certificate.fromCertificateArn(this, 'Certificate', certificate),
      minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
    };
  }

  /** Adds the records of the name, or an output that says which record its owner must make. */
  #addRecords({ name, hostedZone }: DomainOption): void {
    if (hostedZone === undefined) {
      new CfnOutput(this, 'DomainRecord', {
        value: `${name} CNAME ${this.distribution.distributionDomainName}`,
        description: `make this record, or an ALIAS of that kind if ${name} is the name of its zone: the hub answers at ${name} then`,
      });
      return;
    }
    const zone = HostedZone.fromHostedZoneId(this, 'Zone', hostedZone.hostedZoneId);
    // Not `new CloudFrontTarget()`, which adds a mapping for China, where CloudFront has no functions.
    const alias = {
      dnsName: this.distribution.distributionDomainName,
      hostedZoneId: CloudFrontTarget.CLOUDFRONT_ZONE_ID,
    };
    const target = RecordTarget.fromAlias({ bind: () => alias });
    // With a dot at its end the name is whole, and the CDK does not ask for the name of the zone.
    const record = { zone, recordName: `${name}.`, target };
    new ARecord(this, 'Ipv4', record);
    new AaaaRecord(this, 'Ipv6', record);
  }

  #acknowledge({ domain, webAcl }: EdgeProps['config']): void {
    const findings = {
      CFR1: 'tokens decide who may use a hub, and not the country',
      ...(webAcl
        ? {}
        : { CFR2: 'a web ACL costs a fee each month and per request: the option webAcl attaches one' }),
      CFR3: 'the API and the functions log every request, and a log of CloudFront would hold query strings, which contain tickets',
      ...(domain
        ? {}
        : {
            CFR4: 'the distribution has no domain of its own, and the certificate of cloudfront.net allows no newer minimum',
          }),
    };
    for (const [rule, reason] of Object.entries(findings)) {
      Validations.of(this.distribution).acknowledge({ id: `AwsSolutions-${rule}`, reason });
    }
  }
}
