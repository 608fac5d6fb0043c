/**
 * Serve an endpoint: one owner at a time does what is due, by lease (PROTOCOL.md §13.4).
 *
 * So the share of one endpoint is small whatever it does: ten requests under way, a handful of messages in the queue. A black hole
 * holds up nobody, since its backlog stays in the log, as a range. Whoever leaves an errand asks the owner to look once
 * more, or wakes one where there is none.
 * @module
 */
import { patternsOf } from '../../../protocol/channel-name.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { DELIVERY_TIMEOUT_MS } from '../../../protocol/limits.ts';
import type { Lease } from '../../hub/push/push-ports.ts';
import { settleAll } from '../../hub/settle-all.ts';
import type { Endpoint } from '../endpoint.ts';
import { healthSince } from '../health.ts';
import type { Delivering, EndpointState } from '../webhook-ports.ts';
import { LONGEST_PAUSE_MS, runDeliveryPass } from './delivery-pass.ts';
import { type DeliveryTask, isAwaited } from './delivery-task.ts';
import { beginPass } from './pass-state.ts';

/** What woke the owner: a message of the queue, which may be put off and come again. */
export interface WakeMessage {
  readonly id: string;
  /** True for one that was put off so often that it should be replaced: a queue keeps none for ever. */
  readonly isOld: boolean;
}

/** What becomes of the wake: it is `done`, it comes again `later`, or a new one is sent in its place. */
export type Next =
  | { readonly kind: 'done' }
  | { readonly kind: 'later'; readonly at: number }
  | { readonly kind: 'renew'; readonly at: number };

/** In the first part of a turn attempts are begun, and then there is time for the last to end, in milliseconds. */
const BEGIN_MS = 5_000;
const MARGIN_MS = 5_000;

/** How long a lease is, and a turn at the most, in milliseconds. No attempt outlives the lease that it was begun in. */
export const LEASE_MS = BEGIN_MS + DELIVERY_TIMEOUT_MS + MARGIN_MS;

/** Errands that are looked up at a time. */
const ERRANDS_PER_TURN = 50;

/** A store that is busy is given so long, in milliseconds. */
const BUSY_MS = 5_000;

/** Whoever comes to an owned endpoint asks its owner; each further attempt needs one that let go at that very moment. */
const MAX_ATTEMPTS = 5;

/** Between two looks at an endpoint that there was nothing to do for, in milliseconds. */
const ASKED_AGAIN_MS = 250;

const DONE: Next = { kind: 'done' };
const never = new AbortController().signal;

/** An owner, and what it was left by the one before. */
interface Ownership {
  readonly endpoint: string;
  readonly wake: WakeMessage;
  standing: EndpointState;
  asks: number;
  lease: Lease;
  /** When the lease ends if the last renewal was carried out, whether or not that was answered, in milliseconds. */
  renewedUntil: number;
}

/** What there is to do at a moment. */
interface Agenda {
  readonly ready: readonly DeliveryTask[];
  /** True if more is due than was looked up. */
  readonly isMore: boolean;
  /** When there will be something to do again; undefined for nothing that is known of. */
  readonly next: number | undefined;
}

/**
 * Does what is due. Ends when that is done, when another owner is at it, or when there is no more time.
 * @param until when no further turn should begin, by the clock
 */
export async function serveEndpoint(
  delivering: Delivering,
  endpoint: string,
  wake: WakeMessage,
  until: number,
): Promise<Next> {
  const own = await take(delivering, endpoint, wake);
  if ('kind' in own) return own;
  try {
    return await serve(delivering, own, until);
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'unavailable')) throw error;
    return await retreat(delivering, own);
  }
}

