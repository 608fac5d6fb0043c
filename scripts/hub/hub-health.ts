/**
 * What a local hub has done since its start, for the console: its metrics, AWS calls, runs of functions, and dead letters. A deployed
 * hub has them in CloudWatch, where the dashboard shows them (docs/adr/0023-console.md).
 * @module
 */
import { jwtVerify } from 'jose';
import type { LocalStack } from '../../local/stack.ts';
import { parseCapability } from '../../protocol/capability.ts';
import { FUNCTION } from '../../protocol/metrics.ts';
import { connectedTo, functionIn, rowsOf } from './control-rows.ts';
import { keysOfLocalHub } from './hub-keys.ts';

/** A local stack that can say what it has done. */
export type ReportingStack = Pick<LocalStack, 'control' | 'metrics' | 'aws' | 'outputs'>;

/** Returns the report, as the console reads it (console/health/health-report.ts). */
export async function healthOf({ control, metrics }: ReportingStack): Promise<object> {
  const [calls, runs, queues, connected] = await Promise.all([
    rowsOf(control, 'calls'),
    rowsOf(control, 'runs'),
    rowsOf(control, 'queues'),
    connectedTo(control),
  ]);
  const deadLetters = queues.filter(({ queue }) => String(queue).includes('DeadLetters'));
  return {
    connected,
    deadLetters: deadLetters.reduce((sum, { visible }) => sum + Number(visible), 0),
    metrics: metrics().map(({ name, dimensions, count, sum, most }) => ({
      name,
      function: dimensions[FUNCTION],
      count,
      sum,
      most,
    })),
    calls: calls.map(({ function: path, action, count }) => ({ function: functionIn(path), action, count })),
    runs: runs.map(({ function: path, count, ms }) => ({ function: functionIn(path), count, ms })),
  };
}

/**
 * Returns true for a token that may manage everything: the report is about all callers of the hub. A token of the key before the
 * current one is not accepted.
 */
export async function mayManageAll(stack: ReportingStack, authorization: string): Promise<boolean> {
  const { key, audience } = await keysOfLocalHub(stack);
  const [, token = ''] = /^Bearer (\S+)$/.exec(authorization) ?? [];
  try {
    const options = { audience, algorithms: ['HS256'], requiredClaims: ['exp'] };
    const { payload } = await jwtVerify(token, new TextEncoder().encode(key), options);
    const isOfTenant = payload.tenant !== undefined;
    return !isOfTenant && parseCapability(payload.capability)['*']?.includes('manage') === true;
  } catch {
    return false;
  }
}
