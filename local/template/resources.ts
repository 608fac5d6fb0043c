/**
 * The table of the resource types and properties that the local stack understands. It refuses all others: a property that it
 * ignored could work on this machine, and fail or cost money on AWS.
 * @module
 */

import { CLOUDFRONT } from '../cloudfront/edge-resources.ts';
import type { Assembly, Resource } from './assembly.ts';
import { asList, isObject } from './json.ts';
import { ACTED, type Properties } from './properties.ts';

const TAGS = 'tags have no effect on behaviour';
const ENCRYPTION = 'encryption at rest cannot be observed by the app';
const NO_ALARMS = 'no alarm is sent: the control endpoints /queues and /metrics show the same numbers';
const ONE_MACHINE = 'there is one copy, on one machine';

const TABLE_KEYS: Properties = {
  TableName: ACTED,
  KeySchema: ACTED,
  AttributeDefinitions: ACTED,
  GlobalSecondaryIndexes: {
    IndexName: ACTED,
    KeySchema: ACTED,
    Projection: ACTED,
    WarmThroughput: 'capacity is not simulated',
  },
  LocalSecondaryIndexes: { IndexName: ACTED, KeySchema: ACTED, Projection: ACTED },
  BillingMode: 'capacity is not simulated; throttles can be injected',
  TimeToLiveSpecification: 'DynamoDB deletes within days, so readers must filter expired items anyway',
  SSESpecification: ENCRYPTION,
  WarmThroughput: 'capacity is not simulated',
};

const CORS: Properties = {
  AllowOrigins: ACTED,
  AllowMethods: ACTED,
  AllowHeaders: ACTED,
  ExposeHeaders: ACTED,
  AllowCredentials: ACTED,
  MaxAge: ACTED,
};

const QUEUE_ATTRIBUTES: Properties = {
  QueueName: ACTED,
  FifoQueue: ACTED,
  ContentBasedDeduplication: ACTED,
  DelaySeconds: ACTED,
  MaximumMessageSize: ACTED,
  MessageRetentionPeriod: ACTED,
  ReceiveMessageWaitTimeSeconds: ACTED,
  VisibilityTimeout: ACTED,
  RedrivePolicy: ACTED,
  DeduplicationScope: ACTED,
  FifoThroughputLimit: 'capacity is not simulated',
  RedriveAllowPolicy: 'the sources of a dead-letter queue are not checked',
  SqsManagedSseEnabled: ENCRYPTION,
  KmsMasterKeyId: ENCRYPTION,
  KmsDataKeyReusePeriodSeconds: ENCRYPTION,
  Tags: TAGS,
};

