/**
 * What is published: as it was handed over, in the order of the calls, and stored once the hub has said so in its own
 * form.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../client/connect.ts';
import { offsetAt } from '../support/fake-log.ts';
import { type FakeWire, type StillHost, settled, stillHost } from '../support/still-host.ts';

const CHANNEL = 'chat/room1';

let host: StillHost;
let hub: Hub;
beforeEach(() => {
  host = stillHost();
  hub = connectOver(host, { url: 'https://hub.example' });
});
afterEach(async () => {
  hub.close();
  await settled();
  expect(host.timers()).toBe(0);
});

const stored = (offset = offsetAt(1)) =>
  new Response(null, { status: 204, headers: { 'Stream-Next-Offset': offset } });

async function live(): Promise<FakeWire> {
  hub.subscribe('other', { onMessages() {} });
  await settled();
  const [wire] = host.wires;
  if (!wire) throw new Error('no socket was opened');
  wire.open();
  await settled();
  return wire;
}

/** Bodies that the hub got by HTTP, parsed. */
function bodies(): unknown[] {
  const got: unknown[] = [];
  host.respond = (_url, { body }) => {
    got.push(JSON.parse(String(body)));
    return stored();
  };
  return got;
}

const said = (wire: FakeWire) => wire.said.filter(({ action }) => action === 'publish');
/** How a promise ended, or `open`. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const ended = promise.then(
    () => 'stored',
    (error) => (error instanceof TypeError ? 'TypeError' : error.code),
  );
  await settled();
  return await Promise.race([ended, Promise.resolve('open')]);
}

describe('what was handed over is what is sent', () => {
  const messages = () => [{ a: 1 }];
  const spoil = (list: { a: number }[]): void => {
    if (list[0]) list[0].a = 2;
    list.length = 0;
  };

  test('over HTTP, and when it is sent again', async () => {
    const got: unknown[] = [];
    host.respond = (_url, { body }) => {
      got.push(JSON.parse(String(body)));
      return got.length < 3 ? new Response('no', { status: 502 }) : stored();
    };
    const list = messages();
    const published = hub.publish(CHANNEL, list);
    spoil(list);
    await host.pass(30_000);
    await published;
    expect(got).toEqual([[{ a: 1 }], [{ a: 1 }], [{ a: 1 }]]);
  });

  test('over a socket, and by HTTP when the socket does not answer', async () => {
    const wire = await live();
    const got = bodies();
    const list = messages();
    const published = hub.publish(CHANNEL, list);
    spoil(list);
    await host.pass(10_000);
    await published;
    expect([said(wire).map((each) => each.messages), got]).toEqual([[[{ a: 1 }]], [[{ a: 1 }]]]);
  });

  test('while it waits behind another', async () => {
    const first = Promise.withResolvers<Response>();
    const got: unknown[] = [];
    host.respond = (_url, { body }) => {
      got.push(JSON.parse(String(body)));
      return got.length === 1 ? first.promise : stored();
    };
    const list = messages();
    const published = [hub.publish(CHANNEL, [0]), hub.publish(CHANNEL, list)];
    await settled();
    spoil(list);
    first.resolve(stored());
    await Promise.all(published);
    expect(got).toEqual([[0], [{ a: 1 }]]);
  });

  test('the same text by HTTP and on a socket, with U+FFFD as an escape', async () => {
    const texts: string[] = [];
    host.respond = (_url, { body }) => {
      texts.push(String(body));
      return stored();
    };
    const list = ['a\ufffdb', { 'k\ufffd': '\ud800', at: new Date(0) }, 1e21, -0];
    await hub.publish(CHANNEL, list);
    const wire = await live();
    const published = hub.publish(CHANNEL, list);
    await settled();
    wire.answer('publish', { type: 'published', offset: offsetAt(1) });
    await published;
    expect(texts).toEqual(['["a\\ufffdb",{"k\\ufffd":"\\ud800","at":"1970-01-01T00:00:00.000Z"},1e+21,0]']);
    expect(said(wire).map(({ messages: sent }) => sent)).toEqual([JSON.parse(texts[0] ?? '')]);
    expect(wire.texts.at(-1)).toContain(`"messages":${texts[0]}}`);
  });
});

describe('what cannot be published is refused at once, by HTTP and on a socket', () => {
  const circle: unknown[] = [];
  circle.push(circle);
  /** As callers without types may. */
  const untyped = (value: unknown, key?: unknown): Promise<unknown> =>
    Reflect.apply(hub.publish, hub, [CHANNEL, value, { key }]);
  const cases: readonly (readonly [string, unknown, unknown, unknown])[] = [
    ['no list', { a: 1 }, undefined, 'TypeError'],
    ['text', 'text', undefined, 'TypeError'],
    ['nothing', undefined, undefined, 'TypeError'],
    ['a BigInt', [1n], undefined, 'TypeError'],
    ['a circle', [circle], undefined, 'TypeError'],
    ['undefined', [1, undefined], undefined, 'TypeError'],
    ['a hole', new Array(1), undefined, 'TypeError'],
    ['a function', [() => {}], undefined, 'TypeError'],
    ['a key of letters that no header carries', [1], 'ключ', 'bad_request'],
    ['a key with a line break', [1], 'a\nb', 'bad_request'],
    ['a key that HTTP would trim', [1], ' key', 'bad_request'],
    ['an empty key', [1], '', 'bad_request'],
    ['a key that is too long', [1], 'k'.repeat(256), 'bad_request'],
    ['a key that is no text', [1], 7, 'bad_request'],
    ['more than the hub takes', ['x'.repeat(262_144)], undefined, 'too_large'],
  ];
  test.each(cases)('%s', async (_name, value, key, code) => {
    const got = bodies();
    expect(await outcome(untyped(value, key))).toBe(code);
    const wire = await live();
    expect(await outcome(untyped(value, key))).toBe(code);
    expect([got, said(wire)]).toEqual([[], []]);
  });

  test('and does not hold up what comes after it', async () => {
    const got = bodies();
    const outcomes = [hub.publish(CHANNEL, [1n]), hub.publish(CHANNEL, [2])].map(outcome);
    expect([await Promise.all(outcomes), got]).toEqual([['TypeError', 'stored'], [[2]]]);
  });

  test('what the hub takes as a key is taken', async () => {
    const keys: unknown[] = [];
    host.respond = (_url, { headers }) => {
      keys.push(new Headers(headers).get('Idempotency-Key'));
      return stored();
    };
    for (const key of ['k', '~ !', 'k'.repeat(255)]) await hub.publish(CHANNEL, [1], { key });
    expect(keys).toEqual(['k', '~ !', 'k'.repeat(255)]);
  });
});

