/**
 * Admits a new socket: its token comes in one of three ways (PROTOCOL.md §12).
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { CONNECTION_LIFE_MS, MAX_PRINCIPAL_LENGTH } from '../../protocol/limits.ts';
import { SUBPROTOCOL, tokenIn } from '../../protocol/subprotocol.ts';
import { TICKET } from '../../protocol/url.ts';
import { ANONYMOUS, type Caller } from '../access/caller.ts';
import type { Origins } from '../access/origins.ts';
import type { Tickets } from '../access/ticket.ts';
import { refuseTokenAmong } from '../access/url-identity.ts';
import { type Access, authorizationIn } from '../access/verify.ts';
import { refuseUnknownAmong } from '../http/query.ts';
import { disconnectAt } from '../hub/push/disconnect.ts';
import type { Connection } from '../hub/push/push-ports.ts';

/** The delay with which API Gateway may end a connection, in milliseconds after CONNECTION_LIFE_MS. */
const LATE_MS = 60_000;

/** The request that opens a socket. */
export interface Upgrade {
  /** The id of the new connection. */
  readonly connection: string;
  /** The headers of the request. */
  readonly headers: Headers;
  /** The query of the request, by name. */
  readonly query: Readonly<Record<string, unknown>>;
}

/** The parts that decide which sockets may open. */
export interface Admission {
  /** Verifies tokens. */
  readonly access: Access;
  /** Redeems tickets. */
  readonly tickets: Tickets;
  /** Pages that may open sockets. */
  readonly origins: Origins;
}

/**
 * Returns the connection, which is not stored yet, and the subprotocol of the answer.
 * @param now milliseconds since 1970
 * @throws Refusal forbidden, bad_request, unauthorized
 */
export async function admit(
  admission: Admission,
  { connection: id, headers, query }: Upgrade,
  now: number,
): Promise<{ readonly connection: Connection; readonly subprotocol: string | undefined }> {
  refuseOrigin(admission.origins, headers.get('origin'));
  refuseTokenAmong(Object.keys(query));
  refuseUnknownAmong(Object.keys(query), [TICKET]);
  const offered = (headers.get('sec-websocket-protocol') ?? '').split(',').map((name) => name.trim());
  const protocols = offered.filter((name) => name !== '');
  if (protocols.length > 0 && !protocols.includes(SUBPROTOCOL))
    throw new Refusal('bad_request', `the subprotocol of this hub is ${SUBPROTOCOL}`);
  const caller = await callerOf(admission, headers, protocols, query.ticket);
  refuseExpiring(caller, now);
  refuseLongPrincipal(caller);
  return {
    connection: { id, ...caller, since: now, until: now + CONNECTION_LIFE_MS + LATE_MS, subscriptions: {} },
    subprotocol: protocols.length > 0 ? SUBPROTOCOL : undefined,
  };
}

/**
 * CORS does not apply to sockets: a browser opens one without a preflight, and always sends the origin of the page. A request
 * without an origin does not come from a browser, so no page is behind it.
 */
function refuseOrigin(origins: Origins, origin: string | null): void {
  if (origin === null || origins.has(origin)) return;
  throw new Refusal('forbidden', 'pages of this origin may not open sockets here');
}

/** Refuses a token that is about to end. Nothing can be posted to a socket that is not open yet, so the hub could not say why it ends. */
function refuseExpiring(caller: Caller, now: number): void {
  if (disconnectAt(caller) > now) return;
  throw new Refusal('unauthorized', 'the token has ended, or is about to: get a new one');
}

/** The principal becomes a key in the Subscribers table, which has a limit. */
function refuseLongPrincipal({ principal = '' }: Caller): void {
  if (principal.length <= MAX_PRINCIPAL_LENGTH) return;
  throw new Refusal('bad_request', `the sub of a token may have ${MAX_PRINCIPAL_LENGTH} characters here`);
}

async function callerOf(
  { access, tickets }: Admission,
  headers: Headers,
  protocols: readonly string[],
  ticket: unknown,
): Promise<Caller> {
  if (authorizationIn(headers) !== null) return await access.identify(headers);
  const token = tokenIn(protocols);
  if (token !== undefined) return await access.verify(token);
  if (typeof ticket === 'string') return await tickets.redeem(ticket);
  if (!access.isOpen)
    throw new Refusal('unauthorized', 'a token is needed: as a header, subprotocol or ticket');
  return ANONYMOUS;
}
