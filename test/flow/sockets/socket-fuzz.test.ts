/**
 * A thousand frames of all kinds on a few sockets: each is answered by a frame that docs/asyncapi.yaml knows, none by a
 * defect, and the hub keeps working.
 * @module
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { share } from '../../support/thorough.ts';
import { follow, subscribe } from '../../support/wire/follow.ts';
import { type Heard, socketWith } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel } from '../../support/wire/wire.ts';

const RUNS = share(1_000);
const SOCKETS = 4;
const AT_ONCE = 5;

const prefix = newChannel('fuzz');
const junk = fc.oneof(
  fc.string({ maxLength: 80, unit: 'binary' }),
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, '', 0, -1, 1e308, [], {}, ['a'], { a: 1 }),
);
/** Valid names are few, so that frames use the same channels. */
const channel = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'a/b', '*').map((name) => `${prefix}/${name}`) },
  { weight: 1, arbitrary: fc.constantFrom('*', '..', 'a//b', 'a#0', '@a', '/*', 'x'.repeat(300)) },
  { weight: 1, arbitrary: junk },
);
const offset = fc.oneof(
  fc.constantFrom('-1', 'now', '0000000000000000', '0000000000010000', '0000000000000001', '9'.repeat(16)),
  junk,
);
const messages = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constant(Array(1_001).fill(0)) },
  { weight: 1, arbitrary: junk },
);
const number = fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 3 }) }, { weight: 1, arbitrary: junk });
const producerId = fc.constantFrom('p', 'q', '__proto__', 'p'.repeat(101));
const producer = fc.oneof(
  { weight: 4, arbitrary: fc.record({ id: producerId, epoch: fc.nat({ max: 1 }), seq: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ id: junk, epoch: number, seq: number }, { requiredKeys: [] }) },
  { weight: 1, arbitrary: junk },
);
/** Valid publishes. The hub may still refuse one for the state of its channel. */
const publish = fc.record(
  {
    action: fc.constant('publish'),
    channel: fc.constantFrom('a', 'b', 'a/b').map((name) => `${prefix}/${name}`),
    messages: fc.array(fc.jsonValue({ maxDepth: 2 }), { minLength: 1, maxLength: 3 }),
    producer,
  },
  { requiredKeys: ['action', 'channel', 'messages'] },
);
const frame = fc.record(
  {
    action: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom('subscribe', 'unsubscribe', 'publish', 'publish', 'ping') },
      { weight: 1, arbitrary: junk },
    ),
    channel,
    offset,
    messages,
    key: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('k', '#') },
      { weight: 1, arbitrary: fc.constant('k'.repeat(256)) },
      { weight: 1, arbitrary: junk },
    ),
    id: fc.oneof(
      { weight: 8, arbitrary: fc.constant('1') },
      { weight: 1, arbitrary: fc.constant('i'.repeat(65)) },
      { weight: 1, arbitrary: junk },
    ),
    type: junk,
  },
  { requiredKeys: ['action'] },
);
/** Texts that JSON.stringify never writes. */
const odd = fc.constantFrom(
  '{"action":"publish","channel":"a","messages":[1],"messages":"x"}',
  `{"action":"publish","channel":"${prefix}/a","messages":"x","messages":[1]}`,
  `{"action":"publish","channel":"${prefix}/a","messages":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
  `{"action":"publish","channel":"${prefix}/a","messages":[1e999,-0,"\\ud800"]}`,
  `{"__proto__":{"action":"ping"},"action":"subscribe","channel":"${prefix}/__proto__"}`,
  '{"action":"ping","id":"\\ud800"}',
  '[[[[',
  '{"action":',
  '{"":""}',
  '\u0000',
  '\u2028{"action":"ping"}',
);
const text = fc.oneof(
  { weight: 8, arbitrary: fc.oneof(frame, frame, publish).map((one) => JSON.stringify(one)) },
  { weight: 1, arbitrary: odd },
  { weight: 1, arbitrary: fc.oneof(fc.json(), fc.string({ minLength: 1, maxLength: 60 })) },
);

/** All frames but messages of a subscription: there is one for each frame sent. */
const isAnswer = ({ type }: Heard): boolean => type !== 'messages';

test(`${RUNS} random frames`, async () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => socketWith(EVERYTHING)));
  const seen = new Map<string, number>();
  const texts = fc.sample(text, { numRuns: RUNS, seed });
  const share = Math.ceil(texts.length / SOCKETS);
  const run = sockets.map(async (socket, at) => {
    const own = texts.slice(at * share, (at + 1) * share);
    for (let first = 0; first < own.length; first += AT_ONCE) {
      const said = own.slice(first, first + AT_ONCE);
      for (const one of said) socket.sayAnything(one);
      for (const _one of said) {
        const { type, code } = await socket.next(isAnswer);
        const name = code ?? String(type);
        seen.set(name, (seen.get(name) ?? 0) + 1);
      }
    }
    expect(await socket.ask({ action: 'ping' })).toMatchObject({ type: 'pong' });
    expect(socket.unread().filter(isAnswer), `seed ${seed}`).toEqual([]);
  });
  await Promise.all(run).finally(() => {
    console.log(`socket fuzz FUZZ_SEED=${seed}: ${JSON.stringify(Object.fromEntries([...seen].sort()))}`);
  });

  const [socket] = sockets;
  if (!socket) throw new Error('no socket');
  const name = newChannel();
  const from = await subscribe(socket, name);
  await socket.ask({ action: 'publish', channel: name, messages: ['still here'] });
  expect((await follow(socket, { channel: name, from }, 1)).messages).toEqual(['still here']);
  expect((await callerWith(EVERYTHING).readAll(name)).messages).toEqual(['still here']);
});
