/**
 * A hint reaches the processes that hold requests of its channel (PROTOCOL.md §5.1).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { type News, parseNews } from '../../../../lambda/hub/hold/news.ts';
import { type Hint, onHint } from '../../../../lambda/hub/push/on-hint.ts';
import { pushMemory } from '../../../../lambda/hub/push/push-memory.ts';
import type { Posted, Push } from '../../../../lambda/hub/push/push-ports.ts';
import { nameOfPolls } from '../../../../lambda/hub/waiting-names.ts';
import { memoryLog } from '../../../support/domain/memory-log.ts';
import { memoryListeners } from '../../../support/domain/memory-subscribers.ts';

const CHANNEL = 'chat/room1';
const ENTRY = {
  streamId: 'stream',
  slot: 6,
  time: 12,
  contentType: 'application/json',
  messages: ['{"n": 1.0}', '2'],
};
const HINT: Hint = { channel: CHANNEL, offset: { entry: 7, index: 0 }, isClosing: false, entry: ENTRY };

/** A push with processes that wait on the channel. */
async function waitingWorld(count: number, posted: (connection: string) => Posted = () => 'sent') {
  const log = memoryLog();
  const listeners = memoryListeners(() => () => {});
  const connections = Array.from({ length: count }, (_, n) => `wake-${n}=`);
  for (const connection of connections) await listeners.waits.show(CHANNEL, connection, log.now);
  const heard = new Map<string, (News | undefined)[]>();
  const push: Push = {
    log,
    ...listeners,
    memory: pushMemory(),
    poster: {
      async post(connection, frame) {
        heard.set(connection, [...(heard.get(connection) ?? []), parseNews(JSON.parse(frame))]);
        return posted(connection);
      },
      close: async () => 'closed',
    },
    jobs: { send: async () => {} },
    watch: { delivered() {}, lag() {} },
  };
  return { push, heard, connections, listeners, hint: (hint: Hint) => onHint(push, hint, log.now + 10_000) };
}

describe('the processes that hold requests of a channel', () => {
  test.each([[1], [20], [50]])('get the entry of the hint, %i of them', async (count) => {
    const w = await waitingWorld(count);
    await w.hint(HINT);
    const { contentType: _, ...entry } = ENTRY;
    const news = { channel: CHANNEL, next: 7, isClosing: false, entry };
    expect(w.heard).toEqual(new Map(w.connections.map((connection) => [connection, [news]])));
  });

  test.each([
    ['has none', { entry: undefined }],
    ['is for an earlier offset', { entry: { ...ENTRY, slot: 5 } }],
    ['is for a later offset', { entry: { ...ENTRY, slot: 7 } }],
    ['is too large for one billed frame', { entry: { ...ENTRY, messages: ['x'.repeat(40_000)] } }],
    ['ends within an entry', { offset: { entry: 7, index: 1 } }],
  ])('are told to read if the entry of the hint %s', async (_name, change) => {
    const w = await waitingWorld(1);
    await w.hint({ ...HINT, ...change });
    expect(w.heard.get('wake-0=')).toEqual([
      { channel: CHANNEL, next: 7, isClosing: false, entry: undefined },
    ]);
  });

  test('are told that the channel is closed', async () => {
    const w = await waitingWorld(1);
    await w.hint({ ...HINT, isClosing: true, entry: undefined });
    expect(w.heard.get('wake-0=')).toMatchObject([{ next: 7, isClosing: true }]);
  });

  test('are forgotten when they are gone, and only then', async () => {
    const w = await waitingWorld(4, (connection) => (connection === 'wake-2=' ? 'gone' : 'unsure'));
    await w.hint(HINT);
    await w.hint(HINT);
    expect([...w.heard.values()].map((news) => news.length)).toEqual([2, 2, 1, 2]);
  });

  test('hear of it whether they hold streams or long polls', async () => {
    const w = await waitingWorld(1);
    await w.listeners.waits.show(CHANNEL, nameOfPolls('polls='), w.push.log.clock());
    await w.hint(HINT);
    expect([...w.heard.keys()]).toEqual(['wake-0=', 'polls=']);
  });

  test('of other channels hear nothing', async () => {
    const w = await waitingWorld(1);
    await w.hint({ ...HINT, channel: `${CHANNEL}/other` });
    expect(w.heard.size).toBe(0);
  });
});
