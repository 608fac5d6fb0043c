/**
 * A hint carries the entry of its publish if both fit into one unit of SNS and SQS. Otherwise it is the hint alone.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { hintBody, MAX_HINT_BYTES } from '../../../lambda/aws/queues/hint-messages.ts';
import { parsePushWork, pushQueue } from '../../../lambda/aws/queues/push-queue.ts';
import type { HintedEntry } from '../../../lambda/hub/log/entry.ts';
import { formatOffset } from '../../../protocol/offset.ts';

const entryOf = (slot: number, ...messages: HintedEntry['messages']): HintedEntry => ({
  streamId: 'stream',
  slot,
  time: 1_700_000_000_000,
  contentType: 'application/json',
  messages,
});
const bodyOf = (entry: HintedEntry | undefined, slot = entry?.slot ?? 0, isClosing = false): string =>
  hintBody({ channel: 'chat/a', offset: formatOffset({ entry: slot + 1, index: 0 }), isClosing, entry });
const hintOf = (slot: number, more: object = {}) => ({
  kind: 'hint',
  channel: 'chat/a',
  offset: { entry: slot + 1, index: 0 },
  isClosing: false,
  ...more,
});

describe('the entry of a hint', () => {
  test('survives with every character and every byte', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const entry = entryOf(5, '{"n": 1.0e2,"é":"\u{1f600}\ufffe\\n"}', bytes, '""', new Uint8Array());
    const body = bodyOf(entry);
    expect(body).toMatch(/^[\x20-\x7e]+$/);
    expect(parsePushWork(body)).toEqual(hintOf(5, { entry }));
  });

  test('is there up to a length of the whole hint, and not above it', () => {
    const empty = bodyOf(entryOf(5, ''));
    const fits = entryOf(5, 'x'.repeat(MAX_HINT_BYTES - empty.length));
    expect(bodyOf(fits)).toHaveLength(MAX_HINT_BYTES);
    expect(parsePushWork(bodyOf(fits))).toEqual(hintOf(5, { entry: fits }));
    const tooLong = entryOf(5, 'x'.repeat(MAX_HINT_BYTES - empty.length + 1));
    expect(bodyOf(tooLong)).toBe(bodyOf(undefined, 5));
    expect(parsePushWork(bodyOf(tooLong))).toEqual(hintOf(5));
  });

  test('counts as it is written: a character beyond ASCII has six bytes, and bytes are base64', () => {
    for (const message of ['é'.repeat(MAX_HINT_BYTES / 5), new Uint8Array(MAX_HINT_BYTES * 0.8)])
      expect(bodyOf(entryOf(5, message))).toBe(bodyOf(undefined, 5));
  });

  test('does not make a hint that SNS would refuse: the largest publish is a hint alone', () => {
    const largest = Array.from({ length: 1_000 }, () => 'é'.repeat(250));
    expect(bodyOf(entryOf(5, ...largest)).length).toBeLessThan(100);
  });

  test('is left out if it does not end at the offset, or is of another form', () => {
    const hint = { channel: 'chat/a', offset: formatOffset({ entry: 6, index: 0 }) };
    const entry = { stream: 's', slot: 5, time: 1, type: 'text/plain', messages: ['a'] };
    const forms = [
      { ...entry, slot: 4 },
      { ...entry, stream: 1 },
      { ...entry, messages: ['a', { base32: 'a' }] },
      { ...entry, messages: 'a' },
      { ...entry, time: '1' },
      'text',
      null,
    ];
    for (const form of forms)
      expect(parsePushWork(JSON.stringify({ ...hint, entry: form })), JSON.stringify(form)).toEqual(
        hintOf(5),
      );
    expect(parsePushWork(JSON.stringify({ ...hint, entry }))).toMatchObject({ entry: { slot: 5 } });
  });
});

test('merged hints have the entry of the later one', () => {
  const [one, other] = [entryOf(5, '1'), entryOf(6, '2')];
  const works = [bodyOf(other), bodyOf(one), bodyOf(undefined, 4, true)].map(parsePushWork);
  const merged = works.reduce(pushQueue.merge);
  expect(merged).toEqual(hintOf(6, { isClosing: true, entry: other }));
  expect(works.reverse().reduce(pushQueue.merge)).toEqual(merged);
});
