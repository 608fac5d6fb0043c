/**
 * Logs and metrics of the functions. They never contain tokens, tickets, secrets, URLs of endpoints or messages.
 *
 * A process runs one function and may serve several requests at a time. A log line has the id of its request. Metrics are
 * counted for all requests together.
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Logger } from '@aws-lambda-powertools/logger';
import { Refusal } from '../../../protocol/errors.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { FUNCTION, refusedAs, STAGE } from '../../../protocol/metrics.ts';
import { newMeter } from './meter.ts';
import { showSources } from './source-map.ts';

/** Facts for a log line. */
export type About = Readonly<Record<string, unknown>>;

/** Runs the work of one request. `context` is that of Lambda. */
type During = <T>(context: unknown, work: () => Promise<T>) => Promise<T>;

const logger = new Logger({ serviceName: 'tidings' });

/**
 * The id of the current request. Not `logger.addContext`: that stores one id for the process, so with several requests at a time
 * each line would have the id of the last one.
 */
const requests = new AsyncLocalStorage<string>();

const meter = newMeter();

/** Add to the metrics of this process (meter.ts). */
export const { count, note } = meter;

/** The pause between two lines of metrics while requests are running, in milliseconds. */
const LINE_MS = 1_000;

/**
 * Returns a function that runs requests and writes the metrics when they end: when no request is left, because Lambda may then
 * freeze the process forever, and else once a second.
 */
export function watching(
  settings: { readonly STAGE: string; readonly FUNCTION: string },
  write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
  clock: () => number = Date.now,
): During {
  const emitter = { [STAGE]: settings.STAGE, [FUNCTION]: settings.FUNCTION };
  let running = 0;
  let writtenAt = 0;
  return async (context, work) => {
    running++;
    try {
      return await requests.run(String(fieldsOf(context).awsRequestId), work);
    } finally {
      running--;
      const now = clock();
      if (running === 0 || now - writtenAt >= LINE_MS) {
        writtenAt = now;
        for (const line of meter.drain(emitter, now)) write(line);
      }
    }
  };
}

/** Returns a Lambda handler that also writes metrics. */
export function watched<T>(
  settings: { readonly STAGE: string; readonly FUNCTION: string },
  handler: (event: unknown, context: unknown) => Promise<T>,
): (event: unknown, context: unknown) => Promise<T> {
  const during = watching(settings);
  return async (event, context) => await during(context, async () => await handler(event, context));
}

/** When this process last logged a refusal, by the clock, and how many it has not logged since. */
let refusedAt = Number.NEGATIVE_INFINITY;
let unlogged = 0;

/**
 * Counts a refusal. Only a busy store is also logged, for the operator: the caller can correct all other refusals itself. A process
 * logs one line a second, with the number of refusals before it that have none. Under overload each refusal would be a line,
 * and CloudWatch bills them by size: https://aws.amazon.com/cloudwatch/pricing/
 * @param now milliseconds since 1970
 */
export function logRefusal(refusal: Refusal, about: About, now = Date.now()): void {
  count(refusedAs(refusal.status), 1);
  if (refusal.code !== 'unavailable') return;
  // A clock that was set back must not stop the log.
  if (Math.abs(now - refusedAt) < LINE_MS) {
    unlogged++;
    return;
  }
  const more = unlogged > 0 ? { unlogged } : {};
  refusedAt = now;
  unlogged = 0;
  const why = { code: refusal.code, reason: refusal.message };
  logger.warn('request refused', { ...about, ...ofRequest(), ...why, ...more });
}

/** Logs a defect with its stack, and counts it. The caller gets only `internal`. */
export function logDefect(error: unknown, about: About): void {
  // Work without a caller also reports a busy store here.
  if (error instanceof Refusal) {
    logRefusal(error, about);
    return;
  }
  count('Defects', 1);
  showSources(error);
  const logged = error instanceof Error ? error : String(error);
  logger.error('request failed', { ...about, ...ofRequest(), error: logged });
}

/** Logs a delivery that was given up, with facts by which it can be found. */
export function logGivenUp(about: About): void {
  logger.warn('delivery given up', { ...about, ...ofRequest() });
}

/** Returns the id of the request, under the name that the logger itself uses. */
function ofRequest(): About {
  const id = requests.getStore();
  return id === undefined ? {} : { function_request_id: id };
}
