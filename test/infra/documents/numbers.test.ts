/**
 * The numbers in the documents are those of the code. Each row has a sentence of a document, built from the constants of a file.
 * test/infra/documents/documents.test.ts compares the lists and tables: limits, codes, options, rates.
 * @module
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../lib/config/config.ts';
import { ratesOf } from '../../../lib/gateways/throttle.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(resolve(ROOT, file), 'utf8');

const UNITS: Readonly<Record<string, number>> = { seconds: 1_000, minutes: 60_000, days: 86_400_000 };

/**
 * Returns a function from the name of a constant to its value. It knows products of numbers and of earlier constants, and
 * durations in milliseconds.
 */
function constantsOf(file: string): (name: string) => number {
  const known = new Map<string, number>();
  const factorOf = (factor: string): number => {
    const [, unit = '', count = ''] = /^Duration\.(\w+)\(([\d_]+)\)$/.exec(factor) ?? [];
    if (unit !== '') return Number(count.replaceAll('_', '')) * (UNITS[unit] ?? Number.NaN);
    return /^[\d_.]+$/.test(factor) ? Number(factor.replaceAll('_', '')) : (known.get(factor) ?? Number.NaN);
  };
  for (const [, name = '', value = ''] of read(file).matchAll(
    /^(?:export )?const ([A-Z][A-Z0-9_]+) = (.+);$/gm,
  )) {
    const product = value.split(' * ').reduce((all, factor) => all * factorOf(factor), 1);
    if (!Number.isNaN(product)) known.set(name, product);
  }
  return (name) => {
    const value = known.get(name);
    if (value === undefined) throw new Error(`${file} has no number ${name}`);
    return value;
  };
}

const wakes = constantsOf('lib/messaging/webhook-queues.ts');
const limit = constantsOf('protocol/limits.ts');
const push = constantsOf('lambda/hub/push/push-shard.ts');
const batches = constantsOf('lambda/hub/push/post-batches.ts');
const quota = constantsOf('lambda/hub/hold/caller-quota.ts');
const held = constantsOf('lambda/hub/hold/held-read.ts');
const hints = constantsOf('lib/messaging/hints.ts');
const health = constantsOf('lambda/webhook/health.ts');
const outcome = constantsOf('lambda/webhook/delivery/attempt-outcome.ts');
const retry = constantsOf('lambda/webhook/delivery/retry-schedule.ts');
const keys = constantsOf('lambda/access/cached-keys.ts');
const keySet = constantsOf('lambda/access/key-set.ts');
const alarms = constantsOf('lib/watch/alarms.ts');
const table = constantsOf('lambda/aws/dynamodb/quota-table.ts');
const socket = constantsOf('client/transports/socket.ts');
const link = constantsOf('client/transports/link.ts');
const streams = constantsOf('client/transports/streams.ts');
const page = constantsOf('client/page.ts');
const iterate = constantsOf('client/iterate.ts');
const timers = constantsOf('client/timers.ts');
const ephemeral = constantsOf('lambda/hub/ephemeral/post-ephemeral.ts');
const defaults = parseConfig({});

const SMALL = 'zero one two three four five six seven eight nine ten'.split(' ');
/** Returns a number as the documents write it in a sentence. */
const word = (count: number): string => SMALL[count] ?? whole(count);
const whole = (count: number): string => count.toLocaleString('en');
const seconds = (ms: number): number => ms / 1_000;
const minutes = (ms: number): number => ms / 60_000;
const hours = (ms: number): number => ms / 3_600_000;
const days = (ms: number): number => ms / 86_400_000;
const kib = (bytes: number): number => bytes / 1_024;

const times = constantsOf('lib/messaging/work-queue.ts')('VISIBILITY_TIMEOUTS');
/** How long SQS hides a hint whose process has died, in milliseconds. */
const hiddenMs = hints('PUSH_TIMEOUT') * times;
const [, delays = ''] =
  /RETRY_DELAYS_MS\b.*= \[([^\]]+)\]/.exec(read('lambda/webhook/delivery/retry-schedule.ts')) ?? [];
