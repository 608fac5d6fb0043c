/**
 * All checks, in the order in which they run: first the basic ones, last those that wait long.
 * @module
 */
import { head, largestMessage } from './answers.ts';
import { bareUrls } from './bare-urls.ts';
import { preflights } from './browsers.ts';
import { freshReads, sharedPolls } from './cache.ts';
import type { Check } from './check.ts';
import { encodedNames } from './encoded-names.ts';
import { afterFreeze, noRoom } from './long-polls.ts';
import { publishingFast } from './rate.ts';
import { gatewayRefusal, unauthorized } from './refusals.ts';
import { socketsByEachWay } from './sockets.ts';
import { abandonedStream, streamsWithToken } from './streams.ts';
import { allTransports } from './transports.ts';
import { webhookByName } from './webhooks.ts';

/** All checks, in the order in which they run. */
export const CHECKS: readonly Check[] = [
  streamsWithToken,
  socketsByEachWay,
  unauthorized,
  encodedNames,
  sharedPolls,
  freshReads,
  bareUrls,
  preflights,
  gatewayRefusal,
  head,
  largestMessage,
  webhookByName,
  allTransports,
  publishingFast,
  noRoom,
  abandonedStream,
  afterFreeze,
];

/** The check that waits ten minutes. It runs only if `--only` names it. */
export const LONG = afterFreeze.number;
