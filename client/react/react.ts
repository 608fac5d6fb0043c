/**
 * React bindings, as an entry of their own: `tidings-client/react`. They import nothing of the client but types and one
 * question about offsets, so a page does not load the client twice.
 *
 * A hook subscribes in an effect. So a server renders it without a request, and strict mode, which runs effects twice, ends with
 * one subscription.
 * @module
 */
'use client';

import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { isUnsettled } from '../cursor.ts';
import type {
  ConnectionState,
  Hub,
  Presence,
  PresenceMember,
  SubscribeOptions,
  TidingsError,
} from '../index.ts';

/** Where a subscription begins, and how many messages stay on the page. */
export interface ChannelOptions extends Pick<SubscribeOptions, 'offset' | 'last' | 'latest' | 'conflate'> {
  /** How many messages are kept, the newest ones: 1 or more. Default: 1,000. */
  readonly keep?: number | undefined;
}

/** What a page knows of a channel. */
export interface ChannelView {
  /** The messages in the order of the channel. A new array after each batch. */
  readonly messages: readonly unknown[];
  /** The connection of the subscription. */
  readonly connection: ConnectionState;
  /** The refusal that ended the subscription. For a pattern also an error that does not end it. */
  readonly error: TidingsError | undefined;
  /** True if the channel is closed for good, and all messages are here. */
  readonly isClosed: boolean;
}

/** What a page knows of the members of a channel. */
export interface PresenceView {
  /** All members, those that came first at the beginning; none until they are known. */
  readonly members: readonly PresenceMember[];
  /** The refusal that ended the presence. */
  readonly error: TidingsError | undefined;
}

/** What this page says about itself. */
export interface PresenceData {
  /** What the others learn of this client: any JSON value of at most 1 KB. Default: null. */
  readonly data?: unknown;
}

/** A page that is open for days must not grow without end. */
const KEPT_MESSAGES = 1_000;

const UNREAD: ChannelView = {
  messages: [],
  connection: { state: 'connecting' },
  error: undefined,
  isClosed: false,
};

const NOBODY: PresenceView = { members: [], error: undefined };

/**
 * Subscribes to a channel while the component is mounted. When the component comes back, as in strict mode or from a hidden
 * `Activity`, the messages are still there, and the subscription continues after them. Another hub, channel or option begins again, without messages.
 * @param hub made outside of the component, because each render would make another one
 */
export function useChannel(hub: Hub, channel: string, options: ChannelOptions = {}): ChannelView {
  const { offset, last, latest, conflate, keep = KEPT_MESSAGES } = options;
  const { subscribe, view } = useMemo(
    () => channelStore(hub, channel, { offset, last, latest, conflate }, keep),
    [hub, channel, offset, last, latest, conflate, keep],
  );
  return useSyncExternalStore(subscribe, view, () => UNREAD);
}

/**
 * Enters a channel that has presence while the component is mounted, and follows who is there. Other `data` enters again before
 * the old presence leaves, so the others do not see this client go.
 * @param hub made outside of the component, because each render would make another one
 * @throws TypeError if JSON cannot carry the data
 */
export function usePresence(hub: Hub, channel: string, { data = null }: PresenceData = {}): PresenceView {
  const { subscribe, view, say } = useMemo(() => presenceStore(hub, channel), [hub, channel]);
  // Data that was made for this render is the same data. In an array a value that JSON does not have is null.
  const text = JSON.stringify([data]);
  // Before the effect that enters, so that the first entry has the data.
  useEffect(() => {
    const [said]: readonly unknown[] = JSON.parse(text);
    say(said);
  }, [say, text]);
  return useSyncExternalStore(subscribe, view, () => NOBODY);
}

/** The view of one component, which subscribes once at a time. */
interface Store<View> {
  /** Begins. Returns a function that ends it. */
  readonly subscribe: (changed: () => void) => () => void;
  /** Returns the same object until something changes. */
  readonly view: () => View;
}

function channelStore(
  hub: Hub,
  channel: string,
  start: Omit<ChannelOptions, 'keep'>,
  keep: number,
): Store<ChannelView> {
  let begin = start;
  let view = UNREAD;
  function subscribe(changed: () => void): () => void {
    function show(news: Partial<ChannelView>): void {
      view = { ...view, ...news };
      changed();
    }
    if (view.isClosed) return () => {};
    // What ended it before is tried again.
    if (view.error) show({ error: undefined });
    const subscription = hub.subscribe(channel, {
      ...begin,
      onMessages({ messages }) {
        const all = [...view.messages, ...messages];
        show({ messages: all.slice(Math.max(0, all.length - keep)) });
      },
      onState: (connection) => show({ connection }),
      onError: (error) => show({ error }),
      onEnd: () => show({ isClosed: true }),
    });
    return () => {
      const { offset } = subscription;
      if (!isUnsettled(offset)) begin = { offset, conflate: start.conflate };
      subscription.close();
    };
  }
  return { subscribe, view: () => view };
}

interface PresenceStore extends Store<PresenceView> {
  /** Sets what this client says, and says it if it is in the channel. */
  readonly say: (data: unknown) => void;
}

function presenceStore(hub: Hub, channel: string): PresenceStore {
  let view = NOBODY;
  let data: unknown = null;
  let presence: Presence | undefined;
  let changed = (): void => {};
  function show(news: PresenceView): void {
    view = news;
    changed();
  }
  function enter(): void {
    presence = hub.presence(channel, {
      data,
      onChange: (members) => show({ members, error: undefined }),
      onError: (error) => show({ members: [], error }),
    });
  }
  return {
    view: () => view,
    say(said) {
      data = said;
      if (!presence) return;
      const before = presence;
      enter();
      before.leave();
    },
    subscribe(listener) {
      changed = listener;
      enter();
      return () => {
        presence?.leave();
        presence = undefined;
      };
    },
  };
}