const delaysMs = [...delays.matchAll(/(\d+) \* ([A-Z]+)/g)].map(
  ([, count, unit = '']) => Number(count) * retry(unit),
);
const schedule = delaysMs.map((ms) =>
  ms < 60_000 ? `${seconds(ms)} s` : ms < 3_600_000 ? `${minutes(ms)} min` : `${hours(ms)} h`,
);
const [lastPause] = schedule.slice(-1);
const pauses = `${schedule.slice(0, -1).join(', ')} and ${lastPause}`;
const attempts = delaysMs.length + 1;
const scheduleHours = hours(delaysMs.reduce((sum, ms) => sum + ms, 0));

/** US dollars for a GB-second of arm64 in us-east-1. https://aws.amazon.com/lambda/pricing/ */
const GB_SECOND = 0.0000133334;
const HOUR_SECONDS = 3_600;
/** Returns what environments of that memory cost in an hour, in US dollars, without their requests. */
const hourly = (memoryMb: number, environments: number): number =>
  (memoryMb / 1_024) * environments * HOUR_SECONDS * GB_SECOND;
const heldMb = constantsOf('lib/functions/waiting-function.ts')('WAITING_MEMORY_MB');
const pushMb = constantsOf('lib/functions/push.ts')('MEMORY_MB');
const otherMb = constantsOf('lib/functions/hub-function.ts')('MEMORY_MB');
const heldHour = hourly(heldMb, 1).toFixed(3);
const rates = ratesOf(defaults);

