/**
 * Tokens of users of a hub on this machine. Quotas count by user.
 * @module
 */
import { keysOfLocalHub } from '../../../scripts/hub/hub-keys.ts';
import type { RunningHub } from '../../../scripts/hub/local-hub.ts';
import { mint } from '../../../scripts/mint.ts';

/** Returns a token for ten minutes. The user may publish and subscribe. */
export async function tokenOfUser({ stack }: RunningHub, sub: string): Promise<string> {
  const keys = await keysOfLocalHub(stack);
  return await mint({ ...keys, sub, ttlSeconds: 600, capability: { '*': ['publish', 'subscribe'] } });
}
