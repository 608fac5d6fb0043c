/**
 * The console (PROTOCOL.md §10.1): one page, and the script and the style that it loads. Everybody may load them, because they contain
 * nothing of the hub. The page asks for a token, and calls the hub like any other client.
 * @module
 */
import { answerPreflight } from './browser-headers.ts';
import { parseEvent, toResult } from './gateway-event.ts';
import { baseApp, type HandlerLog, type HttpHandler, methodNotAllowed, respond } from './http-handler.ts';
import { refuseUnknown } from './query.ts';

/** A file of the page. Its name has a hash of its text. */
export interface ConsoleFile {
  /** The last segment of its path. */
  readonly name: string;
  /** Its media type. */
  readonly type: string;
  /** Its text. */
  readonly text: string;
}

/** The page as lib/functions/bundle/console-page.ts builds it. */
export interface ConsolePage {
  /** The HTML, with SOCKET_URL and STREAM_URL in place of the URLs. */
  readonly html: string;
  /** The files that it loads. */
  readonly files: readonly ConsoleFile[];
}

/** What the answers are made of. */
export interface ConsoleOptions extends HandlerLog {
  /** The page and its files. */
  readonly page: ConsolePage;
  /** The URL of the sockets, or `self` behind the front door. */
  readonly socketUrl: string;
  /** The URL of the streams, or `self` behind the front door. */
  readonly streamUrl: string;
}

const METHODS = ['GET', 'HEAD', 'OPTIONS'];

/** The name of a file has a hash of its text, so the file never changes. */
const FOREVER = 'public, max-age=31536000, immutable';

/** Answers below /console. */
export function consoleHandler(options: ConsoleOptions): HttpHandler {
  const app = baseApp(options, 'the console is at /console');
  const html = htmlOf(options);
  const files = new Map(options.page.files.map((file) => [file.name, { ...file, zipped: gzip(file.text) }]));
  app.on(['GET', 'HEAD'], '/console', ({ req }) => {
    refuseUnknown(req.raw, []);
    const headers = { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-cache' };
    return new Response(html, { headers });
  });
  app.on(['GET', 'HEAD'], '/console/:file', async ({ req, notFound }) => {
    refuseUnknown(req.raw, []);
    const file = files.get(req.param('file'));
    if (file === undefined) return await notFound();
    // Every browser accepts gzip. With one form only, no cache can give a client the form that it did not ask for.
    const headers = { 'Content-Type': file.type, 'Cache-Control': FOREVER, 'Content-Encoding': 'gzip' };
    return new Response(await file.zipped, { headers });
  });
  app.options('/console/*', ({ req }) => answerPreflight(req.raw, METHODS));
  app.all('/console/*', ({ req }) => {
    throw methodNotAllowed(req.method, METHODS);
  });
  const headers = headersOf(options);
  const routes = { ...options, app, methods: METHODS, takesTickets: false };
  return async (event) => {
    const response = await respond(routes, parseEvent(event));
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return await toResult(response);
  };
}

function htmlOf({ page, socketUrl, streamUrl }: ConsoleOptions): string {
  return page.html.replace('SOCKET_URL', socketUrl).replace('STREAM_URL', streamUrl);
}

/** API Gateway does not compress, and the front door must not (lib/gateways/edge.ts). */
const gzip = (text: string): Promise<ArrayBuffer> =>
  new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer();

/**
 * Returns the headers of every answer. A script that gets into the page could read the token in its memory. So the page runs the one
 * script that it came with, and may connect to the hub only.
 */
function headersOf({ socketUrl, streamUrl }: ConsoleOptions): Readonly<Record<string, string>> {
  const elsewhere = [socketUrl, streamUrl].filter((url) => url !== 'self').map((url) => new URL(url).origin);
  const policy = {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'"],
    'img-src': ['data:'],
    'connect-src': ["'self'", ...new Set(elsewhere)],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
    'require-trusted-types-for': ["'script'"],
  };
  return {
    'Content-Security-Policy': Object.entries(policy)
      .map(([name, values]) => [name, ...values].join(' '))
      .join('; '),
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
  };
}
