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
  constructor(scope: Construct, id: string, watched: Watched) {
    super(scope, id);
    const { config, handlers } = watched;
    for (const [name, handler] of handlersOf(handlers))
      handler.configure(telemetryEnv.write({ STAGE: config.stage, FUNCTION: name }));
    const own = new OwnMetrics(config.stage);
    addAlarms(this, watched, own);
    const alarms = Stack.of(this)
      .node.findAll()
      .filter((one) => one instanceof cloudwatch.Alarm);
    if (config.alarmEmail !== '') this.#notify(config.alarmEmail, alarms);
    addDashboard(this, watched, own, alarms);
  }

  /** Sends alarms, and their ends, by e-mail after the owner of the address has confirmed the subscription. */
  #notify(address: string, alarms: readonly cloudwatch.Alarm[]): void {
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
    const action = new SnsAction(topic);
    for (const alarm of alarms) {
      alarm.addAlarmAction(action);
      alarm.addOkAction(action);
    }
  }
}
