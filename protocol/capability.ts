/**
 * The rights of a token: pattern → operations (PROTOCOL.md §7).
 * @module
 */
import { isChannelName, isPattern, patternsOf } from './channel-name.ts';
import { isOwnChannel } from './webhooks.ts';

/** The operations that a token may allow. */
export const OPERATIONS = ['publish', 'subscribe', 'webhook', 'manage'] as const;
/** The name of an operation. */
export type Operation = (typeof OPERATIONS)[number];

/** Pattern → operations, such as `{"orders/*":["subscribe"]}`. Every other operation is denied. */
export type Capability = Readonly<Record<string, readonly Operation[]>>;

const isOperation = (value: unknown): value is Operation =>
  OPERATIONS.some((operation) => operation === value);

/**
 * Returns untrusted JSON as a capability.
 * @throws Error with one sentence that names the first mistake
 */
export function parseCapability(value: unknown): Capability {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`a capability is a JSON object of pattern to operations, got ${JSON.stringify(value)}`);
  }
  // Without a prototype, a pattern named "constructor" finds only what was granted.
  const capability: Record<string, readonly Operation[]> = Object.create(null);
  for (const [pattern, operations] of Object.entries(value)) {
    if (!isPattern(pattern)) {
      throw new Error(`"${pattern}" is not a channel name, a prefix ending in /*, or *`);
    }
    if (!Array.isArray(operations) || !operations.every(isOperation)) {
      throw new Error(
        `the operations of "${pattern}" must be a list of ${OPERATIONS.join(', ')}, got ${JSON.stringify(operations)}`,
      );
    }
    capability[pattern] = operations;
  }
  return capability;
}

/** True if one of the capabilities grants the operation on the channel. */
export function allows(
  operation: Operation,
  channel: string,
  ...capabilities: readonly Capability[]
): boolean {
  const patterns = patternsOf(channel);
  return capabilities.some((capability) =>
    patterns.some(
      (pattern) => Object.hasOwn(capability, pattern) && capability[pattern]?.includes(operation),
    ),
  );
}

/** True for a segment of a channel name (PROTOCOL.md §2). The hub's own channels belong to no tenant. */
export const isTenant = (value: unknown): value is string =>
  typeof value === 'string' && isChannelName(value) && !value.includes('/') && !isOwnChannel(`${value}/`);
