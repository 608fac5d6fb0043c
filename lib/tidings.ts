/**
 * A hub, in the order in which an event travels: publish, push to sockets, read, deliver to webhooks.
 * @module
 */
import { CfnOutput, Fn, Names, Stack, Token } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { EventField, type IRuleTarget, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import { Grant, type IGrantable, ManagedPolicy, PermissionsBoundary } from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { isChannelName } from '../protocol/channel-name.ts';
import type { MetricName } from '../protocol/metrics.ts';
import type { HubConfig } from './config/config.ts';
import { regionProblems } from './config/regions.ts';
import { ConsolePage } from './functions/console.ts';
import { Deliver } from './functions/deliver.ts';
import { Dispatch } from './functions/dispatch.ts';
import { Fold } from './functions/fold.ts';
import type { FunctionProps } from './functions/function-props.ts';
import { Hold } from './functions/hold.ts';
import { Publish } from './functions/publish.ts';
import { Push } from './functions/push.ts';
import { Read } from './functions/read.ts';
import { SOCKET_PATH, Socket } from './functions/socket.ts';
import { Stream } from './functions/stream.ts';
import { Webhooks } from './functions/webhooks.ts';
import { Door } from './gateways/door.ts';
import { Edge } from './gateways/edge.ts';
import { HttpApi } from './gateways/http-api.ts';
import { Folds } from './messaging/folds.ts';
import { Hints } from './messaging/hints.ts';
import { Intake } from './messaging/intake.ts';
import { Presence } from './messaging/presence.ts';
import { WebhookQueues } from './messaging/webhook-queues.ts';
import { TidingsLog } from './tidings-log.ts';
import { readProps, type TidingsProps } from './tidings-props.ts';
import { Budget } from './watch/budget.ts';
import type { OwnMetrics } from './watch/metrics.ts';
import { Watch } from './watch/watch.ts';
import type { HandlerName } from './watch/watched.ts';

export type { TidingsHook } from './config/hook-option.ts';
export { TidingsLog, type TidingsLogProps } from './tidings-log.ts';
export type { TidingsDomain, TidingsProps } from './tidings-props.ts';

/** The transports, and the function that delivers by each. */
const TRANSPORTS = {
  polling: 'Read',
  'long-polling': 'Hold',
  sse: 'Stream',
  websocket: 'Push',
  webhooks: 'Deliver',
} as const satisfies Record<string, HandlerName>;

/** One of the five transports. */
export type Transport = keyof typeof TRANSPORTS;

/** What becomes of the events of a rule. */
export interface PublishTargetProps {
  /** The channel that gets a message for each event. */
  readonly channel: string;
  /**
   * The message, in which `EventField` stands for a part of the event.
   * @default - the whole event
   */
  readonly message?: unknown;
}

/** The longest message group of SQS. */
const MAX_GROUP_LENGTH = 128;

/** The name of an origin access control has 64 characters at most, of which the Region takes up to 15. */
const MAX_NAME_LENGTH = 48;

/** A hub. A stack and an app may have several, each with a stage of its own. */
export class Tidings extends Construct {
  /** The data of the hub, and the keys that sign tokens. */
  readonly log: TidingsLog;
  /** The URL to publish and read, without a slash at its end. */
  readonly url: string;
  /** The URL of the sockets. */
  readonly socketUrl: string;
  /** The topic of hints: each message says that a channel has grown. */
  readonly topic: ITopic;
  /** The dashboard. */
  readonly dashboard: cloudwatch.Dashboard;
  readonly #metrics: OwnMetrics;
  readonly #intake: Intake | undefined;

  /** Adds a hub. @throws Error with a sentence for each prop that is wrong */
  constructor(scope: Construct, id: string, props: TidingsProps = {}) {
    super(scope, id);
    const { config: options, log } = readProps(props, (own) => new TidingsLog(this, 'Data', own));
    this.log = log;
    log.serve(this);
    const config = { ...options, name: nameOf(this) };
    refuseRegion(this, config);
    const common = this.#common(config);
    const { hints, folds, webhookQueues } = common;
    const parts = this.#functions(common);
    const { socket, stream, publish, push, fold, read, hold, webhooks } = parts;
    const { http, page, urls } = this.#gateways(config, parts);
    this.url = config.edge ? (urls[0] ?? '') : http.api.apiEndpoint;
    this.socketUrl = config.edge ? `wss://${hostOf(this.url)}/${SOCKET_PATH}` : socket.stage.url;
    this.topic = hints.topic;
    const dispatch = new Dispatch(this, 'Dispatch', common);
    const deliver = new Deliver(this, 'Deliver', { ...common, ownHosts: urls.map(hostOf) });
    const presence = this.#presence(common, parts);
    this.#intake = config.intake ? new Intake(this, 'Intake', common) : undefined;
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
      ...(this.#intake && { Intake: this.#intake.handler }),
    };
    const { monthlyBudget: monthly, budgetEmail: email, permissionsBoundary, name } = config;
    if (monthly > 0) new Budget(this, 'Budget', { monthly, email, name });
    const more = { looks: presence?.looks, intake: this.#intake?.work };
    const watched = { config, handlers, stores: log, hints, folds, webhookQueues, ...more, http, socket };
    const watch = new Watch(this, 'Watch', watched);
    this.dashboard = watch.dashboard;
    this.#metrics = watch.own;
    if (permissionsBoundary !== undefined)
      PermissionsBoundary.of(this).apply(
        ManagedPolicy.fromManagedPolicyArn(this, 'PermissionsBoundary', permissionsBoundary),
      );
  }

  /**
   * The queue whose messages are published, for targets of rules and pipes.
   * @throws Error without the prop `intake`
   */
  get intakeQueue(): IQueue {
    if (this.#intake) return this.#intake.work.queue;
    throw new Error(`${this.node.path} has no intake queue: set the prop "intake" to true`);
  }

  /**
   * Allows a function to publish by the intake queue, and tells it where the queue and the hub are: `TIDINGS_INTAKE_URL` and
   * `TIDINGS_URL`. Other principals get the permission alone.
   * @throws Error without the prop `intake`
   */
  grantPublish(grantee: IGrantable): Grant {
    const { queueArn, queueUrl } = this.intakeQueue;
    if (grantee instanceof lambda.Function) {
      grantee.addEnvironment('TIDINGS_INTAKE_URL', queueUrl);
      grantee.addEnvironment('TIDINGS_URL', this.url);
    }
    return Grant.addToPrincipal({ grantee, actions: ['sqs:SendMessage'], resourceArns: [queueArn] });
  }

  /**
   * Returns the target of an EventBridge rule: each event becomes one message, published once, in the order of the rule.
   * @throws Error without the prop `intake`, and for a name that no channel can have
   */
  publishTarget({ channel, message = EventField.fromPath('$') }: PublishTargetProps): IRuleTarget {
    if (!isChannelName(channel)) throw new Error(`"${channel}" is not the name of a channel`);
    return new SqsQueue(this.intakeQueue, {
      messageGroupId: channel.slice(-MAX_GROUP_LENGTH),
      message: RuleTargetInput.fromObject({ channel, messages: [message], key: EventField.eventId }),
    });
  }

  /** Returns the messages that were published. */
  metricPublished(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('Published', options);
  }

  /** Returns the messages that were delivered by a transport, once for each receiver. */
  metricDelivered(transport: Transport, options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.#metrics.ofHandler('Delivered', TRANSPORTS[transport], options);
  }

  /** Returns the milliseconds from a publish until sockets have the message: by default the 90th percentile. */
  metricPushLag(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.metric('PushLag', { statistic: 'p90', ...options });
  }

  /** Returns a metric of the whole hub. @throws Error for one that is measured for each function */
  metric(name: MetricName, options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.#metrics.ofStage(name, options);
  }

  #common(config: HubConfig): FunctionProps {
    const { log, tokenKeys, subscribers, endpoints } = this.log;
    const hints = new Hints(this, 'Hints');
    const folds = new Folds(this, 'Folds', hints);
    const webhookQueues = new WebhookQueues(this, 'WebhookQueues', hints);
    return { config, log, tokenKeys, subscribers, hints, folds, endpoints, webhookQueues };
  }

  #functions(common: FunctionProps) {
    const { edge } = common.config;
    const publish = new Publish(this, 'Publish', common);
    const socket = new Socket(this, 'Socket', common);
    return {
      publish,
      socket,
      push: new Push(this, 'Push', { ...common, socket }),
      fold: new Fold(this, 'Fold', common),
      read: new Read(this, 'Read', common),
      hold: new Hold(this, 'Hold', { ...common, socket }),
      stream: new Stream(this, 'Stream', {
        ...common,
        socket,
        authType: edge ? lambda.FunctionUrlAuthType.AWS_IAM : lambda.FunctionUrlAuthType.NONE,
      }),
      webhooks: new Webhooks(this, 'Webhooks', common),
    };
  }

  /** Adds the HTTP API and the front door. The URLs of the hub begin with that of the front door, if there is one. */
  #gateways(config: HubConfig, parts: Functions) {
    const { publish, socket, read, hold, stream, webhooks } = parts;
    const bare = { socketUrl: socket.stage.url, streamUrl: stream.url.url };
    const page = config.console ? new ConsolePage(this, 'Console', { config, ...bare }) : undefined;
    const http = new HttpApi(this, 'Http', {
      config,
      publish: publish.handler,
      read: read.handler,
      hold: hold.handler,
      webhooks: webhooks.handler,
      console: page?.handler,
    });
    const urls = [http.url, bare.socketUrl, bare.streamUrl];
    if (config.edge) urls.unshift(...this.#edge(config, parts, http, page));
    if (page !== undefined)
      new CfnOutput(this, 'ConsoleUrl', {
        value: config.edge ? `${urls[0]}/console` : `${http.url}console`,
        description: 'a page that shows the hub at work',
      });
    this.#output(http, socket, stream);
    return { http, page, urls };
  }

  /** Adds the front door, and returns its URLs: that of its domain, if it has one, comes first. */
  #edge(
    config: HubConfig,
    parts: Functions,
    http: HttpApi,
    page: ConsolePage | undefined,
  ): readonly string[] {
    const { publish, socket, read, hold, stream, webhooks } = parts;
    const isClosed = config.domain !== undefined || config.webAcl !== undefined;
    const door = isClosed ? new Door(this, 'Door', config.stage) : undefined;
    const origins = { api: http.api, streamUrl: stream.url, socket: socket.api };
    const edge = new Edge(this, 'Edge', { ...origins, config, door });
    for (const part of [publish, socket, read, hold, webhooks, ...(page ? [page] : [])])
      door?.close(part.handler, edge.distribution);
    // Only the distribution may call the URL of streams.
    door?.pass(stream.handler);
    new CfnOutput(this, 'Url', {
      value: edge.url,
      description: 'the hub: publish and read at {Url}/channels/{channel}',
    });
    const own = `https://${edge.distribution.distributionDomainName}`;
    return config.domain ? [edge.url, own] : [edge.url];
  }

  #presence(common: FunctionProps, { socket, push, hold, stream, read }: Functions): Presence | undefined {
    if (common.config.presence.length === 0) return undefined;
    return new Presence(this, 'Presence', common, {
      socket: socket.handler,
      push: push.handler,
      hold: hold.handler,
      stream: stream.handler,
      read: read.handler,
    });
  }

  /** Adds the URLs of the APIs as outputs. They work with and without the front door, unless the hub has a domain or a web ACL. */
  #output(http: HttpApi, socket: Socket, stream: Stream): void {
    new CfnOutput(this, 'HttpUrl', {
      value: http.url,
      description: 'publish and read at {HttpUrl}channels/{channel}',
    });
    new CfnOutput(this, 'SocketUrl', { value: socket.stage.url, description: 'WebSocket' });
    new CfnOutput(this, 'StreamUrl', { value: stream.url.url, description: 'Server-Sent Events' });
  }
}

/** The functions before the gateways. */
interface Functions {
  readonly publish: Publish;
  readonly socket: Socket;
  readonly push: Push;
  readonly fold: Fold;
  readonly read: Read;
  readonly hold: Hold;
  readonly stream: Stream;
  readonly webhooks: Webhooks;
}

/** Returns the host of `https://host/`, at deployment: before that the URL is not known. */
const hostOf = (url: string): string => Fn.select(2, Fn.split('/', url));

/** Returns a name that no other hub of the account and Region has: that of the stack for the hub of the template. */
const nameOf = (hub: Tidings): string =>
  Names.uniqueResourceName(hub, {
    maxLength: MAX_NAME_LENGTH,
    separator: '-',
    allowedSpecialCharacters: '-',
  });

/** Refuses a Region that lacks a service. The Region of a stack may not be known yet. */
function refuseRegion(hub: Tidings, config: HubConfig): void {
  const { region } = Stack.of(hub);
  const problems = Token.isUnresolved(region) ? [] : regionProblems(config, region, true);
  if (problems.length > 0) throw new Error(problems.join('\n'));
}
