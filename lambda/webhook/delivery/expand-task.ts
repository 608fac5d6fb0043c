/**
 * Expands a task into deliveries: one for each message or delivery that the task names, up to the room of the delivery pass.
 * @module
 */
import { fieldsOf } from '../../../protocol/fields.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import { WEBHOOK_NOTICES } from '../../../protocol/webhooks.ts';
import { type Channel, isAlive } from '../../hub/log/channel.ts';
import type { Entry } from '../../hub/log/entry.ts';
import type { EntryPage } from '../../hub/log/log-ports.ts';
import { isHole, isRetained } from '../../hub/log/retention.ts';
import { listensTo } from '../endpoint.ts';
import type { Delivery, MessageRef } from './delivery.ts';
import type { DeliveryTask, OwnTask, RangeTask, RecoverTask } from './delivery-task.ts';
import {
  type DueDelivery,
  freshDelivery,
  idOf,
  ownDeliveryId,
  type Payload,
  timeKey,
} from './due-delivery.ts';
import type { DeliveryPass } from './pass-state.ts';
import { typeOf, wants } from './webhook-body.ts';

/** The deliveries of a task in this pass. */
export interface ExpandedTask {
  /** The task as it was stored. */
  readonly task: DeliveryTask;
  /** The deliveries in the order of the log. */
  readonly batch: readonly DueDelivery[];
  /**
   * Returns the task that remains after this pass; undefined if the task is done.
   * @param open index in the batch of the first delivery that is not settled; undefined if all are settled
   */
  readonly restFrom: (open: number | undefined) => DeliveryTask | undefined;
}

const EXPIRED: Payload = { kind: 'expired' };

/** The channel that test events name as their source. Nothing is published there. */
const OWN_CHANNEL = 'tidings/test';

/**
 * Looks up the deliveries of a task.
 * @param room deliveries at most, from 1 on
 * @throws Refusal unavailable
 */
export async function expandTask(
  pass: DeliveryPass,
  task: DeliveryTask,
  room: number,
): Promise<ExpandedTask> {
  switch (task.kind) {
    case 'range':
      return await expandRange(pass, task, room);
    case 'recover':
      return await expandRecover(pass, task, room);
    case 'test':
    case 'handshake':
      return undivided(task, [dueOwn(pass, task)]);
    default: {
      const { clock, deliveries } = pass.delivering;
      const seen = await deliveries.get(pass.endpoint.id, task.delivery);
      if (!seen || seen.expiresAt <= clock()) return undivided(task, []);
      const isToSend = (stored: Delivery): boolean => {
        if (task.kind === 'retry') return stored.status === 'waiting' && stored.due === task.due;
        return task.kind === 'redrive' ? stored.status === 'failed' : stored.run !== task.id;
      };
      const run = task.kind === 'retry' ? seen.run : task.id;
      return undivided(task, [dueAgain(pass, seen, run, isToSend, task.kind === 'once')]);
    }
  }
}

/** Returns an expanded task that cannot be done in part: it is done, or it remains as it is. */
function undivided(task: DeliveryTask, batch: readonly DueDelivery[]): ExpandedTask {
  return { task, batch, restFrom: (open) => (open === undefined ? undefined : task) };
}

/** Returns a stored delivery that is sent again. */
function dueAgain(
  pass: DeliveryPass,
  seen: Delivery,
  run: string,
  isToSend: DueDelivery['isToSend'],
  isOnce: boolean,
): DueDelivery {
  const loadPayload = async (): Promise<Payload> => {
    if (seen.kind === 'message') return await loadMessage(pass, seen);
    return seen.kind === 'handshake' ? { kind: 'handshake' } : testPayload(pass, seen);
  };
  return { fresh: seen, seen, loadPayload, isToSend, run, isOnce };
}

async function loadMessage(
  pass: DeliveryPass,
  { channel: name, streamId, position }: MessageRef,
): Promise<Payload> {
  const { log } = pass.delivering;
  const channel = await channelOf(pass, name, streamId);
  if (!channel) return EXPIRED;
  const { entries } = await log.entries.page(streamId, position.entry);
  const [entry] = entries;
  if (entry?.slot !== position.entry || !isRetained(log, entry, pass.delivering.clock())) return EXPIRED;
  return messagePayload(channel, entry, position.index);
}