const TABLE: Readonly<Record<string, Properties>> = {
  ...CLOUDFRONT,
  'AWS::DynamoDB::GlobalTable': {
    ...TABLE_KEYS,
    Replicas: {
      Region: ONE_MACHINE,
      DeletionProtectionEnabled: 'nothing here deletes a table',
      PointInTimeRecoverySpecification: 'there are no backups on one machine',
      ContributorInsightsSpecification: 'a metric only',
      GlobalSecondaryIndexes: ONE_MACHINE,
      TableClass: 'a price only',
      SSESpecification: ENCRYPTION,
      Tags: TAGS,
    },
  },
  'AWS::DynamoDB::Table': {
    ...TABLE_KEYS,
    DeletionProtectionEnabled: 'nothing here deletes a table',
    PointInTimeRecoverySpecification: 'there are no backups on one machine',
    ContributorInsightsSpecification: 'a metric only',
    ProvisionedThroughput: 'capacity is not simulated',
    TableClass: 'a price only',
    Tags: TAGS,
  },
  'AWS::SecretsManager::Secret': {
    Name: ACTED,
    SecretString: ACTED,
    GenerateSecretString: {
      SecretStringTemplate: ACTED,
      GenerateStringKey: ACTED,
      PasswordLength: ACTED,
      ExcludeCharacters: ACTED,
      ExcludeLowercase: ACTED,
      ExcludeUppercase: ACTED,
      ExcludeNumbers: ACTED,
      ExcludePunctuation: ACTED,
      IncludeSpace: ACTED,
      RequireEachIncludedType: ACTED,
    },
    Description: 'for humans',
    KmsKeyId: ENCRYPTION,
    Tags: TAGS,
  },
  'AWS::Lambda::Function': {
    FunctionName: ACTED,
    Code: { S3Key: ACTED, ZipFile: ACTED, S3Bucket: 'the asset is read from the assembly, not from S3' },
    Handler: ACTED,
    Runtime: ACTED,
    Role: ACTED,
    Timeout: ACTED,
    MemorySize: ACTED,
    Environment: { Variables: ACTED },
    ReservedConcurrentExecutions: ACTED,
    LoggingConfig: {
      LogGroup: ACTED,
      LogFormat: ACTED,
      ApplicationLogLevel: ACTED,
      SystemLogLevel: 'the local runtime writes no platform lines',
    },
    Architectures: 'the bundle is JavaScript',
    Description: 'for humans',
    EphemeralStorage: 'the disk of this machine is used',
    PackageType: 'only Zip can have an S3Key or a ZipFile',
    RecursiveLoop: 'loops are not detected',
    RuntimeManagementConfig: 'the Node that runs this is used',
    TracingConfig: { Mode: ACTED },
    Tags: TAGS,
  },
  'AWS::Lambda::Url': {
    TargetFunctionArn: ACTED,
    AuthType: ACTED,
    InvokeMode: ACTED,
    Cors: CORS,
  },
  'AWS::Lambda::EventSourceMapping': {
    EventSourceArn: ACTED,
    FunctionName: ACTED,
    BatchSize: ACTED,
    MaximumBatchingWindowInSeconds: ACTED,
    FunctionResponseTypes: ACTED,
    ScalingConfig: { MaximumConcurrency: ACTED },
    Enabled: ACTED,
    MetricsConfig: 'a metric only',
    Tags: TAGS,
  },
  'AWS::Lambda::Permission': {
    Action: ACTED,
    FunctionName: ACTED,
    Principal: ACTED,
    SourceArn: ACTED,
    FunctionUrlAuthType: ACTED,
    InvokedViaFunctionUrl: ACTED,
    SourceAccount: ACTED,
  },
  'AWS::IAM::Role': {
    RoleName: ACTED,
    ManagedPolicyArns: ACTED,
    Policies: { PolicyName: ACTED, PolicyDocument: ACTED },
    AssumeRolePolicyDocument: 'roles are given to the functions of the template only',
    Description: 'for humans',
    MaxSessionDuration: 'credentials live as long as their process',
    Path: 'part of no decision',
    PermissionsBoundary: 'its document is not in the template; on AWS it can only take permissions away',
    Tags: TAGS,
  },
  'AWS::IAM::Policy': { PolicyName: ACTED, PolicyDocument: ACTED, Roles: ACTED },
  'AWS::Logs::LogGroup': {
    LogGroupName: ACTED,
    RetentionInDays: 'lines are printed, not stored',
    LogGroupClass: 'a price only',
    DeletionProtectionEnabled: 'lines are printed, not stored',
    KmsKeyId: ENCRYPTION,
    Tags: TAGS,
  },
  'AWS::ApiGatewayV2::Api': {
    ProtocolType: ACTED,
    RouteSelectionExpression: ACTED,
    CorsConfiguration: CORS,
    Name: 'for humans',
    Description: 'for humans',
    DisableExecuteApiEndpoint: 'the local URL is the only one there is',
    IpAddressType: 'loopback only',
    Tags: TAGS,
  },
  'AWS::ApiGatewayV2::Integration': {
    ApiId: ACTED,
    IntegrationType: ACTED,
    IntegrationUri: ACTED,
    PayloadFormatVersion: ACTED,
    TimeoutInMillis: ACTED,
    ResponseParameters: ACTED,
    IntegrationMethod: 'Lambda is always invoked by POST',
    Description: 'for humans',
  },
  'AWS::ApiGatewayV2::Route': {
    ApiId: ACTED,
    RouteKey: ACTED,
    Target: ACTED,
    AuthorizationType: ACTED,
    RouteResponseSelectionExpression: ACTED,
  },
  'AWS::ApiGatewayV2::RouteResponse': {
    ApiId: 'follows from the route',
    RouteId: ACTED,
    RouteResponseKey: ACTED,
  },
  'AWS::ApiGatewayV2::Stage': {
    ApiId: ACTED,
    StageName: ACTED,
    AutoDeploy: 'there is nothing to deploy',
    AccessLogSettings: 'no access log is written',
    DefaultRouteSettings: ACTED,
    RouteSettings: ACTED,
    Description: 'for humans',
    Tags: TAGS,
  },
  'AWS::SNS::Topic': {
    TopicName: ACTED,
    FifoTopic: ACTED,
    ContentBasedDeduplication: ACTED,
    DisplayName: 'for humans',
    KmsMasterKeyId: ENCRYPTION,
    TracingConfig: 'there is no X-Ray here',
    Tags: TAGS,
  },
  'AWS::SNS::Subscription': {
    TopicArn: ACTED,
    Protocol: ACTED,
    Endpoint: ACTED,
    RawMessageDelivery: ACTED,
    FilterPolicy: ACTED,
    FilterPolicyScope: ACTED,
    RedrivePolicy: 'delivery from a topic to a local queue cannot fail',
  },
  'AWS::SNS::TopicPolicy': { PolicyDocument: ACTED, Topics: ACTED },
  'AWS::SQS::Queue': QUEUE_ATTRIBUTES,
  'AWS::SQS::QueuePolicy': { PolicyDocument: ACTED, Queues: ACTED },
  'AWS::CloudWatch::Alarm': {
    ActionsEnabled: NO_ALARMS,
    AlarmActions: NO_ALARMS,
    AlarmDescription: 'for humans',
    AlarmName: 'for humans',
    ComparisonOperator: NO_ALARMS,
    Dimensions: NO_ALARMS,
    EvaluationPeriods: NO_ALARMS,
    ExtendedStatistic: NO_ALARMS,
    MetricName: NO_ALARMS,
    Metrics: NO_ALARMS,
    Namespace: NO_ALARMS,
    OKActions: NO_ALARMS,
    Period: NO_ALARMS,
    Statistic: NO_ALARMS,
    Threshold: NO_ALARMS,
    TreatMissingData: NO_ALARMS,
  },
  'AWS::Budgets::Budget': {
    Budget: 'nothing is paid for on one machine',
    NotificationsWithSubscribers: 'nothing is paid for on one machine',
  },
  'AWS::CloudWatch::Dashboard': { DashboardName: 'for humans', DashboardBody: 'for humans' },
  'AWS::CDK::Metadata': { Analytics: 'counts constructs for the CDK team' },
};

/**
 * Checks all resources against the table.
 * @throws Error with the resource and the property that is not understood
 */
export function refuseUnknownResources(assembly: Assembly): void {
  for (const stack of assembly.stacks) {
    for (const resource of stack.resources.values()) {
      const known = TABLE[resource.type];
      if (known === undefined) {
        throw new Error(
          `${describeResource(resource)} is of a type that the local stack does not understand`,
        );
      }
      refuseProperties(resource, known, resource.properties, '');
    }
  }
}

function refuseProperties(resource: Resource, known: Properties, value: unknown, prefix: string): void {
  for (const item of asList(value)) {
    if (!isObject(item)) continue;
    for (const [name, below] of Object.entries(item)) {
      const rule = Object.hasOwn(known, name) ? known[name] : undefined;
      if (rule === undefined) {
        throw new Error(
          `${describeResource(resource)} has the property ${prefix}${name}, which the local stack does not understand`,
        );
      }
      if (typeof rule === 'object') refuseProperties(resource, rule, below, `${prefix}${name}.`);
    }
  }
}

/** Returns the name of a resource for messages: stack, logical id, construct path and type. */
export function describeResource(resource: Resource): string {
  return `${resource.stack}/${resource.logicalId} (${resource.path}, ${resource.type})`;
}