async function take(
  { leases, clock, newId }: Delivering,
  endpoint: string,
  wake: WakeMessage,
): Promise<Ownership | Next> {
  const owner = ownerOf(wake, newId());
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const now = clock();
    const lease = { owner, until: now + LEASE_MS };
    const taken = await leases.take(endpoint, lease, now);
    if (taken) {
      const { asks, ...standing } = taken;
      return { endpoint, wake, standing, asks, lease, renewedUntil: lease.until };
    }
    const held = await leases.ask(endpoint, now);
    // This very message is being served by way of another copy, or is the one that is relied on, and came early: deleted, it
    // would be missed.
    if (held && (held.owner.startsWith(ownerOf(wake, '')) || held.wakeBy === wake.id))
      return { kind: 'later', at: held.until };
    if (held) return DONE;
  }
  throw new Error('the lease of an endpoint changed hands all the time');
}

/** Names the wake, so that a copy of it knows itself. */
const ownerOf = (wake: WakeMessage, id: string): string => `${wake.id} ${id}`;

async function serve(delivering: Delivering, own: Ownership, overAt: number): Promise<Next> {
  const { endpoints, leases, clock, timer } = delivering;
  for (;;) {
    const endpoint = await endpoints.get(own.endpoint);
    if (endpoint)
      own.standing = { ...own.standing, health: healthSince(own.standing.health, endpoint.enabledAt) };
    const agenda = await agendaOf(delivering, own, endpoint);
    const { ready, isMore } = agenda;
    const isAll = ready.length > 0 && (await doAll(delivering, own, endpoint, ready));
    const isOver = clock() >= overAt;
    const isLeft = ready.length > 0 || isMore;
    // Where all that was due succeeded it is let go without another look: whoever came meanwhile has asked.
    const isClean = isAll && !isMore;
    if (isOver || isClean || ready.length === 0) {
      const isCut = isOver && isLeft;
      const next = await letGo(delivering, own, isCut ? clock() : agenda.next, isCut);
      if (next) return next;
      // Somebody has asked, and there may be no time left to look: then this comes back at once.
      if (isOver) return (await letGo(delivering, own, clock(), true)) ?? DONE;
      // Whoever is left alone is mostly asked for what has to wait anyway: not a look for each.
      if (ready.length === 0) await timer.sleep(ASKED_AGAIN_MS, never);
    }
    // Each renewal ends later than the one before: by that a late write of it is known.
    const until = Math.max(clock() + LEASE_MS, own.lease.until + 1);
    own.renewedUntil = until;
    const asks = await leases.commit(own.endpoint, own.lease, own.standing, until);
    if (asks === undefined) return DONE;
    own.lease = { ...own.lease, until };
    own.asks = asks;
  }
}

async function agendaOf(
  { deliveries, clock }: Delivering,
  { endpoint: id, standing: { health } }: Ownership,
  endpoint: Endpoint | undefined,
): Promise<Agenda> {
  const now = clock();
  const { tasks: errands, next } = await deliveries.due(id, now, ERRANDS_PER_TURN);
  const isMore = errands.length === ERRANDS_PER_TURN;
  const rests = Math.max(
    health.restsUntil,
    health.pacedUntil - now > LONGEST_PAUSE_MS ? health.pacedUntil : 0,
  );
  // Nothing is sent where there is nobody, or nobody is to get anything: then there is nothing to rest from.
  if (rests <= now || endpoint?.status !== 'enabled') return { ready: errands, isMore, next };
  const ready = errands.filter(isAwaited);
  const isLeft = errands.length > ready.length;
  return {
    ready,
    // Those that somebody waits for come first: where they fill the page, there may be more of them.
    isMore: isMore && !isLeft,
    next: isLeft || next !== undefined ? Math.max(rests, isLeft ? 0 : (next ?? 0)) : undefined,
  };
}

/** By what an endpoint may be registered that is still left messages. */
const strays = (errands: readonly DeliveryTask[]): readonly string[] => [
  ...new Set(errands.flatMap((errand) => (errand.kind === 'range' ? patternsOf(errand.channel) : []))),
];

