/**
 * What a caller requests for an endpoint: a test, another attempt, a replay, a recovery, a page of the log of deliveries
 * (PROTOCOL.md §13.5).
 *
 * Each request becomes a task for the owner of the endpoint. The task is stored first and the owner is told second. An
 * owner that is told looks once more, so it cannot miss a task that was stored before.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { BEGINNING, formatOffset, isBefore, isSame, type Position } from '../../protocol/offset.ts';
import type { Channel } from '../hub/log/channel.ts';
import { find } from '../hub/log/lifecycle.ts';
import { nothingHasLeft, oldestRetained } from '../hub/log/retention.ts';
import { startSince } from '../hub/log/start-since.ts';
import type { Delivery, DeliveryStatus } from './delivery/delivery.ts';
import type { DeliveryTask, OwnTask } from './delivery/delivery-task.ts';
import { ownDeliveryId } from './delivery/due-delivery.ts';
import { type Endpoint, type EndpointStatus, listensTo } from './endpoint.ts';
import type { Managing } from './webhook-ports.ts';

/** The beginning of a replay: at the oldest message in the log, at an offset, or at a moment in milliseconds since 1970. */
export type ReplayFrom = 'beginning' | Position | { readonly since: number };

/** Which deliveries the caller wants to see. */
export interface DeliveryQuery {
  /** The id of the last delivery that the caller has; empty for the first page. */
  readonly after: string;
  /** Only deliveries in this status; undefined for all. */
  readonly status: DeliveryStatus | undefined;
  /** Deliveries at most, from 1 on. */
  readonly limit: number;
}

/**
 * Pages of the store that one request may read. A filter for a rare status would otherwise read the whole log. The answer
 * then holds what was found so far, and where to continue.
 */
const MAX_PAGES_PER_REQUEST = 10;

/** Leaves a task that sends a test event. Returns the id of its delivery. @throws Refusal webhook_conflict if pending */
export async function sendTest(managing: Managing, endpoint: Endpoint): Promise<string> {
  refuseUnless(endpoint, 'a test', ['enabled', 'disabled']);
  return await leaveOwnTask(managing, endpoint, 'test');
}

/**
 * Leaves a task that asks the endpoint whether it wants events. Returns the id of its delivery.
 * @throws Refusal webhook_conflict if the endpoint is not pending
 */
export async function askHandshake(managing: Managing, endpoint: Endpoint): Promise<string> {
  refuseUnless(endpoint, 'a handshake', ['pending']);
  return await leaveOwnTask(managing, endpoint, 'handshake');
}

async function leaveOwnTask(managing: Managing, endpoint: Endpoint, kind: OwnTask['kind']): Promise<string> {
  const task: OwnTask = { kind, id: managing.newId(), due: managing.clock() };
  await leaveTask(managing, endpoint, task);
  return ownDeliveryId(task);
}

/** Leaves a task for one more attempt, now. @throws Refusal delivery_not_found, webhook_conflict */
export async function retryDelivery(managing: Managing, endpoint: Endpoint, id: string): Promise<void> {
  const { id: delivery } = await readDelivery(managing, endpoint, id);
  refuseUnless(endpoint, 'an attempt', ['enabled', 'disabled']);
  await leaveTask(managing, endpoint, {
    kind: 'once',
    id: managing.newId(),
    due: managing.clock(),
    delivery,
  });
}

/**
 * Leaves a task that sends the messages of a channel again, from a position up to its end at this moment.
 * @throws Refusal bad_request, webhook_conflict, channel_not_found, offset_gone
 */
export async function replay(
  managing: Managing,
  endpoint: Endpoint,
  name: string,
  from: ReplayFrom,
): Promise<void> {
  const { log, clock, newId } = managing;
  // A right to the endpoint is no right to other channels. Without this check a replay would read any channel.
  if (!listensTo(endpoint, name)) {
    const patterns = endpoint.channels.join(', ');
    throw new Refusal(
      'bad_request',
      `channel must be one that the endpoint gets, of ${patterns}, got "${name}"`,
    );
  }
  refuseUnless(endpoint, 'a replay', ['enabled']);
  const channel = await find(log, name);
  const now = clock();
  const start = await startOf(managing, channel, from, now);
  const end = await endOf(managing, channel);
  if (!isBefore(start, end)) return;
  const since = typeof from === 'object' && 'since' in from ? from.since : 0;
  const { streamId } = channel;
  const range = { channel: name, streamId, from: start, to: end, since };
  await leaveTask(managing, endpoint, { kind: 'range', id: newId(), due: now, ...range, run: newId() });
}

