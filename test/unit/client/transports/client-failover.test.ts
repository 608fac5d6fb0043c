/**
 * Which transport runs when another one does not work, and how an event stream is parsed.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { TidingsError } from '../../../../client/errors.ts';
import { retryBudget } from '../../../../client/retry-budget.ts';
import { eventsIn } from '../../../../client/transports/event-stream.ts';
import {
  type Flow,
  retrying,
  runWithFailover,
  type Transport,
} from '../../../../client/transports/failover.ts';
import { stillHost } from '../../../support/client/still-host.ts';

describe('the failover', () => {
  /** A transport that the test controls. */
  const rung = (name: Transport) => {
    const flows: Flow[] = [];
    return { name, flows, run: (flow: Flow) => new Promise<void>(() => flows.push(flow)) };
  };

  test('the next transport runs while the one before does not work', async () => {
    const names: string[] = [];
    const [top, middle, last] = [rung('websocket'), rung('sse'), rung('poll')];
    const over = new AbortController();
    const running = runWithFailover([top, middle, last], over.signal, (name) => names.push(name));
    expect([top, middle].map(({ flows }) => flows.length)).toEqual([1, 0]);
    top.flows[0]?.down();
    top.flows[0]?.down();
    middle.flows[0]?.up();
    middle.flows[0]?.down();
    last.flows[0]?.up();
    expect([top, middle, last].map(({ flows }) => flows.length)).toEqual([1, 1, 1]);
    expect([middle, last].map(({ flows }) => flows[0]?.hasNext)).toEqual([true, false]);
    top.flows[0]?.up();
    expect([middle, last].map(({ flows }) => flows[0]?.signal.aborted)).toEqual([true, true]);
    last.flows[0]?.up();
    top.flows[0]?.down();
    expect(middle.flows).toHaveLength(2);
    over.abort();
    await running;
    expect([middle.flows[1]?.signal.aborted, names]).toEqual([true, ['sse', 'poll', 'websocket']]);
  });

  test('without a transport the subscription ends', async () => {
    const { signal } = new AbortController();
    await expect(runWithFailover([], signal, () => {})).rejects.toMatchObject({
      code: 'not_supported',
      status: 501,
    });
  });

  const trouble = (code: 'unavailable' | 'forbidden' | 'not_supported', retryAfterMs = 0) =>
    new TidingsError(code, code, { retryAfterMs });
  const flowOf = (hasNext: boolean) => {
    const over = new AbortController();
    const told: string[] = [];
    const flow = {
      signal: over.signal,
      hasNext,
      up: () => void told.push('up'),
      down: () => void told.push('down'),
    };
    return { flow, told, over };
  };

  test('a transport that fails is replaced by the next, and tried again after a minute', async () => {
    const host = stillHost();
    const { flow, told, over } = flowOf(true);
    let tries = 0;
    const running = retrying({ host, budget: retryBudget(host) }, flow, async () => {
      tries += 1;
      throw trouble('not_supported');
    });
    await host.pass(59_000);
    expect([tries, told]).toEqual([1, ['down']]);
    await host.pass(2_000);
    expect(tries).toBe(2);
    over.abort();
    await running;
    expect(host.timers()).toBe(0);
  });

  test('the last one follows Retry-After, and ends only with a lasting error', async () => {
    const host = stillHost();
    const { flow } = flowOf(false);
    const outcomes = [trouble('unavailable', 20_000), trouble('unavailable'), trouble('forbidden')];
    let tries = 0;
    const running = retrying({ host, budget: retryBudget(host) }, flow, async () => {
      tries += 1;
      throw outcomes.shift();
    });
    const ended = expect(running).rejects.toMatchObject({ code: 'forbidden', status: 403 });
    await host.pass(19_900);
    expect(tries).toBe(1);
    // A random time more, so that those that were refused together do not come back together.
    await host.pass(1_600);
    expect(tries).toBe(2);
    await host.pass(10_000);
    await ended;
  });

  test('one that fails after it has worked is tried again soon', async () => {
    const host = stillHost();
    const { flow, told, over } = flowOf(true);
    const running = retrying({ host, budget: retryBudget(host) }, flow, async (up) => {
      if (told.length === 0) up();
      throw new TypeError('network');
    });
    await host.pass(2_000);
    expect(told).toEqual(['up', 'down']);
    over.abort();
    await running;
  });
});

describe('an event stream', () => {
  const read = async (chunks: readonly string[]) => {
    const events: string[] = [];
    const bytes = (async function* () {
      for (const chunk of chunks) yield new TextEncoder().encode(chunk);
    })();
    for await (const { name, data, id } of eventsIn(bytes, () => {}))
      events.push(`${name}=${data}${id === undefined ? '' : ` (${id})`}`);
    return events;
  };

  test('is parsed by the standard, wherever its chunks are cut', async () => {
    const text =
      'event: data\ndata:[1,\ndata: 2]\n\n: beat\n\nevent: control\r\ndata: {"ü\u2028":1}\r\n\r\ndata\rdata:x\r\rid: 1\n\ndata: cut';
    const whole = await read([text]);
    expect(whole).toEqual(['data=[1,\n2]', 'control={"ü\u2028":1}', 'message=\nx', 'message= (1)']);
    expect(await read([...text])).toEqual(whole);
  });
});
