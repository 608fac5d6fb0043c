/**
 * Tickets: what goes into a URL in place of a token (PROTOCOL.md §12.5). A URL ends up in logs and histories, so a ticket
 * is good once and for a minute. It is signed as tokens are, for an audience of its own: neither passes for the other.
 * @module
 */
import { parseCapability } from '../../protocol/capability.ts';
import { Refusal } from '../../protocol/errors.ts';
import { TICKET_LIFE_MS } from '../../protocol/limits.ts';
import { sign } from './sign.ts';
import { type AccessOptions, type Caller, payloadOf } from './verify.ts';

export interface Tickets {
  readonly issue: (caller: Caller) => Promise<{ readonly ticket: string; readonly expiresAt: string }>;
  /** @throws Refusal unauthorized for one that is not the hub's, too old, or used before */
  readonly redeem: (ticket: string) => Promise<Caller>;
}

export interface TicketOptions extends Pick<AccessOptions, 'keys' | 'audience' | 'clock'> {
  readonly newId: () => string;
  /** Remembers an id until then; false if it was remembered already. */
  readonly use: (id: string, until: number) => Promise<boolean>;
}

/** Longer than a ticket may live, clocks and all, in milliseconds: forgotten earlier, it could be used again. */
const REMEMBERED_MS = 5 * TICKET_LIFE_MS;

export function ticketsOf({ keys, audience, clock, newId, use }: TicketOptions): Tickets {
  const ticketAudience = `${audience}:ticket`;
  return {
    async issue({ capability, principal, allowedUntil }) {
      if (allowedUntil === undefined)
        throw new Refusal(
          'unauthorized',
          'a ticket is for the holder of a token: Authorization: Bearer <token>',
        );
      const until = clock() + TICKET_LIFE_MS;
      const claims = { jti: newId(), allowedUntil, ...(principal === undefined ? {} : { sub: principal }) };
      const ticket = await sign(keys, { audience: ticketAudience, capability, until, claims });
      return { ticket, expiresAt: new Date(until).toISOString() };
    },
    async redeem(ticket) {
      for (const key of await keys()) {
        const payload = await payloadOf(ticket, key, ticketAudience, clock());
        if (!payload) continue;
        const { jti, allowedUntil } = payload;
        if (jti === undefined || typeof allowedUntil !== 'number') continue;
        // It outlives a token that was about to end, and must not be good for what that is not any more.
        if (allowedUntil <= clock()) break;
        if (!(await use(jti, clock() + REMEMBERED_MS))) break;
        return { capability: parseCapability(payload.capability), principal: payload.sub, allowedUntil };
      }
      throw new Refusal('unauthorized', 'the ticket is too old, used already, or not of this hub');
    },
  };
}
