/**
 * The function that stores the newest message of each key of keyed channels, behind a queue on the topic of hints. It may read the
 * log, seal gaps, and write snapshots.
 * @module
 */
import { Construct } from 'constructs';
import { FOLD_TIMEOUT } from '../messaging/folds.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

/** Batches at a time. A batch has all hints of twenty seconds, so two are enough; this is also the minimum of Lambda. */
const CONCURRENCY = 2;

/** A snapshot of some ten MB, parsed. */
const MEMORY_MB = 1_024;

/** The fold function. */
export class Fold extends Construct {
  /** The function that runs lambda/fold.ts. */
  readonly handler: HubFunction;

  constructor(scope: Construct, id: string, { config, log, folds }: FunctionProps) {
    super(scope, id);
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'fold',
      config,
      timeout: FOLD_TIMEOUT,
      memoryMb: MEMORY_MB,
      // It sends itself a message for what it could not finish, and for gaps.
      callsItself: true,
    });
    log.grantFollow(this.handler);
    log.grantSnapshot(this.handler);
    folds.grantFold(this.handler);
    folds.fold.feed(this.handler, CONCURRENCY);
  }
}
