/**
 * Callers that identify themselves in a URL (PROTOCOL.md §7, §12.5). URLs get into logs and histories, so only tickets work
 * there, and each of them once.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { meansToken, TICKET } from '../../protocol/url.ts';
import type { Caller } from './caller.ts';
import type { Tickets } from './ticket.ts';
import type { Access } from './verify.ts';

/**
 * Refuses tokens in a query. If the hub ignored them, callers would learn to put their tokens into URLs.
 * @param names of the query
 * @throws Refusal bad_request
 */
export function refuseTokenAmong(names: Iterable<string>): void {
  if (![...names].some(meansToken)) return;
  throw new Refusal(
    'bad_request',
    'a token is never taken from a URL, where logs and proxies keep it: send it as a header, or get a ticket',
  );
}

/** Refuses tickets where none is used. An unused ticket in a log could be redeemed by an attacker. @throws Refusal bad_request */
export function refuseTicketAmong(names: Iterable<string>): void {
  if (![...names].includes(TICKET)) return;
  throw new Refusal('bad_request', 'a ticket opens sockets and streams, and nothing else');
}

/**
 * Returns the caller of a request that may have a ticket. If it also has a token in its header, the token counts, as on a
 * socket, and the ticket stays unused.
 * @throws Refusal unauthorized, bad_request
 */
export async function identifyByTicket(
  access: Pick<Access, 'identify'>,
  { redeem }: Pick<Tickets, 'redeem'>,
  { headers, url }: Request,
): Promise<Caller> {
  const caller = await access.identify(headers);
  const [ticket, ...more] = new URL(url).searchParams.getAll(TICKET);
  if (ticket === undefined || caller.allowedUntil !== undefined) return caller;
  if (more.length > 0) throw new Refusal('bad_request', `send one ticket, got ${more.length + 1}`);
  return await redeem(ticket);
}
