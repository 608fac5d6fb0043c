/**
 * From an errand to the tasks that it is made of, as many as there is room for in a turn.
 * @module
 */
import { fieldsOf } from '../../../protocol/fields.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import { WEBHOOK_NOTICES } from '../../../protocol/webhooks.ts';
import { type Channel, isAlive } from '../../hub/log/channel.ts';
import type { Entry } from '../../hub/log/entry.ts';
import { isHole, isRetained } from '../../hub/log/retention.ts';
import { listensTo } from '../endpoint.ts';
import type { Delivery, MessageRef } from './delivery.ts';
import type { DeliveryTask, OwnTask, RangeTask, RecoverTask } from './delivery-task.ts';
import { type DueDelivery, freshDelivery, idOf, type Load, ownDeliveryId, timeKey } from './due-delivery.ts';
import type { DeliveryPass } from './pass-state.ts';
import { typeOf, wants } from './webhook-body.ts';

/** What is to be done of an errand in this turn. */
export interface Work {
  readonly errand: DeliveryTask;
  readonly tasks: readonly DueDelivery[];
  /** What is left of the errand when the tasks before that one are settled; with undefined, when all are. */
  readonly rest: (open: number | undefined) => DeliveryTask | undefined;
}

const EXPIRED: Load = { kind: 'expired' };

/** What test events say that they come from; nothing is published there. */
const OWN_CHANNEL = 'tidings/test';

/** @param room tasks at the most */
export async function expand(turn: DeliveryPass, errand: DeliveryTask, room: number): Promise<Work> {
  switch (errand.kind) {
    case 'range':
      return await expandRange(turn, errand, room);
    case 'recover':
      return await expandRecover(turn, errand, room);
    case 'test':
    case 'handshake':
      return whole(errand, [ownTask(turn, errand)]);
    default: {
      const { clock, deliveries } = turn.delivering;
      const seen = await deliveries.get(turn.endpoint.id, errand.delivery);
      if (!seen || seen.expiresAt <= clock()) return whole(errand, []);
      const isMeant = (there: Delivery): boolean => {
        if (errand.kind === 'retry') return there.status === 'waiting' && there.due === errand.due;
        return errand.kind === 'redrive' ? there.status === 'failed' : there.run !== errand.id;
      };
      const run = errand.kind === 'retry' ? seen.run : errand.id;
      return whole(errand, [taskOf(turn, seen, run, isMeant, errand.kind === 'once')]);
    }
  }
}

/** An errand that is done when its task is. */
function whole(errand: DeliveryTask, tasks: readonly DueDelivery[]): Work {
  return { errand, tasks, rest: (open) => (open === undefined ? undefined : errand) };
}

/** A delivery that was looked up, to be sent again. */
function taskOf(
  turn: DeliveryPass,
  seen: Delivery,
  run: string,
  isMeant: DueDelivery['isMeant'],
  isOnce: boolean,
): DueDelivery {
  const load = async (): Promise<Load> => {
    if (seen.kind === 'message') return await loadMessage(turn, seen);
    return seen.kind === 'handshake' ? { kind: 'handshake' } : testLoad(turn, seen);
  };
  return { fresh: seen, seen, load, isMeant, run, isOnce };
}

async function loadMessage(
  turn: DeliveryPass,
  { channel: name, streamId, position }: MessageRef,
): Promise<Load> {
  const { log } = turn.delivering;
  const channel = await channelOf(turn, name, streamId);
  if (!channel) return EXPIRED;
  const { entries } = await log.entries.page(streamId, position.entry);
  const [entry] = entries;
  if (entry?.slot !== position.entry || !isRetained(log, entry, turn.delivering.clock())) return EXPIRED;
  return loadOf(channel, entry, position.index);
}

function loadOf({ contentType }: Channel, { slot, messages }: Entry, index: number): Load {
  const message = messages[index];
  if (message === undefined) return EXPIRED;
  const isLast = index === messages.length - 1;
  const next = isLast ? { entry: slot + 1, index: 0 } : { entry: slot, index: index + 1 };
  return { kind: 'message', content: { contentType, message, next } };
}

/** The channel, unless it was deleted: nothing of it leaves the hub any more. */
async function channelOf(
  { delivering }: DeliveryPass,
  name: string,
  streamId: string,
): Promise<Channel | undefined> {
  const channel = await delivering.log.channels.get(name);
  return channel?.streamId === streamId && isAlive(channel, delivering.clock()) ? channel : undefined;
}

