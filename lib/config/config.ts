/**
 * The configuration of a hub, from the context keys `tidings:*` of cdk.json or of `-c` on the command line.
 * @module
 */
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { type Capability, parseCapability } from '../../protocol/capability.ts';
import type { Issuer } from '../../protocol/issuer.ts';
import { checkCombinations } from './config-checks.ts';
import { type Context, type Parser, PREFIX, readOption, refuse } from './context.ts';
import { ISSUER_OPTIONS, parseIssuerOptions } from './issuer-options.ts';

export interface HubConfig {
  /** Names the stacks and the audience of tokens, so that several hubs fit one account. */
  readonly stage: string;
  /** `implicit`: channels appear on first use. `explicit`: only PUT makes them. */
  readonly channelCreation: 'implicit' | 'explicit';
  /** What callers without a token may do. */
  readonly anonymous: Capability;
  /** The identity provider whose tokens are taken beside the hub's own; undefined for none. Of several context keys: issuer.ts. */
  readonly issuer: Issuer | undefined;
  /** Origins whose pages may talk to the hub; `*` for any. */
  readonly origins: '*' | readonly string[];
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
  /**
   * Long polls held at a time, reserved out of the account's Lambda concurrency. More long polls are refused, and clients poll instead.
   * 0 reserves nothing, because Lambda refuses every reservation in a new account. Long polls then share the account's concurrency.
   */
  readonly maxHolds: number;
  /** Streams open at a time, likewise. */
  readonly maxStreams: number;
  /**
   * True to log each connection and message of sockets. API Gateway does so only in accounts whose CloudWatch role is set
   * (docs/configuration.md says how), and refuses to deploy elsewhere.
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
  /** Connections that one caller may have; the hub's own sockets, by which held reads are woken, are one caller too. */
  readonly connectionsPerCaller: number;
  /** Long polls that are held for one caller at a time, and streams likewise. */
  readonly heldPerCaller: number;
  /** What each route that reads lets through a second; other routes have a share of it (throttle.ts). */
  readonly requestsPerSecond: number;
  /** What each route that publishes lets through a second, that of messages on sockets too. */
  readonly publishesPerSecond: number;
  /** True to let webhooks go to this very machine, and without TLS: for development, never for a deployed hub. */
  readonly allowInsecureWebhooks: boolean;
  /** What the account may cost a month, in US dollars, before somebody is told; 0 for nobody. */
  readonly monthlyBudget: number;
  /** Who is told. */
  readonly budgetEmail: string;
  /** Who is told of alarms, by e-mail; empty for nobody. */
  readonly alarmEmail: string;
  /** True for a hub to experiment with: `npm run destroy` then takes the data along. */
  readonly throwAway: boolean;
}

const MAX_RETENTION_DAYS = 365;
/**
 * A held read must answer within the 30 s of the HTTP API, cold start and all.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
 */
const MAX_HOLD_SECONDS = 25;
/** A function may run for 900 s. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const MAX_STREAM_SECONDS = 840;
/** The quota of an account is 1,000 by default, of which Lambda keeps 100 unreserved. AWS raises it to tens of thousands. */
const MAX_RESERVED = 10_000;
/** https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html */
const MAX_EVENT_SOURCE_CONCURRENCY = 1_000;
/** An environment may have 1,024 files open, of which each post takes a socket. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const MAX_POSTS_IN_FLIGHT = 900;
/** What one process can sign and send is less; the quota of an account can be raised to more. */
const MAX_POSTS_PER_SECOND = 100_000;
/** A stage may not be given more than the account has: 10,000 by default, 2,500 in 13 Regions. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html */
const MAX_ROUTE_RATE = 10_000;
/** What API Gateway itself would hold: 500 a second for two hours. */
const MAX_CONNECTIONS = 3_600_000;
const MAX_BUDGET = 1_000_000_000;
/** What AWS Budgets takes for an address. https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Subscriber.html */
const EMAIL = /^\S+@\S+\.\S+$/;
/** Lower case, since it becomes part of stack names and is compared in tokens. */
const STAGE = /^[a-z][a-z0-9-]{0,19}$/;

/** The options that are one context key each. */
type Option = Exclude<keyof HubConfig, 'issuer'>;

