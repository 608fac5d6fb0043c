/**
 * Posts ephemeral messages to those who are connected now (PROTOCOL.md §4.7): to the members of every shard of every pattern that
 * matches, and to the processes that hold streams. Nothing is stored and nothing is repeated, so there is no lease, no cursor, and no
 * look at the log (docs/adr/0020-ephemeral-messages.md).
 * @module
 */
import { patternsOf } from '../../../protocol/channel-name.ts';
import { MAX_EPHEMERAL_BYTES } from '../../../protocol/limits.ts';
import { type Recent, recent } from '../bounded-map.ts';
import type { Clock } from '../log/log-ports.ts';
import {
  isOver,
  type PatternShard,
  type PatternState,
  type Push,
  type Subscriber,
  type Waiting,
} from '../push/push-ports.ts';
import { forget } from '../push/subscribe.ts';
import { settleAll } from '../settle-all.ts';
import { allWaiting, connectionOf, holdsStreams } from '../waiting-names.ts';
import type { OutgoingEphemeral } from './publish-ephemeral.ts';

/** The messages of one publish, as the queue has delivered them. */
export interface EphemeralPart extends Omit<OutgoingEphemeral, 'channel'> {
  /** How many times the queue has delivered them. */
  readonly receives: number;
}

/** One shard of a pattern, with the version that the pattern had when it was looked up. */
export interface EphemeralShard extends PatternShard {
  /** As `PatternState.version`. */
  readonly version: string;
}

/** Messages of one channel that came together. */
export interface Ephemeral {
  /** Name of the channel. */
  readonly channel: string;
  /** The messages, by publish. */
  readonly parts: readonly EphemeralPart[];
  /** The only shard that gets them; undefined for all that listen. */
  readonly shard: EphemeralShard | undefined;
}

/** What posting needs. */
export interface EphemeralPush
  extends Pick<Push, 'lookup' | 'subscriptions' | 'connections' | 'waits' | 'poster' | 'watch'> {
  /** The clock, in milliseconds since 1970. */
  readonly clock: Clock;
  /** Sends messages to another process for each shard, in one attempt. @throws Refusal unavailable */
  readonly sendToShards: (
    channel: string,
    shards: readonly EphemeralShard[],
    parts: readonly EphemeralPart[],
  ) => Promise<void>;
}

/** Age from which messages are dropped, in milliseconds. A position that is older has been replaced by a newer one. */
export const EPHEMERAL_FRESH_MS = 5_000;

/**
 * A message is dropped from this receive on. The first process may have posted it, and died before it could delete it from the
 * queue.
 */
const FIRST_RECEIVE = 1;

/** Attempts at one post. After a post without an answer, another one could arrive as well. */
const ATTEMPTS = 1;

/** How long members are remembered, in milliseconds. Their version says when they change, but a late write may bring one back. */
const REMEMBERED_MS = 60_000;

/** Members that a process remembers: about 50 MB. */
const MEMBERS_REMEMBERED = 100_000;

/** Publishes that a process remembers: those of a minute at the highest rate of a process. */
const PUBLISHES_REMEMBERED = 10_000;

interface RememberedMembers {
  readonly members: readonly Subscriber[];
  /** The version of the pattern before they were read. */
  readonly version: string;
  /** Time before they were read, in milliseconds since 1970. */
  readonly at: number;
}

interface Memory {
  /** Shard → all its members, also those that are behind in the log. */
  readonly members: Recent<RememberedMembers>;
  /** The publishes that this process has posted, by id and shard. SQS may deliver one twice as if it were the first time. */
  readonly posted: Recent<true>;
}

/** Messages that one frame takes. */
interface Packed {
  /** JSON texts, joined by commas. */
  readonly batch: string;
  /** Number of messages. */
  readonly count: number;
  /** Time after which no post begins, in milliseconds since 1970. */
  readonly by: number;
}

/** Returns a function that posts messages once. It remembers members, and what it has posted. */
export function ephemeralHandler(push: EphemeralPush): (ephemeral: Ephemeral) => Promise<void> {
  const memory: Memory = {
    members: recent(MEMBERS_REMEMBERED, ({ members }) => 1 + members.length),
    posted: recent(PUBLISHES_REMEMBERED),
  };
  return async ({ channel, shard, parts }) => {
    const first = parts.filter((part) => isFirst(push, memory, part, shard));
    if (first.length === 0) return;
    if (shard) return await postToShard(push, memory, channel, shard, packed(first));
    const { patterns, waiting } = await push.lookup.find(channel, patternsOf(channel), [], push.clock());
    const frames = packed(first);
    await settleAll([
      postToWaiting(push, channel, waiting, frames),
      ...[...patterns].map(async ([pattern, state]) => {
        const shards = shardsOf(pattern, state);
        const [only] = shards;
        if (shards.length === 1 && only) await postToShard(push, memory, channel, only, frames);
        // Several shards go to a process each, so that they are posted to in parallel.
        else await push.sendToShards(channel, shards, first);
      }),
    ]);
  };
}

