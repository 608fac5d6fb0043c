/**
 * GET /channels: the channels below a prefix (PROTOCOL.md §6.1).
 * @module
 */
import { isChannelName } from '../../protocol/channel-name.ts';
import { Refusal } from '../../protocol/errors.ts';
import { DEFAULT_MESSAGES } from '../../protocol/limits.ts';
import type { Caller } from '../access/caller.ts';
import type { CursorSeal } from '../access/sealed-cursor.ts';
import type { Access } from '../access/verify.ts';
import { type Channel, tailOffset } from '../hub/log/channel.ts';
import { list } from '../hub/log/lifecycle.ts';
import type { Log } from '../hub/log/log-ports.ts';
import { numberParameter } from './parse-read.ts';
import { parameterOf } from './query.ts';

/** What a list needs. */
export interface Listing {
  /** Checks that the caller may manage the channels. */
  readonly access: Pick<Access, 'require'>;
  /** The log with the channels. */
  readonly log: Log;
  /** Seals the cursor of the next page. */
  readonly cursors: CursorSeal;
}

/**
 * Answers GET /channels with a page of channels, and the cursor of the next page if there may be one.
 * @throws Refusal unauthorized, forbidden, bad_channel, bad_request, unavailable
 */
export async function listChannels(
  { access, log, cursors }: Listing,
  raw: Request,
  caller: Caller,
): Promise<Response> {
  const prefix = prefixOf(raw);
  access.require('manage', `${prefix}*`, caller);
  const limit = numberParameter(raw, 'limit') ?? DEFAULT_MESSAGES;
  const after = parameterOf(raw, 'after');
  const page = await list(log, prefix, after === undefined ? undefined : await cursors.open(after), limit);
  const next = page.after === undefined ? {} : { next: await cursors.seal(page.after) };
  const channels = page.channels.map(shown);
  return Response.json({ channels, ...next }, { headers: { 'Cache-Control': 'no-store' } });
}

/** Returns the prefix: empty, or the first segments of a name and a slash. */
function prefixOf(raw: Request): string {
  const prefix = parameterOf(raw, 'prefix') ?? '';
  if (prefix === '' || (prefix.endsWith('/') && isChannelName(prefix.slice(0, -1)))) return prefix;
  const got = JSON.stringify(prefix.slice(0, 32));
  throw new Refusal(
    'bad_channel',
    `prefix must be the first segments of a name and a "/", such as "chat/", got ${got}`,
  );
}

const shown = (channel: Channel): object => ({
  channel: channel.name,
  contentType: channel.contentType,
  offset: tailOffset(channel),
  ...(channel.closed ? { closed: true } : {}),
  ...(channel.streamKey === undefined ? {} : { streamKey: channel.streamKey }),
  ...(channel.ttlSeconds === undefined ? {} : { ttlSeconds: channel.ttlSeconds }),
  ...(channel.expiresAt === undefined ? {} : { expiresAt: channel.expiresAt }),
});
