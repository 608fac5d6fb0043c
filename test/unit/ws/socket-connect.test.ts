/**
 * Admission of sockets (PROTOCOL.md §12), in cases that the wire tests lack: a hub that admits no anonymous callers.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { parseOrigins } from '../../../lambda/access/origins.ts';
import { sign } from '../../../lambda/access/sign-token.ts';
import { ticketsOf } from '../../../lambda/access/ticket.ts';
import { accessTo } from '../../../lambda/access/verify.ts';
import { admit } from '../../../lambda/ws/admit.ts';
import type { Capability } from '../../../protocol/capability.ts';

const AUDIENCE = 'tidings:test';
const keys = async () => [new TextEncoder().encode('k'.repeat(64))];
const NOW = Date.now();

function admission(anonymous: Capability, origins = '*') {
  const used = new Set<string>();
  const options = { keys, audience: AUDIENCE, clock: () => NOW };
  const tickets = ticketsOf({
    ...options,
    newId: () => String(used.size),
    use: async (id) => !used.has(id) && used.add(id).has(id),
  });
  return { access: accessTo({ ...options, anonymous }), tickets, origins: parseOrigins(origins) };
}

const upgrade = (headers: Record<string, string> = {}, query: Record<string, unknown> = {}) => ({
  connection: 'c',
  headers: new Headers(headers),
  query,
});

describe('a hub that admits no anonymous callers', () => {
  const closed = admission({});

  test.each([
    ['nothing', upgrade()],
    ['the subprotocol alone', upgrade({ 'Sec-WebSocket-Protocol': 'tidings.v1' })],
    ['an empty header', upgrade({ Authorization: '' })],
    ['an empty bearer', upgrade({ 'Sec-WebSocket-Protocol': 'tidings.v1, bearer.' })],
    ['an empty ticket', upgrade({}, { ticket: '' })],
    ['tickets that are no text', upgrade({}, { ticket: ['x'] })],
  ])('%s is unauthorized', async (_name, asked) => {
    await expect(admit(closed, asked, NOW)).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test('a token is admitted, with its capability and its end', async () => {
    const capability: Capability = { 'a/*': ['subscribe'] };
    const token = await sign(keys, { audience: AUDIENCE, capability, until: NOW + 60_000, claims: {} });
    const asked = upgrade({ 'Sec-WebSocket-Protocol': `tidings.v1,bearer.${token}` });
    const { connection, subprotocol } = await admit(closed, asked, NOW);
    expect(subprotocol).toBe('tidings.v1');
    expect(connection).toMatchObject({ id: 'c', subscriptions: {} });
    expect({ ...connection.capability }).toEqual(capability);
    expect(connection.allowedUntil).toBeGreaterThan(NOW + 80_000);
  });
});

test('a hub that admits anonymous callers still refuses a bad token', async () => {
  const open = admission({ 'public/*': ['subscribe'] });
  const { connection, subprotocol } = await admit(open, upgrade(), NOW);
  expect([connection.capability, connection.allowedUntil, subprotocol]).toEqual([{}, undefined, undefined]);
  await expect(admit(open, upgrade({}, { ticket: 'x' }), NOW)).rejects.toMatchObject({
    code: 'unauthorized',
  });
  const foreign = upgrade({ 'Sec-WebSocket-Protocol': 'mqtt' });
  await expect(admit(open, foreign, NOW)).rejects.toMatchObject({ code: 'bad_request' });
});

describe('the page that opens a socket', () => {
  const OURS = 'https://app.example.com';
  const from = (origin: string | undefined) => upgrade(origin === undefined ? {} : { Origin: origin });
  const outcome = async (origins: string, origin: string | undefined) =>
    await admit(admission({ '*': ['subscribe'] }, origins), from(origin), NOW).then(
      () => 'in',
      (error: { code?: unknown }) => error.code,
    );

  test.each([OURS, 'null', 'https://evil.test', undefined])(
    'is any, unless some are listed: %s',
    async (one) => {
      expect(await outcome('*', one)).toBe('in');
    },
  );

  test.each([OURS, 'http://localhost:5173', undefined])('must be listed if there is one: %s', async (one) => {
    expect(await outcome(`${OURS},http://localhost:5173`, one)).toBe('in');
  });

  test('is refused before its token is verified', async () => {
    const closed = admission({}, OURS);
    const asked = upgrade({ Origin: 'https://evil.test', Authorization: 'Bearer x' }, { token: 'x' });
    await expect(admit(closed, asked, NOW)).rejects.toMatchObject({ code: 'forbidden' });
  });
});
