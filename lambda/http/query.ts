/**
 * Query parameters (PROTOCOL.md §1). A parameter that the hub does not know is refused.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { TICKET } from '../../protocol/url.ts';

/** Added by jQuery and others to bypass caches. The hub ignores it. */
const CACHE_BUSTER = '_';

/** What a held reader says about itself (PROTOCOL.md §14). */
export const PRESENCE_PARAMETERS = ['presence', 'reader'];

/** The parameters of every read of a channel. `live` and `cursor` come from Durable Streams. */
export const READ_PARAMETERS = [
  'offset',
  'last',
  'since',
  'before',
  'limit',
  'conflate',
  'live',
  'cursor',
  ...PRESENCE_PARAMETERS,
];

/** Sent by EventSource polyfills in place of the header `Last-Event-ID`. */
export const LAST_EVENT_ID = 'lastEventId';

/** The parameters of a read that is answered by a stream. */
export const STREAM_PARAMETERS = [...READ_PARAMETERS, LAST_EVENT_ID, TICKET];

/** The parameters of a stream of several channels. */
export const EVENTS_PARAMETERS = [
  'channel',
  'offset',
  'last',
  'since',
  'conflate',
  LAST_EVENT_ID,
  TICKET,
  ...PRESENCE_PARAMETERS,
];

/** Returns true on the paths where Durable Streams demands that a server ignores parameters that it does not know. */
export const isDurableStreamsPath = ({ url }: Pick<Request, 'url'>): boolean =>
  /^(\/hold)?\/v1\/stream\//.test(new URL(url).pathname);

/**
 * Refuses unknown parameters. If they were ignored, a caller would not notice a mistake such as `offest=now`.
 * @throws Refusal bad_request that names the first unknown one
 */
export function refuseUnknownAmong(names: Iterable<string>, known: readonly string[]): void {
  const unknown = [...names].find((name) => name !== CACHE_BUSTER && !known.includes(name));
  if (unknown === undefined) return;
  const allowed = known.length === 0 ? 'none' : known.join(', ');
  throw new Refusal('bad_request', `unknown query parameter ${shown(unknown)}: this route takes ${allowed}`);
}

/** Refuses unknown parameters of a request. @throws Refusal bad_request, as `refuseUnknownAmong` */
export function refuseUnknown({ url }: Pick<Request, 'url'>, known: readonly string[]): void {
  refuseUnknownAmong(new URL(url).searchParams.keys(), known);
}

/** Returns the value of a parameter; undefined if it is missing. @throws Refusal bad_request if it is there twice */
export function parameterOf({ url }: Pick<Request, 'url'>, name: string): string | undefined {
  const [value, ...more] = new URL(url).searchParams.getAll(name);
  if (more.length > 0) throw new Refusal('bad_request', `send one ${name}, got ${more.length + 1}`);
  return value;
}

/** The characters of a name that a refusal repeats. */
const SHOWN = 32;
const shown = (name: string): string =>
  JSON.stringify(name.length > SHOWN ? `${name.slice(0, SHOWN)}…` : name);
