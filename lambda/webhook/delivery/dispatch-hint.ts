/**
 * Dispatch: when a channel has grown, leaves a task with each endpoint that listens to it (PROTOCOL.md §13). The messages
 * stay in the log: a task is a range of it.
 *
 * A cursor for each channel says how far the messages were handed over. So a hint may be lost, doubled or late, and a burst
 * of hints becomes one task. Everything here may be done twice: a delivery has the same id each time.
 * @module
 */
import { patternsOf } from '../../../protocol/channel-name.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { GAP_GRACE_MS } from '../../../protocol/limits.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import { type Channel, isAlive } from '../../hub/log/channel.ts';
import { type From, type ReadResult, read } from '../../hub/log/read-log.ts';
import { CLOCK_SKEW_MS, startSince } from '../../hub/log/start-since.ts';
import { settleAll } from '../../hub/settle-all.ts';
import type { Dispatching } from '../webhook-ports.ts';
import type { DispatchCursor } from '../webhook-stores.ts';

/** The grace of a gap, and a second more, so that the entry beyond the gap is old enough, in milliseconds. */
const LOOK_AGAIN_MS = GAP_GRACE_MS + 1_000;

/**
 * Hands the new messages of a channel to its endpoints.
 * @param name the channel
 * @param until when the process must end, in milliseconds since 1970. Another process continues with the rest
 * @throws Refusal unavailable
 */
export async function dispatch(dispatching: Dispatching, name: string, until: number): Promise<void> {
  const { log, endpoints, cursors, lookAgain } = dispatching;
  const patterns = patternsOf(name);
  const known = await endpoints.listeners(patterns);
  if (known.size === 0) return;
  const channel = await log.channels.get(name);
  if (!channel || !isAlive(channel, log.clock())) return;
  const cursor = await cursors.get(name);
  let from: From = await startOf(dispatching, channel, cursor, Math.min(...known.values()));
  for (;;) {
    const result = await readFrom(dispatching, channel, from);
    if (isBefore(result.from, result.next)) {
      // Looked up after the log was read, so that an endpoint which listened before a message was published is among them.
      const listeners = await endpoints.listeners(patterns);
      await settleAll(
        [...listeners].map(([id, since]) => leaveRange(dispatching, channel, result, id, since)),
      );
      await cursors.move(name, { streamId: channel.streamId, at: result.next }, log.clock());
    }
    from = result.next;
    // No hint says when a gap can be sealed.
    if (result.isGap) return await lookAgain(name, LOOK_AGAIN_MS);
    if (result.upToDate) return;
    if (log.clock() >= until) return await lookAgain(name, 0);
  }
}

/**
 * Returns where dispatch begins: at the cursor, or at the first message after the earliest `since`. The second case is a
 * channel that no endpoint listened to for a while.
 */
async function startOf(
  { log }: Dispatching,
  channel: Channel,
  cursor: DispatchCursor | undefined,
  since: number,
): Promise<Position> {
  const at = cursor?.streamId === channel.streamId ? cursor.at : undefined;
  if (!at) return await startSince(log, channel, since);
  // The usual case costs no read: one publish lies between the cursor and the end.
  if (channel.next - at.entry <= 1) return at;
  const first = await log.entries.nearest(channel.streamId, at.entry, 'from');
  if (!first || first.time >= since - CLOCK_SKEW_MS) return at;
  const start = await startSince(log, channel, since);
  return isBefore(start, at) ? at : start;
}

/** Reads the log. After a silence as long as the retention, the cursor's position may have left the log. */
async function readFrom({ log }: Dispatching, channel: Channel, from: From): Promise<ReadResult> {
  try {
    return await read(log, channel, from);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'offset_gone')
      return await read(log, channel, 'beginning');
    throw error;
  }
}

async function leaveRange(
  { deliveries, leases, log, wake }: Dispatching,
  { name, streamId }: Channel,
  { from, next }: ReadResult,
  endpoint: string,
  since: number,
): Promise<void> {
  const now = log.clock();
  await deliveries.putTask(endpoint, {
    kind: 'range',
    // The id includes the end: a range that begins at the same moment and position but ends sooner must not replace it.
    id: `${streamId}#${formatOffset(from)}#${formatOffset(next)}`,
    due: now,
    channel: name,
    streamId,
    from,
    to: next,
    since: since - CLOCK_SKEW_MS,
    run: '',
  });
  if (!(await leases.ask(endpoint, now))) await wake(endpoint);
}
