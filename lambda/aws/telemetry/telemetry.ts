/**
 * What the functions say of themselves: lines of facts about requests, and metrics. Never tokens, tickets, secrets, URLs of
 * endpoints or messages.
 *
 * A process is one function and may serve many requests at a time. Whose line it is, is known by where it was written from;
 * what is counted is counted for all of them together.
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Logger } from '@aws-lambda-powertools/logger';
import { Refusal } from '../../../protocol/errors.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { FUNCTION, refusedAs, STAGE } from '../../../protocol/metrics.ts';
import { newMeter } from './meter.ts';

export type About = Readonly<Record<string, unknown>>;

/** Runs the work of one request. */
export type During = <T>(context: unknown, work: () => Promise<T>) => Promise<T>;

const logger = new Logger({ serviceName: 'tidings' });

/**
 * The id of the request that runs. Not `logger.addContext`: that is for the one request that a process has, and where there
 * are many each would write the id of whoever came last.
 */
const requests = new AsyncLocalStorage<string>();

const meter = newMeter();

export const { count, note } = meter;

/** Between two lines of metrics while there is always a request under way, in milliseconds. */
const LINE_MS = 1_000;

/**
 * Has metrics written as requests end: when none is left, since Lambda may then freeze the process for good, and otherwise
 * once a second.
 */
export function watching(
  settings: { readonly STAGE: string; readonly FUNCTION: string },
  write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
  clock: () => number = Date.now,
): During {
  const emitter = { [STAGE]: settings.STAGE, [FUNCTION]: settings.FUNCTION };
  let underWay = 0;
  let writtenAt = 0;
  return async (context, work) => {
    underWay++;
    try {
      return await requests.run(String(fieldsOf(context).awsRequestId), work);
    } finally {
      underWay--;
      const now = clock();
      if (underWay === 0 || now - writtenAt >= LINE_MS) {
        writtenAt = now;
        for (const line of meter.drain(emitter, now)) write(line);
      }
    }
  };
}

/** The Lambda handler of a door, watched. */
export function watched<T>(
  settings: { readonly STAGE: string; readonly FUNCTION: string },
  handler: (event: unknown, context: unknown) => Promise<T>,
): (event: unknown, context: unknown) => Promise<T> {
  const during = watching(settings);
  return async (event, context) => await during(context, async () => await handler(event, context));
}

/** Counts a refusal. Of what the caller is to mend he alone is told; an operator must see that a store is too busy. */
export function logRefusal(refusal: Refusal, about: About): void {
  count(refusedAs(refusal.status), 1);
  if (refusal.code !== 'unavailable') return;
  logger.warn('request refused', { ...about, ...ofRequest(), code: refusal.code, reason: refusal.message });
}

/** Logs and counts a defect with its stack, for the operator; the caller gets `internal`. */
export function logDefect(error: unknown, about: About): void {
  // Where nobody waits for an answer, a busy store comes here, too.
  if (error instanceof Refusal) {
    logRefusal(error, about);
    return;
  }
  count('Defects', 1);
  const seen = error instanceof Error ? error : String(error);
  logger.error('request failed', { ...about, ...ofRequest(), error: seen });
}

/** Logs what was given up, with how to find it. */
export function logGivenUp(about: About): void {
  logger.warn('delivery given up', { ...about, ...ofRequest() });
}

/** By the name that the logger itself uses. */
function ofRequest(): About {
  const id = requests.getStore();
  return id === undefined ? {} : { function_request_id: id };
}