/**
 * Leaves a task that sends again what failed or was skipped, of all messages that were published at or after `since`
 * (milliseconds since 1970).
 * @throws Refusal webhook_conflict if the endpoint is not enabled
 */
export async function recover(managing: Managing, endpoint: Endpoint, since: number): Promise<void> {
  refuseUnless(endpoint, 'a recovery', ['enabled']);
  const now = managing.clock();
  const task = { kind: 'recover', id: managing.newId(), due: now, since, until: now, after: '' } as const;
  await leaveTask(managing, endpoint, task);
}

/** Returns a delivery of the endpoint. @throws Refusal delivery_not_found */
export async function readDelivery(
  { deliveries, clock }: Managing,
  endpoint: Endpoint,
  id: string,
): Promise<Delivery> {
  const delivery = await deliveries.get(endpoint.id, id);
  // DynamoDB removes an expired row up to days later.
  if (delivery && delivery.expiresAt > clock()) return delivery;
  throw deliveryNotFound();
}

/** Returns the refusal for a delivery that the endpoint does not have. */
export const deliveryNotFound = (): Refusal =>
  new Refusal('delivery_not_found', 'the endpoint has no such delivery, or not any more');

/**
 * Returns at most `limit` deliveries, the latest published first, and the `after` of the next page if there may be more.
 */
export async function listDeliveries(
  { deliveries, clock }: Managing,
  endpoint: Endpoint,
  { after, status, limit }: DeliveryQuery,
): Promise<{ readonly deliveries: readonly Delivery[]; readonly next: string | undefined }> {
  const found: Delivery[] = [];
  let last: string | undefined = after;
  for (let pages = 0; pages < MAX_PAGES_PER_REQUEST && last !== undefined && found.length < limit; pages++) {
    const most = limit - found.length;
    const page = await deliveries.page(endpoint.id, { after: last, direction: 'back', status, most });
    found.push(...page.deliveries.filter(({ expiresAt }) => expiresAt > clock()));
    last = page.last;
  }
  return { deliveries: found, next: last };
}

/** Makes sure that the endpoint is served: its owner looks once more, or a wake starts a new owner. */
export async function wakeOwner({ leases, wake, clock }: Managing, { id }: Endpoint): Promise<void> {
  if (!(await leases.ask(id, clock()))) await wake(id);
}

async function leaveTask(managing: Managing, endpoint: Endpoint, task: DeliveryTask): Promise<void> {
  await managing.deliveries.putTask(endpoint.id, task);
  await wakeOwner(managing, endpoint);
}

function refuseUnless({ status }: Endpoint, what: string, allowed: readonly EndpointStatus[]): void {
  if (allowed.includes(status)) return;
  throw new Refusal(
    'webhook_conflict',
    `${what} is for an endpoint that is ${allowed.join(' or ')}, this is ${status}`,
  );
}

/**
 * Returns the position behind the last message in the log. A slot that is claimed but not written yet is left out: its
 * message goes to the endpoint as a new one, and in a replay the empty slot would count as a message that left the log.
 */
async function endOf({ log }: Managing, { streamId, next, floor }: Channel): Promise<Position> {
  const last = await log.entries.nearest(streamId, next, 'below');
  return { entry: last ? last.slot + 1 : floor, index: 0 };
}

/**
 * Returns where a replay begins.
 * @throws Refusal offset_gone for an offset that left the log, or of another life of the channel
 */
async function startOf(
  { log }: Managing,
  channel: Channel,
  from: ReplayFrom,
  now: number,
): Promise<Position> {
  const isWhole = nothingHasLeft(log, channel, now);
  const oldest = { entry: isWhole ? channel.floor : await oldestRetained(log, channel, now), index: 0 };
  if (from === 'beginning') return oldest;
  if ('since' in from) {
    const start = await startSince(log, channel, from.since);
    return isBefore(start, oldest) ? oldest : start;
  }
  // The zero offset is the beginning of every life of a channel, as for reads.
  const start = isSame(from, BEGINNING) ? { entry: channel.origin, index: 0 } : from;
  if (isBefore(start, oldest) || isBefore({ entry: channel.next, index: 0 }, start)) {
    const offset = formatOffset(from);
    throw new Refusal(
      'offset_gone',
      `offset ${offset} is not in the log (any more); begin at -1 or at a time`,
    );
  }
  return start;
}
