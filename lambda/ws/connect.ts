/**
 * Who opens a socket: the token by one of its three ways (PROTOCOL.md §12).
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { CONNECTION_LIFE_MS } from '../../protocol/limits.ts';
import { SUBPROTOCOL, tokenIn } from '../../protocol/subprotocol.ts';
import type { Tickets } from '../access/ticket.ts';
import { type Access, type Caller, NOBODY } from '../access/verify.ts';
import type { Connection } from '../hub/listeners.ts';

/** How much later than promised API Gateway may end a connection, in milliseconds. */
const LATE_MS = 60_000;

export interface Upgrade {
  readonly connection: string;
  readonly headers: Headers;
  readonly query: Readonly<Record<string, unknown>>;
}

export interface Admission {
  readonly access: Access;
  readonly tickets: Tickets;
}

/**
 * The connection that is to be, and the subprotocol to answer.
 * @throws Refusal unauthorized, bad_request
 */
export async function admit(
  admission: Admission,
  { connection: id, headers, query }: Upgrade,
  now: number,
): Promise<{ readonly connection: Connection; readonly subprotocol: string | undefined }> {
  const offered = (headers.get('sec-websocket-protocol') ?? '').split(',').map((name) => name.trim());
  const protocols = offered.filter((name) => name !== '');
  if (protocols.length > 0 && !protocols.includes(SUBPROTOCOL))
    throw new Refusal('bad_request', `the subprotocol of this hub is ${SUBPROTOCOL}`);
  const caller = await callerOf(admission, headers, protocols, query.ticket);
  return {
    connection: {
      id,
      ...caller,
      since: now,
      until: now + CONNECTION_LIFE_MS + LATE_MS,
      subscriptions: {},
    },
    subprotocol: protocols.length > 0 ? SUBPROTOCOL : undefined,
  };
}

async function callerOf(
  { access, tickets }: Admission,
  headers: Headers,
  protocols: readonly string[],
  ticket: unknown,
): Promise<Caller> {
  if (headers.has('authorization')) return await access.identify(headers);
  const token = tokenIn(protocols);
  if (token !== undefined) return await access.verify(token);
  if (typeof ticket === 'string') return await tickets.redeem(ticket);
  if (!access.isOpen)
    throw new Refusal('unauthorized', 'a token is needed: as a header, subprotocol or ticket');
  return NOBODY;
}
