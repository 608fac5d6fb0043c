/**
 * Tells the doors which pages may talk to them.
 * @module
 */
import { originsEnv } from '../../lambda/env.ts';
import type { HubConfig } from '../config/config.ts';
import type { HubFunction } from '../functions/hub-function.ts';

export function admitOrigins(door: HubFunction, { origins }: HubConfig): void {
  door.configure(originsEnv.write({ ORIGINS: origins === '*' ? origins : origins.join(',') }));
}