/** True if nothing is left of them. */
async function doAll(
  delivering: Delivering,
  own: Ownership,
  endpoint: Endpoint | undefined,
  errands: readonly DeliveryTask[],
): Promise<boolean> {
  const { deliveries, endpoints, sealer: vault, clock } = delivering;
  // A change that died halfway may have left a registration that the row knew nothing of when it was removed.
  if (!endpoint)
    await settleAll(strays(errands).map((pattern) => endpoints.unlisten(own.endpoint, pattern, clock())));
  // Nothing is kept for an endpoint that has not agreed yet, and there is nobody to ask about one that was removed.
  const isFor = (errand: DeliveryTask): boolean =>
    endpoint !== undefined && (endpoint.status !== 'pending' || errand.kind !== 'range');
  for (const errand of errands) if (!isFor(errand)) await deliveries.done(own.endpoint, errand);
  const meant = errands.filter(isFor);
  if (!endpoint || meant.length === 0) return true;
  const secrets = await vault.open(endpoint.id, endpoint.sealed);
  const turn = beginPass(delivering, own.lease.owner, endpoint, secrets, own.standing.health);
  const isAll = await runDeliveryPass(turn, meant, own.lease.until - LEASE_MS + BEGIN_MS);
  own.standing = { ...own.standing, health: turn.health };
  return isAll;
}

/**
 * Lets go, and says what becomes of the wake. Undefined if somebody has asked since.
 * @param next when there is something to do again
 * @param isOver true to let go whoever has asked: somebody comes back at once
 */
async function letGo(
  { leases, clock }: Delivering,
  own: Ownership,
  next: number | undefined,
  isOver: boolean,
): Promise<Next | undefined> {
  const now = clock();
  const { wake, standing } = own;
  // Another wake is put off that comes in time. If it is this very one, it came early, or after a crash, and goes on waiting.
  const isAwaited = standing.wakeAt > now && standing.wakeBy !== wake.id;
  const isNeeded = next !== undefined && !(isAwaited && standing.wakeAt <= next);
  // One that comes back at once need not be relied on: whoever takes the lease before it looks for himself.
  const put = isNeeded && next > now && !wake.isOld ? { wakeAt: next, wakeBy: wake.id } : {};
  const left = isAwaited ? {} : { wakeAt: 0, wakeBy: '' };
  const after = { ...standing, ...left, ...put };
  const released = await leases.release(own.endpoint, own.lease, after, isOver ? undefined : own.asks, now);
  if (released === 'asked') return undefined;
  if (released === 'lost' || !isNeeded) return DONE;
  return { kind: wake.isOld ? 'renew' : 'later', at: next };
}

/** A dead letter is tried again: from the bottom of the ladder, if it is still failed. */
export async function redrive(
  { deliveries, clock }: Pick<Delivering, 'deliveries' | 'clock'>,
  endpoint: string,
  delivery: string,
  wake: WakeMessage,
): Promise<Next> {
  const due = clock();
  await deliveries.leave(endpoint, { kind: 'redrive', id: wake.id, due, delivery });
  // Not this message: put off, it would be a dead letter once more when it comes again.
  return { kind: 'renew', at: due };
}

/** Gives up for a moment. The wake comes back, whether or not that could still be written. */
async function retreat({ leases, clock }: Delivering, own: Ownership): Promise<Next> {
  const at = clock() + BUSY_MS;
  const { isOld, id } = own.wake;
  const standing = { ...own.standing, ...(isOld ? { wakeAt: 0, wakeBy: '' } : { wakeAt: at, wakeBy: id }) };
  const free = async (until: number) =>
    await leases.release(own.endpoint, { ...own.lease, until }, standing, undefined, clock());
  try {
    if ((await free(own.lease.until)) === 'lost') await free(own.renewedUntil);
    return { kind: isOld ? 'renew' : 'later', at };
  } catch {
    return { kind: isOld ? 'renew' : 'later', at: own.renewedUntil };
  }
}