describe('what acknowledges', () => {
  const html = (status: number, headers = {}) =>
    new Response('<p>hello</p>', { status, headers: { 'Content-Type': 'text/html', ...headers } });
  const offsetOf = (value: string) => ({ 'Stream-Next-Offset': value });
  const redirected = (): Response =>
    Object.defineProperty(new Response('[]', { headers: offsetOf(offsetAt(1)) }), 'redirected', {
      value: true,
    });
  const opaque = (): Response =>
    Object.defineProperties(new Response(null), { type: { value: 'opaqueredirect' }, ok: { value: false } });

  test.each([
    ['200 html', () => html(200)],
    ['a bare 204', () => new Response(null, { status: 204 })],
    ['200 with the offset of something else', () => html(200, offsetOf('99'))],
    ['204 with letters', () => new Response(null, { status: 204, headers: offsetOf('000000000001000x') })],
    ['201', () => Response.json({}, { status: 201, headers: offsetOf(offsetAt(1)) })],
    ['304', () => new Response(null, { status: 304, headers: offsetOf(offsetAt(1)) })],
    [
      'a redirect to a login page',
      () => new Response(null, { status: 302, headers: { Location: '/login' } }),
    ],
    ['a redirect in a browser', opaque],
    ['a redirect that was followed', redirected],
    ['403 html', () => html(403)],
    ['404 JSON of a front', () => Response.json({ message: 'Not Found' }, { status: 404 })],
  ])('%s does not: it is tried again, and at last unknown', async (_name, answer) => {
    host.respond = answer;
    const published = hub.publish(CHANNEL, [1]);
    const failed = expect(published).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/^it is unknown whether the messages were stored: /),
    });
    await host.pass(60_000);
    await failed;
    expect(host.requests.length).toBeGreaterThan(3);
  });

  test('an answer of the hub after ten seconds of those', async () => {
    host.respond = () => (host.now() < 10_000 ? html(200) : stored());
    const published = hub.publish(CHANNEL, [1]);
    await host.pass(30_000);
    expect(await published).toEqual({ offset: offsetAt(1) });
  });

  test('no redirect is followed with what is published', async () => {
    const modes: unknown[] = [];
    host.respond = (_url, { redirect }) => {
      modes.push(redirect);
      return stored();
    };
    await hub.publish(CHANNEL, [1]);
    expect(modes).toEqual(['manual']);
  });

  test.each([
    ['no offset', { type: 'published' }],
    ['an offset that is none', { type: 'published', offset: '99' }],
    ['an answer to something else', { type: 'pong', offset: offsetAt(1) }],
    ['no type', { offset: offsetAt(1) }],
  ])('on a socket %s does not: it is said again by HTTP', async (_name, frame) => {
    const wire = await live();
    const got = bodies();
    const published = hub.publish(CHANNEL, [1]);
    await settled();
    wire.answer('publish', frame);
    expect([await published, got]).toEqual([{ offset: offsetAt(1) }, [[1]]]);
  });
});

describe('in the order of the calls', () => {
  /** A hub that answers when it is told to. Messages are numbers. */
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

  test('one is under way on a channel, and channels do not wait for each other', async () => {
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

  test('one that is refused does not stop those after it', async () => {
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

  test('one that the socket does not answer goes by HTTP before those after it go anywhere', async () => {
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

  test('a line that moves has time, however long it is', async () => {
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

  test('one that does not move is over within a minute, and says what was not sent', async () => {
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

  test('a large one has time to pass a slow line, and a small one that is not answered is soon sent again', async () => {
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

  test('all of it ends with the client', async () => {
    const got = slowHub();
    const failures: unknown[] = [];
    for (const at of numbers) hub.publish(CHANNEL, [at]).catch(({ code }) => failures.push(code));
    await settled();
    hub.close();
    await settled();
    expect([failures, got.length]).toEqual([numbers.map(() => 'unavailable'), 1]);
  });
});
