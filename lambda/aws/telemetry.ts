/**
 * Structured logs. What is logged is facts about requests, never tokens and never messages.
 * @module
 */
import { Logger } from '@aws-lambda-powertools/logger';

const logger = new Logger({ serviceName: 'tidings' });

/** Between two lines about posts that were put off, in milliseconds: there may be thousands a second. */
const QUIET_MS = 1_000;
let putOff = 0;
let quietUntil = 0;

/** Counts a post that its connection or the account could not take, and now and then says how many there were. */
export function countPutOff(): void {
  putOff++;
  const now = Date.now();
  if (now < quietUntil) return;
  logger.warn('posts put off', { posts: putOff });
  putOff = 0;
  quietUntil = now + QUIET_MS;
}

/** Logs a defect with its stack, for the operator; the caller gets `internal`. */
export function logDefect(error: unknown, about: Readonly<Record<string, unknown>>): void {
  logger.error('request failed', { ...about, error: error instanceof Error ? error : String(error) });
}
