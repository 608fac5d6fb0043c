/**
 * The options of a hub: the context keys `tidings:*`, and the props of the construct. docs/configuration.md has a row for each of them.
 * @module
 */
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { z } from 'zod';
import { parseCapability } from '../../protocol/capability.ts';
import { parsePresencePatterns } from '../../protocol/presence.ts';
import { parseStamps } from '../../protocol/stamp.ts';
import { allowed, jsonBy, numberFrom, trueOrFalse, wholeNumber } from './context.ts';
import { EXISTING_OPTIONS } from './existing-options.ts';
import { ISSUER_OPTIONS } from './issuer-options.ts';

const MAX_RETENTION_DAYS = 365;
/**
 * A held read must answer within the 30 s of the HTTP API, including a cold start.
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
/** More than one process can sign and send. The quota of an account can be raised above 10,000. */
const MAX_POSTS_PER_SECOND = 100_000;
/** A stage may not have more than the account: 10,000 by default, 2,500 in 13 Regions. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html */
const MAX_ROUTE_RATE = 10_000;
/** The most that API Gateway itself can hold: 500 new connections a second for two hours. */
const MAX_CONNECTIONS = 3_600_000;
/** US dollars a month. */
const MAX_BUDGET = 1_000_000_000;

const STAGE = allowed('1 to 20 of a-z, 0-9 and "-", the first one of a-z');
const EMAIL = allowed('an e-mail address, or empty');
const ORIGINS = allowed(
  '"*" or exact origins such as https://app.example.com: no path, no default port, no wildcard',
);
const LOG_STEPS = Object.values(RetentionDays).filter(
  (days): days is RetentionDays => typeof days === 'number' && days !== RetentionDays.INFINITE,
);

/** Empty for nobody. AWS Budgets takes what matches this: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Subscriber.html */
const email = () => z.string(EMAIL).regex(/^(\S+@\S+\.\S+)?$/, EMAIL);

const exactOrigin = z.string(ORIGINS).trim().refine(isExactOrigin, ORIGINS);

