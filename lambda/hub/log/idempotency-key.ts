/**
 * Idempotency-Key: a publish that may be retried without being appended twice (PROTOCOL.md §4.4).
 *
 * The key's record says which slot its publish claimed, and is written between the claim and the entry. So a retry
 * finds the slot and completes or confirms it, whatever crashed. It costs one read and one write more than a plain
 * publish.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { IDEMPOTENCY_KEPT_MS } from '../../../protocol/limits.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import { type Appended, type AppendRequest, type Content, complete, contest, messagesOf } from './append.ts';
import { type Channel, isAlive, tailOffset } from './channel.ts';
import { claim, claimAgain, type Identified } from './claim.ts';
import { tombstone } from './entry.ts';
import { keepAlive } from './lifecycle.ts';
import type { KeyRecord, Log, Publishing } from './log-ports.ts';

export interface Once {
  readonly key: string;
  /** The same for the same request; another for any other. */
  readonly fingerprint: string;
}

/**
 * Appends unless a request with the key was here in the last 24 hours; then confirms that one.
 * @throws Refusal key_reused if that was another request, and those of `append`
 */
export async function appendOnce(log: Publishing, request: AppendRequest, once: Once): Promise<Appended> {
  const done = await appendOrConfirm(log, request, once);
  await log.hint({ channel: request.channel, offset: done.nextOffset, isClosing: done.closed });
  return done;
}

async function appendOrConfirm(log: Log, request: AppendRequest, once: Once): Promise<Appended> {
  const messages = messagesOf(request);
  // "#" is in no channel name, so no two channels share a key.
  const key = `${request.channel}#${once.key}`;
  const content: Content = { messages, id: `key:${once.fingerprint}:${once.key}` };
  const wish = { ...request, id: content.id };
  const earlier = await log.keys.get(key, log.clock());
  if (earlier) return await confirm(log, wish, once, key, earlier, content);

  const { kind, channel, slot } = await claim(log, wish);
  await keepAlive(log, channel);
  if (slot === undefined) return appended(channel, tailOffset(channel), 0);
  if (kind === 'contested') {
    // An earlier attempt may have claimed the Stream-Seq and died before it could record the key.
    const written = await contest(log, wish, channel, slot, content);
    await record(log, once, key, channel, written);
    return appended(channel, formatOffset({ entry: written + 1, index: 0 }), messages.length);
  }
  if (!(await record(log, once, key, channel, slot))) {
    if (kind === 'granted') await abandon(log, channel, slot);
    const first = await log.keys.get(key, log.clock());
    if (first) return await confirm(log, wish, once, key, first, content);
    throw new Refusal('unavailable', 'the key was recorded and expired meanwhile; retry');
  }
  // Granted, or the closing publish of an attempt that died before it could record the key.
  const written = await complete(log, channel, slot, content, () => moveOn(log, wish, channel, key, slot));
  return appended(channel, formatOffset({ entry: written + 1, index: 0 }), messages.length);
}

async function record(
  log: Log,
  { fingerprint }: Once,
  key: string,
  channel: Channel,
  slot: number,
): Promise<boolean> {
  const now = log.clock();
  return await log.keys.put(
    key,
    { fingerprint, streamId: channel.streamId, slot },
    now,
    now + IDEMPOTENCY_KEPT_MS,
  );
}

async function confirm(
  log: Log,
  wish: Identified,
  { fingerprint }: Once,
  key: string,
  earlier: KeyRecord,
  content: Content,
): Promise<Appended> {
  if (earlier.fingerprint !== fingerprint) {
    throw new Refusal('key_reused', 'the Idempotency-Key came with another request before');
  }
  const channel = await log.channels.get(wish.channel);
  if (channel?.streamId !== earlier.streamId || !isAlive(channel, log.clock())) {
    throw new Refusal('key_reused', 'the Idempotency-Key was used in a former life of the channel');
  }
  await keepAlive(log, channel);
  // A key is kept no longer than the shortest retention keeps an entry, so what is not there never was.
  // What was accepted before is not held against the sequence again.
  const again = { ...wish, seq: undefined };
  const slot = await complete(log, channel, earlier.slot, content, () =>
    moveOn(log, again, channel, key, earlier.slot),
  );
  return appended(channel, formatOffset({ entry: slot + 1, index: 0 }), 0);
}

/** Claims another slot for the key, whose own was sealed. */
async function moveOn(
  log: Log,
  wish: Identified,
  channel: Channel,
  key: string,
  sealed: number,
): Promise<number> {
  const other = await claimAgain(log, wish, channel, sealed);
  if (await log.keys.move(key, sealed, other)) return other;
  await abandon(log, channel, other);
  throw new Refusal('unavailable', 'another retry of the same publish is at work; retry');
}

/** Seals one's own slot at once, rather than let readers wait out the grace for it. */
async function abandon(log: Log, channel: Channel, slot: number): Promise<void> {
  const time = log.clock();
  await log.entries.put(channel.streamId, tombstone(slot, { time, expiresAt: time + log.retentionMs }));
}

const appended = (channel: Channel, nextOffset: string, count: number): Appended => ({
  nextOffset,
  closed: channel.closed,
  lastSeq: undefined,
  count,
});
