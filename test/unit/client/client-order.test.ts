/**
 * Publishes without `await`: they are stored in the order of the calls, even if one of them fails.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../client/connect.ts';
import { closeWhole, openWire, stored } from '../../support/client/live-socket.ts';
import { type FakeWire, type StillHost, settled, stillHost } from '../../support/client/still-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';

let host: StillHost;
let hub: Hub;
beforeEach(() => {
  host = stillHost();
  hub = connectOver(host, { url: 'https://hub.example' });
});
afterEach(() => closeWhole(host, hub));

const live = (): Promise<FakeWire> => openWire(host, hub);

const said = (wire: FakeWire) => wire.said.filter(({ action }) => action === 'publish');

describe('publishes are stored in the order of the calls', () => {
  /** A hub that answers when the test tells it to. Messages are numbers. */
  function slowHub() {
    const got: {
      readonly channel: string;
      readonly message: unknown;
      readonly answer: (r: Response) => void;
    }[] = [];
    host.respond = (url, { body }) =>
      new Promise((answer) => {
        const [message] = JSON.parse(String(body));
        got.push({ channel: url.split('/channels/')[1] ?? '', message, answer });
      });
    return got;
  }
  const numbers = Array.from({ length: 12 }, (_, at) => at);

  test('one at a time on each channel, and channels do not wait for each other', async () => {
    const got = slowHub();
    const published = numbers.map((at) => hub.publish(CHANNEL, [at]));
    const other = hub.publish('other', ['x']);
    await settled();
    expect(got.map(({ message }) => message)).toEqual([0, 'x']);
    got[1]?.answer(stored());
    expect(await other).toEqual({ offset: offsetAt(1) });
    got.splice(1, 1);
    for (const at of numbers) {
      expect(got.map(({ message }) => message)).toEqual(numbers.slice(0, at + 1));
      got[at]?.answer(stored(offsetAt(at + 1)));
      await settled();
    }
    expect(await Promise.all(published)).toEqual(numbers.map((at) => ({ offset: offsetAt(at + 1) })));
  });

  test('a refused one does not stop the next ones', async () => {
    const got = slowHub();
    const outcomes: unknown[] = [];
    for (const at of [0, 1, 2])
      hub.publish(CHANNEL, [at]).then(
        () => outcomes.push('stored'),
        ({ code }) => outcomes.push(code),
      );
    await settled();
    got[0]?.answer(stored());
    await settled();
    const refusal = { error: { code: 'key_reused', message: 'no' } };
    got[1]?.answer(Response.json(refusal, { status: 409 }));
    await settled();
    got[2]?.answer(stored());
    await settled();
    expect(got.map(({ message }) => message)).toEqual([0, 1, 2]);
    expect(outcomes).toEqual(['stored', 'key_reused', 'stored']);
  });

  test('one that the socket does not answer is sent over HTTP before the next ones', async () => {
    const wire = await live();
    const got = slowHub();
    const published = [0, 1, 2].map((at) => hub.publish(CHANNEL, [at]));
    await settled();
    wire.answer('publish', { type: 'published', offset: offsetAt(1) });
    await settled();
    await host.pass(9_900);
    expect([said(wire).map((each) => each.messages), got]).toEqual([[[0], [1]], []]);
    await host.pass(100);
    expect(got.map(({ message }) => message)).toEqual([1]);
    got[0]?.answer(stored(offsetAt(2)));
    await settled();
    expect(said(wire).at(-1)?.messages).toEqual([2]);
    wire.answer('publish', { type: 'published', offset: offsetAt(3) });
    expect(await Promise.all(published)).toEqual([1, 2, 3].map((at) => ({ offset: offsetAt(at) })));
  });

  test('a long queue that moves does not time out', async () => {
    const got = slowHub();
    const published = numbers.map((at) => hub.publish(CHANNEL, [at]));
    for (const at of numbers) {
      await host.pass(9_000);
      got[at]?.answer(stored(offsetAt(at + 1)));
    }
    await settled();
    expect(host.now()).toBeGreaterThan(100_000);
    expect(await Promise.all(published)).toHaveLength(12);
  });

  test('a queue that does not move fails within a minute, and the errors tell what was not sent', async () => {
    const got = slowHub();
    const failures: string[] = [];
    for (const at of numbers)
      hub.publish(CHANNEL, [at]).catch(({ code, message }) => failures.push(`${code} ${message}`));
    await host.pass(60_000);
    expect(new Set(got.map(({ message }) => message))).toEqual(new Set([0]));
    expect(failures[0]).toMatch(/^unavailable it is unknown/);
    expect(failures.slice(1)).toEqual(
      numbers
        .slice(1)
        .map(() => 'unavailable the messages were not sent: those before it were not answered in time'),
    );
  });

  test('a large one has time on a slow line, and a small one without an answer is soon sent again', async () => {
    const got = slowHub();
    const large = hub.publish(CHANNEL, ['x'.repeat(262_000)]);
    await host.pass(40_000);
    expect(got).toHaveLength(1);
    got[0]?.answer(stored());
    expect(await large).toEqual({ offset: offsetAt(1) });
    const small = hub.publish(CHANNEL, ['x']);
    await host.pass(13_000);
    expect(got).toHaveLength(3);
    got[2]?.answer(stored(offsetAt(2)));
    expect(await small).toEqual({ offset: offsetAt(2) });
  });

  test('all fail when the client is closed', async () => {
    const got = slowHub();
    const failures: unknown[] = [];
    for (const at of numbers) hub.publish(CHANNEL, [at]).catch(({ code }) => failures.push(code));
    await settled();
    hub.close();
    await settled();
    expect([failures, got.length]).toEqual([numbers.map(() => 'unavailable'), 1]);
  });
});