function messagePayload({ contentType }: Channel, { slot, messages }: Entry, index: number): Payload {
  const message = messages[index];
  if (message === undefined) return EXPIRED;
  const isLast = index === messages.length - 1;
  const next = isLast ? { entry: slot + 1, index: 0 } : { entry: slot, index: index + 1 };
  return { kind: 'message', content: { contentType, message, next } };
}

/** Returns the channel; undefined if it was deleted. Nothing of a deleted channel leaves the hub. */
async function channelOf(
  { delivering, ahead }: DeliveryPass,
  name: string,
  streamId: string,
): Promise<Channel | undefined> {
  const channel = ahead ? ahead.channels.get(name) : await delivering.log.channels.get(name);
  return channel?.streamId === streamId && isAlive(channel, delivering.clock()) ? channel : undefined;
}

/** Slots of a range whose entries are read ahead. The hints of one batch of the queue have no more. */
const MOST_SLOTS_AHEAD = 10;

/** Returns the slots of a range whose entries are read ahead; none for a longer range, which is read page by page. */
export function slotsAhead({ from, to }: RangeTask): readonly number[] {
  const count = to.entry - from.entry;
  if (count > MOST_SLOTS_AHEAD || to.index > 0) return [];
  return Array.from({ length: count }, (_, nth) => from.entry + nth);
}

/** Returns the entries of the range, as far as they fit into one page. */
async function pageOf({ delivering, ahead }: DeliveryPass, range: RangeTask): Promise<EntryPage> {
  const { streamId, from } = range;
  const slots = ahead ? slotsAhead(range) : [];
  if (!ahead || slots.length === 0) return await delivering.log.entries.page(streamId, from.entry);
  const entries = ahead.entries.filter((entry) => entry.streamId === streamId && slots.includes(entry.slot));
  return { entries: entries.toSorted((one, other) => one.slot - other.slot), more: false };
}

async function expandRange(pass: DeliveryPass, task: RangeTask, room: number): Promise<ExpandedTask> {
  const { log, clock } = pass.delivering;
  const { channel: name, streamId, from, to, since } = task;
  // The patterns of the endpoint may have changed since the task was left.
  if (!listensTo(pass.endpoint, name)) return undivided(task, []);
  const channel = await channelOf(pass, name, streamId);
  const page = channel ? await pageOf(pass, task) : { entries: [], more: false };
  const inRange = page.entries.filter((entry) => entry.slot < to.entry);
  const retained = inRange.filter((entry) => isRetained(log, entry, clock()));
  const batch: DueDelivery[] = [];
  // The position of each delivery of the batch, so that the next pass can begin at the first one that is not settled.
  const begins: Position[] = [];
  const add = (begin: Position, due: DueDelivery): void => {
    begins.push(begin);
    batch.push(due);
  };
  let at = from;
  for (const entry of retained) {
    // A hole is a slot that a publish has claimed but not written. No message is lost in it: its publisher takes another slot.
    const isLost = entry.slot > at.entry && !(channel && (await isHole(log, channel, at.entry, clock())));
    if (isLost) add(at, dueExpired(pass, task, at, { entry: entry.slot, index: 0 }));
    at = { entry: entry.slot, index: entry.slot === from.entry ? from.index : 0 };
    while (at.index < entry.messages.length && batch.length < room) {
      if (channel && entry.time >= since && isWanted(pass, channel, entry, at.index))
        add(at, dueMessage(pass, task, channel, entry, at));
      at = { entry: at.entry, index: at.index + 1 };
    }
    if (at.index < entry.messages.length) break;
    at = { entry: entry.slot + 1, index: 0 };
  }
  // The rest of the page has no entry that is retained: it has left the log.
  const last = inRange.at(-1);
  const end = page.more && last ? { entry: Math.min(last.slot + 1, to.entry), index: 0 } : to;
  if (batch.length < room && isBefore(at, end)) {
    add(at, dueExpired(pass, task, at, end));
    at = end;
  }
  return {
    task,
    batch,
    restFrom(open) {
      const next = open === undefined ? at : (begins[open] ?? from);
      return isBefore(next, to) ? { ...task, from: next } : undefined;
    },
  };
}

