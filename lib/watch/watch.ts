/**
 * What an operator needs: metrics that say whose they are, alarms that lead to the runbook, and one dashboard.
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
import type { HubConfig } from '../config/config.ts';
import type { Socket } from '../functions/socket.ts';
import type { HttpApi } from '../gateways/http-api.ts';
import type { Hints } from '../messaging/hints.ts';
import type { WebhookQueues } from '../messaging/webhook-queues.ts';
import type { LogStack } from '../storage/log-stack.ts';
import { addAlarms } from './alarms.ts';
import { addDashboard } from './dashboard.ts';
import { type Handlers, handlersOf, OwnMetrics } from './metrics.ts';

/** What is watched: the whole hub. */
export interface Watched {
  readonly config: HubConfig;
  readonly doors: Handlers;
  readonly stores: LogStack;
  readonly hints: Hints;
  readonly webhookQueues: WebhookQueues;
  readonly http: HttpApi;
  readonly socket: Socket;
}

/** Made last, since it looks at everything else. */
export class Watch extends Construct {
  constructor(scope: Construct, id: string, watched: Watched) {
    super(scope, id);
    const { config, doors } = watched;
    for (const [name, door] of handlersOf(doors))
      door.configure(telemetryEnv.write({ STAGE: config.stage, FUNCTION: name }));
    const own = new OwnMetrics(config.stage);
    addAlarms(this, watched, own);
    const alarms = Stack.of(this)
      .node.findAll()
      .filter((one) => one instanceof cloudwatch.Alarm);
    if (config.alarmEmail !== '') this.#tell(config.alarmEmail, alarms);
    addDashboard(this, watched, own, alarms);
  }

  /** Alarms and all-clears, by e-mail, once the owner of the address has agreed to it. */
  #tell(address: string, alarms: readonly cloudwatch.Alarm[]): void {
    // Not encrypted with the key that AWS manages: CloudWatch may not use that, and its messages would be lost.
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
