/**
 * What people ask of an endpoint beside its messages: a test, another attempt, a replay, a look at the log of deliveries
 * (PROTOCOL.md §13.5).
 *
 * Each is an errand for the owner of the endpoint. It is left first and said second: an owner who is told looks once
 * more, so nothing that was left before can be overlooked.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { BEGINNING, formatOffset, isBefore, isSame, type Position } from '../../protocol/offset.ts';
import type { Channel } from '../hub/log/channel.ts';
import { find } from '../hub/log/lifecycle.ts';
import { nothingHasLeft, oldestRetained } from '../hub/log/retention.ts';
import { startSince } from '../hub/push/pattern-start.ts';
import type { Delivery, DeliveryStatus } from './delivery/delivery.ts';
import type { DeliveryTask, OwnTask } from './delivery/delivery-task.ts';
import { ownDeliveryId } from './delivery/due-delivery.ts';
import { type Endpoint, type EndpointStatus, listensTo } from './endpoint.ts';
import type { Managing } from './webhook-ports.ts';

/** Where a replay begins: at whatever is still kept, at an offset, or at a moment in milliseconds since 1970. */
export type ReplayFrom = 'beginning' | Position | { readonly since: number };

export interface DeliveryQuery {
  /** The id of the last one that the caller has; empty for the beginning. */
  readonly after: string;
  readonly status: DeliveryStatus | undefined;
  readonly limit: number;
}

/**
 * Pages of the store that one look at the log may cost: who filters for what is rare is answered what was found so far,
 * and where to go on.
 */
const MAX_PAGES_PER_LOOK = 10;

/** Leaves a test event to be sent, and answers the id of its delivery. @throws Refusal webhook_conflict */
export async function sendTest(managing: Managing, endpoint: Endpoint): Promise<string> {
  refuseUnless(endpoint, 'a test', ['enabled', 'disabled']);
  return await ask(managing, endpoint, 'test');
}

/** Has the endpoint asked whether it wants events. @throws Refusal webhook_conflict if it has agreed, or is stopped */
export async function askHandshake(managing: Managing, endpoint: Endpoint): Promise<string> {
  refuseUnless(endpoint, 'a handshake', ['pending']);
  return await ask(managing, endpoint, 'handshake');
}

async function ask(managing: Managing, endpoint: Endpoint, kind: OwnTask['kind']): Promise<string> {
  const errand: OwnTask = { kind, id: managing.newId(), due: managing.clock() };
  await leave(managing, endpoint, errand);
  return ownDeliveryId(errand);
}

/** One attempt more, now. @throws Refusal delivery_not_found, webhook_conflict */
export async function retryDelivery(managing: Managing, endpoint: Endpoint, id: string): Promise<void> {
  const { id: delivery } = await readDelivery(managing, endpoint, id);
  refuseUnless(endpoint, 'an attempt', ['enabled', 'disabled']);
  await leave(managing, endpoint, { kind: 'once', id: managing.newId(), due: managing.clock(), delivery });
}

/**
 * Everything of a channel from a place on, up to its end at this moment.
 * @throws Refusal bad_request, webhook_conflict, channel_not_found, offset_gone
 */
export async function replay(
  managing: Managing,
  endpoint: Endpoint,
  name: string,
  from: ReplayFrom,
): Promise<void> {
  const { log, clock, newId } = managing;
  // A right to the endpoint is no right to other channels: whatever it could have replayed to it, it could read.
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
  await leave(managing, endpoint, { kind: 'range', id: newId(), due: now, ...range, run: newId() });
}

/** Everything that failed or was skipped, of what was published since a moment. @throws Refusal webhook_conflict */
export async function recover(managing: Managing, endpoint: Endpoint, since: number): Promise<void> {
  refuseUnless(endpoint, 'a recovery', ['enabled']);
  const now = managing.clock();
  const errand = { kind: 'recover', id: managing.newId(), due: now, since, until: now, after: '' } as const;
  await leave(managing, endpoint, errand);
}

/** @throws Refusal delivery_not_found */
export async function readDelivery(
  { deliveries, clock }: Managing,
  endpoint: Endpoint,
  id: string,
): Promise<Delivery> {
  const delivery = await deliveries.get(endpoint.id, id);
  // The store removes what has expired days later.
  if (delivery && delivery.expiresAt > clock()) return delivery;
  throw deliveryNotFound();
}

export const deliveryNotFound = (): Refusal =>
  new Refusal('delivery_not_found', 'the endpoint has no such delivery, or not any more');

/** Deliveries, the latest published first, and where to go on if there may be more. */
export async function listDeliveries(
  { deliveries, clock }: Managing,
  endpoint: Endpoint,
  { after, status, limit }: DeliveryQuery,
): Promise<{ readonly deliveries: readonly Delivery[]; readonly next: string | undefined }> {
  const found: Delivery[] = [];
  let last: string | undefined = after;
  for (let pages = 0; pages < MAX_PAGES_PER_LOOK && last !== undefined && found.length < limit; pages++) {
    const most = limit - found.length;
    const page = await deliveries.page(endpoint.id, { after: last, direction: 'back', status, most });
    found.push(...page.deliveries.filter(({ expiresAt }) => expiresAt > clock()));
    last = page.last;
  }
  return { deliveries: found, next: last };
}

/** Has an endpoint served: by its owner, who looks once more, or by a new one. */
export async function wakeOwner({ leases, wake, clock }: Managing, { id }: Endpoint): Promise<void> {
  if (!(await leases.ask(id, clock()))) await wake(id);
}

async function leave(managing: Managing, endpoint: Endpoint, errand: DeliveryTask): Promise<void> {
  await managing.deliveries.leave(endpoint.id, errand);
  await wakeOwner(managing, endpoint);
}

function refuseUnless({ status }: Endpoint, what: string, fit: readonly EndpointStatus[]): void {
  if (fit.includes(status)) return;
  throw new Refusal(
    'webhook_conflict',
    `${what} is for an endpoint that is ${fit.join(' or ')}, this is ${status}`,
  );
}

/**
 * Behind the last message that is there. What was claimed and not written yet is left out: it goes to the endpoint as what
 * is new, and the owner would take an empty place in a replay for a message that has left the log.
 */
async function endOf({ log }: Managing, { streamId, next, floor }: Channel): Promise<Position> {
  const last = await log.entries.nearest(streamId, next, 'below');
  return { entry: last ? last.slot + 1 : floor, index: 0 };
}

/** @throws Refusal offset_gone for a place that is no longer kept, or of another life of the channel */
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
  // The zero offset is the beginning of every life, as for reads.
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
