/**
 * Tickets: what goes into a URL in place of a token (PROTOCOL.md §12.5). A URL ends up in logs and histories, so a ticket
 * is good once and for a minute. It is signed as tokens are, for an audience of its own: neither passes for the other.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { TICKET_LIFE_MS } from '../../protocol/limits.ts';
import { type Caller, subjectOf } from './caller.ts';
import { capabilityIn, type OwnKeys, ownClaims } from './hub-tokens.ts';
import { sign } from './sign-token.ts';
import { unverifiedClaims } from './token-form.ts';

export interface Tickets {
  readonly issue: (caller: Caller) => Promise<{ readonly ticket: string; readonly expiresAt: string }>;
  /** @throws Refusal unauthorized for one that is not the hub's, too old, or used before */
  readonly redeem: (ticket: string) => Promise<Caller>;
}

export interface TicketOptions extends OwnKeys {
  readonly newId: () => string;
  /** Remembers an id until then; false if it was remembered already. */
  readonly use: (id: string, until: number) => Promise<boolean>;
}

/** Longer than a ticket may live, clocks and all, in milliseconds: forgotten earlier, it could be used again. */
const REMEMBERED_MS = 5 * TICKET_LIFE_MS;

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
      // It outlives a token that was about to end, and must not be good for what that is not any more.
      const isStillGood = isTicket && allowedUntil > clock();
      if (isStillGood && (await use(jti, clock() + REMEMBERED_MS)))
        return { capability, principal: subjectOf(claims), allowedUntil };
      throw new Refusal('unauthorized', 'the ticket is too old, used already, or not of this hub');
    },
  };
}
