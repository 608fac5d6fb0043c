/**
 * The configuration of a hub, from the context keys `tidings:*` of cdk.json or of `-c` on the command line.
 * @module
 */
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { type Capability, parseCapability } from '../protocol/capability.ts';

export interface HubConfig {
  /** Names the stacks and the audience of tokens, so that several hubs fit one account. */
  readonly stage: string;
  /** `implicit`: channels appear on first use. `explicit`: only PUT makes them. */
  readonly channelCreation: 'implicit' | 'explicit';
  /** What callers without a token may do. */
  readonly anonymous: Capability;
  /** How long messages are kept, in days. */
  readonly retentionDays: number;
  /** How long logs are kept, in days; one of CloudWatch's steps. */
  readonly logRetentionDays: RetentionDays;
  /** How long a long poll is held, in seconds; the HTTP API cuts at 30. */
  readonly holdSeconds: number;
  /** How long a stream of Server-Sent Events lives before its reader comes again, in seconds. */
  readonly streamSeconds: number;
  /** True for one front door (CloudFront) before everything; false leaves the bare URLs. */
  readonly edge: boolean;
  /** Long polls held at a time: beyond, readers are told to poll. Reserved out of the account's Lambda concurrency. */
  readonly maxHolds: number;
  /** Streams open at a time, likewise. */
  readonly maxStreams: number;
  /**
   * True to log each connection and message of sockets. API Gateway does so only in accounts whose CloudWatch role is set
   * (README.md says how), and refuses to deploy elsewhere.
   */
  readonly socketLogs: boolean;
  /** Pushes to sockets at a time, each for other channels or shards. */
  readonly maxPushes: number;
  /** Posts to sockets under way at a time, in each push. */
  readonly postsInFlight: number;
  /** Posts to sockets a second, in each push. An account has 10,000 a second for all of its APIs together. */
  readonly postsPerSecond: number;
  /** Batches of webhook endpoints that are served at a time, ten in each. */
  readonly maxDeliveries: number;
  /** True to let webhooks go to this very machine, and without TLS: for development, never for a deployed hub. */
  readonly allowInsecureWebhooks: boolean;
  /** Who is told of alarms, by e-mail; empty for nobody. */
  readonly alarmEmail: string;
  /** True for a hub to experiment with: `npm run destroy` then takes the data along. */
  readonly throwAway: boolean;
}

const PREFIX = 'tidings:';
const MAX_RETENTION_DAYS = 365;
/**
 * A held read must answer within the 30 s of the HTTP API, cold start and all.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
 */
const MAX_HOLD_SECONDS = 25;
/** A function may run for 900 s. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const MAX_STREAM_SECONDS = 840;
/** What an account has by default is 1,000, of which Lambda keeps 100 unreserved. */
const MAX_RESERVED = 10_000;
/** https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html */
const MAX_EVENT_SOURCE_CONCURRENCY = 1_000;
/** An environment may have 1,024 files open, of which each post takes a socket. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const MAX_POSTS_IN_FLIGHT = 900;
/** What one process can sign and send is less; the quota of an account can be raised to more. */
const MAX_POSTS_PER_SECOND = 100_000;
/** No more than SNS itself asks for: whether it can be reached shows when AWS asks its owner to confirm. */
const EMAIL = /^[^\s@]+@[^\s@]+$/;
/** Lower case, since it becomes part of stack names and is compared in tokens. */
const STAGE = /^[a-z][a-z0-9-]{0,19}$/;

type Parser<T> = (value: unknown) => T;

