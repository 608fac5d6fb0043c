/**
 * Tenants share a hub, each below a name of its own, and what a token allows never leads out of it (PROTOCOL.md §7).
 * @module
 */
import type { Capability, Operation } from '../../protocol/capability.ts';
import { isChannelName, isPattern } from '../../protocol/channel-name.ts';
import { isOwnChannel } from '../../protocol/webhooks.ts';

/** One segment of a channel name. What the hub says of all tenants' endpoints is below its own name, so that is none. */
export const isTenant = (value: unknown): value is string =>
  typeof value === 'string' && isChannelName(value) && !value.includes('/') && !isOwnChannel(`${value}/`);

/** What of a capability is the tenant's: patterns that lead elsewhere, or that are wider, grant nothing. */
export const keptWithin = (tenant: string, capability: Capability): Capability =>
  only(capability, (pattern) => (pattern.startsWith(`${tenant}/`) ? pattern : undefined));

/** A capability that was written for every tenant, for this one: `prices/*` is `acme/prices/*`, and `*` is `acme/*`. */
export const movedBelow = (tenant: string, capability: Capability): Capability =>
  only(capability, (pattern) => {
    const moved = `${tenant}/${pattern}`;
    // Too long together to be the name of anything.
    return isPattern(moved) ? moved : undefined;
  });

function only(capability: Capability, renamed: (pattern: string) => string | undefined): Capability {
  const kept: Record<string, readonly Operation[]> = Object.create(null);
  for (const [pattern, operations] of Object.entries(capability)) {
    const name = renamed(pattern);
    if (name !== undefined) kept[name] = operations;
  }
  return kept;
}
