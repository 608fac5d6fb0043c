/**
 * Tenants share a hub. The channels of each tenant are below its name, and its tokens allow nothing outside (PROTOCOL.md §7).
 * @module
 */
import type { Capability, Operation } from '../../protocol/capability.ts';
import { isPattern } from '../../protocol/channel-name.ts';

/** Returns the patterns of a capability that are below the tenant. Other and wider patterns grant nothing. */
export const confinedTo = (tenant: string, capability: Capability): Capability =>
  only(capability, (pattern) => (pattern.startsWith(`${tenant}/`) ? pattern : undefined));

/** Returns a capability with each pattern moved below the tenant: `prices/*` becomes `acme/prices/*`, `*` becomes `acme/*`. */
export const movedBelow = (tenant: string, capability: Capability): Capability =>
  only(capability, (pattern) => {
    const moved = `${tenant}/${pattern}`;
    // Undefined if the pattern becomes too long: no channel has such a name.
    return isPattern(moved) ? moved : undefined;
  });

function only(capability: Capability, renamed: (pattern: string) => string | undefined): Capability {
  const renamedOnly: Record<string, readonly Operation[]> = Object.create(null);
  for (const [pattern, operations] of Object.entries(capability)) {
    const name = renamed(pattern);
    if (name !== undefined) renamedOnly[name] = operations;
  }
  return renamedOnly;
}
