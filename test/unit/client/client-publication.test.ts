/**
 * Publishing: messages are sent as they were at the call, and only an answer in the hub's form acknowledges them.
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

/** The bodies that the hub received over HTTP, parsed. */
function bodies(): unknown[] {
  const got: unknown[] = [];
  host.respond = (_url, { body }) => {
    got.push(JSON.parse(String(body)));
    return stored();
  };
  return got;
}

const said = (wire: FakeWire) => wire.said.filter(({ action }) => action === 'publish');
/** The result of a promise: its value, its error code, or `open`. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const ended = promise.then(
    () => 'stored',
    (error) => (error instanceof TypeError ? 'TypeError' : error.code),
  );
  await settled();
  return await Promise.race([ended, Promise.resolve('open')]);
}

describe('messages are sent as they were at the call', () => {
  const messages = () => [{ a: 1 }];
  const spoil = (list: { a: number }[]): void => {
    if (list[0]) list[0].a = 2;
    list.length = 0;
  };

  test('over HTTP, also when they are sent again', async () => {
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

  test('over a socket, and over HTTP when the socket does not answer', async () => {
    const wire = await live();
    const got = bodies();
    const list = messages();
    const published = hub.publish(CHANNEL, list);
    spoil(list);
    await host.pass(10_000);
    await published;
    expect([said(wire).map((each) => each.messages), got]).toEqual([[[{ a: 1 }]], [[{ a: 1 }]]]);
  });

  test('while another publish is sent first', async () => {
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

  test('the same text over HTTP and on a socket, with U+FFFD as an escape', async () => {
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

describe('invalid publishes are refused at once, over HTTP and on a socket', () => {
  const circle: unknown[] = [];
  circle.push(circle);
  /** Calls as JavaScript code may, without types. */
  const untyped = (value: unknown, key?: unknown): Promise<unknown> =>
    Reflect.apply(hub.publish, hub, [CHANNEL, value, { key }]);
  const cases: readonly (readonly [string, unknown, unknown, unknown])[] = [
    ['a value that is not an array', { a: 1 }, undefined, 'TypeError'],
    ['text', 'text', undefined, 'TypeError'],
    ['nothing', undefined, undefined, 'TypeError'],
    ['a BigInt', [1n], undefined, 'TypeError'],
    ['a cyclic object', [circle], undefined, 'TypeError'],
    ['undefined', [1, undefined], undefined, 'TypeError'],
    ['an array with a hole', new Array(1), undefined, 'TypeError'],
    ['a function', [() => {}], undefined, 'TypeError'],
    ['a key with letters outside ASCII', [1], 'ключ', 'bad_request'],
    ['a key with a line break', [1], 'a\nb', 'bad_request'],
    ['a key that HTTP would trim', [1], ' key', 'bad_request'],
    ['an empty key', [1], '', 'bad_request'],
    ['a key that is too long', [1], 'k'.repeat(256), 'bad_request'],
    ['a key that is not text', [1], 7, 'bad_request'],
    ['more than the hub takes', ['x'.repeat(262_144)], undefined, 'too_large'],
  ];
  test.each(cases)('%s', async (_name, value, key, code) => {
    const got = bodies();
    expect(await outcome(untyped(value, key))).toBe(code);
    const wire = await live();
    expect(await outcome(untyped(value, key))).toBe(code);
    expect([got, said(wire)]).toEqual([[], []]);
  });

  test('a refused publish does not delay the next one', async () => {
    const got = bodies();
    const outcomes = [hub.publish(CHANNEL, [1n]), hub.publish(CHANNEL, [2])].map(outcome);
    expect([await Promise.all(outcomes), got]).toEqual([['TypeError', 'stored'], [[2]]]);
  });

  test('keys that the hub accepts are accepted', async () => {
    const keys: unknown[] = [];
    host.respond = (_url, { headers }) => {
      keys.push(new Headers(headers).get('Idempotency-Key'));
      return stored();
    };
    for (const key of ['k', '~ !', 'k'.repeat(255)]) await hub.publish(CHANNEL, [1], { key });
    expect(keys).toEqual(['k', '~ !', 'k'.repeat(255)]);
  });
});

describe('an acknowledgement', () => {
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
    ['an answer after a redirect', redirected],
    ['403 html', () => html(403)],
    ['404 JSON of a proxy', () => Response.json({ message: 'Not Found' }, { status: 404 })],
  ])('is not %s: the publish is tried again, and ends as unavailable', async (_name, answer) => {
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

  test('is an answer of the hub, after ten seconds of other answers', async () => {
    host.respond = () => (host.now() < 10_000 ? html(200) : stored());
    const published = hub.publish(CHANNEL, [1]);
    await host.pass(30_000);
    expect(await published).toEqual({ offset: offsetAt(1) });
  });

  test('a publish does not follow a redirect', async () => {
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
    ['an invalid offset', { type: 'published', offset: '99' }],
    ['an answer of another type', { type: 'pong', offset: offsetAt(1) }],
    ['no type', { offset: offsetAt(1) }],
  ])('on a socket is not %s: the publish is sent again over HTTP', async (_name, frame) => {
    const wire = await live();
    const got = bodies();
    const published = hub.publish(CHANNEL, [1]);
    await settled();
    wire.answer('publish', frame);
    expect([await published, got]).toEqual([{ offset: offsetAt(1) }, [[1]]]);
  });
});
