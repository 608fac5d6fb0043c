/**
 * Asks a hub what it has done. Only `npm start` answers: a deployed hub has no such path, because CloudWatch has its numbers.
 * @module
 */
import { isRecord, TidingsError } from '../../client/errors.ts';
import { request } from '../session.ts';
import { type HealthReport, reportOf } from './health-report.ts';

/** Returns the report; undefined if the hub is deployed. @throws TidingsError forbidden, unavailable */
export async function readHealth(token: string): Promise<HealthReport | undefined> {
  try {
    const answer: unknown = await (await request(token, '/console/health')).json();
    return isRecord(answer) ? reportOf(answer) : undefined;
  } catch (error) {
    if (error instanceof TidingsError && error.code === 'route_not_found') return undefined;
    throw error;
  }
}
