/**
 * The log of the fake hub: channels of JSON messages, each an entry of its own, and the keys that publishes came with.
 * @module
 */
import type { ErrorCode } from '../../../protocol/errors.ts';
import { formatOffset, parseOffset } from '../../../protocol/offset.ts';

export interface FakeFrame {
  readonly type: 'messages';
  readonly channel: string;
  readonly pattern?: string;
  readonly from: string;
  readonly next: string;
  readonly messages?: readonly unknown[];
  readonly omitted?: boolean;
  readonly closed?: boolean;
}

export interface FakeChannel {
  readonly messages: unknown[];
  /** Messages before that are gone. */
  floor: number;
  isClosed: boolean;
}

export class Refused extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode) {
    super(code);
    this.code = code;
  }
}

/** The offset before message `entry`, from 0. */
export const offsetAt = (entry: number): string => formatOffset({ entry, index: 0 });

export interface FakeLog {
  readonly channel: (name: string) => FakeChannel;
  /**
   * The message that an offset is before.
   * @throws Refused offset_gone
   */
  readonly start: (name: string, offset: string) => number;
  /** The first of the last `count` messages. */
  readonly last: (name: string, count: number) => number;
  /** Appends the messages unless the key came before, and returns the offset after them. */
  readonly append: (name: string, key: string | undefined, messages: readonly unknown[]) => string;
  readonly frame: (name: string, topic: string, from: number, to: number) => FakeFrame;
}

/** Returns a log in memory. @param onGrowth is called after every append */
export function fakeLog(onGrowth: (name: string, from: number, to: number) => void): FakeLog {
  const channels = new Map<string, FakeChannel>();
  const keys = new Map<string, string>();
  const channel = (name: string): FakeChannel => {
    const found = channels.get(name) ?? { messages: [], floor: 0, isClosed: false };
    channels.set(name, found);
    return found;
  };
  return {
    channel,
    start(name, offset) {
      const { messages, floor } = channel(name);
      if (offset === 'now') return messages.length;
      const entry = offset === '-1' ? floor : (parseOffset(offset)?.entry ?? -1);
      if (entry < floor || entry > messages.length) throw new Refused('offset_gone');
      return entry;
    },
    last: (name, count) => Math.max(channel(name).floor, channel(name).messages.length - count),
    append(name, key, messages) {
      const slot = `${name}#${key}`;
      const known = key === undefined ? undefined : keys.get(slot);
      if (known !== undefined) return known;
      const to = channel(name).messages.push(...messages);
      keys.set(slot, offsetAt(to));
      onGrowth(name, to - messages.length, to);
      return offsetAt(to);
    },
    frame(name, topic, from, to) {
      const { messages, isClosed } = channel(name);
      return {
        type: 'messages',
        channel: name,
        ...(topic === name ? {} : { pattern: topic }),
        from: offsetAt(from),
        next: offsetAt(to),
        messages: messages.slice(from, to),
        ...(isClosed && to === messages.length ? { closed: true } : {}),
      };
    },
  };
}
