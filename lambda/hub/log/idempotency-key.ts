/**
 * Idempotency-Key: a publish that may be retried without being appended twice (PROTOCOL.md §4.4).
 *
 * The record of the key says which slot its publish claimed. It is written between the claim and the entry. So a retry finds the
 * slot, and completes or confirms the publish, wherever the first attempt crashed. It costs one read and one write more than a
 * publish without a key.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { IDEMPOTENCY_KEPT_MS } from '../../../protocol/limits.ts';
import { isWritten, reviewed } from '../hook.ts';
import {
  type Appended,
  type AppendRequest,
  complete,
  contest,
  type EntryContent,
  hintedEntry,
  messagesOfRequest,
  offsetAfter,
} from './append.ts';
import { type Channel, isAlive, tailOffset } from './channel.ts';
import { claim, claimAgain, type IdentifiedRequest } from './claim.ts';
import { type HintedEntry, tombstone } from './entry.ts';
import { keepAlive } from './lifecycle.ts';
import type { KeyRecord, Log, Publishing } from './log-ports.ts';
import { stamped } from './messages.ts';

/** The Idempotency-Key of a request. */
export interface Once {
  /** The key as the caller chose it. */
  readonly key: string;
  /** Hash of the request: another request with the same key is refused. */
  readonly fingerprint: string;
}

/**
 * Appends the messages, unless a request with the key came in the last 24 hours. Then it confirms that one.
 * @throws Refusal key_reused if that was another request, and those of `append`
 */
export async function appendOnce(log: Publishing, request: AppendRequest, once: Once): Promise<Appended> {
  const { entry, streamKey, ...done } = await appendOrConfirm(log, request, once);
  const { nextOffset: offset, closed: isClosing } = done;
  await log.hint({ channel: request.channel, offset, isClosing, streamKey, entry });
  return done;
}

/** A publish with its hint's entry. */
interface Hinted extends Appended {
  readonly entry?: HintedEntry | undefined;
  readonly streamKey: string | undefined;
}

async function appendOrConfirm(log: Publishing, request: AppendRequest, once: Once): Promise<Hinted> {
  const parsed = messagesOfRequest(request);
  // "#" is in no channel name, so no two channels share a key.
  const key = `${request.channel}#${once.key}`;
  const earlier = await log.keys.get(key, log.clock());
  const isAccepted = request.hook && earlier && (await isWritten(log, earlier.streamId, earlier.slot));
  // Those of an accepted publish are not written again. So they need not fit what the hook made of them.
  const messages = isAccepted ? parsed : stamped(await reviewed(request, parsed), request.stamp, log.clock());
  const content: EntryContent = { messages, id: `key:${once.fingerprint}:${once.key}` };
  const identified = { ...request, id: content.id, messages };
  if (earlier) return await confirm(log, identified, once, key, earlier, content);

  const { kind, channel, slot } = await claim(log, identified);
  await keepAlive(log, channel);
  if (slot === undefined) return appended(channel, tailOffset(channel), 0);
  if (kind === 'contested') {
    // An earlier attempt may have claimed the Stream-Seq and died before it could record the key.
    const written = await contest(log, identified, channel, slot, content);
    await record(log, once, key, channel, written.slot);
    return appended(channel, offsetAfter(written), messages.length);
  }
  if (!(await record(log, once, key, channel, slot))) {
    if (kind === 'granted') await abandon(log, channel, slot);
    const first = await log.keys.get(key, log.clock());
    if (first) return await confirm(log, identified, once, key, first, content);
    throw new Refusal('unavailable', 'the key was recorded and expired meanwhile; retry');
  }
  // The claim was granted; or an earlier attempt closed the channel, and died before it could record the key.
  const written = await complete(log, channel, slot, content, () =>
    moveOn(log, identified, channel, key, slot),
  );
  const entry = hintedEntry(channel, written, messages);
  return { ...appended(channel, offsetAfter(written), messages.length), entry };
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
  request: IdentifiedRequest,
  { fingerprint }: Once,
  key: string,
  earlier: KeyRecord,
  content: EntryContent,
): Promise<Hinted> {
  if (earlier.fingerprint !== fingerprint) {
    throw new Refusal('key_reused', 'the Idempotency-Key came with another request before');
  }
  const channel = await log.channels.get(request.channel);
  if (channel?.streamId !== earlier.streamId || !isAlive(channel, log.clock())) {
    throw new Refusal('key_reused', 'the Idempotency-Key was used in a former life of the channel');
  }
  await keepAlive(log, channel);
  // The shortest retention keeps an entry longer than a key is kept. So an entry that is missing was never written. Its
  // Stream-Seq was accepted before, and is not compared again.
  const again = { ...request, seq: undefined };
  const written = await complete(log, channel, earlier.slot, content, () =>
    moveOn(log, again, channel, key, earlier.slot),
  );
  return appended(channel, offsetAfter(written), 0);
}

/** Claims another slot for a key whose slot was sealed, and returns it. */
async function moveOn(
  log: Log,
  request: IdentifiedRequest,
  channel: Channel,
  key: string,
  sealed: number,
): Promise<number> {
  const other = await claimAgain(log, request, channel, sealed);
  if (await log.keys.move(key, sealed, other)) return other;
  await abandon(log, channel, other);
  throw new Refusal('unavailable', 'another retry of the same publish is at work; retry');
}

/** Seals a slot that this request has claimed. Otherwise readers would wait for the grace. */
async function abandon(log: Log, channel: Channel, slot: number): Promise<void> {
  const time = log.clock();
  await log.entries.put(channel.streamId, tombstone(slot, { time, expiresAt: time + log.retentionMs }));
}

const appended = (channel: Channel, nextOffset: string, count: number): Hinted => ({
  nextOffset,
  closed: channel.closed,
  streamKey: channel.streamKey,
  lastSeq: undefined,
  count,
});