async function expandRange(turn: DeliveryPass, errand: RangeTask, room: number): Promise<Work> {
  const { log, clock } = turn.delivering;
  const { channel: name, streamId, from, to, since } = errand;
  // It may have been changed since to listen to something else.
  if (!listensTo(turn.endpoint, name)) return whole(errand, []);
  const channel = await channelOf(turn, name, streamId);
  const page = channel ? await log.entries.page(streamId, from.entry) : { entries: [], more: false };
  const there = page.entries.filter((entry) => entry.slot < to.entry);
  const kept = there.filter((entry) => isRetained(log, entry, clock()));
  const tasks: DueDelivery[] = [];
  // Where each task begins, to go on from the first that is not settled.
  const begins: Position[] = [];
  const add = (begin: Position, task: DueDelivery): void => {
    begins.push(begin);
    tasks.push(task);
  };
  let at = from;
  for (const entry of kept) {
    // A slot that a publish has claimed and not written yet: its message comes as one that is new, or never.
    const isLost = entry.slot > at.entry && !(channel && (await isHole(log, channel, at.entry, clock())));
    if (isLost) add(at, expiredTask(turn, errand, at, { entry: entry.slot, index: 0 }));
    at = { entry: entry.slot, index: entry.slot === from.entry ? from.index : 0 };
    while (at.index < entry.messages.length && tasks.length < room) {
      if (channel && entry.time >= since && isWanted(turn, channel, entry, at.index))
        add(at, messageTask(turn, errand, channel, entry, at));
      at = { entry: at.entry, index: at.index + 1 };
    }
    if (at.index < entry.messages.length) break;
    at = { entry: entry.slot + 1, index: 0 };
  }
  // What is empty up to the end of what was read has left the log.
  const last = there.at(-1);
  const end = page.more && last ? { entry: Math.min(last.slot + 1, to.entry), index: 0 } : to;
  if (tasks.length < room && isBefore(at, end)) {
    add(at, expiredTask(turn, errand, at, end));
    at = end;
  }
  return {
    errand,
    tasks,
    rest(open) {
      const next = open === undefined ? at : (begins[open] ?? from);
      return isBefore(next, to) ? { ...errand, from: next } : undefined;
    },
  };
}

function isWanted({ endpoint }: DeliveryPass, channel: Channel, { messages }: Entry, index: number): boolean {
  const message = messages[index];
  if (message === undefined) return false;
  // Notices about an endpoint that fails would fail, and be told of, without end.
  const isNotice = channel.name === WEBHOOK_NOTICES && typeof message === 'string';
  if (isNotice && fieldsOf(JSON.parse(message)).endpoint === endpoint.id) return false;
  const { contentType } = channel;
  return endpoint.types.length === 0 || wants(endpoint, typeOf({ contentType, message }));
}

function messageTask(
  turn: DeliveryPass,
  { run }: RangeTask,
  channel: Channel,
  entry: Entry,
  position: Position,
): DueDelivery {
  const { clock } = turn.delivering;
  const ref = { channel: channel.name, streamId: channel.streamId, position, time: entry.time };
  return {
    fresh: freshDelivery({ ...ref, id: idOf(ref), kind: 'message' }, clock(), { run }),
    seen: undefined,
    load: async () => loadOf(channel, entry, position.index),
    // What is new is sent once; a replay sends again whatever it has not sent yet.
    isMeant: (there) => run !== '' && there.run !== run,
    run,
    isOnce: false,
  };
}

/** A stretch of the channel that is no more, told as one. */
function expiredTask(turn: DeliveryPass, errand: RangeTask, from: Position, to: Position): DueDelivery {
  const { channel, streamId, due, run } = errand;
  const ref = { channel, streamId, position: from, time: due };
  const fresh = freshDelivery({ ...ref, id: idOf(ref), kind: 'message' }, turn.delivering.clock(), {
    run,
    to: formatOffset(to),
  });
  return { fresh, seen: undefined, load: async () => EXPIRED, isMeant: () => false, run, isOnce: false };
}

async function expandRecover(turn: DeliveryPass, errand: RecoverTask, room: number): Promise<Work> {
  const { since, until, id: run } = errand;
  const { deliveries, last } = await turn.delivering.deliveries.page(turn.endpoint.id, {
    after: errand.after || `msg_${timeKey(since)}`,
    direction: 'forward',
    status: undefined,
    most: room,
  });
  const isMeant = ({ status, time, run: was }: Delivery): boolean =>
    (status === 'failed' || status === 'skipped') && time <= until && was !== run;
  // Nobody is sending but the owner: one that seems to be under way was cut off, and its errand may be gone.
  const meant = deliveries.filter(
    (one) => one.kind === 'message' && (one.status === 'sending' || isMeant(one)),
  );
  const afterOf = (open: number) => meant[open - 1]?.id ?? errand.after;
  return {
    errand,
    tasks: meant.map((seen) => taskOf(turn, seen, run, isMeant, false)),
    rest(open) {
      if (open !== undefined) return { ...errand, after: afterOf(open) };
      return last === undefined ? undefined : { ...errand, after: last };
    },
  };
}

/** A test event, or the handshake: of no channel, and kept in the log of deliveries like any other. */
function ownTask(turn: DeliveryPass, errand: OwnTask): DueDelivery {
  const { kind, id: run, due } = errand;
  const own = { channel: OWN_CHANNEL, streamId: '', position: { entry: 0, index: 0 }, time: due };
  const fresh = freshDelivery({ ...own, id: ownDeliveryId(errand), kind }, turn.delivering.clock());
  return {
    fresh,
    seen: undefined,
    load: async () => (kind === 'handshake' ? { kind: 'handshake' } : testLoad(turn, fresh)),
    isMeant: () => false,
    run,
    isOnce: true,
  };
}

function testLoad({ endpoint }: DeliveryPass, { position }: Delivery): Load {
  const message = JSON.stringify({ type: 'tidings.test', endpoint: endpoint.id });
  return { kind: 'message', content: { contentType: 'application/json', message, next: position } };
}
