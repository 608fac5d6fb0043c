/**
 * The other end of the fan-out: a process that receives posts over TLS on the loopback, and answers each with 200 after
 * DELAY_MS. It parses only the end of each request, so that it is faster than the program that is measured.
 * @module
 */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';

/** Milliseconds from the end of a request to its answer: about the time of API Gateway. */
const DELAY_MS = 15;

/** The headers that API Gateway sends with an empty 200. */
const ANSWER = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Date: Thu, 01 Jan 2026 00:00:00 GMT',
    'Content-Type: application/json',
    'Content-Length: 0',
    'Connection: keep-alive',
    'x-amzn-RequestId: 11111111-2222-3333-4444-555555555555',
    'x-amz-apigw-id: AbCdEfGhIjKlMno=',
    '\r\n',
  ].join('\r\n'),
);
const END_OF_HEADERS = '\r\n\r\n';

const pem = readFileSync(new URL('localhost-test-only.pem', import.meta.url));
const server = createServer({ key: pem, cert: pem }, serve);
server.listen(0, 'localhost', () => process.send?.({ port: portOf(server.address()) }));
process.on('disconnect', () => process.exit());

/** Serves one connection. No client pipelines, so the received bytes are one request or its beginning. */
function serve(socket: TLSSocket): void {
  let request = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('data', (chunk) => {
    request = request.length === 0 ? chunk : Buffer.concat([request, chunk]);
    if (!isWhole(request)) return;
    request = Buffer.alloc(0);
    setTimeout(() => socket.write(ANSWER), DELAY_MS);
  });
  socket.on('error', () => socket.destroy());
}

function isWhole(request: Buffer): boolean {
  const end = request.indexOf(END_OF_HEADERS);
  if (end < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(request.toString('latin1', 0, end))?.[1] ?? 0;
  return request.length >= end + END_OF_HEADERS.length + Number(length);
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address !== 'object' || address === null) throw new Error('the gateway has no port');
  return address.port;
}
