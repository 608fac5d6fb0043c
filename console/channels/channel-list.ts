/**
 * The list of channels, as the hub answers it (PROTOCOL.md §6.1).
 * @module
 */
import { isRecord } from '../../client/errors.ts';
import { request } from '../session.ts';

/** A channel in the list. */
export interface ListedChannel {
  /** Its name. */
  readonly channel: string;
  /** Its content type. */
  readonly contentType: string;
  /** The offset of its end. */
  readonly offset: string;
  /** True if it keeps the newest message of each key. */
  readonly isKeyed: boolean;
  /** True if nothing can be published any more. */
  readonly isClosed: boolean;
}

/** A page of the list. */
export interface ChannelPage {
  /** The channels. */
  readonly channels: readonly ListedChannel[];
  /** Where the next page begins. Undefined if the list is complete. */
  readonly next: string | undefined;
}

const LIMIT = 100;

/**
 * Returns a page of the channels below a prefix.
 * @param prefix the first segments of a name and a slash, or empty
 * @throws TidingsError `forbidden` for a token without `manage` there
 */
export async function listChannels(token: string, prefix: string, after?: string): Promise<ChannelPage> {
  const query = new URLSearchParams({ limit: String(LIMIT) });
  if (prefix !== '') query.set('prefix', prefix);
  if (after !== undefined) query.set('after', after);
  const answer: unknown = await (await request(token, `/channels?${query}`)).json();
  const { channels, next } = isRecord(answer) ? answer : {};
  return {
    channels: Array.isArray(channels) ? channels.flatMap(channelOf) : [],
    next: typeof next === 'string' ? next : undefined,
  };
}

function channelOf(row: unknown): ListedChannel[] {
  if (!isRecord(row) || typeof row.channel !== 'string') return [];
  const { channel, contentType, offset, streamKey, closed } = row;
  const isKeyed = typeof streamKey === 'string';
  const about = { contentType: String(contentType), offset: String(offset) };
  return [{ channel, ...about, isKeyed, isClosed: closed === true }];
}
