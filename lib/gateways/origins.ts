/**
 * The origins whose pages may use the hub, as environment of the handlers. lambda/access/origins.ts reads it.
 * @module
 */
import { originsEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';

/** Sets the origins that a handler allows. */
export function allowOrigins(handler: HubFunction): void {
  const { origins } = handler.config;
  handler.configure(originsEnv.write({ ORIGINS: origins === '*' ? origins : origins.join(',') }));
}
