/**
 * A channel that a page follows: its newest messages, what comes, and what was before.
 * @module
 */
import type { Hub } from '../../client/connect.ts';
import type { Batch } from '../../client/cursor.ts';
import type { TidingsError } from '../../client/errors.ts';
import type { ConnectionState } from '../../client/transports/failover.ts';

/** Messages that came together. */
export interface MessageGroup {
  /** Identifies the group. */
  readonly key: number;
  /** The messages as text. */
  readonly messages: readonly string[];
  /** The offset before the first message. Undefined for ephemeral messages, which have no offset. */
  readonly from: string | undefined;
  /** The offset after the last message. Undefined for ephemeral messages. */
  readonly next: string | undefined;
  /** When it arrived. Undefined for what was read from the history. */
  readonly at: Date | undefined;
}

/** What is shown of a channel. */
export interface ChannelState {
  /** The groups, the oldest first. */
  readonly groups: readonly MessageGroup[];
  /** True if nothing older is kept, or shown at once. */
  readonly isBeginning: boolean;
  /** The connection. */
  readonly connection: ConnectionState;
  /** The error that ended the subscription. */
  readonly error: TidingsError | undefined;
  /** True if the channel is closed, and everything is shown. */
  readonly isEnded: boolean;
}

/** A channel that is followed. */
export interface FollowedChannel {
  /** Reads what is before the oldest message that is shown. @throws TidingsError */
  readonly readOlder: () => Promise<void>;
  /** Ends the subscription. */
  readonly close: () => void;
}

/** Messages that are shown at first, and that one click adds. */
const PAGE = 50;
/** The most groups. Older ones are forgotten when new ones come, so that a page can stay open for days. */
const MOST_GROUPS = 500;

/** Follows a channel from its last messages. @param onChange receives each new state */
export function followChannel(
  hub: Hub,
  channel: string,
  onChange: (state: ChannelState) => void,
): FollowedChannel {
  let state: ChannelState = {
    groups: [],
    isBeginning: false,
    connection: { state: 'connecting' },
    error: undefined,
    isEnded: false,
  };
  let keys = 0;
  let isClosed = false;
  const change = (next: Partial<ChannelState>): void => {
    state = { ...state, ...next };
    if (!isClosed) onChange(state);
  };
  const groupOf = ({ messages, encoding, from, next }: Batch, at: Date | undefined): MessageGroup => ({
    key: ++keys,
    messages: messages.map((message) => (encoding === 'json' ? JSON.stringify(message) : String(message))),
    from,
    next,
    at,
  });
  const add = (group: MessageGroup): void => {
    const groups = [...state.groups, group];
    const isFull = groups.length > MOST_GROUPS;
    change({ groups: groups.slice(-MOST_GROUPS), ...(isFull ? { isBeginning: false } : {}) });
  };

  const subscription = hub.subscribe(channel, {
    last: PAGE,
    onMessages(batch) {
      if (batch.messages.length > 0) add(groupOf(batch, new Date()));
    },
    onEphemeral({ messages }) {
      const texts = messages.map((message) => JSON.stringify(message));
      add({ key: ++keys, messages: texts, from: undefined, next: undefined, at: new Date() });
    },
    onState: (connection) => change({ connection }),
    onError: (error) => change({ error }),
    onEnd: () => change({ isEnded: true }),
  });

  return {
    async readOlder() {
      const before = state.groups.find(({ from }) => from !== undefined)?.from ?? 'now';
      const step = await hub
        .history(channel, { before: /^\d+$/.test(before) ? before : 'now', limit: PAGE })
        .next();
      if (step.done) return change({ isBeginning: true });
      if (step.value.messages.length > 0)
        change({ groups: [groupOf(step.value, undefined), ...state.groups] });
    },
    close() {
      isClosed = true;
      subscription.close();
    },
  };
}