/** The options: their values, and their defaults. */
export const OPTIONS = z.strictObject({
  /** Names the stacks and the audience of tokens, so that several hubs fit one account. Lower case, because stack names and tokens are compared. */
  stage: z
    .string(STAGE)
    .regex(/^[a-z][a-z0-9-]{0,19}$/, STAGE)
    .default('dev'),
  /** `implicit`: channels appear on first use. `explicit`: only PUT makes them. */
  channelCreation: z.enum(['implicit', 'explicit'], allowed('"implicit" or "explicit"')).default('implicit'),
  /** The rights of callers without a token. */
  anonymous: jsonBy(parseCapability).default({}),
  /** Members that the hub adds to the messages of some channels: pattern → name → `sub` or `time`. */
  stamp: jsonBy(parseStamps).default({}),
  /** Patterns of the channels that say who is in them. */
  presence: jsonBy(parsePresencePatterns).default([]),
  /** Origins whose pages may use the hub; `*` for any. */
  origins: z
    .preprocess(listFrom, z.union([z.literal('*'), z.array(exactOrigin).min(1, ORIGINS)], ORIGINS))
    .default('*'),
  ...ISSUER_OPTIONS,
  /** The time for which messages are kept, in days. */
  retentionDays: wholeNumber(1, MAX_RETENTION_DAYS).default(7),
  /** The time for which logs are kept, in days. */
  logRetentionDays: z
    .preprocess(
      numberFrom,
      z.literal(LOG_STEPS, allowed(`a step that CloudWatch knows: ${LOG_STEPS.join(', ')}`)),
    )
    .default(RetentionDays.ONE_MONTH),
  /** The time for which a long poll is held, in seconds. */
  holdSeconds: wholeNumber(1, MAX_HOLD_SECONDS).default(MAX_HOLD_SECONDS),
  /** The lifetime of a stream of Server-Sent Events, in seconds. Then its reader reconnects. */
  streamSeconds: wholeNumber(1, MAX_STREAM_SECONDS).default(60),
  /** True for one front door (CloudFront) before everything; false leaves the bare URLs. */
  edge: trueOrFalse().default(true),
  /** True for a page at /console that shows the hub at work. Everybody may load the page, and its user needs a token. */
  console: trueOrFalse().default(false),
  /** True for a queue whose messages are published: for functions and services of the account, which need no token then. */
  intake: trueOrFalse().default(false),
  /**
   * Long polls that are held at a time, reserved out of the account's Lambda concurrency. More long polls are refused, and clients
   * poll instead. 0 reserves nothing, because Lambda refuses every reservation in a new account. Long polls then share the account's
   * concurrency.
   */
  maxHolds: wholeNumber(0, MAX_RESERVED).default(0),
  /** Streams that are open at a time, reserved in the same way. */
  maxStreams: wholeNumber(0, MAX_RESERVED).default(0),
  /**
   * True to log each connection and message of sockets. API Gateway does so only in accounts whose CloudWatch role is set
   * (docs/configuration.md says how), and refuses to deploy elsewhere.
   */
  socketLogs: trueOrFalse().default(false),
  /** Pushes to sockets at a time, each for other channels or shards. */
  maxPushes: wholeNumber(2, MAX_EVENT_SOURCE_CONCURRENCY).default(50),
  /** Posts to sockets under way at a time, in each push. */
  postsInFlight: wholeNumber(1, MAX_POSTS_IN_FLIGHT).default(256),
  /** Posts to sockets a second, in each push. An account has 10,000 a second for all of its APIs together. */
  postsPerSecond: wholeNumber(1, MAX_POSTS_PER_SECOND).default(10_000),
  /** Batches of ten webhook endpoints that are served at a time. */
  maxDeliveries: wholeNumber(2, MAX_EVENT_SOURCE_CONCURRENCY).default(50),
  /** Connections that one caller may have. The wake sockets of the hub's own processes count as one caller too. */
  connectionsPerCaller: wholeNumber(1, MAX_CONNECTIONS).default(1_000),
  /** Long polls that are held for one caller at a time, and as many streams. */
  heldPerCaller: wholeNumber(1, MAX_RESERVED).default(25),
  /** Requests a second that each route that reads lets through; other routes have a share of it (gateways/throttle.ts). */
  requestsPerSecond: wholeNumber(1, MAX_ROUTE_RATE).default(1_000),
  /** The same for each route that publishes, and for messages on sockets. */
  publishesPerSecond: wholeNumber(1, MAX_ROUTE_RATE).default(1_000),
  /** True to let webhooks go to the same machine, and without TLS: for development, never for a deployed hub. */
  allowInsecureWebhooks: trueOrFalse().default(false),
  /** US dollars a month that the account may cost before AWS sends an e-mail; 0 for no budget. */
  monthlyBudget: wholeNumber(0, MAX_BUDGET).default(0),
  /** The address that gets that e-mail. */
  budgetEmail: email().default(''),
  /** The address that gets alarms by e-mail; empty for none. */
  alarmEmail: email().default(''),
  ...EXISTING_OPTIONS,
  /** True for a hub to experiment with: `npm run destroy` then deletes the data too. */
  throwAway: trueOrFalse().default(false),
});

/** Returns the list that a text is: as JSON, or separated by commas. Other values, and `*`, stay as they are. */
function listFrom(value: unknown): unknown {
  const text = typeof value === 'string' ? value.trim() : '';
  if (text === '' || text === '*') return value;
  try {
    return text.startsWith('[') ? JSON.parse(text) : text.split(',');
  } catch {
    return value;
  }
}

/** True for an origin as browsers write it. It is compared byte for byte, so another form would match no page, or too many. */
function isExactOrigin(text: string): boolean {
  const { origin = '', protocol = '', hostname = '' } = URL.parse(text) ?? {};
  return origin === text && /^https?:$/.test(protocol) && !/\*|\.$/.test(hostname);
}
