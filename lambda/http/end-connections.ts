/**
 * DELETE /connections: ends the sockets of one principal (PROTOCOL.md §12.6).
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { MAX_PRINCIPAL_LENGTH } from '../../protocol/limits.ts';
import type { Caller } from '../access/caller.ts';
import type { Access } from '../access/verify.ts';
import { type DisconnectRequesting, requestDisconnect } from '../hub/push/disconnect.ts';
import { parameterOf } from './query.ts';

/**
 * Answers DELETE /connections with the number of sockets that it ends.
 * @throws Refusal unauthorized, forbidden, bad_request
 */
export async function endConnections(
  access: Pick<Access, 'require'>,
  disconnecting: DisconnectRequesting,
  raw: Request,
  caller: Caller,
): Promise<Response> {
  // The sockets may be subscribed to any channel, so the caller needs the right over all channels.
  access.require('manage', '*', caller);
  const ended = await requestDisconnect(disconnecting, principalOf(raw));
  return Response.json({ ended }, { headers: { 'Cache-Control': 'no-store' } });
}

function principalOf(raw: Request): string {
  const principal = parameterOf(raw, 'principal') ?? '';
  if (principal.length >= 1 && principal.length <= MAX_PRINCIPAL_LENGTH) return principal;
  throw new Refusal(
    'bad_request',
    `principal is the sub of a token, 1 to ${MAX_PRINCIPAL_LENGTH} characters, got ${principal.length}`,
  );
}
