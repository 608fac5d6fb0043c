/**
 * The host of a track: it counts what passes, and its network can be cut or frozen without a loss.
 * @module
 */
import { describe, expect, test } from 'vitest';
import type { Host, WireListener } from '../../../client/host.ts';
import { meteredHost } from '../../../console/race/metered-host.ts';

/** A machine whose answers and sockets the test has in its hand. */
function fakeMachine(answer: () => Response | Promise<Response>) {
  const listeners: WireListener[] = [];
  const closed: number[] = [];
  const real: Host = {
    fetch: async (_url, { signal }) => {
      signal?.throwIfAborted();
      return await answer();
    },
    openWire(_url, _protocols, listener) {
      const at = listeners.push(listener) - 1;
      return { send() {}, close: () => void closed.push(at) };
    },
    now: () => 0,
    wallClock: () => 0,
    after: () => () => {},
    random: () => 0.5,
    newKey: () => 'key',
  };
  return { ...meteredHost(real), listeners, closed };
}

/** Returns what a listener was told, in order. */
function told(): { readonly events: string[]; readonly listener: WireListener } {
  const events: string[] = [];
  return {
    events,
    listener: {
      opened: () => void events.push('opened'),
      received: (text) => void events.push(text),
      closed: () => void events.push('closed'),
    },
  };
}

const json = (value: unknown) => () => Response.json(value);

describe('the meter', () => {
  test('tells empty answers from answers with messages, and counts bytes', async () => {
    const empty = fakeMachine(json([]));
    await (await empty.host.fetch('/', {})).text();
    expect(empty.traffic).toEqual({ requests: 1, empty: 1, answers: 0, bytes: 2, frames: 0 });
    const full = fakeMachine(json([1, 2]));
    expect(await (await full.host.fetch('/', {})).json()).toEqual([1, 2]);
    expect(full.traffic).toEqual({ requests: 1, empty: 0, answers: 1, bytes: 5, frames: 0 });
    const unchanged = fakeMachine(() => new Response(null, { status: 304 }));
    await unchanged.host.fetch('/', {});
    expect(unchanged.traffic).toMatchObject({ requests: 1, empty: 1, answers: 0 });
  });

  test('counts no refusal and no stream as an answer', async () => {
    for (const init of [{ status: 503 }, { headers: { 'Content-Type': 'text/event-stream' } }]) {
      const { host, traffic } = fakeMachine(() => new Response('data: 1\n\n', init));
      await (await host.fetch('/', {})).text();
      expect(traffic).toMatchObject({ requests: 1, empty: 0, answers: 0 });
    }
  });
});

describe('a cut network', () => {
  test('ends what is open, and refuses what is new, until it is repaired', async () => {
    const { host, cut, listeners, closed } = fakeMachine(json([1]));
    const { events, listener } = told();
    host.openWire?.('/', [], listener);
    listeners[0]?.opened();
    cut(true);
    expect([events, closed]).toEqual([['opened', 'closed'], [0]]);
    listeners[0]?.received('too late');
    expect(events).toEqual(['opened', 'closed']);
    await expect(host.fetch('/', {})).rejects.toThrow(TypeError);
    const second = told();
    host.openWire?.('/', [], second.listener);
    await expect.poll(() => second.events).toEqual(['closed']);
    cut(false);
    expect(await (await host.fetch('/', {})).json()).toEqual([1]);
  });
});

describe('a frozen host', () => {
  test('delivers everything later, in order', async () => {
    const { host, freeze, listeners } = fakeMachine(json([1]));
    const { events, listener } = told();
    host.openWire?.('/', [], listener);
    freeze(true);
    listeners[0]?.opened();
    listeners[0]?.received('a');
    listeners[0]?.received('b');
    const answer = host.fetch('/', {}).then((response) => response.json());
    expect(events).toEqual([]);
    freeze(false);
    expect(events).toEqual(['opened', 'a', 'b']);
    expect(await answer).toEqual([1]);
  });

  test('sends no request that its client has given up meanwhile', async () => {
    const { host, freeze, traffic } = fakeMachine(json([1]));
    const client = new AbortController();
    freeze(true);
    const answer = host.fetch('/', { signal: client.signal });
    client.abort();
    freeze(false);
    await expect(answer).rejects.toThrow();
    expect(traffic.requests).toBe(0);
  });
});
