/**
 * Parses requests that read: where a read begins, and how it is answered (PROTOCOL.md §5). All input is untrusted.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { DEFAULT_MESSAGES, MAX_FOLLOWED_CHANNELS, MAX_MESSAGES } from '../../protocol/limits.ts';
import { type Position, parseOffset } from '../../protocol/offset.ts';
import { TICKET } from '../../protocol/url.ts';
import type { ReadOn, ReadRequest } from '../hub/log/read-before.ts';
import { type From, isPosition } from '../hub/log/read-log.ts';
import { isTime, refuseBadName } from './parse-channel.ts';
import {
  isDurableStreamsPath,
  LAST_EVENT_ID,
  PRESENCE_PARAMETERS,
  parameterOf,
  READ_PARAMETERS,
  refuseUnknown,
} from './query.ts';

/** The form of answer that a GET asks for. `browser` is the framing that an EventSource can read. */
export type Mode = 'catch-up' | 'long-poll' | 'sse' | 'browser';

/** Returns the form of answer, by the `live` parameter and the `Accept` header. @throws Refusal bad_request */
export function parseMode(raw: Request): Mode {
  const live = parameterOf(raw, 'live');
  if (live === 'long-poll' || live === 'sse') return live;
  if (live !== undefined)
    throw new Refusal('bad_request', `live is long-poll or sse, got "${live.slice(0, 32)}"`);
  return raw.headers.get('accept')?.toLowerCase().includes('text/event-stream') ? 'browser' : 'catch-up';
}

/**
 * Returns the offset at which an EventSource continues after a reconnect. Its URL still has its first offset. Polyfills send
 * the offset in the query, because a header would cost them a preflight.
 * https://github.com/Yaffle/EventSource#custom-query-parameter-name-for-the-last-event-id
 * @throws Refusal bad_request
 */
function lastEventIdOf(raw: Request): string | undefined {
  const inQuery = parameterOf(raw, LAST_EVENT_ID);
  return raw.headers.get('last-event-id') || inQuery || undefined;
}

/**
 * Returns what a GET without a stream asks for.
 * @throws Refusal bad_offset, bad_request
 */
export function parseRead(raw: Request): ReadRequest {
  refuseOnly(raw, 'a read that is not held', PRESENCE_PARAMETERS);
  const limit = numberParameter(raw, 'limit');
  const before = parameterOf(raw, 'before');
  if (before === undefined)
    return { from: parseFrom(raw, 'catch-up'), limit, isConflated: parseConflate(raw) };
  refuseTogether(raw, ['before', ...STARTS]);
  refuseTogether(raw, ['before', 'conflate']);
  const end = fromOf(before);
  if (end === 'now' || (isPosition(end) && !end.foldEnd))
    return { before: end, limit: limit ?? DEFAULT_MESSAGES };
  throw new Refusal(
    'bad_offset',
    `before is an offset as given by Stream-Start-Offset, or now, got "${before.slice(0, 32)}"`,
  );
}

/** Returns the position and the limit of a long poll. @throws Refusal bad_offset, bad_request */
export function parseHeld(raw: Request): ReadOn {
  refuseOnly(raw, 'long-poll', ['before']);
  const limit = numberParameter(raw, 'limit');
  return { from: parseFrom(raw, 'long-poll'), limit, isConflated: parseConflate(raw) };
}

/** Returns true if values may be left out that newer ones of the same key have replaced. @throws Refusal bad_request */
export function parseConflate(raw: Request): boolean {
  const text = parameterOf(raw, 'conflate');
  if (text === undefined || text === 'true') return text === 'true';
  throw new Refusal('bad_request', `conflate can only be true, got ${shown(text)}`);
}

/** The parameters that say where a read begins. Only one of them may be there. */
const STARTS = ['offset', 'last', 'since'];

/**
 * Returns where a GET begins: at the offset, the last messages or the time, or at the beginning if there is none. A live read needs one.
 * @throws Refusal bad_offset, bad_request
 */
export function parseFrom(raw: Request, mode: Mode): From {
  const offsets = new URL(raw.url).searchParams.getAll('offset');
  if (offsets.length > 1) throw new Refusal('bad_offset', `send one offset, got ${offsets.length}`);
  if (mode === 'sse' && !isDurableStreamsPath(raw)) refuseUnknown(raw, [...READ_PARAMETERS, TICKET]);
  if (mode === 'sse' || mode === 'browser') refuseOnly(raw, 'a stream', ['before', 'limit']);
  refuseTogether(raw, STARTS);
  const lastEventId = mode === 'browser' ? lastEventIdOf(raw) : undefined;
  const offset = lastEventId ?? offsets[0];
  if (offset !== undefined) return fromOf(offset);
  const start = otherStart(raw);
  if (start === undefined && (mode === 'long-poll' || mode === 'sse'))
    throw new Refusal('bad_offset', `live=${mode} needs an offset`);
  return start ?? 'beginning';
}