/** Each option: its default, and how to read it. `-c` gives every value as text. */
const OPTIONS: {
  readonly [K in keyof HubConfig]: { readonly fallback: unknown; readonly parse: Parser<HubConfig[K]> };
} = {
  stage: {
    fallback: 'dev',
    parse: (value) =>
      typeof value === 'string' && STAGE.test(value)
        ? value
        : refuse('1 to 20 of a-z, 0-9 and "-", a letter first'),
  },
  channelCreation: {
    fallback: 'implicit',
    parse: (value) =>
      value === 'implicit' || value === 'explicit' ? value : refuse('"implicit" or "explicit"'),
  },
  anonymous: {
    fallback: {},
    parse: (value) => parseCapability(typeof value === 'string' ? JSON.parse(value) : value),
  },
  retentionDays: { fallback: 7, parse: (value) => wholeNumber(value, 1, MAX_RETENTION_DAYS) },
  logRetentionDays: {
    fallback: RetentionDays.ONE_MONTH,
    parse: (value) => {
      const days = wholeNumber(value, 1, RetentionDays.TEN_YEARS);
      return RetentionDays[days] === undefined
        ? refuse('a step that CloudWatch knows, such as 1, 7, 30, 90 or 365')
        : days;
    },
  },
  holdSeconds: { fallback: MAX_HOLD_SECONDS, parse: (value) => wholeNumber(value, 1, MAX_HOLD_SECONDS) },
  streamSeconds: { fallback: 60, parse: (value) => wholeNumber(value, 1, MAX_STREAM_SECONDS) },
  edge: { fallback: true, parse: truth },
  maxHolds: { fallback: 100, parse: (value) => wholeNumber(value, 1, MAX_RESERVED) },
  maxStreams: { fallback: 100, parse: (value) => wholeNumber(value, 1, MAX_RESERVED) },
  socketLogs: { fallback: false, parse: truth },
  maxPushes: { fallback: 50, parse: (value) => wholeNumber(value, 2, MAX_EVENT_SOURCE_CONCURRENCY) },
  postsInFlight: { fallback: 256, parse: (value) => wholeNumber(value, 1, MAX_POSTS_IN_FLIGHT) },
  postsPerSecond: { fallback: 10_000, parse: (value) => wholeNumber(value, 1, MAX_POSTS_PER_SECOND) },
  maxDeliveries: { fallback: 50, parse: (value) => wholeNumber(value, 2, MAX_EVENT_SOURCE_CONCURRENCY) },
  allowInsecureWebhooks: { fallback: false, parse: truth },
  alarmEmail: {
    fallback: '',
    parse: (value) =>
      typeof value === 'string' && (value === '' || EMAIL.test(value))
        ? value
        : refuse('an e-mail address, or empty'),
  },
  throwAway: { fallback: false, parse: truth },
};

/**
 * Reads the configuration out of a construct tree's context.
 * @throws Error with one sentence that names the key, the value received and the values allowed
 */
export function parseConfig(context: Readonly<Record<string, unknown>>): HubConfig {
  const known = Object.keys(OPTIONS).map((name) => PREFIX + name);
  const unknown = Object.keys(context).find((key) => key.startsWith(PREFIX) && !known.includes(key));
  if (unknown) throw new Error(`unknown context key "${unknown}"; known are ${known.join(', ')}`);
  return {
    stage: option(context, 'stage'),
    channelCreation: option(context, 'channelCreation'),
    anonymous: option(context, 'anonymous'),
    retentionDays: option(context, 'retentionDays'),
    logRetentionDays: option(context, 'logRetentionDays'),
    holdSeconds: option(context, 'holdSeconds'),
    streamSeconds: option(context, 'streamSeconds'),
    edge: option(context, 'edge'),
    maxHolds: option(context, 'maxHolds'),
    maxStreams: option(context, 'maxStreams'),
    socketLogs: option(context, 'socketLogs'),
    maxPushes: option(context, 'maxPushes'),
    postsInFlight: option(context, 'postsInFlight'),
    postsPerSecond: option(context, 'postsPerSecond'),
    maxDeliveries: option(context, 'maxDeliveries'),
    allowInsecureWebhooks: option(context, 'allowInsecureWebhooks'),
    alarmEmail: option(context, 'alarmEmail'),
    throwAway: option(context, 'throwAway'),
  };
}

function option<K extends keyof HubConfig>(
  context: Readonly<Record<string, unknown>>,
  name: K,
): HubConfig[K] {
  const value = context[PREFIX + name] ?? OPTIONS[name].fallback;
  try {
    return OPTIONS[name].parse(value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`context key "${PREFIX}${name}" is ${JSON.stringify(value)}: ${reason}`);
  }
}

function wholeNumber(value: unknown, least: number, most: number): number {
  const number = Number(value);
  const whole =
    Number.isInteger(number) && number >= least && number <= most && value !== '' && value !== true;
  return whole ? number : refuse(`a whole number from ${least} to ${most}`);
}

function truth(value: unknown): boolean {
  if (`${value}` === 'true') return true;
  return `${value}` === 'false' ? false : refuse('true or false');
}

function refuse(allowed: string): never {
  throw new Error(`it must be ${allowed}`);
}
