/**
 * Settle: makes the presence channel say who is in a channel (docs/adr/0022-presence.md).
 *
 * One process at a time has the lease of a channel. It compares the members with what the readers know, and publishes the difference
 * as one entry. So a burst of arrivals is one message for each reader, and a crash at any moment leaves a difference that the next
 * settler finds. While somebody is in the channel, one look is under way in the queue. It finds members whose time is over.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { PRESENCE_TYPE } from '../../../protocol/presence.ts';
import { isBusy } from '../defects.ts';
import type { Lease } from '../lease.ts';
import { settleBoth } from '../settle-all.ts';
import { isIn, shownValue } from './members.ts';
import type { Member, SettleState, Settling } from './presence-ports.ts';

/** Pause between two looks at a channel with members, in milliseconds. A lost socket is shown for that long and PRESENCE_KEPT_MS. */
export const LOOK_MS = 20_000;

/** A look may come so much earlier than it was asked for, in milliseconds: then it must send the next one. */
const EARLY_MS = 5_000;

/** Length of a lease, in milliseconds. */
const LEASE_MS = 20_000;

/** An owner begins no publish so long before the end of its lease, in milliseconds: a publish waits for its claim and its hint. */
const PUBLISH_MS = 12_000;

/** Delay of the look after a store was busy, in milliseconds. */
const BUSY_MS = 2_000;

/** Each further attempt needs an owner that let go at that very moment. */
const MAX_ATTEMPTS = 5;

/** Messages of one entry. Each may have 3 KB: the data, and a principal of 255 characters that JSON escapes. */
const MAX_MESSAGES = 64;

/** Rows that one settler removes because nobody needs them any more. DynamoDB itself removes them some time later. */
const MAX_REMOVALS = 50;

/** Settles a channel. It ends when that is done, when another process has the lease and was asked to look again, or at `until`. */
export async function settle(settling: Settling, channel: string, until: number): Promise<void> {
  const owner = settling.newId();
  const held: Held = { lease: { owner, until: 0 }, state: BLANK, asks: 0 };
  try {
    if (await take(settling, channel, held)) await settleOwned(settling, channel, held, until);
  } catch (error) {
    const { leases, clock, looks } = settling;
    // Without the release the next settler would wait for the end of the lease.
    await leases.release(channel, held.lease, held.state, undefined, clock()).catch(() => false);
    if (!isBusy(error)) throw error;
    // A busy store is tried again in a moment. The message itself would come back after its visibility timeout.
    await looks.send(channel, BUSY_MS);
  }
}

/** The state of a channel that has never been settled. */
export const BLANK: SettleState = { lookAt: 0, isEmpty: true };

/** A lease that this process has, and what it commits. */
interface Held {
  lease: Lease;
  state: SettleState;
  asks: number;
}

/** Takes the lease. Returns false if another process has it, which was asked to look again. */
async function take(settling: Settling, channel: string, held: Held): Promise<boolean> {
  const { leases, clock } = settling;
  const seen = await leases.get(channel);
  // Most looks of a burst find an owner: to take the lease would cost a write that fails.
  let mayHaveOwner = (seen?.until ?? 0) > clock();
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const now = clock();
    if (mayHaveOwner && (await isAsked(settling, channel, now))) return false;
    mayHaveOwner = true;
    held.lease = { ...held.lease, until: now + LEASE_MS };
    const row = await leases.take(channel, held.lease, now);
    if (!row) continue;
    held.state = { lookAt: row.lookAt, isEmpty: row.isEmpty };
    held.asks = row.asks;
    return true;
  }
  throw new Refusal('unavailable', 'the lease of a channel changed hands all the time');
}

/**
 * Asks the owner to look again; returns false if there is none. The owner may be dead, and if its lease was taken by a late write there is
 * no message that comes back. So a look is sent for the end of the lease, unless one is under way. One serves all that ask meanwhile.
 */