/** Returns the start by `last` or `since`, if there is one. @throws Refusal bad_request */
function otherStart(raw: Request): From | undefined {
  const last = numberParameter(raw, 'last');
  if (last !== undefined) return { last };
  const since = parameterOf(raw, 'since');
  return since === undefined ? undefined : { since: timeOf('since', since) };
}

/** Characters of a value that a refusal repeats. */
const SHOWN = 32;

/** Returns a value as a refusal shows it. */
export const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, SHOWN);

/** Returns the time in milliseconds since 1970. @throws Refusal bad_request */
export function timeOf(name: string, text: unknown): number {
  if (typeof text === 'string' && isTime(text)) return Date.parse(text);
  throw new Refusal(
    'bad_request',
    `${name} must be an RFC 3339 time, such as 2026-01-01T00:00:00Z, got ${shown(text)}`,
  );
}

/** Returns a number of messages or channels, 1 to MAX_MESSAGES; undefined if the parameter is missing. @throws Refusal bad_request */
export function numberParameter(raw: Request, name: string): number | undefined {
  const text = parameterOf(raw, name);
  if (text === undefined) return undefined;
  return messageCount(name, /^[1-9]\d{0,3}$/.test(text) ? Number(text) : text);
}

/** Returns a number of messages, 1 to MAX_MESSAGES. @throws Refusal bad_request */
export function messageCount(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_MESSAGES)
    return value;
  const got = JSON.stringify(String(value).slice(0, 32));
  throw new Refusal('bad_request', `${name} must be a whole number from 1 to ${MAX_MESSAGES}, got ${got}`);
}

/** Refuses two starts of one read. @throws Refusal bad_request if more than one of the parameters is there */
function refuseTogether(raw: Request, names: readonly string[]): void {
  const { searchParams } = new URL(raw.url);
  const there = names.filter((name) => searchParams.has(name));
  if (there.length > 1)
    throw new Refusal('bad_request', `send one of ${names.join(', ')}, got ${there.join(' and ')}`);
}

/** Refuses parameters that such a read does not have. @throws Refusal bad_request that names the first one */
function refuseOnly(raw: Request, read: string, names: readonly string[]): void {
  const { searchParams } = new URL(raw.url);
  const there = names.find((name) => searchParams.has(name));
  if (there !== undefined) throw new Refusal('bad_request', `${there} is not for ${read}`);
}

function fromOf(offset: string): 'beginning' | 'now' | 'latest' | Position {
  if (offset === '-1') return 'beginning';
  if (offset === 'now' || offset === 'latest') return offset;
  const position = parseOffset(offset);
  if (position) return position;
  const got = JSON.stringify(offset.slice(0, 32));
  throw new Refusal(
    'bad_offset',
    `an offset is one as given by Stream-Next-Offset, -1, now or latest, got ${got}`,
  );
}

/**
 * Returns how long to hold a request, in milliseconds: the longest time, or less if the caller asks for it (`Prefer: wait=5`).
 * @param lateMs how long the request has waited for a process. That counts towards the 30 s after which the gateway gives up
 */
export function holdMsOf(raw: Request, longestMs: number, lateMs: number): number {
  // https://www.rfc-editor.org/rfc/rfc7240#section-4.3
  const [, seconds] =
    /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?(?=$|[,;\s])/i.exec(raw.headers.get('prefer') ?? '') ?? [];
  const leftMs = Math.max(0, longestMs - Math.max(0, lateMs));
  return seconds === undefined ? leftMs : Math.min(leftMs, Number(seconds) * 1_000);
}

/**
 * Returns the channels of /events, and where each of them begins: at the id of the last event, or at the same start for all.
 * @throws Refusal bad_request, bad_channel, bad_offset
 */
export function parseEvents(raw: Request): {
  readonly names: readonly string[];
  readonly from: readonly From[];
} {
  const query = new URL(raw.url).searchParams;
  const names = query.getAll('channel');
  if (names.length === 0 || names.length > MAX_FOLLOWED_CHANNELS) {
    throw new Refusal(
      'bad_request',
      `channel must be given 1 to ${MAX_FOLLOWED_CHANNELS} times, got ${names.length}`,
    );
  }
  for (const name of names) refuseBadName(name);
  if (new Set(names).size < names.length) throw new Refusal('bad_request', 'send every channel once');
  refuseTogether(raw, STARTS);
  const lastEventId = lastEventIdOf(raw);
  const start = lastEventId === undefined ? otherStart(raw) : undefined;
  if (start !== undefined) return { names, from: names.map(() => start) };
  const id = lastEventId ?? (parameterOf(raw, 'offset') || '-1');
  const offsets = id.split('.');
  if (offsets.length !== 1 && offsets.length !== names.length) {
    throw new Refusal(
      'bad_offset',
      `the id is of ${offsets.length} channels, the request of ${names.length}`,
    );
  }
  return { names, from: names.map((_name, at) => fromOf(offsets[at] ?? offsets[0] ?? '-1')) };
}
