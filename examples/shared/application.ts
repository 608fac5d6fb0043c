/**
 * What the backends of all examples have: a page, visitors with a session, and a token for each of them. Your application has its own
 * login, its own bundler and its own web server. What remains of this file is `tokenFor`.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { getCookie, setCookie } from 'hono/cookie';
import { type Capability, mint } from '../../scripts/mint.ts';
import { fail, listen } from './listen.ts';

/** A hub, and how to get tokens for it. */
export interface HubAccess {
  /** The URL of the hub. */
  readonly url: string;
  /** The URL of the sockets. Undefined behind the front door. */
  readonly socketUrl: string | undefined;
  /** The URL of the streams. Undefined behind the front door. */
  readonly streamUrl: string | undefined;
  /** Returns a token for a user, for ten minutes. It allows no more than the capability. */
  readonly tokenFor: (sub: string, capability: Capability) => Promise<string>;
}

/** A person with a page. */
export interface Visitor {
  /** The `sub` of the tokens: the name, and characters that make it unique. The hub stamps messages with it. */
  readonly id: string;
  /** The name that was given. */
  readonly name: string;
}

/** What differs between the examples. */
export interface Application {
  /** The title of the page. */
  readonly title: string;
  /** The folder of the example, with `page/main.tsx` and `page/style.css`. */
  readonly folder: string;
  /** Returns the rights of a visitor: no more than the page needs. */
  readonly rightsOf: (visitor: Visitor) => Capability;
  /** Adds routes for a visitor. */
  readonly routes?: (app: Hono, visitorOf: VisitorOf) => void;
}

/** Returns the visitor of a request. Undefined for one without a session. */
export type VisitorOf = (context: Context) => Visitor | undefined;

/** Seconds. The client asks for the next token before this one ends. */
const TOKEN_SECONDS = 600;
/** Bytes of a request. */
const MAX_BODY = 64 * 1_024;
/** The most visitors with a session. The oldest one is forgotten first. */
const MOST_VISITORS = 1_000;
/** Letters, digits and a few marks. No control characters, no marks of direction, and no `~`, which ends the name in an id. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._-]{0,23}$/u;

/** Returns the hub that the environment names: TIDINGS_URL, TIDINGS_KEY and TIDINGS_AUDIENCE. */
export function hubOfEnvironment(): HubAccess {
  const { TIDINGS_URL, TIDINGS_SOCKET_URL, TIDINGS_STREAM_URL, TIDINGS_KEY, TIDINGS_AUDIENCE } = process.env;
  if (!TIDINGS_URL || !TIDINGS_KEY || !TIDINGS_AUDIENCE)
    fail(
      'set TIDINGS_URL, TIDINGS_KEY and TIDINGS_AUDIENCE: npm run example does it, or npm run -s token -- --key prints the last two',
    );
  const keys = { key: TIDINGS_KEY, audience: TIDINGS_AUDIENCE };
  return {
    url: TIDINGS_URL,
    socketUrl: TIDINGS_SOCKET_URL,
    streamUrl: TIDINGS_STREAM_URL,
    tokenFor: (sub, capability) => mint({ ...keys, sub, capability, ttlSeconds: TOKEN_SECONDS }),
  };
}

/** Creates a keyed channel, unless it is there. The key is one or more JSON Pointers. */
export async function createKeyed({ url, tokenFor }: HubAccess, channel: string, key: string): Promise<void> {
  const token = await tokenFor('backend', { [channel]: ['publish'] });
  const response = await fetch(`${url}/channels/${channel}`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', 'Stream-Key': key },
  }).catch((error: unknown) => fail(`the hub does not answer at ${url}: ${error}`));
  if (!response.ok) fail(`the hub answered ${response.status}: ${await response.text()}`);
}

/** Serves the page and the tokens of an example, and prints its address. */
export async function startApplication(hub: HubAccess, application: Application): Promise<void> {
  const { title, folder, rightsOf, routes } = application;
  const app = new Hono();
  const visitors = new Map<string, Visitor>();
  // Browsers send a cookie to all ports of a host, so each example needs another name.
  const cookie = `${title.toLowerCase()}-visitor`;
  const visitorOf: VisitorOf = (context) => visitors.get(getCookie(context, cookie) ?? '');

  app.use(bodyLimit({ maxSize: MAX_BODY }));
  servePage(app, hub, title, folder);
  app.post('/token', async (context) => {
    // A page of another site cannot send this type without asking first, and nothing here answers that question.
    if (context.req.header('Content-Type') !== 'application/json') return context.text('Send JSON.', 415);
    let visitor = visitorOf(context);
    if (visitor === undefined) {
      // The login of your application would be here.
      const name = nameIn(await context.req.json().catch(() => undefined));
      if (name === undefined) return context.text('Say who you are.', 401);
      if (!NAME.test(name))
        return context.text(
          'A name has 1 to 24 letters, digits, spaces and . _ -, a letter or digit first.',
          400,
        );
      visitor = { id: `${name}~${randomBytes(4).toString('hex')}`, name };
      const secret = randomBytes(24).toString('base64url');
      visitors.set(secret, visitor);
      for (const [oldest] of [...visitors].slice(0, -MOST_VISITORS)) visitors.delete(oldest);
      setCookie(context, cookie, secret, { httpOnly: true, sameSite: 'Strict', path: '/' });
    }
    const { url, socketUrl, streamUrl } = hub;
    const token = await hub.tokenFor(visitor.id, rightsOf(visitor));
    return context.json({ ...visitor, token, url, socketUrl, streamUrl });
  });
  routes?.(app, visitorOf);

  const address = await listen(app.fetch);
  process.stdout.write(`${title} is ready at ${address}\n`);
}

function nameIn(body: unknown): string | undefined {
  const name = typeof body === 'object' && body !== null && 'name' in body ? body.name : undefined;
  return typeof name === 'string' ? name.trim() : undefined;
}

/** Bundles the page as your bundler would, and serves it with a policy that lets it talk to the hub and to nobody else. */
function servePage(app: Hono, hub: HubAccess, title: string, folder: string): void {
  const { outputFiles } = buildSync({
    absWorkingDir: folder,
    entryPoints: { page: 'page/main.tsx', style: 'page/style.css' },
    outdir: folder,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'error',
  });
  const template = readFileSync(join(import.meta.dirname, 'page/page.html'), 'utf8');
  const html = template.replaceAll('TITLE', title);
  const hosts = [hub.url, hub.url.replace(/^http/, 'ws'), hub.socketUrl, hub.streamUrl]
    .filter((url) => url !== undefined)
    .map((url) => new URL(url).origin);
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    'img-src data:',
    `connect-src 'self' ${hosts.join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  app.get('/', (context) => context.html(html, 200, { 'Content-Security-Policy': policy }));
  const types = { js: 'text/javascript', css: 'text/css' };
  for (const [extension, type] of Object.entries(types)) {
    const file = outputFiles.find(({ path }) => path.endsWith(`.${extension}`));
    app.get(extension === 'js' ? '/page.js' : '/style.css', (context) =>
      context.body(file?.text ?? '', 200, { 'Content-Type': `${type}; charset=utf-8` }),
    );
  }
}
