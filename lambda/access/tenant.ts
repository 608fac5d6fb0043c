/**
 * Tenants share a hub, each below a name of its own, and what a token allows never leads out of it (PROTOCOL.md §7).
 * @module
 */
import type { Capability, Operation } from '../../protocol/capability.ts';
import { isPattern } from '../../protocol/channel-name.ts';

/** What of a capability is the tenant's: patterns that lead elsewhere, or that are wider, grant nothing. */
export const confinedTo = (tenant: string, capability: Capability): Capability =>
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
