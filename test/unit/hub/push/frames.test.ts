/**
 * PROTOCOL.md §12.1 and §12.2: the raw text of messages, in requests and in frames.
 * @module
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newChannel } from '../../../../lambda/hub/log/channel.ts';
import { memberText } from '../../../../lambda/hub/log/messages.ts';
import { pack } from '../../../../lambda/hub/push/frames.ts';
import {
  BEGINNING,
  formatOffset,
  isBefore,
  type Position,
  parseOffset,
} from '../../../../protocol/offset.ts';

test('the text of a member is its raw text, whatever is around it', () => {
  const spaced = (value: unknown, pad: string) => JSON.stringify(value, null, pad);
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.jsonValue(),
      fc.constantFrom('', ' ', '\t'),
      (rest, value, pad) => {
        const { messages: _, ...others } = rest;
        const text = spaced({ ...others, messages: value, z: 1 }, pad);
        expect(JSON.parse(memberText(text, 'messages'))).toEqual(JSON.parse(JSON.stringify(value)));
      },
    ),
  );
  const odd = ' {"m\\u0065ssages" : [ 1.50 , "\\u00e9,]}\\"" ] , "a":{"messages":2} } ';
  expect(memberText(odd, 'messages')).toBe('[ 1.50 , "\\u00e9,]}\\"" ]');
  expect(memberText('{"messages":1,"messages":[2]}', 'messages')).toBe('[2]');
  expect([memberText('{}', 'messages'), memberText('{"a":1}', 'messages')]).toEqual(['', '']);
});

const CHANNEL = newChannel(
  { newId: () => 'id', retentionMs: 1 },
  { name: 'a/b', contentType: 'application/json', ttlSeconds: undefined, expiresAt: undefined },
  0,
);

interface Parsed {
  readonly from: Position;
  readonly next: Position;
  readonly messages: readonly unknown[];
}

/** Packs everything, in as many calls as it takes, as passes do. */
function packed(
  sizes: readonly (readonly number[])[],
  isByEntry: boolean,
  most: number,
  from: Position,
): Parsed[] {
  const all = sizes.map((entry, slot) => ({
    slot,
    first: 0,
    time: 0,
    messages: entry.map((size, at) => `"${slot}-${at}-${'x'.repeat(size)}"`),
  }));
  const frames: Parsed[] = [];
  for (let start = from; ; ) {
    const entries = all.flatMap((entry) => {
      if (entry.slot < start.entry) return [];
      const first = entry.slot === start.entry ? start.index : 0;
      return [{ ...entry, first, messages: entry.messages.slice(first) }];
    });
    const next = { entry: all.length, index: 0 };
    const messages = entries.flatMap((entry) => entry.messages);
    const page = { from: start, next, entries, messages, upToDate: true, closed: false, isGap: false };
    const {
      frames: some,
      end,
      isAll,
    } = pack(CHANNEL, page, start, {
      pattern: 'a/*',
      limit: undefined,
      isByEntry,
      most,
    });
    for (const { text, from: begins, next: ends } of some) {
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(128 * 1024);
      const frame = JSON.parse(text);
      expect([frame.from, frame.next]).toEqual([formatOffset(begins), formatOffset(ends)]);
      if (frame.messages?.length > 1) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(32 * 1024);
      frames.push({ from: begins, next: ends, messages: frame.messages ?? ['omitted'] });
    }
    if (isAll) return frames;
    start = end;
  }
}

const sizes = fc.array(
  fc.array(fc.oneof(fc.nat(200), fc.integer({ min: 9_000, max: 33_000 }), fc.constant(131_060)), {
    maxLength: 6,
  }),
  { minLength: 1, maxLength: 8 },
);

test('frames are contiguous, hold every message once and in order, and none is larger than it may be', () => {
  fc.assert(
    fc.property(sizes, fc.boolean(), fc.integer({ min: 1, max: 5 }), (entries, isByEntry, most) => {
      const frames = packed(entries, isByEntry, most, BEGINNING);
      frames.reduce((end, { from, next }) => {
        expect([from, isBefore(from, next)]).toEqual([end, true]);
        return next;
      }, BEGINNING);
      const taken = frames.flatMap(({ messages }) =>
        messages.map((message) => String(message).split('-x')[0]),
      );
      const published = entries.flatMap((entry, slot) =>
        entry.map((size, at) =>
          size > 130_000 ? 'omitted' : size === 0 ? `${slot}-${at}-` : `${slot}-${at}`,
        ),
      );
      expect(taken).toEqual(published);
    }),
    { numRuns: 60 },
  );
});

test('a packing by entry cuts wherever another packing cuts: a client that had frames of either can tell the rest', () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 5 }), fc.nat(30), (entries, most, taken) => {
      const before = packed(entries, false, most, BEGINNING).slice(0, taken);
      const mine = before.at(-1)?.next ?? BEGINNING;
      for (const { from, next } of packed(entries, true, most, BEGINNING)) {
        // A frame is either known as a whole or contiguous: it never overlaps.
        expect(isBefore(from, mine) && isBefore(mine, next)).toBe(false);
      }
    }),
    { numRuns: 60 },
  );
  expect(parseOffset(formatOffset(BEGINNING))).toEqual(BEGINNING);
});
