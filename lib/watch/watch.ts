/**
 * Metrics, alarms and the dashboard of the hub.
 * @module
 */
import { Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { telemetryEnv } from '../../lambda/env.ts';
import { addAlarms } from './alarms.ts';
import { addDashboard } from './dashboard.ts';
import { OwnMetrics } from './metrics.ts';
import { handlersOf, type Watched } from './watched.ts';

/** Tells the functions how to name their metrics, and adds the alarms and the dashboard. It comes last, because it needs all other parts. */
export class Watch extends Construct {
  /** Shows the metrics of the hub, in the order in which an event travels. */
  readonly dashboard: cloudwatch.Dashboard;
  /** The hub's own metrics. */
  readonly own: OwnMetrics;

  constructor(scope: Construct, id: string, watched: Watched) {
    super(scope, id);
    const { config, handlers } = watched;
    for (const [name, handler] of handlersOf(handlers))
      handler.configure(telemetryEnv.write({ STAGE: config.stage, FUNCTION: name }));
    const own = new OwnMetrics(config.stage);
    this.own = own;
    addAlarms(this, watched, own);
    // Other hubs of the stack have alarms of their own.
    const alarms = scope.node.findAll().filter((one) => one instanceof cloudwatch.Alarm);
    if (config.alarmEmail !== '') notify(alarms, this.#topicOf(config.alarmEmail));
    if (config.alarmTopic !== undefined)
      notify(alarms, sns.Topic.fromTopicArn(this, 'AlarmTopic', config.alarmTopic));
    this.dashboard = addDashboard(this, watched, own, alarms);
  }

  /** Returns a topic that sends e-mails after the owner of the address has confirmed the subscription. */
  #topicOf(address: string): sns.Topic {
    // Without encryption, because CloudWatch may not use the key that AWS manages, and its messages would be lost.
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    const topic = new sns.Topic(this, 'Topic', { enforceSSL: true });
    topic.addSubscription(new EmailSubscription(address));
    topic.addToResourcePolicy(
      new iam.PolicyStatement({
        principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    );
    return topic;
  }
}

/** Sends alarms, and their ends, to a topic. */
function notify(alarms: readonly cloudwatch.Alarm[], topic: sns.ITopic): void {
  const action = new SnsAction(topic);
  for (const alarm of alarms) {
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
  }
}
