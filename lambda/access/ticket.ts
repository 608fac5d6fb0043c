/**
 * Tickets stand in a URL in place of a token (PROTOCOL.md §12.5). URLs get into logs and histories, so a ticket works once and
 * for a minute. It is signed like a token, but for another audience, so that neither is accepted in place of the other.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { TICKET_LIFE_MS } from '../../protocol/limits.ts';
import { type Caller, subjectOf } from './caller.ts';
import { capabilityIn, type OwnKeys, ownClaims } from './hub-tokens.ts';
import { sign } from './sign-token.ts';
import { unverifiedClaims } from './token-form.ts';

/** Issues and redeems tickets. */
export interface Tickets {
  /** Returns a ticket for the holder of a token. @throws Refusal unauthorized for a caller without one */
  readonly issue: (caller: Caller) => Promise<{ readonly ticket: string; readonly expiresAt: string }>;
  /** Returns the caller that got the ticket. @throws Refusal unauthorized if it is forged, too old, or used */
  readonly redeem: (ticket: string) => Promise<Caller>;
}

/** The parts that sign and verify tickets. */
export interface TicketOptions extends OwnKeys {
  /** Returns a new unique id. */
  readonly newId: () => string;
  /** Remembers an id until a time, in milliseconds since 1970. Returns false if it was remembered before. */
  readonly use: (id: string, until: number) => Promise<boolean>;
}

/** The time for which a used ticket is remembered, in milliseconds: longer than it lives on any clock, or it could be used again. */
const REMEMBERED_MS = 5 * TICKET_LIFE_MS;

/** Makes the part that issues and redeems tickets. */
export function ticketsOf({ keys, audience, clock, newId, use }: TicketOptions): Tickets {
  const own = { keys, audience: `${audience}:ticket`, clock };
  return {
    async issue({ capability, principal, allowedUntil }) {
      if (allowedUntil === undefined)
        throw new Refusal(
          'unauthorized',
          'a ticket is for the holder of a token: Authorization: Bearer <token>',
        );
      const until = clock() + TICKET_LIFE_MS;
      const claims = { jti: newId(), allowedUntil, ...(principal === undefined ? {} : { sub: principal }) };
      const ticket = await sign(keys, { audience: own.audience, capability, until, claims });
      return { ticket, expiresAt: new Date(until).toISOString() };
    },
    async redeem(ticket) {
      const claims = unverifiedClaims(ticket) && (await ownClaims(ticket, own));
      const capability = claims && capabilityIn(claims);
      const { jti, allowedUntil } = claims ?? {};
      const isTicket = capability && typeof jti === 'string' && typeof allowedUntil === 'number';
      // A ticket may outlive its token, and must not work after the token has ended.
      const isStillGood = isTicket && allowedUntil > clock();
      if (isStillGood && (await use(jti, clock() + REMEMBERED_MS)))
        return { capability, principal: subjectOf(claims), allowedUntil };
      throw new Refusal('unauthorized', 'the ticket is too old, used already, or not of this hub');
    },
  };
}
