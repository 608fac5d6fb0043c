/**
 * Reads a channel in every way that a request may ask for: from a start on, the newest message of each key, or without the values that
 * newer ones have replaced (PROTOCOL.md §5.4, §5.5).
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { BEGINNING, isBefore, type Position } from '../../../protocol/offset.ts';
import { type Channel, NO_STREAM } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';
import { type From, isPosition, type LogStart, positionIn, type ReadResult, read } from '../log/read-log.ts';
import { type Fold, foldRange, foldWhatIsKept, type KeyedMessage } from './fold.ts';
import { loadSnapshot } from './load-snapshot.ts';
import { keyOfMessages } from './stream-key.ts';

/** Reads a page of a channel. @throws Refusal as `read`, and bad_offset, bad_request for a channel that is not keyed */
export type Reading = (log: Log, channel: Channel, from: From) => Promise<ReadResult>;

/** Bytes of messages in one answer. */
const PAGE_BYTES = 1_000_000;

/** Reads everything, or from `latest` the newest message of each key. */
export const readAll: Reading = async (log, channel, from) => {
  const latest = latestIn(channel, from);
  return latest ? await readLatest(log, channel, latest) : await read(log, channel, logStart(from));
};

/** Reads without the values that a newer one of the same key replaces in what is there. */
export const readConflated: Reading = async (log, channel, from) => {
  if (channel.streamId === NO_STREAM) return await readAll(log, channel, from);
  if (channel.streamKey === undefined)
    throw new Refusal('bad_request', 'conflate is for keyed channels, and this channel has no key');
  if (from === 'now' || latestIn(channel, from)) return await readAll(log, channel, from);
  const fold: Fold = new Map();
  const keyOf = keyOfMessages(channel.streamKey);
  const range = await foldRange(log, channel, { from: logStart(from), keyOf }, fold);
  const messages = [...fold.values()];
  const { page, isAll } = pageOf(messages);
  const next = isAll ? range.end : (page.at(-1)?.next ?? range.end);
  return {
    ...resultOf(page, next, ({ next: after }) => after),
    from: range.from,
    upToDate: isAll && range.upToDate,
    closed: isAll && range.closed,
    isGap: isAll && range.isGap,
    isConflated: messages.length < range.count,
  };
};

/** Returns how a request reads. */
export const readingOf = (isConflated: boolean): Reading => (isConflated ? readConflated : readAll);

/** A read of the newest messages. */
interface Latest {
  /** The messages from here on. */
  readonly start: Position;
  /** The end of the log for this read. */
  readonly end: Position;
  /** True if the read begins, and may end where the log ends. */
  readonly isFirst: boolean;
}

/**
 * Returns the read of the newest messages that a start asks for; undefined for every other read.
 * @throws Refusal bad_offset for a channel that is not keyed
 */
function latestIn(channel: Channel, from: From): Latest | undefined {
  const isLatest = from === 'latest';
  const end = isLatest ? { entry: channel.next, index: 0 } : isPosition(from) ? from.foldEnd : undefined;
  if (!end) return undefined;
  if (channel.streamKey === undefined && channel.streamId !== NO_STREAM)
    throw new Refusal('bad_offset', 'latest is for keyed channels, and this channel has no key');
  return { start: isLatest || !isPosition(from) ? BEGINNING : from, end, isFirst: isLatest };
}

const logStart = (from: From): LogStart => (from === 'latest' ? 'now' : from);

/**
 * Reads a page of the newest messages. The position of a page names the end of the read in the log, and the place of the page. So
 * every page can be made of the snapshot and the log as they are now: what was replaced after the end of the read is left out, and
 * its newer message follows in the log.
 */
async function readLatest(log: Log, channel: Channel, { start, end, isFirst }: Latest): Promise<ReadResult> {
  const { streamId, streamKey = '' } = channel;
  // A channel that does not exist is empty. It may be created with a key.
  if (streamId === NO_STREAM) return await read(log, channel, 'now');
  if (!isFirst) positionIn(channel, end);
  const snapshot = await loadSnapshot(log.snapshots, streamId);
  const { fold } = snapshot;
  const isCovered = snapshot.end !== undefined && !isBefore(snapshot.end, end);
  const keyOf = keyOfMessages(streamKey);
  const range = isCovered
    ? {
        end: isFirst ? (snapshot.end ?? end) : end,
        upToDate: isFirst,
        isGap: false,
        closed: isFirst && channel.closed,
      }
    : await foldWhatIsKept(
        log,
        channel,
        { from: snapshot.end ?? 'beginning', until: isFirst ? undefined : end, keyOf },
        fold,
      );
  const foldEnd = range.end;
  const due = [...fold.values()].filter(
    ({ at, isDelete }) => !isDelete && !isBefore(at, start) && isBefore(at, foldEnd),
  );
  const { page, isAll } = pageOf(due);
  const placeAfter = ({ at }: KeyedMessage): Position => ({ entry: at.entry, index: at.index + 1, foldEnd });
  const last = page.at(-1);
  const next = isAll || !last ? foldEnd : placeAfter(last);
  return {
    ...resultOf(page, next, placeAfter),
    from: { ...start, foldEnd: start.foldEnd ?? foldEnd },
    upToDate: isAll && range.upToDate,
    closed: isAll && range.closed && foldEnd.entry === channel.next,
    isGap: isAll && range.isGap,
  };
}

/** Returns the first messages that fit into an answer, at least one. */
function pageOf(messages: readonly KeyedMessage[]): {
  readonly page: readonly KeyedMessage[];
  readonly isAll: boolean;
} {
  const encoder = new TextEncoder();
  let bytes = 0;
  const cut = messages.findIndex(({ text }, nth) => {
    bytes += encoder.encode(text).byteLength;
    return nth > 0 && bytes > PAGE_BYTES;
  });
  return cut === -1 ? { page: messages, isAll: true } : { page: messages.slice(0, cut), isAll: false };
}

/** Returns messages as a read returns them. @param next position after all of them @param after position after one of the others */
function resultOf(
  page: readonly KeyedMessage[],
  next: Position,
  after: (message: KeyedMessage) => Position,
): Pick<ReadResult, 'entries' | 'messages' | 'next'> {
  const entries = page.map((message, nth) => ({
    slot: message.at.entry,
    first: message.at.index,
    messages: [message.text],
    time: message.time,
    end: nth === page.length - 1 ? next : after(message),
  }));
  return { entries, messages: page.map(({ text }) => text), next };
}
