/**
 * The handler of the intake queue: order within a group, and what becomes of messages that fail.
 * @module
 */
import { expect, test } from 'vitest';
import { intakeHandler, membersOf } from '../../../lambda/aws/queues/intake-handler.ts';
import { Refusal } from '../../../protocol/errors.ts';

/** What a message with that text makes the publish do. */
const EFFECTS: Readonly<Record<string, () => void>> = {
  busy: () => {
    throw new Refusal('unavailable', 'busy');
  },
  never: () => {
    throw new Refusal('bad_channel', 'a name');
  },
  defect: () => {
    throw new Error('defect');
  },
};

interface Run {
  readonly published: string[];
  readonly refused: string[];
  readonly again: readonly string[];
}

/** Handles a batch of messages, given as `group/text`. */
async function handled(messages: readonly string[], remainingMs = 60_000, canRefuse = true): Promise<Run> {
  const published: string[] = [];
  const refused: string[] = [];
  const handler = intakeHandler({
    async publish(body, id) {
      EFFECTS[body]?.();
      published.push(`${id}:${body}`);
    },
    async refuse({ id, group, body, refusal }) {
      if (!canRefuse) throw new Refusal('unavailable', 'busy');
      refused.push(`${id}:${group}:${body}:${refusal.code}`);
    },
    lastMs: 10_000,
    logDefect() {},
  });
  const Records = messages.map((message, at) => {
    const [MessageGroupId, body] = message.split('/');
    return { messageId: `m${at}`, receiptHandle: 'r', attributes: { MessageGroupId }, body };
  });
  const context = { getRemainingTimeInMillis: () => remainingMs };
  const { batchItemFailures } = await handler({ Records }, context);
  return { published, refused, again: batchItemFailures.map(({ itemIdentifier }) => itemIdentifier) };
}

test('messages of a group are published in their order, with their ids', async () => {
  expect(await handled(['a/1', 'a/2', 'a/3'])).toEqual({
    published: ['m0:1', 'm1:2', 'm2:3'],
    refused: [],
    again: [],
  });
});

test.each(['busy', 'defect'])(
  'after one that is %s, all later ones of its group come again',
  async (what) => {
    const { published, refused, again } = await handled(['a/1', `a/${what}`, 'b/1', 'a/3', 'b/2']);
    expect(published.toSorted()).toEqual(['m0:1', 'm2:1', 'm4:2']);
    expect([refused, again]).toEqual([[], ['m1', 'm3']]);
  },
);

test('one that can never be published goes to the dead letters, and the next one is published', async () => {
  expect(await handled(['a/never', 'a/2'])).toEqual({
    published: ['m1:2'],
    refused: ['m0:a:never:bad_channel'],
    again: [],
  });
});

test('one that cannot be sent to the dead letters comes again, and so do the later ones', async () => {
  expect(await handled(['a/never', 'a/2'], 60_000, false)).toEqual({
    published: [],
    refused: [],
    again: ['m0', 'm1'],
  });
});

test('without time for another publish all come again', async () => {
  expect(await handled(['a/1', 'b/1'], 9_000)).toEqual({ published: [], refused: [], again: ['m0', 'm1'] });
});

test.each([
  ['{', 'bad_json'],
  ['[]', 'bad_request'],
  ['{"channel":"a","messages":[],"producer":{}}', 'bad_request'],
])('a message %s is refused: %s', (body, code) => {
  expect(() => membersOf(body)).toThrow(expect.objectContaining({ code }));
});