const shardsOf = (pattern: string, { shards, version }: PatternState): EphemeralShard[] =>
  Array.from({ length: shards }, (_, shard) => ({ pattern, shard, version }));

/** Returns true for messages that are fresh and that no process is known to have posted, and remembers them. */
function isFirst(
  { clock }: EphemeralPush,
  { posted }: Memory,
  { id, at, receives }: EphemeralPart,
  shard: PatternShard | undefined,
): boolean {
  const key = shard ? `${id} ${keyOf(shard)}` : id;
  if (receives > FIRST_RECEIVE || clock() - at > EPHEMERAL_FRESH_MS || posted.get(key)) return false;
  posted.set(key, true);
  return true;
}

const keyOf = ({ pattern, shard }: PatternShard): string => `${pattern}#${shard}`;

const encoder = new TextEncoder();

/** Returns the messages for as few frames as possible. The messages of one publish stay together: they fit into one frame. */
function packed(parts: readonly EphemeralPart[]): Packed[] {
  const frames: Packed[] = [];
  let room = 0;
  for (const { at, messages } of parts) {
    const batch = messages.join(',');
    const size = encoder.encode(batch).byteLength + 1;
    const last = frames.at(-1);
    const by = at + EPHEMERAL_FRESH_MS;
    if (last && size <= room) {
      const count = last.count + messages.length;
      frames[frames.length - 1] = { batch: `${last.batch},${batch}`, count, by: Math.min(last.by, by) };
      room -= size;
    } else {
      frames.push({ batch, count: messages.length, by });
      room = MAX_EPHEMERAL_BYTES + 1 - size;
    }
  }
  return frames;
}

/** Returns a frame as text, with the messages as they were published. No name needs escaping. */
export function ephemeralText(channel: string, pattern: string, batch: string): string {
  const by = pattern === channel ? '' : `,"pattern":"${pattern}"`;
  return `{"type":"ephemeral","channel":"${channel}"${by},"messages":[${batch}]}`;
}

async function postToShard(
  push: EphemeralPush,
  memory: Memory,
  channel: string,
  shard: EphemeralShard,
  frames: readonly Packed[],
): Promise<void> {
  const known = await membersOf(push, memory, shard);
  const now = push.clock();
  const present = known.members.filter((member) => !isOver(member, now));
  const gone = await settleAll(
    present.map(async ({ id, connection }) => {
      if (!(await isGone(push, connection, channel, shard.pattern, frames))) return [];
      await forget(push, connection, shard);
      return [id];
    }),
  );
  const ended = new Set(gone.flat());
  if (ended.size === 0) return;
  // A connection that ends changes no version. It must not be posted to again.
  const members = known.members.filter(({ id }) => !ended.has(id));
  memory.members.set(keyOf(shard), { ...known, members });
}

/** Posts the frames, each once: what a slow connection does not take is lost. Returns true if the connection is gone. */
async function isGone(
  { poster, watch }: EphemeralPush,
  connection: string,
  channel: string,
  pattern: string,
  frames: readonly Packed[],
): Promise<boolean> {
  for (const { batch, count, by } of frames) {
    const posted = await poster.post(connection, ephemeralText(channel, pattern, batch), by, ATTEMPTS);
    if (posted === 'gone') return true;
    if (posted === 'sent') watch.delivered(count);
  }
  return false;
}

async function membersOf(
  { subscriptions, clock }: EphemeralPush,
  { members: remembered }: Memory,
  shard: EphemeralShard,
): Promise<RememberedMembers> {
  const at = clock();
  const { version } = shard;
  const last = remembered.get(keyOf(shard));
  if (last?.version === version && at - last.at < REMEMBERED_MS) return last;
  const members = await subscriptions.members(shard);
  const known = { members, version, at };
  remembered.set(keyOf(shard), known);
  return known;
}

/** Posts to the processes that hold streams of the channel, which write what they get. */
async function postToWaiting(
  { waits, poster, clock }: EphemeralPush,
  channel: string,
  waiting: Waiting,
  frames: readonly Packed[],
): Promise<void> {
  const names = await allWaiting(waits, channel, waiting, clock());
  await settleAll(
    names.filter(holdsStreams).map(async (name) => {
      for (const { batch, by } of frames) {
        const text = ephemeralText(channel, channel, batch);
        if ((await poster.post(connectionOf(name), text, by, ATTEMPTS)) === 'gone')
          return await waits.remove(channel, name);
      }
    }),
  );
}
