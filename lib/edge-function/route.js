import cf from 'cloudfront';

/*
 * The front door's one decision: which origin answers a request. CloudFront runs this before it looks into its cache.
 * The runtime is ES 5.1 with const, let and little more, and the code may have 10 KB:
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html
 * An origin is selected by an id that the distribution must have; its access control and timeouts come with it:
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/helper-functions-origin-modification.html
 */

/* Carries the caller's Authorization to the stream origin, where CloudFront signs in that header itself. */
const AUTHORIZATION = 'x-tidings-authorization';

/* Part of the cache key: a request that has it shares no answer, and waits for none, with another one. */
const ALONE = 'x-tidings-alone';

/* The host that the caller asked, for links back to it: an origin sees its own. */
const HOST = 'x-tidings-host';

/* The parameter that stands in for a token (PROTOCOL.md §12.5). */
const TICKET = 'ticket';

/* Where the API keeps the routes of the function that may hold a request. */
const HOLD = '/hold';

// biome-ignore lint/correctness/noUnusedVariables: CloudFront calls it by this name
function handler(event) {
  const request = event.request;
  const headers = request.headers;
  // Only this function may say these: a caller that could would choose its identity, or its place in the cache.
  delete headers[AUTHORIZATION];
  delete headers[ALONE];
  delete headers[HOST];
  if (headers.host) headers[HOST] = { value: headers.host.value };
  // The address of the caller. An access log of API Gateway can have this header and no other (lib/http-api.ts).
  headers['user-agent'] = { value: event.viewer.ip };
  const path = decode(request.uri);
  const live = paramOf(request, 'live');
  // A HEAD has the key of a GET, whose answer says where its page ends and not the channel; and a ticket is in no key.
  const isAlone =
    headers.authorization || request.method === 'HEAD' || paramOf(request, TICKET) !== undefined;
  if (isAlone) headers[ALONE] = { value: event.context.requestId };
  if (path === '/events') {
    // A body for a function URL would have to come with its SHA-256, so other methods are refused by a door of the API.
    if (isOneOf(request.method, ['GET', 'HEAD', 'OPTIONS'])) toStream(event);
    else cf.selectRequestOriginById('api');
  } else if (request.method === 'GET' && isChannel(path)) {
    if (live === 'sse' || (live === undefined && acceptsEvents(headers.accept))) toStream(event);
    else if (live === 'long-poll') request.uri = HOLD + request.uri;
  }
  return request;
}

function toStream(event) {
  const headers = event.request.headers;
  if (headers.authorization) {
    headers[AUTHORIZATION] = { value: headers.authorization.value };
    delete headers.authorization;
  }
  headers[ALONE] = { value: event.context.requestId };
  cf.selectRequestOriginById('stream');
}

function isChannel(path) {
  return path.indexOf('/channels/') === 0 || path.indexOf('/v1/stream/') === 0;
}

/* The first parameter of the query by that name, as the doors read it: decoded, its case kept. Undefined where there is none. */
function paramOf(request, name) {
  const pairs = (request.rawQueryString() || '').split('&');
  for (let index = 0; index < pairs.length; index += 1) {
    const parts = pairs[index].split('=');
    if (decodeQuery(parts[0]) === name) return decodeQuery(parts.slice(1).join('='));
  }
  return undefined;
}

/* True if one of the media types of Accept, which may be sent several times, is that of event streams. */
function acceptsEvents(accept) {
  if (!accept) return false;
  const lines = accept.multiValue || [accept];
  for (let line = 0; line < lines.length; line += 1) {
    const types = lines[line].value.split(',');
    for (let index = 0; index < types.length; index += 1) {
      const type = types[index].split(';')[0].trim().toLowerCase();
      if (type === 'text/event-stream') return true;
    }
  }
  return false;
}

function decodeQuery(text) {
  return decode(text.replace(/\+/g, ' '));
}

/* What cannot be decoded stays as it is: the door refuses it. */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch (_) {
    return text;
  }
}

function isOneOf(value, list) {
  return list.indexOf(value) >= 0;
}
