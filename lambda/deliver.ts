/**
 * The door of deliver: the only function that dials subscriber URLs (PROTOCOL.md §13.4).
 * @module
 */

import { logInAws } from './aws/compose-log.ts';
import { deliveriesInDynamoDb } from './aws/dynamodb/deliveries-table.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { endpointsInDynamoDb } from './aws/dynamodb/endpoints-table.ts';
import { leasesInDynamoDb } from './aws/dynamodb/leases-table.ts';
import { timerOfMachine } from './aws/machine-timer.ts';
import { wakeHandler } from './aws/queues/wake-handler.ts';
import { deadLettersBySqs, errandsOfDeliver } from './aws/queues/webhook-messages.ts';
import { logDefect, watched } from './aws/telemetry/telemetry.ts';
import { watchedBury, watchedSender } from './aws/telemetry/webhook-telemetry.ts';
import { tokenKeysInSecretsManager } from './aws/token-keys.ts';
import {
  deliverEnv,
  deliveriesEnv,
  dialEnv,
  dispatchEnv,
  endpointsEnv,
  endpointWakeEnv,
  logEnv,
  telemetryEnv,
  vaultEnv,
} from './env.ts';
import { LEASE_MS, redrive, serveEndpoint } from './webhook/delivery/serve-endpoint.ts';
import { hostsOfRuntime } from './webhook/outbound/own-hosts.ts';
import { vaultWith } from './webhook/outbound/sealed-secret.ts';
import { senderTo } from './webhook/outbound/send-webhook.ts';

const client = documentClient();
const { DELIVERIES_TABLE } = deliveriesEnv.read(process.env);
const { DEAD_LETTERS_URL, OWN_HOSTS } = deliverEnv.read(process.env);
const { notify, renew } = errandsOfDeliver(dispatchEnv.read(process.env).DISPATCH_QUEUE_URL);
const log = logInAws(logEnv.read(process.env), client);
const ownHosts = [...OWN_HOSTS.split(','), ...hostsOfRuntime(process.env)];
const deliveries = deliveriesInDynamoDb(client, DELIVERIES_TABLE);
const delivering = {
  log,
  endpoints: endpointsInDynamoDb(client, endpointsEnv.read(process.env).ENDPOINTS_TABLE),
  deliveries,
  leases: leasesInDynamoDb(client, DELIVERIES_TABLE),
  vault: vaultWith(tokenKeysInSecretsManager(vaultEnv.read(process.env).WEBHOOK_KEY_ARN, Date.now)),
  sender: watchedSender(
    senderTo({
      rules: { isInsecureAllowed: dialEnv.read(process.env).INSECURE_WEBHOOKS === 'true', ownHosts },
    }),
  ),
  clock: log.clock,
  timer: timerOfMachine,
  newId: log.newId,
  random: Math.random,
  bury: watchedBury(deadLettersBySqs(DEAD_LETTERS_URL)),
  notify,
  origin: ownHosts[0] ?? '',
};

const take = wakeHandler({
  queueUrl: endpointWakeEnv.read(process.env).DELIVERIES_QUEUE_URL,
  lastMs: LEASE_MS,
  renew,
  logDefect,
  serve: async ({ endpoint, deadLetter }, wake, until) =>
    deadLetter === undefined
      ? await serveEndpoint(delivering, endpoint, wake, until)
      : await redrive(delivering, endpoint, deadLetter, wake),
});

export const handler = watched(telemetryEnv.read(process.env), take);
