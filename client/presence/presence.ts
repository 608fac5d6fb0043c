/**
 * Who is in a channel (PROTOCOL.md §14): this client enters it, and follows the presence channel.
 * @module
 */
import { STREAM_NEXT_OFFSET, STREAM_UP_TO_DATE } from '../../protocol/headers.ts';
import { presenceChannel } from '../../protocol/presence.ts';
import { asTidingsError, foreignAnswer, isLasting, isRecord, type TidingsError } from '../errors.ts';
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
  /** Reads who is there, and follows what changes from that moment on. */
  async function watch(): Promise<void> {
    const { messages, offset } = await latestOf(parts, channel, ended.signal);
    if (ended.signal.aborted) return;
    known.clear();
    take(messages);
    followed.push(
      followChannel(shared, presenceChannel(channel), offset, {
        ...SILENT,
        onBatch: (batch) => take(batch.messages),
        onEnd(error) {
          // The page was away for longer than changes are kept.
          if (error?.code === 'offset_gone') begin();
          else if (error) fail(error);
        },
      }),
    );
  }
  const begin = (): void => void watch().catch((error: unknown) => fail(asTidingsError(error)));

  followed.push(
    followChannel(shared, channel, 'now', { ...SILENT, onEnd: (error) => error && fail(error) }, { data }),
  );
  begin();
  return {
    get members() {
      return members;
    },
    leave,
  };
}

const SILENT: Listener = {
  onBatch() {},
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

/** Reads who is there, and tries again as long as time can help. @throws TidingsError a refusal */
async function latestOf(
  { shared, http, url }: PresenceParts,
  channel: string,
  signal: AbortSignal,
): Promise<{ readonly messages: readonly unknown[]; readonly offset: string }> {
  const { host, budget } = shared;
  const messages: unknown[] = [];
  let offset = 'latest';
  for (let failures = 0; !signal.aborted; ) {
    try {
      const path = `/channels/${presenceChannel(channel)}?offset=${offset}`;
      const response = await http({ url: url + path }, signal);
      const page: unknown = await response.json();
      const next = response.headers.get(STREAM_NEXT_OFFSET);
      if (!Array.isArray(page) || next === null) throw foreignAnswer(response);
      budget.answered(failures > 0);
      failures = 0;
      messages.push(...page);
      offset = next;
      if (response.headers.has(STREAM_UP_TO_DATE)) break;
    } catch (error) {
      const trouble = asTidingsError(error);
      if (isLasting(trouble, false)) throw trouble;
      await budget.wait(retryWait(failures++, host.random(), trouble.retryAfterMs), signal);
    }
  }
  return { messages, offset };
}
