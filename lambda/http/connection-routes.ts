/**
 * /connections: the sockets that are open, and the end of one, or of all of a principal (PROTOCOL.md §12.6, §12.7).
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { DEFAULT_MESSAGES, MAX_PRINCIPAL_LENGTH } from '../../protocol/limits.ts';
import type { Caller } from '../access/caller.ts';
import type { CursorSeal } from '../access/sealed-cursor.ts';
import type { Access } from '../access/verify.ts';
import type { Log } from '../hub/log/log-ports.ts';
import { type Disconnected, type DisconnectRequesting, requestDisconnect } from '../hub/push/disconnect.ts';
import { type Connection, type ConnectionStore, isOver } from '../hub/push/push-ports.ts';
import { numberParameter } from './parse-read.ts';
import { parameterOf } from './query.ts';

/** What a list of connections needs. */
export interface ConnectionListing {
  /** Checks that the caller may manage everything. */
  readonly access: Pick<Access, 'require'>;
  /** The clock. */
  readonly log: Pick<Log, 'clock'>;
  /** The store of connections. */
  readonly connections: Pick<ConnectionStore, 'list'>;
  /** Seals the cursor of the next page. */
  readonly cursors: CursorSeal;
}

/**
 * Answers GET /connections with a page of the sockets that are open, and the cursor of the next page if there may be one.
 * @throws Refusal unauthorized, forbidden, bad_request, unavailable
 */
export async function listConnections(
  { access, log, connections, cursors }: ConnectionListing,
  raw: Request,
  caller: Caller,
): Promise<Response> {
  requireEverything(access, caller);
  const limit = numberParameter(raw, 'limit') ?? DEFAULT_MESSAGES;
  const after = parameterOf(raw, 'after');
  const page = await connections.list(after === undefined ? undefined : await cursors.open(after), limit);
  const now = log.clock();
  const open = page.connections.filter((connection) => !isOver(connection, now));
  const next = page.after === undefined ? {} : { next: await cursors.seal(page.after) };
  return answer({ connections: open.map(shown), ...next });
}

/**
 * Answers DELETE /connections with the number of sockets that it ends.
 * @throws Refusal unauthorized, forbidden, bad_request, unavailable
 */
export async function endConnections(
  access: Pick<Access, 'require'>,
  disconnecting: DisconnectRequesting,
  raw: Request,
  caller: Caller,
): Promise<Response> {
  requireEverything(access, caller);
  return answer({ ended: await requestDisconnect(disconnecting, wantedBy(raw)) });
}

/** The sockets may be subscribed to any channel, so the caller needs the right over all channels. */
const requireEverything = (access: Pick<Access, 'require'>, caller: Caller): void =>
  access.require('manage', '*', caller);

const answer = (body: object): Response => Response.json(body, { headers: { 'Cache-Control': 'no-store' } });

const timeOf = (ms: number): string => new Date(ms).toISOString();

const shown = (connection: Connection): object => ({
  id: connection.id,
  ...(connection.principal === undefined ? {} : { principal: connection.principal }),
  since: timeOf(connection.since),
  until: timeOf(Math.min(connection.until, connection.allowedUntil ?? connection.until)),
  subscriptions: Object.keys(connection.subscriptions).toSorted(),
});

/** Characters of the id of a connection. Those of API Gateway have 16. */
const MAX_ID_LENGTH = 128;

function wantedBy(raw: Request): Disconnected {
  const principal = parameterOf(raw, 'principal');
  const id = parameterOf(raw, 'id');
  if (principal === undefined && id !== undefined) return { connection: within(id, 'id', MAX_ID_LENGTH) };
  if (principal !== undefined && id === undefined)
    return { principal: within(principal, 'principal', MAX_PRINCIPAL_LENGTH) };
  const got = id === undefined ? 'none' : 'both';
  throw new Refusal(
    'bad_request',
    `this takes either the principal whose connections end, or the id of one connection, got ${got}`,
  );
}

function within(text: string, name: string, most: number): string {
  if (text.length >= 1 && text.length <= most) return text;
  throw new Refusal('bad_request', `${name} has 1 to ${most} characters, got ${text.length}`);
}
