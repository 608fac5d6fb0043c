/**
 * DELETE /connections: ends the sockets of one principal (PROTOCOL.md §12.6).
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { MAX_PRINCIPAL_LENGTH } from '../../protocol/limits.ts';
import type { Caller } from '../access/caller.ts';
import { type DisconnectRequesting, requestDisconnect } from '../hub/push/disconnect.ts';
import type { ChannelHandlerOptions } from './channel-routes.ts';
import { parameterOf } from './query.ts';

/** @throws Refusal unauthorized, forbidden, bad_request */
export async function endConnections(
  { access }: Pick<ChannelHandlerOptions, 'access'>,
  kicking: DisconnectRequesting,
  raw: Request,
  caller: Caller,
): Promise<Response> {
  // They may listen to whatever they like, so it takes the right over all channels.
  access.require('manage', '*', caller);
  const ended = await requestDisconnect(kicking, principalOf(raw));
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
