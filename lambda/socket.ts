/**
 * The door of sockets: $connect, $disconnect and everything that is said in between (PROTOCOL.md §12).
 * @module
 */

import { Refusal } from '../protocol/errors.ts';
import { parseOrigins } from './access/origins.ts';
import { accessInAws } from './aws/compose-access.ts';
import { logInAws } from './aws/compose-log.ts';
import { credentialsOf } from './aws/compose-push.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { subscribersInDynamoDb } from './aws/dynamodb/subscribers-table.ts';
import { ticketsInAws } from './aws/dynamodb/used-tickets.ts';
import { disconnectsBySqs, jobsBySqs } from './aws/queues/push-queue.ts';
import { hintsInAws } from './aws/queues/send-hints.ts';
import { connectionsInApiGateway } from './aws/sockets/socket-poster.ts';
import { count, logDefect, logRefusal, watched } from './aws/telemetry/telemetry.ts';
import {
  accessEnv,
  connectionsEnv,
  dispatchEnv,
  endsEnv,
  hintEnv,
  jobEnv,
  listenersEnv,
  logEnv,
  originsEnv,
  telemetryEnv,
} from './env.ts';
import { tooMany } from './hub/hold/caller-quota.ts';
import { noteOpening } from './hub/push/disconnect.ts';
import { forget } from './hub/push/subscribe.ts';
import { admit, type Upgrade } from './ws/admit.ts';
import { answerMessage } from './ws/answer-frame.ts';
import { frameRates } from './ws/frame-rate.ts';
import { parseSocketEvent, type SocketResult } from './ws/socket-event.ts';

const client = documentClient();
const settings = logEnv.read(process.env);
const who = accessEnv.read(process.env);
const subscribers = subscribersInDynamoDb(client, listenersEnv.read(process.env).SUBSCRIBERS_TABLE);
const { PUSH_QUEUE_URL } = jobEnv.read(process.env);
const hint = hintsInAws({ ...hintEnv.read(process.env), PUSH_QUEUE_URL, ...dispatchEnv.read(process.env) });
const most = connectionsEnv.read(process.env).CONNECTIONS_PER_CALLER;
const sockets = {
  log: { ...logInAws(settings, client), hint },
  jobs: jobsBySqs(PUSH_QUEUE_URL),
  access: accessInAws(who),
  origins: parseOrigins(originsEnv.read(process.env).ORIGINS),
  tickets: ticketsInAws(who, settings.KEYS_TABLE, client),
  subscribers,
  goodbyes: disconnectsBySqs(PUSH_QUEUE_URL),
  logDefect,
  logRefusal,
  published: (messages: number) => count('Published', messages),
};

const pace = frameRates();
/** Only who floods is ended from here: as many at a time are enough, and leave the posts of the push their share. */
const ENDS_PER_SECOND = 10;
const connections = connectionsInApiGateway({
  endpoint: endsEnv.read(process.env).SOCKET_ENDPOINT,
  inFlight: ENDS_PER_SECOND,
  perSecond: ENDS_PER_SECOND,
  ...credentialsOf(process.env),
});

export const handler = watched(telemetryEnv.read(process.env), answer);

async function answer(event: unknown): Promise<SocketResult> {
  const said = parseSocketEvent(event);
  switch (said.kind) {
    case 'connect':
      return await open(said);
    case 'message':
      return { statusCode: 200, body: await reply(said.connection, said.body) };
    case 'disconnect':
      await forget({ subscribers }, said.connection);
      return { statusCode: 200 };
  }
}

/** Who goes on although it is refused is ended: the rate of the gateway is for all sockets, and it would take the most of it. */
async function reply(connection: string, body: string): Promise<string> {
  const verdict = pace(connection, Date.now());
  if (verdict === 'flooding') await connections.close(connection);
  return await answerMessage(sockets, connection, body, verdict !== 'fine');
}

async function open(upgrade: Upgrade): Promise<SocketResult> {
  try {
    const { connection, subprotocol } = await admit(sockets, upgrade, Date.now());
    if (!(await noteOpening(sockets, connection, most))) throw tooMany(`${most} connections at a time`);
    return {
      statusCode: 200,
      ...(subprotocol ? { headers: { 'Sec-WebSocket-Protocol': subprotocol } } : {}),
    };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    logRefusal(error, { connection: upgrade.connection });
    return { statusCode: error.status, body: JSON.stringify(error) };
  }
}