const SENTENCES: Readonly<Record<string, readonly string[]>> = {
  'PROTOCOL.md': [
    `is older than ${word(seconds(limit('GAP_GRACE_MS')))} seconds, the next reader`,
    `within ${word(seconds(constantsOf('lambda/aws/dynamodb/document-client.ts')('ONCE_MS')))} seconds, the publish is 503`,
    `the last ${limit('PRODUCER_WINDOW')} publishes of the producer`,
    `Up to ${limit('PRODUCER_WINDOW')} publishes of one producer`,
    `about ${limit('MAX_PRODUCERS')} producers`,
    `(1 to ${limit('MAX_IDEMPOTENCY_KEY_LENGTH')} printable ASCII characters, scope: the channel) for ${hours(limit('IDEMPOTENCY_KEPT_MS'))} hours`,
    `After ${defaults.holdSeconds} s (\`tidings:holdSeconds\``,
    `sees the publish within ${word(seconds(held('SAFETY_READ_MS')))} seconds`,
    `a comment at least every ${seconds(limit('HEARTBEAT_MS'))} s`,
    `after ${defaults.streamSeconds} s (\`tidings:streamSeconds\`)`,
    `takes none of it for ${seconds(constantsOf('lambda/http/streams/stream-handler.ts')('UNREAD_MS'))} s`,
    `only \`retry:\`, ${seconds(constantsOf('lambda/http/streams/stream-answers.ts')('LATER_MS'))} to 10 seconds`,
    `a random time between ${word(seconds(limit('MIN_RECONNECT_MS')))} and ${word(seconds(limit('MAX_RECONNECT_MS')))} seconds`,
    `does the same for up to ${limit('MAX_FOLLOWED_CHANNELS')} channels`,
    `allows for ${limit('TOKEN_LEEWAY_SECONDS')} s of clock difference`,
    `caches the keys for ${word(minutes(constantsOf('lambda/aws/compose-access.ts')('CACHED_MS')))} minutes`,
    `at most every ${seconds(keys('PAUSE_MS'))} s`,
    `some ${whole(10 * limit('MAX_MESSAGES_PER_SECOND'))} messages more`,
    `that number at once (${whole(constantsOf('lib/gateways/throttle.ts')('MAX_BURST'))} at the most)`,
    `| body of a request on \`/webhooks\` | ${kib(limit('MAX_WEBHOOK_REQUEST_BYTES'))} KiB |`,
    `| \`sub\` of a token that opens a socket | ${limit('MAX_PRINCIPAL_LENGTH')} characters |`,
    `the answer to a preflight for ${word(constantsOf('lambda/http/browser-headers.ts')('PREFLIGHT_SECONDS') / 3_600)} hours`,
    `It has 1 to ${limit('MAX_REQUEST_ID_LENGTH')} characters, and the answer repeats it`,
    `as fit into ${kib(limit('FRAME_BYTES'))} KB`,
    `${whole(limit('MAX_EPHEMERAL_BYTES'))} bytes together at most, a comma between each two counted`,
    `have waited for more than ${word(seconds(ephemeral('EPHEMERAL_FRESH_MS')))} seconds`,
    `as it was up to ${word(seconds(constantsOf('lambda/hub/ephemeral/publish-ephemeral.ts')('CHANNEL_KNOWN_MS')))} seconds ago`,
    `too large for a socket (${kib(limit('MAX_POST_BYTES'))} KB with everything around them)`,
    `may be up to ${word(seconds(constantsOf('lambda/hub/log/start-since.ts')('CLOCK_SKEW_MS')))} seconds older`,
    `A connection may have ${limit('MAX_SUBSCRIPTIONS')} subscriptions`,
    `its subscribers wait for up to ${seconds(push('LEASE_MS'))} s`,
    `may begin only after ${seconds(hiddenMs)} s`,
    `behind in more than ${batches('MAX_OWN_CURSORS')} channels of a pattern`,
    `A ticket is valid once, for ${seconds(limit('TICKET_LIFE_MS'))} s`,
    `In the last ${word(seconds(constantsOf('lambda/hub/push/disconnect.ts')('LEAD_MS')))} of those seconds`,
    `an address on the public internet; ${whole(limit('MAX_WEBHOOK_URL_LENGTH'))} characters`,
    `1 to ${limit('MAX_WEBHOOK_CHANNELS')} patterns (§2)`,
    `At most ${limit('MAX_WEBHOOK_TYPES')}; without it, all types`,
    `deliveries a minute, 1 to ${whole(limit('MAX_WEBHOOK_RATE'))}`,
    `the base64 of ${limit('MIN_SECRET_BYTES')} to ${limit('MAX_SECRET_BYTES')} bytes. Without it the hub makes one of ${constantsOf('lambda/webhook/outbound/standard-webhooks.ts')('NEW_SECRET_BYTES')}`,
    `for people, ${limit('MAX_DESCRIPTION_LENGTH')} characters`,
    `also signs for ${hours(limit('SECRET_OVERLAP_MS'))} hours`,
    `at most ${limit('MAX_TYPE_LENGTH')} characters; else \`message\``,
    `An attempt ends within ${seconds(limit('DELIVERY_TIMEOUT_MS'))} seconds`,
    `reads at most ${kib(limit('MAX_ANSWER_BYTES'))} KiB of an answer`,
    `not earlier than that (${hours(outcome('MOST_RETRY_AFTER_MS'))} hours at most)`,
    `repeated after ${pauses}, each ${100 * retry('JITTER')} % more or less: ${word(attempts)} attempts in about ${Math.floor(scheduleHours)} and a half hours`,
    `the endpoint for ${seconds(health('FIRST_BACKOFF_MS'))} s, and after each failed trial twice as long, up to ${minutes(health('LONGEST_BACKOFF_MS'))} minutes`,
    `At most ${word(limit('DELIVERIES_IN_FLIGHT'))} requests to an endpoint`,
    `failed for ${word(days(health('DISABLE_AFTER_MS')))} days, without a success and without ${word(days(health('MOST_SILENCE_MS')))} days of silence`,
    `has failed ${word(constantsOf('lambda/webhook/delivery/pass-state.ts')('NOTIFY_AT'))} times`,
    `Deliveries are kept for ${days(limit('DELIVERIES_KEPT_MS'))} days`,
  ],
  'README.md': [
    `retention ends (${defaults.retentionDays} days; 1 to ${constantsOf('lib/config/options.ts')('MAX_RETENTION_DAYS')})`,
    `${kib(limit('MAX_MESSAGE_BYTES'))} KiB for a message; ${kib(limit('MAX_REQUEST_BYTES'))} KiB or ${whole(limit('MAX_MESSAGES_PER_REQUEST'))} messages for a request`,
    `${word(attempts).replace('e', 'E')} attempts in ${Math.floor(scheduleHours)} hours`,
  ],
  'docs/architecture.md': [
    `once in ${seconds(constantsOf('lambda/hub/ephemeral/publish-ephemeral.ts')('CHANNEL_KNOWN_MS'))} s for each channel and process 1 \`GetItem\``,
    `with a tombstone after ${word(seconds(limit('GAP_GRACE_MS')))} seconds`,
    `a message or for ${word(seconds(held('SAFETY_READ_MS')))} seconds, read again`,
    `delayed by at most ${constantsOf('lambda/aws/queues/push-queue.ts')('MAX_DELAY_SECONDS') / 60} minutes`,
    `1 \`GetItem\` every ${seconds(held('SAFETY_READ_MS'))} s without a message, 1 \`UpdateItem\` and 1 \`GetItem\` every ${seconds(constantsOf('lambda/aws/dynamodb/subscribers-table.ts')('SHOWN_FOR_MS')) / 2} s`,
    `every ${seconds(defaults.heldPerCaller * quota('CHECK_PER_SLOT_MS'))} s, more often`,
    `every ${seconds(quota('BOOKED_MS') - quota('RENEW_MS'))} s if it lives longer than a minute`,
    `(at most ${table('ROWS_READ')} rows); for a connection, once a minute, at most ${table('ROW_SLOTS')} \`GetItem\``,
    `once in ${seconds(push('LEASE_MS'))} s 1 \`UpdateItem\``,
  ],
  'docs/configuration.md': [
    `how long messages are kept, 1 to ${constantsOf('lib/config/options.ts')('MAX_RETENTION_DAYS')} days`,
    `how long a long poll is held, 1 to ${constantsOf('lib/config/options.ts')('MAX_HOLD_SECONDS')}`,
    `before its reader reconnects, 1 to ${constantsOf('lib/config/options.ts')('MAX_STREAM_SECONDS')}`,
    `run at a time, 2 to ${whole(constantsOf('lib/config/options.ts')('MAX_EVENT_SOURCE_CONCURRENCY'))}`,
    `at a time in each push, 1 to ${constantsOf('lib/config/options.ts')('MAX_POSTS_IN_FLIGHT')}`,
    `may have ${whole(constantsOf('lib/config/config.ts')('MAX_TEXT_BYTES'))} bytes`,
    `\`heldPerCaller\` takes its place, ${constantsOf('lib/config/config.ts')('UNRESERVED')} at most`,
    `The most is ${whole(constantsOf('lib/config/options.ts')('MAX_ROUTE_RATE'))}`,
  ],
  'docs/getting-started.md': [
    `retries it for ${Math.floor(scheduleHours)} hours`,
    `for its ${defaults.streamSeconds} seconds (\`tidings:streamSeconds\`), and a long poll for its ${defaults.holdSeconds} (`,
    `A caller may have ${defaults.heldPerCaller} streams`,
    `The default is ${constantsOf('scripts/start.ts')('DEFAULT_PORT')}, or a free port`,
    `a process serves up to ${constantsOf('scripts/start.ts')('DEFAULT_CONCURRENCY')}`,
  ],
  'docs/runbook.md': [
    `failed ${word(hints('MAX_RECEIVES'))} times on a message`,
    `the slowest tenth takes more than ${word(seconds(alarms('LATE_PUSH_MS')))} seconds`,
    `have waited for more than ${word(alarms('OLD_MESSAGE_SECONDS') / 60)} minutes (\`HintsWait\`)`,
    `leases of its shards until they end after ${seconds(push('LEASE_MS'))} s`,
    `the hint is received again after ${seconds(hiddenMs)} s`,
    `More than ${alarms('FAILED_PUBLISHES_PERCENT')} % of the publishes`,
    `more than ${alarms('NEARLY_ALL_CONCURRENCY_PERCENT')} % of the account's concurrent executions`,
    `${word(attempts)} attempts over ${Math.floor(scheduleHours)} hours`,
    `Dispatch failed ${word(wakes('MAX_DISPATCHES'))} times`,
    `a wake that failed ${wakes('MAX_WAKES')} times, for ${word(hours(wakes('MAX_WAKES') * wakes('WAKE_HIDDEN')))} hours`,
    `its messages are received again after ${seconds(wakes('WAKE_HIDDEN'))} s`,
    `After ${word(days(health('DISABLE_AFTER_MS')))} days without a success`,
    `keeps them for ${days(limit('DELIVERIES_KEPT_MS'))} days`,
    `at least ${word(minutes(constantsOf('lambda/aws/token-keys.ts')('CACHED_MS')))} minutes, because handlers cache keys`,
    `more than ${kib(keySet('MAX_KEY_SET_BYTES'))} KB, or no answer within ${word(seconds(keySet('TIMEOUT_MS')))} seconds`,
  ],
  'docs/cost.md': [
    `| a held long poll or stream, for an hour | ${heldHour} | ${heldMb} MB`,
    `| a million webhook deliveries, for each 100 ms that the endpoint takes to answer | ${((hourly(otherMb, 1) / HOUR_SECONDS) * 100_000).toFixed(2)} |`,
    `One publish may have ${whole(limit('MAX_MESSAGES_PER_REQUEST'))} messages, and one frame ${kib(limit('FRAME_BYTES'))} KB`,
  ],
  'docs/security.md': [
    `| \`tidings:requestsPerSecond\` | ${whole(rates.read)} on each`,
    `| \`tidings:publishesPerSecond\` | ${whole(rates.publish)} on each`,
    `| ${rates.connect} openings of sockets a second |`,
    `| ${rates.rare} a second on \`/tickets\``,
    `| \`tidings:connectionsPerCaller\` | ${whole(defaults.connectionsPerCaller)} |`,
    `| \`tidings:heldPerCaller\` | ${defaults.heldPerCaller} of each, and up to a fifth more |`,
    `$${Math.round(24 * hourly(heldMb, 100))} a day for each 100`,
    `| \`tidings:maxPushes\`, \`tidings:postsPerSecond\` | ${defaults.maxPushes}, ${whole(defaults.postsPerSecond)} |`,
    `| $${Math.round(24 * hourly(pushMb, defaults.maxPushes))} a day of Lambda, $${(defaults.postsPerSecond * 86_400) / 1_000_000} of posts |`,
    `| \`tidings:maxDeliveries\` | ${defaults.maxDeliveries} |`,
    `| $${Math.round(24 * hourly(otherMb, defaults.maxDeliveries))} a day |`,
    `| ${limit('MAX_WEBHOOKS_PER_CALLER')}, ${whole(limit('MAX_WEBHOOKS'))} |`,
  ],
  'docs/tokens.md': [
    `${whole(defaults.connectionsPerCaller)} connections, ${defaults.heldPerCaller} held long polls, ${defaults.heldPerCaller} streams and ${limit('MAX_WEBHOOKS_PER_CALLER')} webhook endpoints`,
    `the user, 1 to ${limit('MAX_PRINCIPAL_LENGTH')} characters`,
    `The hub forgives ${limit('TOKEN_LEEWAY_SECONDS')} s`,
  ],
  'test/support/webhooks/webhook-queues.ts': [
    `dispatch: ${seconds(wakes('DISPATCH_TIMEOUT') * times)}_000, deliver: ${seconds(wakes('WAKE_HIDDEN'))}_000`,
  ],
  'examples/webhook-receiver/README.md': [`answers within ${seconds(limit('DELIVERY_TIMEOUT_MS'))} seconds`],
  'docs/transports.md': [
    `or for ${defaults.holdSeconds} s (\`tidings:holdSeconds\`)`,
    `at least every ${seconds(limit('HEARTBEAT_MS'))} s, so that proxies`,
    `One stream of \`/events\` can follow ${limit('MAX_FOLLOWED_CHANNELS')} channels`,
    `up to ${limit('MAX_FOLLOWED_CHANNELS')} (\`/events\`) | ${limit('MAX_SUBSCRIPTIONS')} channels or patterns | ${limit('MAX_WEBHOOK_CHANNELS')} patterns`,
    `frames of up to ${kib(limit('FRAME_BYTES'))} KB, which is the unit`,
    `A caller may have ${whole(defaults.connectionsPerCaller)} connections`,
    `up to ${seconds(push('LEASE_MS'))} s`,
    `the next attempts are ${pauses} later`,
    `deliveries for ${days(limit('DELIVERIES_KEPT_MS'))} days`,
  ],
  'client/README.md': [
    `${seconds(constantsOf('client/token.ts')('EARLY_MS'))} s before the \`exp\``,
    `not answered within ${seconds(constantsOf('client/token.ts')('ASK_MS'))} s`,
    `more than ${page('MAX_PAGE_BYTES') / 1_048_576} MB of a page, or ${constantsOf('client/transports/event-stream.ts')('MAX_EVENT_CHARS') / 1_048_576} MB of an event`,
    `may take ${word(minutes(page('PAGE_MS')))} minutes, as long as something arrives every ${seconds(page('IDLE_MS'))} s`,
    `closes it ${seconds(link('IDLE_MS'))} s after the last subscription`,
    `after ${seconds(socket('SILENCE_MS') - socket('SPREAD_MS'))} to ${seconds(socket('SILENCE_MS'))} s of silence`,
    `not answered within ${seconds(socket('ANSWER_MS'))} s`,
    `keeps the socket for ${word(minutes(socket('UNANSWERED_MS')))} minutes`,
    `up to ${limit('MAX_FOLLOWED_CHANNELS')} channels, and there are ${word(streams('MAX_STREAMS'))} streams at most`,
    `every ${limit('MIN_POLL_AFTER_SECONDS')} to ${limit('MAX_POLL_AFTER_SECONDS')} s`,
    `${word(constantsOf('client/http.ts')('HELD_AT_ONCE')).replace('t', 'T')} long polls are held at a time`,
    `is silent for ${seconds(constantsOf('client/transports/events.ts')('SILENCE_MS'))} s, or a long poll is not answered within ${seconds(page('ANSWER_MS') + page('HOLD_MS'))} s`,
    `after ${seconds(timers('LEAST_MS'))} to ${seconds(timers('MOST_MS'))} s, and a socket after up to ${seconds(timers('RECHECK_MS'))} s`,
    `\`Retry-After\` up to ${word(minutes(constantsOf('client/errors.ts')('MOST_RETRY_AFTER_MS')))} minutes`,
    `up to ${whole(limit('MAX_MESSAGES_PER_REQUEST'))} are stored as one entry`,
    `remembers the ${whole(constantsOf('client/pattern.ts')('MAX_CHANNELS'))} channels`,
    `is ${whole(iterate('MAX_WAITING'))} batches or ${iterate('MAX_WAITING_CHARS') / 1_048_576} MB behind`,
  ],
};

describe.each(Object.entries(SENTENCES))('%s', (file, sentences) => {
  const text = read(file).replace(/\s+/g, ' ');
  test.each(sentences)('%s', (sentence) => {
    expect(text.includes(sentence)).toBe(true);
  });
});

test('a constant that is gone is an error, not a number', () => {
  expect(() => limit('NO_LIMIT')).toThrow('protocol/limits.ts has no number NO_LIMIT');
});