async function isAsked({ leases, looks }: Settling, channel: string, now: number): Promise<boolean> {
  const owner = await leases.ask(channel, now);
  if (!owner) return false;
  if (Math.max(owner.guardedUntil, owner.lookAt) > now) return true;
  await looks.send(channel, owner.until - now + BUSY_MS);
  await leases.guard(channel, owner.until);
  return true;
}

async function settleOwned(settling: Settling, channel: string, held: Held, until: number): Promise<void> {
  const { leases, looks, clock } = settling;
  for (;;) {
    const wasEmpty = held.state.isEmpty;
    const isEmpty = await publishChanges(settling, channel, held);
    const now = clock();
    // One more look comes when everybody has left: a process that was late may have published something meanwhile.
    const isLookDue = isEmpty ? !wasEmpty : held.state.lookAt - EARLY_MS <= now;
    if (isLookDue) await looks.send(channel, LOOK_MS);
    held.state = { lookAt: isLookDue ? now + LOOK_MS : held.state.lookAt, isEmpty };
    if (await leases.release(channel, held.lease, held.state, held.asks, now)) return;
    if (clock() >= until) return await handOver(settling, channel, held);
    // Another process asked; or the lease was lost, or was let go and only the answer was lost.
    if (!(await renew(settling, channel, held))) return;
  }
}

/** Extends the lease. Returns false if it was lost. */
async function renew({ leases, clock }: Settling, channel: string, held: Held): Promise<boolean> {
  const until = Math.max(clock() + LEASE_MS, held.lease.until + 1);
  const asks = await leases.commit(channel, held.lease, held.state, until);
  if (asks === undefined) return false;
  held.lease = { ...held.lease, until };
  held.asks = asks;
  return true;
}

/** Lets go because the time of this process is over, also if others have asked, and lets another process go on. */
async function handOver({ leases, looks, clock }: Settling, channel: string, held: Held): Promise<void> {
  await leases.release(channel, held.lease, held.state, undefined, clock());
  await looks.send(channel, 0);
}

/** Publishes what the readers do not know. Returns true if nobody is there. */
async function publishChanges(settling: Settling, channel: string, held: Held): Promise<boolean> {
  const { members, copy, clock } = settling;
  const [rows, shown] = await settleBoth(members.of(channel), copy.shown(channel));
  const now = clock();
  const present = rows.filter((member) => isIn(member, now));
  const changes = changesBetween(shown, present);
  for (let first = 0; first < changes.length; first += MAX_MESSAGES) {
    const isLate = clock() > held.lease.until - PUBLISH_MS;
    if (isLate && !(await renew(settling, channel, held)))
      throw new Refusal('unavailable', 'the lease of a channel was lost');
    await copy.publish(channel, changes.slice(first, first + MAX_MESSAGES));
  }
  const over = rows.filter(({ keptUntil }) => keptUntil <= now).slice(0, MAX_REMOVALS);
  for (const { id, since } of over) await members.remove(channel, id, since);
  return present.length === 0;
}

/** Returns the messages that make the readers know who is there: changes of the Durable Streams State Protocol. */
function changesBetween(shown: ReadonlyMap<string, string>, present: readonly Member[]): object[] {
  const ids = new Set(present.map(({ id }) => id));
  const gone = [...shown.keys()].filter((id) => !ids.has(id));
  const changed = present.filter((member) => shown.get(member.id) !== shownValue(member));
  return [
    ...gone.map((key) => messageOf('delete', key)),
    ...changed.map((member) =>
      messageOf(shown.has(member.id) ? 'update' : 'insert', member.id, JSON.parse(shownValue(member))),
    ),
  ];
}

const messageOf = (operation: 'insert' | 'update' | 'delete', key: string, value?: object): object => ({
  type: PRESENCE_TYPE,
  key,
  ...(value === undefined ? {} : { value }),
  headers: { operation },
});