function isWanted({ endpoint }: DeliveryPass, channel: Channel, { messages }: Entry, index: number): boolean {
  const message = messages[index];
  if (message === undefined) return false;
  // A notice about a failing endpoint would fail there too, and cause the next notice, without end.
  const isNotice = channel.name === WEBHOOK_NOTICES && typeof message === 'string';
  if (isNotice && fieldsOf(JSON.parse(message)).endpoint === endpoint.id) return false;
  const { contentType } = channel;
  return endpoint.types.length === 0 || wants(endpoint, typeOf({ contentType, message }));
}

function dueMessage(
  pass: DeliveryPass,
  { run }: RangeTask,
  channel: Channel,
  entry: Entry,
  position: Position,
): DueDelivery {
  const { clock } = pass.delivering;
  const ref = { channel: channel.name, streamId: channel.streamId, position, time: entry.time };
  return {
    fresh: freshDelivery({ ...ref, id: idOf(ref), kind: 'message' }, clock(), { run }),
    seen: undefined,
    loadPayload: async () => messagePayload(channel, entry, position.index),
    // A new message (no run) is sent once. A replay sends each message again, but only once in its run.
    isToSend: (stored) => run !== '' && stored.run !== run,
    run,
    isOnce: false,
  };
}

/** Returns one expired delivery for a whole range of messages that have left the log. */
function dueExpired(pass: DeliveryPass, task: RangeTask, from: Position, to: Position): DueDelivery {
  const { channel, streamId, due, run } = task;
  const ref = { channel, streamId, position: from, time: due };
  const fresh = freshDelivery({ ...ref, id: idOf(ref), kind: 'message' }, pass.delivering.clock(), {
    run,
    to: formatOffset(to),
  });
  return {
    fresh,
    seen: undefined,
    loadPayload: async () => EXPIRED,
    isToSend: () => false,
    run,
    isOnce: false,
  };
}

async function expandRecover(pass: DeliveryPass, task: RecoverTask, room: number): Promise<ExpandedTask> {
  const { since, until, id: run } = task;
  const { deliveries, last } = await pass.delivering.deliveries.page(pass.endpoint.id, {
    after: task.after || `msg_${timeKey(since)}`,
    direction: 'forward',
    status: undefined,
    most: room,
  });
  const isToSend = ({ status, time, run: lastRun }: Delivery): boolean =>
    (status === 'failed' || status === 'skipped') && time <= until && lastRun !== run;
  // Only the owner sends. A delivery that is stored as `sending` here was interrupted by a crash, and its task may be gone.
  const found = deliveries.filter(
    (one) => one.kind === 'message' && (one.status === 'sending' || isToSend(one)),
  );
  const afterOf = (open: number) => found[open - 1]?.id ?? task.after;
  return {
    task,
    batch: found.map((seen) => dueAgain(pass, seen, run, isToSend, false)),
    restFrom(open) {
      if (open !== undefined) return { ...task, after: afterOf(open) };
      return last === undefined ? undefined : { ...task, after: last };
    },
  };
}

/** Returns the delivery of a test event or a handshake. It belongs to no channel, and is logged like any other delivery. */
function dueOwn(pass: DeliveryPass, task: OwnTask): DueDelivery {
  const { kind, id: run, due } = task;
  const own = { channel: OWN_CHANNEL, streamId: '', position: { entry: 0, index: 0 }, time: due };
  const fresh = freshDelivery({ ...own, id: ownDeliveryId(task), kind }, pass.delivering.clock());
  return {
    fresh,
    seen: undefined,
    loadPayload: async () => (kind === 'handshake' ? { kind: 'handshake' } : testPayload(pass, fresh)),
    isToSend: () => false,
    run,
    isOnce: true,
  };
}

function testPayload({ endpoint }: DeliveryPass, { position }: Delivery): Payload {
  const message = JSON.stringify({ type: 'tidings.test', endpoint: endpoint.id });
  return { kind: 'message', content: { contentType: 'application/json', message, next: position } };
}
