/**
 * The routes of PROTOCOL.md §13: answers, permissions, and secrets that no answer has.
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { isSecret } from '../../../lambda/webhook/outbound/standard-webhooks.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import {
  type Answered,
  callers,
  ENDPOINT_ROUTES,
  type HandlerWorld,
  HUB_HOST,
  handlerWorld,
  RECEIVER,
} from '../../support/webhooks/webhook-handler.ts';

const SECRET = `whsec_${Buffer.alloc(32, 's').toString('base64')}`;
const { admin, stranger, reader, anonymous: nobody } = callers;

let world: HandlerWorld;
beforeEach(() => {
  world = handlerWorld();
});
const ask: HandlerWorld['ask'] = async (...request) => await world.ask(...request);
const refusal: HandlerWorld['refusal'] = async (...request) => await world.refusal(...request);
const created: HandlerWorld['created'] = async (more) => await world.created(more);
const stored: HandlerWorld['stored'] = async (id) => await world.stored(id);

describe('an endpoint', () => {
  test('is created, read, listed, changed and removed', async () => {
    const { status, body, headers } = await ask('POST', '/webhooks', {
      url: RECEIVER,
      channels: ['orders/*'],
    });
    const { secret, ...endpoint } = body;
    expect([status, isSecret(String(secret))]).toEqual([201, true]);
    expect(endpoint).toEqual({
      id: expect.stringMatching(/^ep_/),
      url: RECEIVER,
      channels: ['orders/*'],
      types: [],
      format: 'standard',
      handshake: false,
      description: '',
      status: 'enabled',
      createdAt: '2020-01-01T00:00:00.000Z',
    });
    const path = `/webhooks/${endpoint.id}`;
    expect(headers.location).toBe(`https://${HUB_HOST}${path}`);
    expect((await ask('GET', path)).body).toEqual(endpoint);
    expect((await ask('GET', '/webhooks')).body).toEqual({ endpoints: [endpoint] });
    const change = { types: ['order.paid', 'invoice.*'], rate: 60, description: 'x', format: 'cloudevents' };
    const changed = await ask('PATCH', path, { ...change, enabled: false });
    expect([changed.status, changed.body]).toEqual([
      200,
      { ...endpoint, ...change, status: 'disabled', reason: 'asked' },
    ]);
    expect((await ask('PATCH', path, { rate: null })).body).not.toHaveProperty('rate');
    expect((await ask('POST', `${path}/enable`)).body).toMatchObject({ status: 'enabled' });
    const removed = await ask('DELETE', path);
    expect([removed.status, removed.text]).toEqual([204, '']);
    expect(await refusal('GET', path)).toEqual([404, 'webhook_not_found']);
  });

  test('gets the URL in its canonical spelling, also in a change', async () => {
    const id = await created({ url: 'HTTPS://Receiver.example.com:443/a b#c' });
    expect((await stored(id)).url).toBe('https://receiver.example.com/a%20b');
    await ask('PATCH', `/webhooks/${id}`, { url: 'https://EXAMPLE.org' });
    expect((await stored(id)).url).toBe('https://example.org/');
  });

  test('has the time until which it is paused, and not a moment longer', async () => {
    const id = await created();
    const { leases } = world.stores;
    const lease = { owner: 'owner', until: 1 };
    const taken = await leases.take(id, lease, 0);
    if (!taken) throw new Error('the lease is free');
    const health = { ...taken.health, failingSince: world.log.now, backoffUntil: world.log.now + 1_000 };
    await leases.release(id, lease, { ...taken, health }, undefined, 0);
    const read = async () => (await ask('GET', `/webhooks/${id}`)).body;
    expect(await read()).toMatchObject({ pausedUntil: '2020-01-01T00:00:01.000Z' });
    world.log.now += 1_000;
    expect(await read()).not.toHaveProperty('pausedUntil');
  });

  test('has the time since which it fails, alone and in the list', async () => {
    const id = await created();
    const { leases } = world.stores;
    const lease = { owner: 'owner', until: 1 };
    const taken = await leases.take(id, lease, 0);
    if (!taken) throw new Error('the lease is free');
    const health = { ...taken.health, failures: 1, failingSince: world.log.now };
    await leases.release(id, lease, { ...taken, health }, undefined, 0);
    const failing = { id, status: 'enabled', failingSince: '2020-01-01T00:00:00.000Z' };
    expect((await ask('GET', `/webhooks/${id}`)).body).toMatchObject(failing);
    expect((await ask('PATCH', `/webhooks/${id}`, { rate: 1 })).body).toMatchObject(failing);
    expect((await ask('GET', '/webhooks')).body).toMatchObject({ endpoints: [failing] });
    world.log.now += 1;
    expect((await ask('POST', `/webhooks/${id}/enable`)).body).not.toHaveProperty('failingSince');
  });

  test('is listed in pages, for each caller those that it may know of', async () => {
    const own: string[] = [];
    for (let nth = 0; nth < 5; nth++) {
      await ask('POST', '/webhooks', { url: RECEIVER, channels: ['private'] }, admin);
      own.push(await created());
    }
    own.sort();
    const first = (await ask('GET', '/webhooks?limit=2')).body;
    const second = (await ask('GET', `/webhooks?limit=3&after=${first.next}`)).body;
    const idsOf = ({ endpoints }: Answered['body']) =>
      Array.isArray(endpoints) ? endpoints.map((endpoint) => fieldsOf(endpoint).id) : [];
    expect([...idsOf(first), ...idsOf(second)]).toEqual(own);
    expect([first.next, second.next]).toEqual([own[1], undefined]);
    expect(idsOf((await ask('GET', '/webhooks', undefined, admin)).body)).toHaveLength(10);
  });

  test('with a handshake waits until it has agreed', async () => {
    const id = await created({ handshake: true });
    const path = `/webhooks/${id}`;
    expect((await ask('GET', path)).body.status).toBe('pending');
    expect(await refusal('POST', `${path}/enable`)).toEqual([409, 'webhook_conflict']);
    expect(await refusal('POST', `${path}/test`)).toEqual([409, 'webhook_conflict']);
    const { status, body } = await ask('POST', `${path}/handshake`, {});
    expect([status, body]).toEqual([202, { delivery: expect.stringMatching(/^msg_/) }]);
    expect(world.tasks(id).map(({ kind }) => kind)).toEqual(['handshake', 'handshake']);
  });
});

describe('secrets', () => {
  test('are in the answers to a creation and a rotation, and stored sealed', async () => {
    const { body } = await ask('POST', '/webhooks', {
      url: RECEIVER,
      channels: ['orders/*'],
      secret: SECRET,
    });
    const path = `/webhooks/${body.id}`;
    expect(body.secret).toBe(SECRET);
    const made = await ask('POST', `${path}/rotate`);
    expect([made.status, isSecret(String(made.body.secret))]).toEqual([200, true]);
    const given = await ask('POST', `${path}/rotate`, { secret: SECRET });
    expect(given.body.secret).toBe(SECRET);
    const { id, sealed } = await stored(String(body.id));
    const { current, previous } = await world.managing.sealer.open(id, sealed);
    expect([current, previous?.secret]).toEqual([SECRET, made.body.secret]);
    expect(sealed).not.toContain(SECRET);
  });

  test('are in no other answer, and internal members are in none', async () => {
    const id = await created({ secret: SECRET });
    const { sealed } = await stored(id);
    const requests = [
      ...ENDPOINT_ROUTES.filter(([, at]) => at !== '/rotate').map(
        ([method, at, body]) => [method, `/webhooks/${id}${at}`, body] as const,
      ),
      ['GET', '/webhooks', undefined] as const,
    ];
    for (const [method, path, body] of requests.filter(([method]) => method !== 'DELETE')) {
      const { text } = await ask(method, path, body);
      for (const hidden of [
        SECRET,
        'whsec_',
        sealed,
        'sealed',
        'version',
        'principal',
        'someone',
        'enabledAt',
      ])
        expect(text, `${method} ${path}`).not.toContain(hidden);
    }
  });

  test.each(['whsec_', 'whsec_c2hvcnQ=', SECRET.slice(6), `${SECRET.slice(0, -1)}-`, 7, null])(
    'must be ones: %j, which the refusal does not repeat',
    async (secret) => {
      const { code, text } = await ask('POST', '/webhooks', {
        url: RECEIVER,
        channels: ['orders/*'],
        secret,
      });
      expect(code).toBe('bad_request');
      if (typeof secret === 'string' && secret.length > 6) expect(text).not.toContain(secret);
      const id = await created();
      expect(await refusal('POST', `/webhooks/${id}/rotate`, { secret })).toEqual([400, 'bad_request']);
      expect(await refusal('PATCH', `/webhooks/${id}`, { secret: SECRET })).toEqual([400, 'bad_request']);
    },
  );

  test('a body that is no JSON is not repeated', async () => {
    const { text } = await ask('POST', '/webhooks', `{"secret":"${SECRET}",}`);
    expect(text).not.toContain('whsec_c');
  });
});

describe('permissions', () => {
  test.each(ENDPOINT_ROUTES)(
    '%s …%s: to a stranger it is as one that does not exist',
    async (method, at, body) => {
      const id = await created();
      const foreign = await ask(method, `/webhooks/${id}${at}`, body, stranger);
      const missing = await ask(method, `/webhooks/ep_0${at}`, body, stranger);
      expect([foreign.status, foreign.code]).toEqual([404, 'webhook_not_found']);
      expect(foreign).toEqual(missing);
      expect(await ask(method, `/webhooks/ep_0${at}`, body, admin)).toEqual(missing);
      expect(await ask(method, `/webhooks/${'e'.repeat(2_000)}${at}`, body)).toEqual(missing);
      expect((await stored(id)).version).toBe(1);
      expect(world.woken).toEqual([]);
    },
  );

  test.each([
    ['GET', '', undefined] as const,
    ['POST', '', { url: RECEIVER, channels: ['a'] }] as const,
    ...ENDPOINT_ROUTES.map(([method, at, body]) => [method, `/ep_0${at}`, body] as const),
  ])('%s /webhooks%s without a token is unauthorized, before anything is read', async (method, at, body) => {
    const calls: string[] = [];
    world.log.hook = (moment) => void calls.push(moment);
    const { status, code, headers } = await ask(method, `/webhooks${at}`, body, nobody);
    expect([status, code]).toEqual([401, 'unauthorized']);
    expect(headers['www-authenticate']).toMatch(/^Bearer/);
    expect(calls).toEqual([]);
  });

  test('a bad token is refused', async () => {
    expect(await refusal('GET', '/webhooks', undefined, { authorization: 'Bearer x' })).toEqual([
      401,
      'unauthorized',
    ]);
  });

  test('a caller that may not have all patterns cannot create an endpoint', async () => {
    const wanted = { url: RECEIVER, channels: ['orders/1', 'orders/*'] };
    expect(await refusal('POST', '/webhooks', wanted, stranger)).toEqual([403, 'forbidden']);
    expect(await refusal('POST', '/webhooks', { ...wanted, channels: ['*'] })).toEqual([403, 'forbidden']);
    expect((await ask('GET', '/webhooks', undefined, admin)).body).toEqual({ endpoints: [] });
  });

  test('a change must be allowed on the old patterns and on the new', async () => {
    const id = await created();
    const [path, channels] = [`/webhooks/${id}`, ['orders/1', 'private']];
    expect(await refusal('PATCH', path, { channels })).toEqual([403, 'forbidden']);
    expect((await ask('PATCH', path, { channels }, admin)).status).toBe(200);
    // After the change it would get messages that its creator may not read.
    expect(await refusal('GET', path)).toEqual([404, 'webhook_not_found']);
  });

  test('a token that allows no webhook costs no read of all endpoints', async () => {
    await created();
    const calls: string[] = [];
    world.log.hook = (moment) => void calls.push(moment);
    expect((await ask('GET', '/webhooks', undefined, reader)).body).toEqual({ endpoints: [] });
    expect(calls).toEqual([]);
  });

  test('a caller without a token may do what anonymous callers may, and no more', async () => {
    world = handlerWorld({ 'public/*': ['webhook'] });
    const { status, body } = await ask(
      'POST',
      '/webhooks',
      { url: RECEIVER, channels: ['public/*'] },
      nobody,
    );
    expect(status).toBe(201);
    expect((await ask('GET', `/webhooks/${body.id}`, undefined, nobody)).status).toBe(200);
    expect(await refusal('POST', '/webhooks', { url: RECEIVER, channels: ['orders/1'] }, nobody)).toEqual([
      401,
      'unauthorized',
    ]);
    const id = await created();
    expect(await refusal('GET', `/webhooks/${id}`, undefined, nobody)).toEqual([404, 'webhook_not_found']);
  });
});
