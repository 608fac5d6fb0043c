/**
 * Dispatch: a channel has grown, and each endpoint that listens to it is left an errand for what is new
 * (PROTOCOL.md §13). The messages stay in the log: an errand is a range of it.
 *
 * A cursor per channel says how far that has come, so that a hint may be lost, doubled or late, and a burst of hints is
 * one errand. Everything here may be done twice: deliveries know themselves by their ids.
 * @module
 */
import { patternsOf } from '../../../protocol/channel-name.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { GAP_GRACE_MS } from '../../../protocol/limits.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import { type Channel, isAlive } from '../../hub/log/channel.ts';
import { type From, type ReadResult, read } from '../../hub/log/read-log.ts';
import { CLOCK_SKEW_MS, startSince } from '../../hub/push/pattern-start.ts';
import { settleAll } from '../../hub/settle-all.ts';
import type { DispatchCursor, Dispatching } from '../webhook-ports.ts';

/** After the grace, and a moment for the entry beyond the gap to be old enough, in milliseconds. */
const LOOK_AGAIN_MS = GAP_GRACE_MS + 1_000;

/**
 * Hands what is new in a channel to its endpoints.
 * @param until when the process should have ended, by the clock: what is left then is left to another
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
      // Looked up after the log was read: whoever listened before a message was published is among them.
      const listeners = await endpoints.listeners(patterns);
      await settleAll([...listeners].map(([id, since]) => leave(dispatching, channel, result, id, since)));
      await cursors.move(name, { streamId: channel.streamId, at: result.next }, log.clock());
    }
    from = result.next;
    // Nobody hints when a gap can be sealed.
    if (result.isGap) return await lookAgain(name, LOOK_AGAIN_MS);
    if (result.upToDate) return;
    if (log.clock() >= until) return await lookAgain(name, 0);
  }
}

/** At the cursor; where nobody listened for a while, at what was published since the first of them began to. */
async function startOf(
  { log }: Dispatching,
  channel: Channel,
  cursor: DispatchCursor | undefined,
  since: number,
): Promise<Position> {
  const at = cursor?.streamId === channel.streamId ? cursor.at : undefined;
  if (!at) return await startSince(log, channel, since);
  // The usual case costs no look: one publish lies between the cursor and the end.
  if (channel.next - at.entry <= 1) return at;
  const first = await log.entries.nearest(channel.streamId, at.entry, 'from');
  if (!first || first.time >= since - CLOCK_SKEW_MS) return at;
  const start = await startSince(log, channel, since);
  return isBefore(start, at) ? at : start;
}

/** What the cursor stood at may have left the log, after a silence as long as the retention. */
async function readFrom({ log }: Dispatching, channel: Channel, from: From): Promise<ReadResult> {
  try {
    return await read(log, channel, from);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'offset_gone')
      return await read(log, channel, 'beginning');
    throw error;
  }
}

async function leave(
  { deliveries, leases, log, wake }: Dispatching,
  { name, streamId }: Channel,
  { from, next }: ReadResult,
  endpoint: string,
  since: number,
): Promise<void> {
  const now = log.clock();
  await deliveries.leave(endpoint, {
    kind: 'range',
    // With its end: another that begins here at the same moment, and ends sooner, must not take its place.
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
