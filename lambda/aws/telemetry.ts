/**
 * Structured logs. What is logged is facts about requests, never tokens and never messages.
 * @module
 */
import { Logger } from '@aws-lambda-powertools/logger';

const logger = new Logger({ serviceName: 'tidings' });

/** Logs a defect with its stack, for the operator; the caller gets `internal`. */
export function logDefect(error: unknown, about: Readonly<Record<string, unknown>>): void {
  logger.error('request failed', { ...about, error: error instanceof Error ? error : String(error) });
}
