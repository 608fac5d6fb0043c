/**
 * Who is in a channel (PROTOCOL.md §14): this client enters it, and follows the presence channel.
 * @module
 */
import { presenceChannel } from '../../protocol/presence.ts';
import type { Batch } from '../cursor.ts';
import { asTidingsError, isLasting, isRecord, TidingsError } from '../errors.ts';
import type { Http } from '../http.ts';
import { type Followed, followChannel, type Listener, type Shared } from '../subscription.ts';
import { retryWait } from '../timers.ts';

/** A connection or a reader in a channel. */
export interface PresenceMember {
  /** The id of its connection, or of the reader. A person with two tabs is two members. */
  readonly key: string;
  /** The `sub` of its token; null without one. */
  readonly principal: string | null;
  /** The transport by which it came. */
  readonly transport: string;
  /** The time at which it came, in RFC 3339. */
  readonly since: string;
  /** What it says about itself; null for nothing. */
  readonly data: unknown;
}

/** What this client says, and the callbacks. */
export interface PresenceOptions {
  /** What the others learn of this client: any JSON value of at most 1 KB. Default: null. */
  readonly data?: unknown;
  /** Receives all members, those that came first at the beginning, when they are known and after each change. */
  readonly onChange?: ((members: readonly PresenceMember[]) => void) | undefined;
  /** Receives the refusal that ended the presence. Nothing changes after it. */
  readonly onError?: ((error: TidingsError) => void) | undefined;
}

/** The presence of this client in a channel. */
export interface Presence {
  /** All members, those that came first at the beginning; none until they are known. */
  readonly members: readonly PresenceMember[];
  /** Leaves the channel. No callback is called after that. A subscription of this client to the channel keeps it there. */
  readonly leave: () => void;
}

/** The parts that the presence needs. */
export interface PresenceParts {
  /** What all subscriptions share. */
  readonly shared: Shared;
  /** Sends the request for those who are there. */
  readonly http: Http;
  /** The URL of the hub, without a slash at its end. */
  readonly url: string;
}

/** The most members that are read at the beginning. */
const MOST_MEMBERS = 1_000;

/** Enters a channel, and follows who is there. All errors go to `onError`, after this call has returned. */
export function enterChannel(
  parts: PresenceParts,
  channel: string,
  { data = null, onChange = () => {}, onError = () => {} }: PresenceOptions,
): Presence {
  const { shared } = parts;
  const ended = new AbortController();
  const known = new Map<string, PresenceMember>();
  let members: readonly PresenceMember[] = [];
  /** Batches that came before those who are there were read. */
  let early: Batch[] | undefined = [];
  const followed: Followed[] = [];

  function leave(): void {
    ended.abort();
    for (const { close } of followed) close();
  }
  function onEnd(error: TidingsError | undefined): void {
    if (ended.signal.aborted) return;
    leave();
    if (error) onError(error);
  }
  function changed(): void {
    members = [...known.values()].sort((a, b) => order(a, b));
    onChange(members);
  }
  function onBatch(batch: Batch): void {
    if (early) early.push(batch);
    else {
      for (const message of batch.messages) apply(known, message);
      changed();
    }
  }
  async function begin(): Promise<void> {
    for (const member of await membersOf(parts, channel, ended.signal)) known.set(member.key, member);
    if (ended.signal.aborted) return;
    for (const { messages } of early ?? []) for (const message of messages) apply(known, message);
    early = undefined;
    changed();
  }

  const silent: Listener = {
    onBatch() {},
    onFault() {},
    onTransport() {},
    onSubscribed() {},
    onState() {},
    onEnd,
  };
  const onSubscribed = (): void => void begin().catch((error: unknown) => onEnd(asTidingsError(error)));
  // The changes first, so that nobody comes unseen between those who are there and the first change.
  followed.push(
    followChannel(shared, presenceChannel(channel), 'now', { ...silent, onBatch, onSubscribed }),
    followChannel(shared, channel, 'now', silent, { data }),
  );
  return {
    get members() {
      return members;
    },
    leave,
  };
}

/** Takes one change into the members. Another message is of a newer hub, and is passed over. */
function apply(known: Map<string, PresenceMember>, message: unknown): void {
  if (!isRecord(message) || typeof message.key !== 'string') return;
  const { key, value, headers } = message;
  if (isRecord(headers) && headers.operation === 'delete') known.delete(key);
  else if (isRecord(value)) known.set(key, memberOf(key, value));
}

const memberOf = (key: string, value: Readonly<Record<string, unknown>>): PresenceMember => ({
  key,
  principal: typeof value.principal === 'string' ? value.principal : null,
  transport: String(value.transport),
  since: String(value.since),
  data: value.data ?? null,
});

const order = (a: PresenceMember, b: PresenceMember): number =>
  a.since < b.since || (a.since === b.since && a.key < b.key) ? -1 : 1;

/** Reads who is there, and tries again as long as time can help. @throws TidingsError a refusal */
async function membersOf(
  { shared, http, url }: PresenceParts,
  channel: string,
  signal: AbortSignal,
): Promise<readonly PresenceMember[]> {
  const { host, budget } = shared;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const response = await http({ url: `${url}/presence/${channel}?limit=${MOST_MEMBERS}` }, signal);
      const answer: unknown = await response.json();
      if (!isRecord(answer) || !Array.isArray(answer.members))
        throw new TidingsError('unavailable', 'the answer is not of the hub');
      budget.answered(failures > 0);
      return answer.members.filter(isRecord).map((member) => memberOf(String(member.key), member));
    } catch (error) {
      const trouble = asTidingsError(error);
      if (isLasting(trouble, false)) throw trouble;
      await budget.wait(retryWait(failures++, host.random(), trouble.retryAfterMs), signal);
    }
  }
  return [];
}
