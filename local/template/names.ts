/**
 * Physical names, ARNs and URLs of the resources. They follow from stack and logical id alone, so that the next start finds
 * the tables, secrets and queues of a data directory.
 * @module
 */
import { createHash } from 'node:crypto';
import type { Resource } from './assembly.ts';
import { ACCOUNT, LOCAL_REGION, type References } from './intrinsics.ts';
import { describeResource } from './resources.ts';

/** URLs of this machine, without trailing slashes. */
export interface Addresses {
  /** URL of the AWS endpoint, to which SDK clients send their calls. */
  readonly aws: string;
  /** Returns the URL of a distribution, an API or a function URL. */
  url(resource: Resource): string;
}

/** The property that sets a physical name, for the types that have one. */
const NAME_PROPERTY: Readonly<Record<string, string>> = {
  'AWS::CloudWatch::Alarm': 'AlarmName',
  'AWS::DynamoDB::GlobalTable': 'TableName',
  'AWS::DynamoDB::Table': 'TableName',
  'AWS::SecretsManager::Secret': 'Name',
  'AWS::Lambda::Function': 'FunctionName',
  'AWS::IAM::Role': 'RoleName',
  'AWS::IAM::Policy': 'PolicyName',
  'AWS::Logs::LogGroup': 'LogGroupName',
  'AWS::SNS::Topic': 'TopicName',
  'AWS::SQS::Queue': 'QueueName',
};

/** Types whose name may be composed at deployment. The local stack ignores that name and generates one. */
const MAY_BE_COMPOSED = new Set(['AWS::Logs::LogGroup']);

/**
 * Returns the name that the template gives, else `<Stack>-<LogicalId>`.
 * @throws Error if the template composes the name
 */
export function physicalName(resource: Resource): string {
  const property = NAME_PROPERTY[resource.type];
  const given = property === undefined ? undefined : resource.properties[property];
  if (typeof given === 'string') return given;
  if (given !== undefined && !MAY_BE_COMPOSED.has(resource.type))
    throw new Error(`${describeResource(resource)} must be named by a plain string in ${property}`);
  const fifo = resource.properties.FifoQueue === true || resource.properties.FifoTopic === true;
  return `${resource.stack}-${resource.logicalId}${fifo ? '.fifo' : ''}`;
}

const API_ID_LENGTH = 10;
const ARN_SUFFIX_LENGTH = 6;

/** Returns the id of an API or of a function URL: ten characters in lower case, as on AWS. */
export function apiId(resource: Resource): string {
  return digest(resource).slice(0, API_ID_LENGTH);
}

const DISTRIBUTION_ID_LENGTH = 13;

/** Returns the id of a distribution: `E` and 13 characters in upper case, as on AWS. */
export function distributionId(resource: Resource): string {
  return `E${digest(resource).slice(0, DISTRIBUTION_ID_LENGTH).toUpperCase()}`;
}

/** Returns the domain of a distribution in the form of AWS. It resolves to nothing. */
export function distributionDomain(resource: Resource): string {
  return `d${digest(resource).slice(0, DISTRIBUTION_ID_LENGTH)}.cloudfront.net`;
}

/** Returns the ARN of a distribution. */
export const distributionArn = (resource: Resource) =>
  `arn:aws:cloudfront::${ACCOUNT}:distribution/${distributionId(resource)}`;

/** Returns the ARN of a CloudFront Function. */
export const edgeFunctionArn = (resource: Resource) =>
  `arn:aws:cloudfront::${ACCOUNT}:function/${physicalName(resource)}`;

/**
 * Returns the ARN of a resource.
 * @throws Error for a type whose ARN is not needed here
 */
