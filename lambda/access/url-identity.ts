/**
 * Who says in a URL who he is (PROTOCOL.md §7, §12.5). It ends up in logs and histories, so what works there is good once.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { meansToken, TICKET } from '../../protocol/url.ts';
import type { Caller } from './caller.ts';
import type { Tickets } from './ticket.ts';
import type { Access } from './verify.ts';

/**
 * To ignore a token there would be to teach its holder that it belongs there.
 * @throws Refusal bad_request
 */
export function refuseTokenAmong(names: Iterable<string>): void {
  if (![...names].some(meansToken)) return;
  throw new Refusal(
    'bad_request',
    'a token is never taken from a URL, where logs and proxies keep it: send it as a header, or get a ticket',
  );
}

/** What is not looked at must not be sent: it would be good for whoever finds it. @throws Refusal bad_request */
export function refuseTicketAmong(names: Iterable<string>): void {
  if (![...names].includes(TICKET)) return;
  throw new Refusal('bad_request', 'a ticket opens sockets and streams, and nothing else');
}

/**
 * Who a request comes from, where a ticket will do: the header counts if there is one, as on a socket, and the ticket
 * stays unused.
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
