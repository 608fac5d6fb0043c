/**
 * What an operator needs: metrics that say whose they are.
 * @module
 */
import { Construct } from 'constructs';
import { telemetryEnv } from '../lambda/env.ts';
import type { HubConfig } from './config.ts';
import { type Doors, doorsOf } from './metrics.ts';

/** What is watched. */
export interface Watched {
  readonly config: HubConfig;
  readonly doors: Doors;
}

export class Watch extends Construct {
  constructor(scope: Construct, id: string, { config, doors }: Watched) {
    super(scope, id);
    for (const [name, door] of doorsOf(doors))
      door.configure(telemetryEnv.write({ STAGE: config.stage, FUNCTION: name }));
  }
}