/** Each option: its default, and how to read it. `-c` gives every value as text. */
const OPTIONS: {
  readonly [K in Option]: { readonly fallback: unknown; readonly parse: Parser<HubConfig[K]> };
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
  origins: { fallback: '*', parse: (value) => (value === '*' ? value : texts(value).map(exactOrigin)) },
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
  maxHolds: { fallback: 0, parse: (value) => wholeNumber(value, 0, MAX_RESERVED) },
  maxStreams: { fallback: 0, parse: (value) => wholeNumber(value, 0, MAX_RESERVED) },
  socketLogs: { fallback: false, parse: truth },
  maxPushes: { fallback: 50, parse: (value) => wholeNumber(value, 2, MAX_EVENT_SOURCE_CONCURRENCY) },
  postsInFlight: { fallback: 256, parse: (value) => wholeNumber(value, 1, MAX_POSTS_IN_FLIGHT) },
  postsPerSecond: { fallback: 10_000, parse: (value) => wholeNumber(value, 1, MAX_POSTS_PER_SECOND) },
  maxDeliveries: { fallback: 50, parse: (value) => wholeNumber(value, 2, MAX_EVENT_SOURCE_CONCURRENCY) },
  connectionsPerCaller: { fallback: 1_000, parse: (value) => wholeNumber(value, 1, MAX_CONNECTIONS) },
  heldPerCaller: { fallback: 25, parse: (value) => wholeNumber(value, 1, MAX_RESERVED) },
  requestsPerSecond: { fallback: 1_000, parse: (value) => wholeNumber(value, 1, MAX_ROUTE_RATE) },
  publishesPerSecond: { fallback: 1_000, parse: (value) => wholeNumber(value, 1, MAX_ROUTE_RATE) },
  allowInsecureWebhooks: { fallback: false, parse: truth },
  monthlyBudget: { fallback: 0, parse: (value) => wholeNumber(value, 0, MAX_BUDGET) },
  budgetEmail: { fallback: '', parse: address },
  alarmEmail: { fallback: '', parse: address },
  throwAway: { fallback: false, parse: truth },
};

/**
 * Reads the configuration out of a construct tree's context.
 * @throws Error with one sentence that names the key, the value received and the values allowed
 */
export function parseConfig(context: Context): HubConfig {
  const known = [...Object.keys(OPTIONS), ...ISSUER_OPTIONS].map((name) => PREFIX + name);
  const unknown = Object.keys(context).find((key) => key.startsWith(PREFIX) && !known.includes(key));
  if (unknown) throw new Error(`unknown context key "${unknown}"; known are ${known.join(', ')}`);
  const config: HubConfig = {
    stage: option(context, 'stage'),
    channelCreation: option(context, 'channelCreation'),
    anonymous: option(context, 'anonymous'),
    issuer: parseIssuerOptions(context),
    origins: option(context, 'origins'),
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
    connectionsPerCaller: option(context, 'connectionsPerCaller'),
    heldPerCaller: option(context, 'heldPerCaller'),
    requestsPerSecond: option(context, 'requestsPerSecond'),
    publishesPerSecond: option(context, 'publishesPerSecond'),
    allowInsecureWebhooks: option(context, 'allowInsecureWebhooks'),
    monthlyBudget: option(context, 'monthlyBudget'),
    budgetEmail: option(context, 'budgetEmail'),
    alarmEmail: option(context, 'alarmEmail'),
    throwAway: option(context, 'throwAway'),
  };
  checkCombinations(config);
  return config;
}

function option<K extends Option>(context: Context, name: K): HubConfig[K] {
  return readOption(context, name, OPTIONS[name].fallback, OPTIONS[name].parse);
}

function address(value: unknown): string {
  return typeof value === 'string' && (value === '' || EMAIL.test(value))
    ? value
    : refuse('an e-mail address, or empty');
}

function wholeNumber(value: unknown, least: number, most: number): number {
  const number = Number(value);
  const whole =
    Number.isInteger(number) && number >= least && number <= most && value !== '' && value !== true;
  return whole ? number : refuse(`a whole number from ${least} to ${most}`);
}

/** A list, which `-c` gives as JSON, or as text with commas. */
function texts(value: unknown): readonly unknown[] {
  const text = typeof value === 'string' ? value.trim() : '';
  const list: unknown = text.startsWith('[') ? JSON.parse(text) : text === '' ? value : text.split(',');
  return Array.isArray(list) && list.length > 0 ? list : refuse('"*" or a list of origins');
}

/** As browsers write it, since it is compared byte for byte: whatever else stood there would match no page, or too many. */
function exactOrigin(value: unknown): string {
  const text = typeof value === 'string' ? value.trim() : '';
  const { origin = '', protocol = '', hostname = '' } = URL.canParse(text) ? new URL(text) : {};
  const isExact = origin === text && /^https?:$/.test(protocol) && !/\*|\.$/.test(hostname);
  return isExact
    ? text
    : refuse('"*" or exact origins such as https://app.example.com: no path, no default port, no wildcard');
}

function truth(value: unknown): boolean {
  if (`${value}` === 'true') return true;
  return `${value}` === 'false' ? false : refuse('true or false');
}
