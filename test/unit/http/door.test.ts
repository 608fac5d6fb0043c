/**
 * The check of the front door: what it lets through, and what it refuses before the handler runs.
 * @module
 */
import { expect, test } from 'vitest';
import { behindDoor } from '../../../lambda/http/door.ts';

const SECRET = 'S'.repeat(64);

/** Returns what the handler got, or the status of the refusal, and the codes of the refusals that were counted. */
async function passedBy(event: unknown, secret: string | undefined = SECRET) {
  const refused: string[] = [];
  const handler = behindDoor(
    secret,
    ({ code }) => void refused.push(code),
    async (passed) => ({ statusCode: 200, passed }),
  );
  const { statusCode } = await handler(event);
  return { statusCode, refused };
}

const http = (headers: object) => ({ requestContext: { http: { method: 'GET' } }, rawPath: '/a', headers });
const socket = (eventType: string, headers?: object) => ({
  requestContext: { connectionId: 'c', eventType },
  headers,
});

test.each([
  ['a request with the secret', http({ 'x-tidings-door': SECRET })],
  ['a socket with the secret', socket('CONNECT', { 'x-tidings-door': SECRET })],
  ['a socket with the name as it was sent', socket('CONNECT', { 'X-Tidings-Door': SECRET })],
  // These are of a connection that was let through. They have no headers of a caller.
  ['a frame', socket('MESSAGE')],
  ['the end of a socket', socket('DISCONNECT', { Host: 'a' })],
])('%s passes', async (_name, event) => {
  expect(await passedBy(event)).toEqual({ statusCode: 200, refused: [] });
});

test.each([
  {},
  { 'x-tidings-door': '' },
  { 'x-tidings-door': SECRET.slice(1) },
  { 'x-tidings-door': `${SECRET}S` },
  { 'x-tidings-door': SECRET.toLowerCase() },
  { 'x-tidings-door': `${SECRET},${SECRET}` },
  { 'x-tidings-door': `${SECRET.slice(1)}T` },
  { 'x-tidings-doors': SECRET },
])('a request and a socket with the headers %j are refused, and counted', async (headers) => {
  for (const event of [http(headers), socket('CONNECT', headers)])
    expect(await passedBy(event)).toEqual({ statusCode: 403, refused: ['forbidden'] });
});

test('a hub without a secret has no check', async () => {
  const handler = async (event: unknown) => event;
  expect(behindDoor(undefined, () => expect.unreachable(), handler)).toBe(handler);
});
