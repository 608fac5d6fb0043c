/**
 * The handler of dispatch: when a channel has grown, leaves a task for each endpoint that listens to it (PROTOCOL.md §13).
 * It calls no subscriber's URL.
 * @module
 */

import { publishingInLog } from './aws/compose-log.ts';
import { deliveriesInDynamoDb, endpointLeasesInDynamoDb } from './aws/dynamodb/deliveries-table.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { dispatchCursorsInDynamoDb, endpointsInDynamoDb } from './aws/dynamodb/endpoints-table.ts';
import { queueHandler } from './aws/queues/queue-handler.ts';
import { dispatchAgainBySqs, dispatchQueue, wakesBySqs } from './aws/queues/webhook-messages.ts';
import { logDefect, watched } from './aws/telemetry/telemetry.ts';
import {
  deliveriesEnv,
  dispatchEnv,
  endpointsEnv,
  endpointWakeEnv,
  hintEnv,
  jobEnv,
  logEnv,
  telemetryEnv,
} from './env.ts';
import { dispatch } from './webhook/delivery/dispatch-hint.ts';
import { ownerMemory } from './webhook/delivery/owner-memory.ts';
import { publishNotice } from './webhook/notice.ts';

const client = documentClient();
const { ENDPOINTS_TABLE } = endpointsEnv.read(process.env);
const { DELIVERIES_TABLE } = deliveriesEnv.read(process.env);
const { DISPATCH_QUEUE_URL } = dispatchEnv.read(process.env);
const hints = { ...hintEnv.read(process.env), ...jobEnv.read(process.env), DISPATCH_QUEUE_URL };
const log = publishingInLog({ ...logEnv.read(process.env), ...hints }, client);
const wake = wakesBySqs(endpointWakeEnv.read(process.env).DELIVERIES_QUEUE_URL);
const dispatching = {
  log,
  endpoints: endpointsInDynamoDb(client, ENDPOINTS_TABLE),
  cursors: dispatchCursorsInDynamoDb(client, ENDPOINTS_TABLE),
  deliveries: deliveriesInDynamoDb(client, DELIVERIES_TABLE),
  leases: endpointLeasesInDynamoDb(client, DELIVERIES_TABLE),
  wake,
  owners: ownerMemory(),
  lookAgain: dispatchAgainBySqs(DISPATCH_QUEUE_URL),
};

/** The longest time for a page of the log and a task for each endpoint, in milliseconds. */
const LAST_PAGE_MS = 10_000;

const handleMessages = queueHandler({
  format: dispatchQueue,
  lastMs: LAST_PAGE_MS,
  logDefect,
  async work(work, until) {
    if (work.kind === 'channel') await dispatch(dispatching, work, until);
    else if (work.kind === 'wake') await wake(work.endpoint, [], work.id);
    else await publishNotice(log, work.notice);
  },
});

/** Handles one batch of messages of the dispatch queue. */
export const handler = watched(telemetryEnv.read(process.env), handleMessages);
