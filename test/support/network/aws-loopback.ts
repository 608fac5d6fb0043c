/**
 * A server that records requests and answers as a test says, and clients of both kinds that call it.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterAll, beforeAll } from 'vitest';

/** A request as the server received it. */
export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers a request. */
export type Reply = (response: ServerResponse, request: Recorded) => void;

/** The server of a test file. */
export interface Loopback {
  readonly url: () => string;
  readonly requests: Recorded[];
  /** Sets how requests are answered from now on. */
  readonly answer: (reply: Reply) => void;
}

/** The credentials of the role, as Lambda gives them. */
export const CREDENTIALS = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' };
export const REGION = 'eu-west-3';

/** Starts a server for the tests of the calling file, and points AWS_ENDPOINT_URL to it. */
export function loopback(): Loopback {
  const requests: Recorded[] = [];
  let reply: Reply = (response) => response.end('{}');
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const recorded = { method, path: url, headers, body: Buffer.concat(chunks).toString('utf8') };
      requests.push(recorded);
      reply(response, recorded);
    });
  });
  const before = { ...process.env };
  let url = '';
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
    url = `http://127.0.0.1:${address.port}`;
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: url,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      AWS_SESSION_TOKEN: CREDENTIALS.sessionToken,
    });
  });
  afterAll(() => {
    process.env = before;
    server.closeAllConnections();
    server.close();
  });
  return {
    url: () => url,
    requests,
    answer: (next) => {
      reply = next;
    },
  };
}
