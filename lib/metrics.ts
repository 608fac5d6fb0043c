/**
 * Whose metrics there are.
 * @module
 */
import type { HubFunction } from './hub-function.ts';

/** In the order in which an event passes them. */
const DOOR_NAMES = [
  'Publish',
  'Socket',
  'Push',
  'Read',
  'Hold',
  'Stream',
  'Webhooks',
  'Dispatch',
  'Deliver',
] as const;

export type DoorName = (typeof DOOR_NAMES)[number];

/** The functions, by the names that their metrics are under: the keys of `doorNames` in lambda/env.ts. */
export type Doors = Readonly<Record<DoorName, HubFunction>>;

export const doorsOf = (doors: Doors): readonly (readonly [DoorName, HubFunction])[] =>
  DOOR_NAMES.map((name) => [name, doors[name]] as const);
