import cf from 'cloudfront';

/*
 * Selects the origin of a request, moves its token, and decides whether it may share an answer. CloudFront runs this before it
 * reads its cache. The runtime is ES 5.1 with const, let and little more, and the code may have 10 KB:
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html
 * An origin is selected by an id that the distribution must have; its access control and timeouts come with it:
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/helper-functions-origin-modification.html
 */

/* Carries the caller's Authorization: CloudFront signs its requests to the stream origin in that header itself. */
const AUTHORIZATION = 'x-tidings-authorization';

/* Part of the cache key. A request with this header shares its answer with no other request, and waits for none. */
const ALONE = 'x-tidings-alone';

/* The host of the viewer's request, for links in answers. An origin sees its own host. */
const HOST = 'x-tidings-host';

/* The parameter that replaces a token (PROTOCOL.md §12.5). */
const TICKET = 'ticket';

/* The path before the routes of the function that holds requests. */
const HOLD = '/hold';

// biome-ignore lint/correctness/noUnusedVariables: CloudFront calls it by this name
function handler(event) {
  const request = event.request;
  const headers = request.headers;
  // Only this function may set these headers. Otherwise a caller could choose its identity, or its cache key.
  delete headers[AUTHORIZATION];
  delete headers[ALONE];
  delete headers[HOST];
  if (headers.host) headers[HOST] = { value: headers.host.value };
  // The address of the caller. An access log of an HTTP API can contain this header and no other (lib/gateways/http-api.ts).
  headers['user-agent'] = { value: event.viewer.ip };
  // With several values all are moved, and the handler refuses them.
  if (headers.authorization) headers[AUTHORIZATION] = headers.authorization;
  delete headers.authorization;
  const path = decode(request.uri);
  const live = paramOf(request, 'live');
  if (isAlone(request, live)) headers[ALONE] = { value: event.context.requestId };
  if (path === '/events') {
    // A request with a body to a function URL needs the SHA-256 of the body. So a handler of the API refuses other methods.
    if (isOneOf(request.method, ['GET', 'HEAD', 'OPTIONS'])) toStream(event, path);
    else cf.selectRequestOriginById('api');
  } else if (request.method === 'GET' && isChannel(path)) {
    if (live === 'sse' || (live === undefined && acceptsEvents(headers.accept))) toStream(event, path);
    else if (live === 'long-poll') request.uri = HOLD + request.uri;
  }
  return request;
}

/* True if the answer is right for no other request with the same path, query and headers of the cache key. */
function isAlone(request, live) {
  const headers = request.headers;
  if (headers[AUTHORIZATION] || paramOf(request, TICKET) !== undefined) return true;
  // A HEAD has the cache key of a GET. The answer to that has the end of its page, not of the channel.
  if (request.method === 'HEAD') return true;
  // A 304 or a 206 depends on what the caller already has.
  if (headers.range || headers['if-none-match'] || headers['if-modified-since']) return true;
  // These mean another offset with each request. A long poll that waited for another one would miss what was published meanwhile.
  const offset = paramOf(request, 'offset');
  return (
    offset === 'now' ||
    paramOf(request, 'before') === 'now' ||
    (live === 'long-poll' && (offset === undefined || offset === '-1'))
  );
}

function toStream(event, path) {
  const request = event.request;
  request.headers[ALONE] = { value: event.context.requestId };
  // Signatures over percent-encoded paths are known to fail (https://github.com/aws-samples/image-optimization/issues/44).
  // A channel name needs no encoding. A handler refuses all other paths.
  if (/^(\/[\w.~-]+)+$/.test(path)) request.uri = path;
  cf.selectRequestOriginById('stream');
}

function isChannel(path) {
  return path.indexOf('/channels/') === 0 || path.indexOf('/v1/stream/') === 0;
}

/* Returns the first query parameter with that name, decoded as the handlers decode it, or undefined. */
function paramOf(request, name) {
  const pairs = (request.rawQueryString() || '').split('&');
  for (let index = 0; index < pairs.length; index += 1) {
    const parts = pairs[index].split('=');
    if (decodeQuery(parts[0]) === name) return decodeQuery(parts.slice(1).join('='));
  }
  return undefined;
}

/* True if Accept, which may be sent several times, has the media type of event streams. */
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

/* Returns text that cannot be decoded unchanged, and the handler refuses it. */
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
