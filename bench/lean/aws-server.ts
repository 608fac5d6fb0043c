/**
 * A server that answers the calls of an append at once: a secret, a reservation, an entry, a hint.
 * @module
 */
import { createServer, type IncomingMessage } from 'node:http';

/** The key that signs tokens. */
export const KEY = 'a key of the benchmark that is long enough';

/** A running server. */
export interface AwsServer {
  /** The variables that a function needs to call it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends it. */
  readonly close: () => void;
}

const PUBLISHED =
  '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId></PublishResult></PublishResponse>';

/** Starts the server. */
export async function serveAws(): Promise<AwsServer> {
  let next = 0;
  const answerTo = ({ headers }: IncomingMessage): string => {
    const [, operation] = String(headers['x-amz-target'] ?? '').split('.');
    if (operation === undefined) return PUBLISHED;
    if (operation === 'UpdateItem') return JSON.stringify({ Attributes: channel(++next) });
    if (operation !== 'GetSecretValue') return '{}';
    return JSON.stringify({ SecretString: JSON.stringify({ current: KEY, previous: '' }) });
  };
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const body = answerTo(request);
      const type = body === PUBLISHED ? 'text/xml' : 'application/x-amz-json-1.0';
      response.writeHead(200, { 'content-type': type, 'content-length': body.length }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  return {
    environment: {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${address.port}`,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'ASIAEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_SESSION_TOKEN: 'token',
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Returns a stored channel after a reservation. */
const channel = (next: number): object => ({
  channel: { S: 'bench/lean' },
  streamId: { S: '0b4b7c1e-8b0e-4b0e-9b0e-0b4b7c1e8b0e' },
  contentType: { S: 'application/json' },
  mediaType: { S: 'application/json' },
  next: { N: String(next) },
  origin: { N: '0' },
  floor: { N: '0' },
  floorAt: { N: '1700000000000' },
  keptUntil: { N: '99700000000000' },
  claimedAt: { N: '1700000000000' },
  closed: { BOOL: false },
  producers: { M: {} },
});
