/**
 * Query parameters (PROTOCOL.md §1): which there are, and that there are no others.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { TICKET } from '../../protocol/url.ts';

/** What jQuery and others add to get past caches. It means nothing to the hub. */
const CACHE_BUSTER = '_';

/** Of every read of a channel. `live` and `cursor` are of Durable Streams. */
export const READ_PARAMETERS = ['offset', 'live', 'cursor'];

/** What an EventSource sends in the header `Last-Event-ID`, where a polyfill says it in the query. */
export const LAST_EVENT_ID = 'lastEventId';

/** Of a read that is answered by a stream. */
export const STREAM_PARAMETERS = [...READ_PARAMETERS, LAST_EVENT_ID, TICKET];

/** Of a stream of several channels. */
export const EVENTS_PARAMETERS = ['channel', 'offset', LAST_EVENT_ID, TICKET];

/** Where the suite of Durable Streams demands that parameters that the server does not know are ignored. */
export const isDurableStreamsPath = ({ url }: Pick<Request, 'url'>): boolean =>
  /^(\/hold)?\/v1\/stream\//.test(new URL(url).pathname);

/**
 * A parameter that was ignored in silence would be taken for one that works: `offest=now` for `offset=now`.
 * @throws Refusal bad_request that names the first one that is not known
 */
export function refuseUnknownAmong(names: Iterable<string>, known: readonly string[]): void {
  const unknown = [...names].find((name) => name !== CACHE_BUSTER && !known.includes(name));
  if (unknown === undefined) return;
  const allowed = known.length === 0 ? 'none' : known.join(', ');
  throw new Refusal('bad_request', `unknown query parameter ${shown(unknown)}: this route takes ${allowed}`);
}

/** @throws Refusal bad_request as `refuseUnknownAmong` */
export function refuseUnknown({ url }: Pick<Request, 'url'>, known: readonly string[]): void {
  refuseUnknownAmong(new URL(url).searchParams.keys(), known);
}

/** The one value of a parameter. @throws Refusal bad_request where there are several */
export function parameterOf({ url }: Pick<Request, 'url'>, name: string): string | undefined {
  const [value, ...more] = new URL(url).searchParams.getAll(name);
  if (more.length > 0) throw new Refusal('bad_request', `send one ${name}, got ${more.length + 1}`);
  return value;
}

/** Characters of a name that a refusal repeats. */
const SHOWN = 32;
const shown = (name: string): string =>
  JSON.stringify(name.length > SHOWN ? `${name.slice(0, SHOWN)}…` : name);
