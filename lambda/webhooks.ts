/**
 * The handler of webhooks: manages endpoints, and shows and repeats deliveries (PROTOCOL.md §13). It calls no endpoint
 * itself.
 * @module
 */
import { parseOrigins } from './access/origins.ts';
import { accessInAws } from './aws/compose-access.ts';
import { logInAws } from './aws/compose-log.ts';
import { deliveriesInDynamoDb, endpointLeasesInDynamoDb } from './aws/dynamodb/deliveries-table.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { endpointsInDynamoDb } from './aws/dynamodb/endpoints-table.ts';
import { wakesBySqs } from './aws/queues/webhook-messages.ts';
import { logDefect, logRefusal, watched } from './aws/telemetry/telemetry.ts';
import { tokenKeysInSecretsManager } from './aws/token-keys.ts';
import {
  accessEnv,
  deliveriesEnv,
  doorEnv,
  endpointsEnv,
  endpointWakeEnv,
  logEnv,
  originsEnv,
  outboundEnv,
  sealingEnv,
  telemetryEnv,
} from './env.ts';
import { behindDoor } from './http/door.ts';
import { httpHandler } from './http/http-handler.ts';
import { webhookRoutes } from './http/webhooks/webhook-routes.ts';
import { hostsOfRuntime } from './webhook/outbound/own-hosts.ts';
import { secretSealer } from './webhook/outbound/sealed-secret.ts';
import { isSecret } from './webhook/outbound/standard-webhooks.ts';
import { parseTarget } from './webhook/outbound/target.ts';

const client = documentClient();
const log = logInAws(logEnv.read(process.env), client);
const { DELIVERIES_TABLE } = deliveriesEnv.read(process.env);
const { WEBHOOK_KEY_ARN } = sealingEnv.read(process.env);
const runtimeHosts = hostsOfRuntime(process.env);
const isInsecureAllowed = outboundEnv.read(process.env).INSECURE_WEBHOOKS;

const routes = webhookRoutes({
  access: accessInAws(accessEnv.read(process.env)),
  origins: parseOrigins(originsEnv.read(process.env).ORIGINS),
  logDefect,
  logRefusal,
  isSecret,
  checkUrl: (url, requestHost) =>
    parseTarget(url, { isInsecureAllowed, ownHosts: [requestHost, ...runtimeHosts] }).href,
  managing: {
    endpoints: endpointsInDynamoDb(client, endpointsEnv.read(process.env).ENDPOINTS_TABLE),
    deliveries: deliveriesInDynamoDb(client, DELIVERIES_TABLE),
    leases: endpointLeasesInDynamoDb(client, DELIVERIES_TABLE),
    sealer: secretSealer(tokenKeysInSecretsManager(WEBHOOK_KEY_ARN, Date.now)),
    log,
    clock: log.clock,
    newId: log.newId,
    wake: wakesBySqs(endpointWakeEnv.read(process.env).DELIVERIES_QUEUE_URL),
  },
});

/** Answers one request of the HTTP API below /webhooks. */
export const handler = watched(
  telemetryEnv.read(process.env),
  behindDoor(doorEnv.readIfSet(process.env)?.DOOR, logRefusal, httpHandler(routes)),
);