export function arnOf(resource: Resource): string {
  const name = physicalName(resource);
  const inRegion = (service: string, rest: string) => `arn:aws:${service}:${LOCAL_REGION}:${ACCOUNT}:${rest}`;
  switch (resource.type) {
    case 'AWS::DynamoDB::GlobalTable':
    case 'AWS::DynamoDB::Table':
      return tableArn(name);
    case 'AWS::CloudWatch::Alarm':
      return inRegion('cloudwatch', `alarm:${name}`);
    case 'AWS::SecretsManager::Secret':
      // AWS appends random characters, so that a policy for a deleted secret does not match a new one with its name.
      return inRegion('secretsmanager', `secret:${name}-${digest(resource).slice(0, ARN_SUFFIX_LENGTH)}`);
    case 'AWS::Lambda::Function':
      return inRegion('lambda', `function:${name}`);
    case 'AWS::IAM::Role':
      return `arn:aws:iam::${ACCOUNT}:role/${name}`;
    case 'AWS::Logs::LogGroup':
      return inRegion('logs', `log-group:${name}:*`);
    case 'AWS::SNS::Topic':
      return inRegion('sns', name);
    case 'AWS::SQS::Queue':
      return inRegion('sqs', name);
    case 'AWS::CertificateManager::Certificate':
      return inRegion('acm', `certificate/${name}`);
    case 'AWS::WAFv2::WebACL':
      return inRegion('wafv2', `global/webacl/${name}/${digest(resource).slice(0, ARN_SUFFIX_LENGTH)}`);
    default:
      throw new Error(`${describeResource(resource)} has no ARN that the local stack knows`);
  }
}

/** Returns the ARN of the table with that name. */
export const tableArn = (name: string) => `arn:aws:dynamodb:${LOCAL_REGION}:${ACCOUNT}:table/${name}`;

function digest(resource: Resource): string {
  return createHash('sha256').update(`${resource.stack}/${resource.logicalId}`).digest('hex');
}

/** Returns true for a WebSocket API. CloudFormation has the same type for HTTP APIs. */
export const isWebSocketApi = ({ type, properties }: Resource) =>
  type === 'AWS::ApiGatewayV2::Api' && properties.ProtocolType === 'WEBSOCKET';

/** Returns the URL with the scheme `ws` or `wss`. */
export const socketUrl = (url: string) => url.replace(/^http/, 'ws');

const REF_IS_ARN = new Set([
  'AWS::SecretsManager::Secret',
  'AWS::SNS::Topic',
  'AWS::CertificateManager::Certificate',
]);

const ATTRIBUTES: Readonly<
  Record<string, Readonly<Record<string, (resource: Resource, at: Addresses) => string>>>
> = {
  'AWS::CloudWatch::Alarm': { Arn: arnOf },
  'AWS::DynamoDB::GlobalTable': { Arn: arnOf },
  'AWS::DynamoDB::Table': { Arn: arnOf },
  'AWS::SecretsManager::Secret': { Id: arnOf },
  'AWS::Lambda::Function': { Arn: arnOf },
  'AWS::Lambda::Url': { FunctionUrl: (resource, at) => `${at.url(resource)}/` },
  'AWS::IAM::Role': { Arn: arnOf },
  'AWS::Logs::LogGroup': { Arn: arnOf },
  'AWS::ApiGatewayV2::Api': {
    ApiEndpoint: (resource, at) =>
      isWebSocketApi(resource) ? socketUrl(at.url(resource)) : at.url(resource),
    ApiId: apiId,
  },
  'AWS::CloudFront::Distribution': { DomainName: distributionDomain, Id: distributionId },
  'AWS::CloudFront::Function': { FunctionARN: edgeFunctionArn },
  'AWS::CloudFront::OriginAccessControl': { Id: physicalName },
  'AWS::WAFv2::WebACL': { Arn: arnOf },
  'AWS::SNS::Topic': { TopicArn: arnOf, TopicName: physicalName },
  'AWS::SQS::Queue': {
    Arn: arnOf,
    QueueName: physicalName,
    QueueUrl: (resource, at) => queueUrl(at, physicalName(resource)),
  },
};

const queueUrl = (at: Addresses, name: string) => `${at.aws}/${ACCOUNT}/${name}`;

/** Returns the values of `Ref` and `Fn::GetAtt` for all understood types. */
export function createReferences(at: Addresses): References {
  return {
    ref(resource) {
      if (REF_IS_ARN.has(resource.type)) return arnOf(resource);
      if (resource.type === 'AWS::ApiGatewayV2::Api') return apiId(resource);
      if (resource.type === 'AWS::CloudFront::Distribution') return distributionId(resource);
      if (resource.type === 'AWS::SQS::Queue') return queueUrl(at, physicalName(resource));
      return physicalName(resource);
    },
    attribute(resource, name) {
      const read = ATTRIBUTES[resource.type]?.[name];
      if (read !== undefined) return read(resource, at);
      throw new Error(
        `${describeResource(resource)} has no attribute ${name} that the local stack understands`,
      );
    },
  };
}
