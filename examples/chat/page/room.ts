/**
 * A room is a channel. Its log has three kinds of events: a message, an edit and a deletion. The hub stamps each one with `sender` and
 * `sentAt`, so nobody can pretend to be another. An edit counts if its sender is the sender of the message: nobody has to check it.
 * @module
 */
import type { Batch, ConnectionState, Hub } from '../../../client/index.ts';

/** A message, as it is after all edits. */
export interface Message {
  /** The sender and the id together. */
  readonly key: string;
  /** The id that the sender has chosen. */
  readonly id: string;
  /** The `sub` of the token that published it. */
  readonly sender: string;
  /** When it was published, in RFC 3339. */
  readonly sentAt: string;
  /** Empty if it is deleted. */
  readonly text: string;
  /** What has happened to it. */
  readonly state: 'as sent' | 'edited' | 'deleted';
}

/** What the page shows of a room. */
export interface RoomState {
  /** The messages that are loaded, the oldest first. */
  readonly messages: readonly Message[];
  /** True if there are no older ones. */
  readonly isBeginning: boolean;
  /** The senders who are here. A person with two windows is here once. */
  readonly present: readonly string[];
  /** The senders who are typing. */
  readonly typing: readonly string[];
  /** The connection. */
  readonly connection: ConnectionState;
  /** Why the room is not followed any more. */
  readonly error: string | undefined;
}

/** A room that is followed. */
export interface Room {
  /** Publishes a message. */
  readonly send: (text: string) => Promise<void>;
  /** Replaces the text of an own message. */
  readonly edit: (id: string, text: string) => Promise<void>;
  /** Deletes an own message. */
  readonly remove: (id: string) => Promise<void>;
  /** Tells the others that this visitor is typing. It may be called for each key. */
  readonly type: () => void;
  /** Loads what was before. */
  readonly loadOlder: () => Promise<void>;
  /** Leaves the room. */
  readonly leave: () => void;
}

/** Events that a page begins with, and that scrolling back adds. */
const PAGE = 50;
/** Characters of a text that are shown. Everyone with a token may publish a longer one. */
const MOST_CHARACTERS = 2_000;
/** Time between two signs of typing, and time for which one counts, in milliseconds. */
const TYPING_EVERY_MS = 2_000;
const TYPING_FOR_MS = 4_000;
/** An empty room has no history. */
const NOTHING = { done: true, value: undefined } as const;

/** Follows a room. @param me the own `sub` @param onChange receives each new state */
export function enterRoom(hub: Hub, name: string, me: string, onChange: (state: RoomState) => void): Room {
  const channel = `demo/chat/${name}`;
  let events: readonly unknown[] = [];
  let older: AsyncIterator<Batch, undefined> | undefined;
  let state: RoomState = {
    messages: [],
    isBeginning: false,
    present: [],
    typing: [],
    connection: { state: 'connecting' },
    error: undefined,
  };
  const change = (next: Partial<RoomState>): void => {
    state = { ...state, ...next };
    onChange(state);
  };
  const typists = new Map<string, ReturnType<typeof setTimeout>>();
  function stopTyping(sender: string): void {
    clearTimeout(typists.get(sender));
    if (typists.delete(sender)) change({ typing: [...typists.keys()] });
  }

  const subscription = hub.subscribe(channel, {
    last: PAGE,
    onMessages({ messages, from }: Batch) {
      older ??= hub.history(channel, { before: from, limit: PAGE });
      events = [...events, ...messages];
      change({ messages: messagesOf(events) });
      for (const event of messages) stopTyping(senderOf(event) ?? '');
    },
    onEphemeral({ messages }) {
      for (const event of messages) {
        const sender = senderOf(event);
        if (sender === undefined || sender === me) continue;
        clearTimeout(typists.get(sender));
        typists.set(sender, setTimeout(stopTyping, TYPING_FOR_MS, sender));
        change({ typing: [...typists.keys()] });
      }
    },
    onState: (connection) => change({ connection }),
    onError: ({ message }) => change({ error: message }),
  });
  const presence = hub.presence(channel, {
    onChange: (members) =>
      change({ present: [...new Set(members.flatMap(({ principal }) => principal ?? []))] }),
    onError: ({ message }) => change({ error: message }),
  });

  const publish = async (event: object): Promise<void> => void (await hub.publish(channel, [event]));
  let typedAt = 0;
  return {
    send(text) {
      // The next key is another sign: for the others this message has ended the last one.
      typedAt = 0;
      return publish({ type: 'message', id: crypto.randomUUID(), text });
    },
    edit: (id, text) => publish({ type: 'edit', id, text }),
    remove: (id) => publish({ type: 'delete', id }),
    type() {
      if (Date.now() - typedAt < TYPING_EVERY_MS) return;
      typedAt = Date.now();
      // Nobody misses it if it fails.
      hub.publish(channel, [{ type: 'typing' }], { ephemeral: true }).catch(() => {});
    },
    async loadOlder() {
      const step = await (older?.next() ?? NOTHING);
      if (step.done) return change({ isBeginning: true });
      events = [...step.value.messages, ...events];
      change({ messages: messagesOf(events) });
    },
    leave() {
      subscription.close();
      presence.leave();
      for (const timer of typists.values()) clearTimeout(timer);
    },
  };
}

/** Returns the messages that a part of the log leads to. An edit of a message that is not loaded yet has no effect yet. */
export function messagesOf(events: readonly unknown[]): Message[] {
  const messages = new Map<string, Message>();
  for (const value of events) {
    const event = eventOf(value);
    if (event === undefined) continue;
    const { type, id, sender, sentAt } = event;
    const text = event.text.slice(0, MOST_CHARACTERS);
    const key = `${sender} ${id}`;
    const before = messages.get(key);
    if (type === 'message' && !before) messages.set(key, { key, id, sender, sentAt, text, state: 'as sent' });
    if (!before || before.state === 'deleted') continue;
    if (type === 'edit') messages.set(key, { ...before, text, state: 'edited' });
    if (type === 'delete') messages.set(key, { ...before, text: '', state: 'deleted' });
  }
  return [...messages.values()];
}

interface Event {
  readonly type: unknown;
  readonly id: string;
  readonly sender: string;
  readonly sentAt: string;
  readonly text: string;
}

/** Returns an event of the log, and undefined for what is none: everyone with a token may publish any JSON. */
function eventOf(value: unknown): Event | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, id, sentAt, text }: Partial<Record<string, unknown>> = { ...value };
  const sender = senderOf(value);
  if (sender === undefined || typeof id !== 'string' || typeof sentAt !== 'string') return undefined;
  return { type, id, sender, sentAt, text: typeof text === 'string' ? text : '' };
}

/** Returns the stamp. Undefined if the hub has not been told to stamp these channels. */
const senderOf = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'sender' in value && typeof value.sender === 'string'
    ? value.sender
    : undefined;
