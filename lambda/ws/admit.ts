/**
 * Who opens a socket: the token by one of its three ways (PROTOCOL.md §12).
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { CONNECTION_LIFE_MS, MAX_PRINCIPAL_LENGTH } from '../../protocol/limits.ts';
import { SUBPROTOCOL, tokenIn } from '../../protocol/subprotocol.ts';
import { TICKET } from '../../protocol/url.ts';
import { type Caller, NOBODY } from '../access/caller.ts';
import type { Origins } from '../access/origins.ts';
import type { Tickets } from '../access/ticket.ts';
import { refuseTokenAmong } from '../access/url-identity.ts';
import { type Access, authorizationIn } from '../access/verify.ts';
import { refuseUnknownAmong } from '../http/query.ts';
import { disconnectAt } from '../hub/push/disconnect.ts';
import type { Connection } from '../hub/push/push-ports.ts';

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
  readonly origins: Origins;
}

/**
 * The connection that is to be, and the subprotocol to answer.
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
  refuseBrief(caller, now);
  refuseLong(caller);
  return {
    connection: { id, ...caller, since: now, until: now + CONNECTION_LIFE_MS + LATE_MS, subscriptions: {} },
    subprotocol: protocols.length > 0 ? SUBPROTOCOL : undefined,
  };
}

/**
 * Browsers ask nobody before they open a socket, and always say for which page; CORS does not hold for it. Whoever says
 * nothing is no browser, and no page has sent him.
 */
function refuseOrigin(origins: Origins, origin: string | null): void {
  if (origin === null || origins.has(origin)) return;
  throw new Refusal('forbidden', 'pages of this origin may not open sockets here');
}

/** Who would have to leave before he is let in could not be told: nothing can be posted to a socket that is not open yet. */
function refuseBrief(caller: Caller, now: number): void {
  if (disconnectAt(caller) > now) return;
  throw new Refusal('unauthorized', 'the token has ended, or is about to: get a new one');
}

/** Its sockets could not be noted as its own. */
function refuseLong({ principal = '' }: Caller): void {
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
  return NOBODY;
}
