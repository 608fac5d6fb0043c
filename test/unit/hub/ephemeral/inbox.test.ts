/**
 * Ephemeral messages on their way from the wake socket of a process to its streams (PROTOCOL.md §4.7).
 * @module
 */
import { describe, expect, test } from 'vitest';
import {
  type EphemeralNews,
  inboxesOf,
  interleaved,
  MOST_WAITING,
  parseEphemeral,
} from '../../../../lambda/hub/ephemeral/inbox.ts';
import { ephemeralText } from '../../../../lambda/hub/ephemeral/post-ephemeral.ts';

function ear() {
  let hear: (news: EphemeralNews) => void = () => {};
  const openInbox = inboxesOf({
    listenEphemeral(callback) {
      hear = callback;
    },
  });
  const say = (channel: string, ...messages: string[]) => hear({ channel, messages });
  return { openInbox, say };
}

describe('a frame of the push', () => {
  const parsed = (text: string) => parseEphemeral(JSON.parse(text), text);

  test('is parsed with the messages as they were published', () => {
    const messages = ['{"n": 1.00, "messages":[7]}', '9007199254740993', '"a,\\"]\\u00e9"', '[ 1 ,[2]]'];
    expect(parsed(ephemeralText('game/7', 'game/7', messages.join()))).toEqual({
      channel: 'game/7',
      messages,
    });
  });

  test('of another kind is not parsed', () => {
    for (const frame of [{ type: 'news', channel: 'a', messages: [] }, { type: 'ephemeral' }, {}])
      expect(parsed(JSON.stringify(frame))).toBeUndefined();
  });

  test('with more messages than a publish may have is parsed, since it may be of several', () => {
    const messages = Array.from({ length: 2_500 }, (_, n) => String(n));
    expect(parsed(ephemeralText('a', 'a', messages.join()))?.messages).toEqual(messages);
  });
});

describe('an inbox', () => {
  test('gets what comes on its channels while it is open, as every other inbox of the process does', async () => {
    const { openInbox, say } = ear();
    say('a', 'before');
    const [one, two] = [openInbox(['a', 'b']), openInbox(['a'])];
    say('a', '1');
    say('b', '2');
    say('c', '3');
    await one.wait();
    expect([one.take(), one.take(), one.take()]).toEqual([
      { channel: 'a', messages: ['1'] },
      { channel: 'b', messages: ['2'] },
      undefined,
    ]);
    one.close();
    say('a', '4');
    expect(one.take()).toBeUndefined();
    expect([two.take()?.messages, two.take()?.messages]).toEqual([['1'], ['4']]);
  });

  test('of a stream that is not read keeps the newest frames, and no more', () => {
    const { openInbox, say } = ear();
    const inbox = openInbox(['a']);
    for (let n = 0; n < 1_000; n++) say('a', String(n));
    const kept = Array.from({ length: MOST_WAITING + 1 }, () => inbox.take()?.messages[0]);
    expect(kept).toEqual([...Array.from({ length: MOST_WAITING }, (_, n) => String(992 + n)), undefined]);
  });
});

describe('a stream', () => {
  /** Steps that a test gives one by one. */
  function steps() {
    const waiting: ((step: number | 'end') => void)[] = [];
    let isEnded = false;
    async function* generator(): AsyncGenerator<number> {
      try {
        for (;;) {
          const step = await new Promise<number | 'end'>((resolve) => waiting.push(resolve));
          if (step === 'end') return;
          yield step;
        }
      } finally {
        isEnded = true;
      }
    }
    const give = (step: number | 'end') => waiting.shift()?.(step);
    return { generator: generator(), give, isEnded: () => isEnded };
  }

  test('has the messages between its steps, and ends with the last step', async () => {
    const { openInbox, say } = ear();
    const { generator, give } = steps();
    const stream = interleaved(generator, openInbox(['a']));
    const first = stream.next();
    say('a', '1', '2');
    expect((await first).value).toEqual({ news: { channel: 'a', messages: ['1', '2'] } });
    const second = stream.next();
    give(7);
    expect((await second).value).toEqual({ step: 7 });
    const third = stream.next();
    say('a', '3');
    say('a', '4');
    expect((await third).value).toEqual({ news: { channel: 'a', messages: ['3'] } });
    expect((await stream.next()).value).toEqual({ news: { channel: 'a', messages: ['4'] } });
    const last = stream.next();
    give('end');
    expect((await last).done).toBe(true);
    say('a', '5');
    expect((await stream.next()).done).toBe(true);
  });

  test('loses no step to many messages', async () => {
    const { openInbox, say } = ear();
    const { generator, give } = steps();
    const stream = interleaved(generator, openInbox(['a']));
    const seen: unknown[] = [];
    for (let n = 0; n < 20; n++) {
      const next = stream.next();
      say('a', String(n));
      if (n % 4 === 0) give(n);
      seen.push((await next).value);
      if (n % 4 === 0) seen.push((await stream.next()).value);
    }
    const stepsSeen = seen.flatMap((value) => ('step' in Object(value) ? [Object(value).step] : []));
    expect(stepsSeen).toEqual([0, 4, 8, 12, 16]);
  });

  test('that its reader leaves ends its steps', async () => {
    const { openInbox } = ear();
    const { generator, give, isEnded } = steps();
    const stream = interleaved(generator, openInbox(['a']));
    const first = stream.next();
    give(1);
    await first;
    await stream.return(undefined);
    // The steps wait for another one, and end when it comes.
    give(2);
    await expect.poll(isEnded).toBe(true);
  });

  test('fails as its steps do', async () => {
    const { openInbox } = ear();
    const failing = (async function* (): AsyncGenerator<number> {
      yield 1;
      throw new Error('gone');
    })();
    const stream = interleaved(failing, openInbox([]));
    expect((await stream.next()).value).toEqual({ step: 1 });
    await expect(stream.next()).rejects.toThrow('gone');
  });
});
