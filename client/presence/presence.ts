/**
 * Who is in a channel (PROTOCOL.md §14): this client enters it, and follows the presence channel.
 * @module
 */
import { presenceChannel } from '../../protocol/presence.ts';
import { isRecord, type TidingsError } from '../errors.ts';
import { type Followed, followChannel, type Listener, type Shared, type Start } from '../subscription.ts';

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
  /** Receives all members that are known, those that came first at the beginning, after each change. */
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

/** Enters a channel, and follows who is there. All errors go to `onError`, after this call has returned. */
export function enterChannel(
  shared: Shared,
  channel: string,
  { data = null, onChange = () => {}, onError = () => {} }: PresenceOptions,
): Presence {
  const ended = new AbortController();
  const known = new Map<string, PresenceMember>();
  let members: readonly PresenceMember[] = [];
  const followed: Followed[] = [];

  function leave(): void {
    ended.abort();
    for (const { close } of followed) close();
  }
  function fail(error: TidingsError): void {
    if (ended.signal.aborted) return;
    leave();
    onError(error);
  }
  function take(messages: readonly unknown[]): void {
    for (const message of messages) apply(known, message);
    members = [...known.values()].sort(order);
    onChange(members);
  }
  /** Follows who is there: the newest message of each member, and then each change. */
  function watch(): void {
    known.clear();
    members = [];
    followed.push(
      followChannel(shared, presenceChannel(channel), NEWEST, {
        ...SILENT,
        onBatch: ({ messages }) => take(messages),
        onEnd(error) {
          // The page was away for longer than changes are kept.
          if (error?.code === 'offset_gone') watch();
          else if (error) fail(error);
        },
      }),
    );
  }

  followed.push(
    followChannel(shared, channel, NEXT, { ...SILENT, onEnd: (error) => error && fail(error) }, { data }),
  );
  watch();
  return {
    get members() {
      return members;
    },
    leave,
  };
}

/** Of several changes of a member only the last one counts. */
const NEWEST: Start = { offset: 'latest', isConflated: true };

const NEXT: Start = { offset: 'now', isConflated: false };

const SILENT: Listener = {
  onBatch() {},
  onEphemeral() {},
  onFault() {},
  onTransport() {},
  onSubscribed() {},
  onState() {},
  onEnd() {},
};

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
