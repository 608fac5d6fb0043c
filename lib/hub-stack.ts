/**
 * The stack around the log, in the order in which an event travels: publish, push to sockets, read, deliver to webhooks.
 * @module
 */
import { CfnOutput, Fn, Stack } from 'aws-cdk-lib';
import { FunctionUrlAuthType } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { HubConfig } from './config/config.ts';
import { ConsolePage } from './functions/console.ts';
import { Deliver } from './functions/deliver.ts';
import { Dispatch } from './functions/dispatch.ts';
import { Fold } from './functions/fold.ts';
import { Hold } from './functions/hold.ts';
import { Publish } from './functions/publish.ts';
import { Push } from './functions/push.ts';
import { Read } from './functions/read.ts';
import { Socket } from './functions/socket.ts';
import { Stream } from './functions/stream.ts';
import { Webhooks } from './functions/webhooks.ts';
import { Edge } from './gateways/edge.ts';
import { HttpApi } from './gateways/http-api.ts';
import { Folds } from './messaging/folds.ts';
import { Hints } from './messaging/hints.ts';
import { Presence } from './messaging/presence.ts';
import { WebhookQueues } from './messaging/webhook-queues.ts';
import type { LogStack } from './storage/log-stack.ts';
import { Budget } from './watch/budget.ts';
import { Watch } from './watch/watch.ts';

/** Everything of a hub that holds no data: functions, APIs, queues, the front door, alarms. A deployment may replace it. */
export class HubStack extends Stack {
  constructor(scope: Construct, id: string, config: HubConfig, stores: LogStack) {
    super(scope, id, { description: 'Tidings: the functions and APIs that publish and read events' });
    const hints = new Hints(this, 'Hints');
    const folds = new Folds(this, 'Folds', hints);
    const webhookQueues = new WebhookQueues(this, 'WebhookQueues', hints);
    const { log, tokenKeys, subscribers, endpoints } = stores;
    const common = { config, log, tokenKeys, subscribers, hints, folds, endpoints, webhookQueues };
    const publish = new Publish(this, 'Publish', common);
    const socket = new Socket(this, 'Socket', common);
    const push = new Push(this, 'Push', { ...common, socket });
    const fold = new Fold(this, 'Fold', common);
    const read = new Read(this, 'Read', common);
    const hold = new Hold(this, 'Hold', { ...common, socket });
    const stream = new Stream(this, 'Stream', {
      ...common,
      socket,
      authType: config.edge ? FunctionUrlAuthType.AWS_IAM : FunctionUrlAuthType.NONE,
    });
    const webhooks = new Webhooks(this, 'Webhooks', common);
    const page = config.console
      ? new ConsolePage(this, 'Console', {
          config,
          socketUrl: socket.stage.url,
          streamUrl: stream.url.url,
        })
      : undefined;
    const http = new HttpApi(this, 'Http', {
      config,
      publish: publish.handler,
      read: read.handler,
      hold: hold.handler,
      webhooks: webhooks.handler,
      console: page?.handler,
    });
    const dispatch = new Dispatch(this, 'Dispatch', common);
    const ownUrls = [http.url, socket.stage.url, stream.url.url];
    if (config.edge) {
      const edge = new Edge(this, 'Edge', {
        api: http.api,
        streamUrl: stream.url,
        socket: socket.api,
        origins: config.origins,
      });
      ownUrls.unshift(edge.url);
      new CfnOutput(this, 'Url', {
        value: edge.url,
        description: 'the hub: publish and read at {Url}/channels/{channel}',
      });
    }
    if (page !== undefined)
      new CfnOutput(this, 'ConsoleUrl', {
        value: config.edge ? `${ownUrls[0]}/console` : `${http.url}console`,
        description: 'a page that shows the hub at work',
      });
    const deliver = new Deliver(this, 'Deliver', { ...common, ownHosts: ownUrls.map(hostOf) });
    const others = {
      socket: socket.handler,
      push: push.handler,
      hold: hold.handler,
      stream: stream.handler,
      read: read.handler,
    };
    const presence = config.presence.length > 0 ? new Presence(this, 'Presence', common, others) : undefined;
    const handlers = {
      Publish: publish.handler,
      Socket: socket.handler,
      Push: push.handler,
      Fold: fold.handler,
      Read: read.handler,
      Hold: hold.handler,
      Stream: stream.handler,
      Webhooks: webhooks.handler,
      Dispatch: dispatch.handler,
      Deliver: deliver.handler,
      ...(page === undefined ? {} : { Console: page.handler }),
      ...(presence && { Presence: presence.handler }),
    };
    const { monthlyBudget: monthly, budgetEmail: email } = config;
    if (monthly > 0) new Budget(this, 'Budget', { monthly, email });
    const looks = presence?.looks;
    new Watch(this, 'Watch', { config, handlers, stores, hints, folds, webhookQueues, looks, http, socket });
    this.#output(http, socket, stream);
  }

  /** Adds the URLs of the APIs as outputs. They work with and without the front door. */
  #output(http: HttpApi, socket: Socket, stream: Stream): void {
    new CfnOutput(this, 'HttpUrl', {
      value: http.url,
      description: 'publish and read at {HttpUrl}channels/{channel}',
    });
    new CfnOutput(this, 'SocketUrl', { value: socket.stage.url, description: 'WebSocket' });
    new CfnOutput(this, 'StreamUrl', { value: stream.url.url, description: 'Server-Sent Events' });
  }
}

/** Returns the host of `https://host/`, at deployment: before that the URL is not known. */
const hostOf = (url: string): string => Fn.select(2, Fn.split('/', url));
