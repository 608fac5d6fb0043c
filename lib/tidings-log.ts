/**
 * The data of a hub: the log, the endpoints, the keys. It is separate, so that the hub around it can be replaced.
 * @module
 */
import { CfnOutput, type RemovalPolicy, Stack, Stage } from 'aws-cdk-lib';
import type { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { readLogOptions } from './config/log-options.ts';
import { ChannelLog } from './storage/channel-log.ts';
import { Endpoints } from './storage/endpoints.ts';
import { Subscribers } from './storage/subscribers.ts';
import { TokenKeys } from './storage/token-keys.ts';

/** The options of the data. */
export interface TidingsLogProps {
  /**
   * Names the hub in the audience of its tokens and in its metrics: 1 to 20 of a-z, 0-9 and `-`. Each hub of an app needs another.
   * @default dev
   */
  readonly stage?: string;
  /**
   * RETAIN protects tables and keys, and keeps them when the stack is deleted. DESTROY deletes them with the stack.
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy.RETAIN | RemovalPolicy.DESTROY;
}

/** The tables and keys of one hub, which may stand in a stack of their own. */
export class TidingsLog extends Construct {
  /** Names the hub. */
  readonly stage: string;
  /** The secret with the keys that sign tokens. A backend that mints tokens must be allowed to read it. */
  readonly tokenSecret: Secret;
  /** `aud` of the tokens for this hub. */
  readonly tokenAudience: string;
  /** The tables of the log. */
  readonly log: ChannelLog;
  /** The keys that sign tokens. */
  readonly tokenKeys: TokenKeys;
  /** The tables of subscribers and cursors. */
  readonly subscribers: Subscribers;
  /** The tables of webhooks. */
  readonly endpoints: Endpoints;
  #hub: Construct | undefined;

  constructor(scope: Construct, id: string, props: TidingsLogProps = {}) {
    super(scope, id);
    const options = readLogOptions(props);
    this.stage = options.stage;
    refuseSameStage(this);
    this.log = new ChannelLog(this, 'Log', options.removalPolicy);
    this.tokenKeys = new TokenKeys(this, 'TokenKeys', options);
    this.subscribers = new Subscribers(this, 'Listeners');
    this.endpoints = new Endpoints(this, 'Webhooks', options);
    this.tokenSecret = this.tokenKeys.secret;
    this.tokenAudience = this.tokenKeys.audience;
    new CfnOutput(this, 'TokenSecretArn', { value: this.tokenSecret.secretArn });
    new CfnOutput(this, 'TokenAudience', { value: this.tokenAudience });
  }

  /**
   * Notes the hub that uses this data. Two hubs would push and deliver the same messages.
   * @throws Error if another hub uses it
   */
  serve(hub: Construct): void {
    if (this.#hub !== undefined)
      throw new Error(
        `the log ${this.node.path} is that of ${this.#hub.node.path}: ${hub.node.path} needs another`,
      );
    this.#hub = hub;
  }
}

/** Refuses two hubs in one place with one stage. Their metrics would be mixed, and a token would name both. */
function refuseSameStage(log: TidingsLog): void {
  const { stage, node } = log;
  const place = Stack.of(log).environment;
  const others = (Stage.of(log)?.node.findAll() ?? []).filter(
    (one) => one instanceof TidingsLog && one !== log && one.stage === stage,
  );
  const same = others.find((other) => Stack.of(other).environment === place);
  if (same === undefined) return;
  throw new Error(
    `${node.path} has the stage "${stage}", and so has ${same.node.path}: each hub needs a stage of its own`,
  );
}
