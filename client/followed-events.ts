/**
 * What a stream of several channels says (PROTOCOL.md §5.2, `GET /events`): its events as batches.
 * @module
 */
import { parseOffset } from '../protocol/offset.ts';
import type { Batch } from './batch.ts';
import { isRecord } from './errors.ts';
import type { StreamEvent } from './event-stream.ts';

export interface ReadEvents {
  readonly batches: readonly Batch[];
  /** The channel that the stream has said to be gone or closed. What it says of it after that is of another life. */
  readonly ended: string | undefined;
}

/** Events that say that a channel is gone, or complete. */
const ENDS: readonly string[] = ['gone', 'closed'];

/**
 * Returns what takes each event of a stream, which throws an Error for what no hub says.
 * @param channels with the offsets at which the stream begins, in the order of the request
 */
export function followedEvents(
  channels: readonly (readonly [string, string])[],
): (event: StreamEvent) => ReadEvents {
  const offsets = new Map(channels);
  const names = channels.map(([name]) => name);

  /** What lies between the offset that was known and the next one; nothing of a channel that has ended. */
  function batchTo(next: string, name: string, content: Content | undefined): Batch[] {
    const from = offsets.get(name);
    if (from === undefined || (next === from && !content)) return [];
    if (next <= from) throw new Error(`the stream goes back in ${name}, from ${from} to ${next}`);
    offsets.set(name, next);
    const { encoding = 'json', message } = content ?? {};
    return [{ channel: name, messages: content ? [message] : [], encoding, from, next, closed: false }];
  }

  return ({ name, data, id }) => {
    const isEnd = ENDS.includes(name);
    // A newer hub may say other things.
    if (name !== 'message' && !isEnd) return { batches: [], ended: undefined };
    const nexts = id?.split('.') ?? [];
    if (nexts.length !== names.length || !nexts.every((next) => parseOffset(next)))
      throw new Error('an event without the offsets of the channels');
    const said: unknown = data === '' ? undefined : JSON.parse(data);
    const about = isRecord(said) ? names.find((each) => each === said.channel) : undefined;
    if (data !== '' && about === undefined) throw new Error('an event of no channel that was asked for');
    if (isEnd && about !== undefined) offsets.delete(about);
    const content = isEnd || !isRecord(said) ? undefined : contentOf(said);
    const batches = names.flatMap((each, at) =>
      batchTo(nexts[at] ?? '', each, each === about ? content : undefined),
    );
    return { batches, ended: isEnd ? about : undefined };
  };
}

interface Content {
  readonly message: unknown;
  readonly encoding: Batch['encoding'];
}

function contentOf(said: Readonly<Record<string, unknown>>): Content {
  if ('message' in said) return { message: said.message, encoding: 'json' };
  if (typeof said.text === 'string') return { message: said.text, encoding: 'text' };
  if (typeof said.base64 === 'string') return { message: said.base64, encoding: 'base64' };
  throw new Error('an event without a message');
}
