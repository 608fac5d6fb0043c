/**
 * The handler of deliver: the only function that calls subscribers' URLs (PROTOCOL.md §13.4).
 * @module
 */

import { logInAws } from './aws/compose-log.ts';
import { deliveriesInDynamoDb, endpointLeasesInDynamoDb } from './aws/dynamodb/deliveries-table.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { endpointsInDynamoDb, readAheadInDynamoDb } from './aws/dynamodb/endpoints-table.ts';
import { timerOfMachine } from './aws/machine-timer.ts';
import { wakeHandler } from './aws/queues/wake-handler.ts';
import { deadLettersBySqs, dispatchTasksBySqs } from './aws/queues/webhook-messages.ts';
import { logDefect, watched } from './aws/telemetry/telemetry.ts';
import { watchedDeadLetter, watchedSender } from './aws/telemetry/webhook-telemetry.ts';
import { tokenKeysInSecretsManager } from './aws/token-keys.ts';
import {
  deliverEnv,
  deliveriesEnv,
  dispatchEnv,
  endpointsEnv,
  endpointWakeEnv,
  logEnv,
  outboundEnv,
  sealingEnv,
  telemetryEnv,
} from './env.ts';
import { LEASE_MS } from './webhook/delivery/ownership.ts';
import { redrive, serveEndpoint } from './webhook/delivery/serve-endpoint.ts';
import { hostsOfRuntime } from './webhook/outbound/own-hosts.ts';
import { secretSealer } from './webhook/outbound/sealed-secret.ts';
import { senderTo } from './webhook/outbound/send-webhook.ts';

const client = documentClient();
const { DELIVERIES_TABLE } = deliveriesEnv.read(process.env);
const { DEAD_LETTERS_URL, OWN_HOSTS } = deliverEnv.read(process.env);
const { notify, renew } = dispatchTasksBySqs(dispatchEnv.read(process.env).DISPATCH_QUEUE_URL);
const { ENDPOINTS_TABLE } = endpointsEnv.read(process.env);
const logSettings = logEnv.read(process.env);
const log = logInAws(logSettings, client);
const ownHosts = [...OWN_HOSTS.split(','), ...hostsOfRuntime(process.env)];
const deliveries = deliveriesInDynamoDb(client, DELIVERIES_TABLE);
const delivering = {
  log,
  endpoints: endpointsInDynamoDb(client, ENDPOINTS_TABLE),
  readAhead: readAheadInDynamoDb(client, { ...logSettings, ENDPOINTS_TABLE }),
  deliveries,
  leases: endpointLeasesInDynamoDb(client, DELIVERIES_TABLE),
  sealer: secretSealer(tokenKeysInSecretsManager(sealingEnv.read(process.env).WEBHOOK_KEY_ARN, Date.now)),
  sender: watchedSender(
    senderTo({
      rules: { isInsecureAllowed: outboundEnv.read(process.env).INSECURE_WEBHOOKS, ownHosts },
    }),
  ),
  clock: log.clock,
  timer: timerOfMachine,
  newId: log.newId,
  random: Math.random,
  deadLetter: watchedDeadLetter(deadLettersBySqs(DEAD_LETTERS_URL)),
  notify,
  origin: ownHosts[0] ?? '',
};

const handleWakes = wakeHandler({
  queueUrl: endpointWakeEnv.read(process.env).DELIVERIES_QUEUE_URL,
  lastMs: LEASE_MS,
  renew,
  logDefect,
  serve: async ({ endpoint, deadLetter }, wake, until) =>
    deadLetter === undefined
      ? await serveEndpoint(delivering, endpoint, wake, until)
      : await redrive(delivering, endpoint, deadLetter, wake),
});

/** Handles one batch of messages of the deliver queue. */
export const handler = watched(telemetryEnv.read(process.env), handleWakes);
