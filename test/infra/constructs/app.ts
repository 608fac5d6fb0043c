/**
 * The app of docs/constructs.md, which has the same text below its imports.
 * @module
 */
import { type App, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { AttributeType, StreamViewType, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { EventField, Rule } from 'aws-cdk-lib/aws-events';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { CfnPipe } from 'aws-cdk-lib/aws-pipes';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Tidings, TidingsLog } from 'tidings';

/** Adds the stacks of the page to an app, and returns it. */
export function addTo(app: App): App {
  // begin of the page
  const env = { account: '123456789012', region: 'eu-west-1' };
  const data = new Stack(app, 'ShopData', { env, terminationProtection: true });
  const log = new TidingsLog(data, 'Log', { stage: 'shop' });

  const stack = new Stack(app, 'Shop', { env });
  const hub = new Tidings(stack, 'Hub', {
    log,
    domain: {
      name: 'events.shop.example.com',
      certificate: Certificate.fromCertificateArn(
        stack,
        'Certificate',
        'arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555',
      ),
      hostedZone: HostedZone.fromHostedZoneAttributes(stack, 'Zone', {
        hostedZoneId: 'Z0123456789ABCDEFGHIJ',
        zoneName: 'shop.example.com',
      }),
    },
    webAcl: 'arn:aws:wafv2:us-east-1:123456789012:global/webacl/shop/11111111-2222-3333-4444-555555555555',
    alarmTopic: Topic.fromTopicArn(stack, 'Pager', 'arn:aws:sns:eu-west-1:123456789012:pager'),
    anonymous: { 'offers/*': ['subscribe'] },
    presence: ['support/*'],
    intake: true,
    retentionDays: 30,
  });

  // A backend that mints tokens for its users.
  const backend = new lambda.Function(stack, 'Backend', {
    runtime: lambda.Runtime.NODEJS_24_X,
    handler: 'index.handler',
    code: lambda.Code.fromInline('exports.handler = async () => ({ statusCode: 204 });'),
    environment: { HUB_URL: hub.url, TOKEN_SECRET_ARN: log.tokenSecret.secretArn },
  });
  log.tokenSecret.grantRead(backend);

  // It also publishes, without a token. So does a rule: each event is a message, published once.
  hub.grantPublish(backend);
  new Rule(stack, 'Paid', {
    eventPattern: { source: ['shop.payments'] },
    targets: [hub.publishTarget({ channel: 'orders/paid', message: EventField.fromPath('$.detail') })],
  });

  hub.metricPublished({ period: Duration.minutes(1) }).createAlarm(stack, 'NoOrders', {
    threshold: 1,
    evaluationPeriods: 30,
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    treatMissingData: TreatMissingData.BREACHING,
  });

  // A hub for experiments, with its data in the same stack. Both are deleted together.
  new Tidings(stack, 'Playground', { stage: 'playground', removalPolicy: RemovalPolicy.DESTROY });
  // end of the page

  // begin of the pipe
  const orders = new TableV2(data, 'Orders', {
    partitionKey: { name: 'id', type: AttributeType.STRING },
    dynamoStream: StreamViewType.NEW_IMAGE,
  });
  const carrier = new Role(stack, 'Carrier', { assumedBy: new ServicePrincipal('pipes.amazonaws.com') });
  orders.grantStreamRead(carrier);
  hub.grantPublish(carrier);
  new CfnPipe(stack, 'Orders', {
    roleArn: carrier.roleArn,
    source: orders.tableStreamArn ?? '',
    sourceParameters: {
      dynamoDbStreamParameters: { startingPosition: 'LATEST', maximumRetryAttempts: 100 },
      filterCriteria: { filters: [{ pattern: '{"eventName":["INSERT","MODIFY"]}' }] },
    },
    target: hub.intakeQueue.queueArn,
    targetParameters: {
      sqsQueueParameters: { messageGroupId: 'orders/changes' },
      // Without quotes the item stays JSON, in DynamoDB's form: {"id":{"S":"7"}}.
      inputTemplate: '{"channel":"orders/changes","messages":[<$.dynamodb.NewImage>],"key":"<$.eventID>"}',
    },
  });
  // end of the pipe
  return app;
}
