/**
 * All checks, in the order in which they run: first the basic ones, last those that wait long.
 * @module
 */
import { head, largestMessage } from './answers.ts';
import type { Check } from './check.ts';
import { bareUrls } from './checks/bare-urls.ts';
import { preflights } from './checks/browsers.ts';
import { freshReads, sharedPolls } from './checks/cache.ts';
import { encodedNames } from './checks/encoded-names.ts';
import { afterFreeze, noRoom } from './checks/long-polls.ts';
import { publishingFast } from './checks/rate.ts';
import { gatewayRefusal, unauthorized } from './checks/refusals.ts';
import { socketsByEachWay } from './checks/sockets.ts';
import { abandonedStream, streamsWithToken } from './checks/streams.ts';
import { allTransports } from './checks/transports.ts';
import { webhookByName } from './checks/webhooks.ts';

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
