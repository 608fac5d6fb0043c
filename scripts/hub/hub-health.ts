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
import { type HubKeys, keysOfLocalHub } from './hub-keys.ts';

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
 * Returns a function that is true for a token that may manage everything: the report is about all callers of the hub. A token of the key
 * before the current one is not accepted.
 */
export function managersOf(stack: ReportingStack): (authorization: string) => Promise<boolean> {
  let keys: HubKeys | undefined;
  return async (authorization) => {
    const [, token = ''] = /^Bearer (\S+)$/.exec(authorization) ?? [];
    if (keys !== undefined && (await mayManageAll(token, keys))) return true;
    // The key may have been rotated since.
    keys = await keysOfLocalHub(stack);
    return await mayManageAll(token, keys);
  };
}

async function mayManageAll(token: string, { key, audience }: HubKeys): Promise<boolean> {
  try {
    const options = { audience, algorithms: ['HS256'], requiredClaims: ['exp'] };
    const { payload } = await jwtVerify(token, new TextEncoder().encode(key), options);
    // The patterns of a token for a tenant grant nothing outside it (PROTOCOL.md §7).
    return (
      payload.tenant === undefined && parseCapability(payload.capability)['*']?.includes('manage') === true
    );
  } catch {
    return false;
  }
}
