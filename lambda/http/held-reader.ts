/**
 * Presence over HTTP (PROTOCOL.md §14): held readers that enter a channel, and GET /presence/{channel}.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { DEFAULT_MESSAGES, MAX_PRESENCE_DATA_BYTES, PRESENCE_RETURN_MS } from '../../protocol/limits.ts';
import { hasPresence, type PresentBy } from '../../protocol/presence.ts';
import type { Caller } from '../access/caller.ts';
import type { Access } from '../access/verify.ts';
import type { Wake } from '../hub/hold/held-read.ts';
import { dataText, enter, rollOf, seen, shownValue } from '../hub/presence/members.ts';
import type { MemberStore, Noting } from '../hub/presence/presence-ports.ts';
import { settleAll } from '../hub/settle-all.ts';
import { refuseBadName } from './parse-channel.ts';
import { numberParameter } from './parse-read.ts';
import { parameterOf } from './query.ts';

/** The characters of an id that a reader chooses. It is part of a URL. */
const READER = /^[A-Za-z0-9_-]{1,64}$/;

/** Characters of the hash that stands for a reader: 128 bits. */
const ID_LENGTH = 22;

/** A held request of a reader that is in channels while it is held. */
export interface HeldReader {
  /** The channels that it enters. */
  readonly channels: readonly string[];
  /** Notes that it is there until the request ends, and for the time in which it comes back. @param endsAt milliseconds since 1970 */
  readonly enter: (endsAt: number) => Promise<void>;
  /** Moves its time on where it is already, and enters nothing. @param endsAt milliseconds since 1970 */
  readonly extend: (endsAt: number) => Promise<void>;
}

/** A request to hold. */
export interface HeldRequest {
  readonly raw: Request;
  readonly caller: Caller;
  /** The channels that it reads. */
  readonly names: readonly string[];
  readonly transport: PresentBy;
}

/**
 * Returns the reader of a request to hold. It enters no channel on a hub without presence, and if it cannot be recognized when it
 * comes again: it sends no `reader`, and its token has no `sub`.
 * @throws Refusal bad_request, too_large
 */
export async function heldReader(
  presence: Noting | undefined,
  { raw, caller, names, transport }: HeldRequest,
): Promise<HeldReader> {
  const reader = readerOf(raw);
  const data = dataOf(raw);
  const channels = presence ? names.filter((name) => hasPresence(presence.patterns, name)) : [];
  if (data !== undefined && channels.length === 0)
    throw new Refusal('bad_request', 'presence is for a channel that has presence, not here');
  const isKnown = reader !== undefined || caller.principal !== undefined;
  if (data !== undefined && !isKnown)
    throw new Refusal('bad_request', 'presence needs reader, an id that you choose, or a token with a sub');
  if (!presence || channels.length === 0 || !isKnown)
    return { channels: [], enter: async () => {}, extend: async () => {} };
  const { principal, allowedUntil = Number.POSITIVE_INFINITY } = caller;
  const id = await idOf(principal, reader);
  const untilOf = (endsAt: number): number => Math.min(endsAt + PRESENCE_RETURN_MS, allowedUntil);
  return {
    channels,
    async extend(endsAt) {
      await settleAll(channels.map((channel) => seen(presence, channel, id, untilOf(endsAt))));
    },
    async enter(endsAt) {
      const until = untilOf(endsAt);
      const member = { id, principal, transport, data, until, keptUntil: until };
      await settleAll(channels.map((channel) => enter(presence, channel, member)));
    },
  };
}

/**
 * A reader that enters its channels once during its request. Only a request that waits enters: its place in the quota bounds how many
 * readers one caller can make up. A request that is answered at once keeps a reader where it is.
 */
export interface EnteredOnce {
  /** Returns a wake whose first wait notes the reader at the same time. A request that is refused before it waits enters nothing. */
  readonly during: (wake: Wake) => Wake;
  /** Ends when the reader is noted. @throws Refusal unavailable */
  readonly isEntered: () => Promise<void>;
}

/** Returns the reader of a long poll. @param endsAt time at which the request ends at the latest, in milliseconds since 1970 */
export function enteredOnce(reader: HeldReader, endsAt: number): EnteredOnce {
  let entering: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    entering ??= reader.enter(endsAt);
    return entering;
  };
  return {
    during: (wake) => ({
      mark: wake.mark,
      async wait(seen, ms, signal) {
        // An error is thrown by `isEntered`, after the wait.
        void begin().catch(() => {});
        return await wake.wait(seen, ms, signal);
      },
    }),
    isEntered: () => entering ?? reader.extend(endsAt),
  };
}

function readerOf(raw: Request): string | undefined {
  const reader = parameterOf(raw, 'reader');
  if (reader === undefined || READER.test(reader)) return reader;
  throw new Refusal('bad_request', 'reader must be 1 to 64 of A-Z, a-z, 0-9, "_" and "-"');
}

function dataOf(raw: Request): string | undefined {
  const text = parameterOf(raw, 'presence');
  if (text === undefined) return undefined;
  const data = dataText(parsed(text));
  if (data !== undefined) return data;
  throw new Refusal('too_large', `presence may have ${MAX_PRESENCE_DATA_BYTES} bytes`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal('bad_request', 'presence must be JSON');
  }
}

/**
 * Returns the id by which a reader is known. Everyone in the channel sees it. So it is a hash with the principal: otherwise a caller
 * that copies the id of another one would take its place.
 */
async function idOf(principal: string | undefined, reader: string | undefined): Promise<string> {
  const text = JSON.stringify([principal ?? null, reader ?? null]);
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Buffer.from(hash).toString('base64url').slice(0, ID_LENGTH);
}

/** What the answer to GET /presence/{channel} needs. */
export interface PresenceReading {
  readonly access: Pick<Access, 'require'>;
  /** The patterns of the channels that have presence. */
  readonly patterns: readonly string[];
  readonly members: Pick<MemberStore, 'of'>;
  readonly clock: () => number;
}

/**
 * Answers GET /presence/{channel}: how many are in the channel, and those that came first.
 * @throws Refusal bad_channel, unauthorized, forbidden, bad_request, unavailable
 */
export async function answerPresence(
  { access, patterns, members, clock }: PresenceReading,
  channel: string,
  raw: Request,
  caller: Caller,
): Promise<Response> {
  refuseBadName(channel);
  access.require('subscribe', channel, caller);
  const most = numberParameter(raw, 'limit') ?? DEFAULT_MESSAGES;
  if (!hasPresence(patterns, channel)) throw new Refusal('bad_request', 'this channel has no presence');
  const roll = await rollOf({ members, clock }, channel, most);
  const shown = roll.members.map((member): object => ({ key: member.id, ...JSON.parse(shownValue(member)) }));
  return Response.json({ count: roll.count, members: shown }, { headers: { 'Cache-Control': 'no-store' } });
}
