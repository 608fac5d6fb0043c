/**
 * PROTOCOL.md §13.1, below HTTP: which writes are made in which order, and when handshakes and wakes follow.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { type Endpoint, secretsAt } from '../../../lambda/webhook/endpoint.ts';
import { HEALTHY } from '../../../lambda/webhook/health.ts';
import {
  changeEndpoint,
  createEndpoint,
  enableEndpoint,
  healthOf,
  listEndpoints,
  readEndpoint,
  removeEndpoint,
  rotateSecret,
  type Settings,
} from '../../../lambda/webhook/manage-endpoints.ts';
import { MAX_WEBHOOKS, MAX_WEBHOOKS_PER_CALLER, SECRET_OVERLAP_MS } from '../../../protocol/limits.ts';
import { codeOf } from '../../support/domain/json-log.ts';
import { type ManagingWorld, managingWorld } from '../../support/webhooks/managing.ts';

const SETTINGS: Settings = {
  url: 'https://example.com/hooks',
  channels: ['chat/*'],
  types: [],
  format: 'standard',
  description: '',
  rate: undefined,
  handshake: false,
};
const BY = { principal: 'someone', secret: undefined };

async function created(world: ManagingWorld, more: Partial<Settings> = {}): Promise<Endpoint> {
  return (await createEndpoint(world.managing, { ...SETTINGS, ...more }, BY)).endpoint;
}

/** Stores an endpoint with attributes that a caller cannot set. */
async function stored(world: ManagingWorld, endpoint: Endpoint, to: Partial<Endpoint>): Promise<Endpoint> {
  const next = { ...endpoint, ...to, version: endpoint.version + 1 };
  expect(await world.stores.endpoints.replace(next)).toBe(true);
  return next;
}

/** How many endpoints listen to the patterns. */
const listening = async ({ stores }: ManagingWorld, ...patterns: string[]) =>
  [...(await stores.endpoints.listeners(patterns)).keys()].length;

describe('create', () => {
  test('writes the row before the registrations, and asks for the handshake last', async () => {
    const world = managingWorld();
    const calls: string[] = [];
    world.log.hook = (moment) => void (moment.startsWith('before') && calls.push(moment.slice(7)));
    const endpoint = await created(world, { channels: ['chat/*', 'a'], handshake: true });
    const written = calls.filter((call) => call !== 'endpoints.page');
    expect(written).toEqual([
      'endpoints.create',
      'endpoints.listen',
      'endpoints.listen',
      'deliveries.putTask',
      'leases.ask',
    ]);
    expect(endpoint).toMatchObject({ status: 'pending', version: 1, createdAt: world.log.now });
    expect(endpoint.id).toMatch(/^ep_[a-z0-9]+$/);
    expect(world.tasks(endpoint.id)).toMatchObject([{ kind: 'handshake', due: world.log.now }]);
    expect(world.woken).toEqual([endpoint.id]);
  });

  test('without a handshake enables the endpoint, and sends no wake', async () => {
    const world = managingWorld();
    const endpoint = await created(world);
    expect(endpoint.status).toBe('enabled');
    expect([world.woken, world.tasks(endpoint.id)]).toEqual([[], []]);
  });

  test('leaves after a crash a row without a registration, which a change completes', async () => {
    const world = managingWorld();
    world.log.hook = (moment) => {
      if (moment === 'before endpoints.listen') throw new Error('crash');
    };
    await expect(created(world)).rejects.toThrow('crash');
    world.log.hook = () => {};
    const { endpoints } = await listEndpoints(world.managing, () => true, { after: '', limit: 10 });
    expect([endpoints.length, await listening(world, 'chat/*')]).toEqual([1, 0]);
    for (const endpoint of endpoints)
      await changeEndpoint(world.managing, endpoint, { channels: endpoint.channels });
    expect(await listening(world, 'chat/*')).toBe(1);
  });

  test('uses the secret of the caller, or makes one', async () => {
    const world = managingWorld();
    const made = await createEndpoint(world.managing, SETTINGS, BY);
    const given = await createEndpoint(world.managing, SETTINGS, { ...BY, secret: 'whsec_mine' });
    expect([made.secret, given.secret]).toEqual(['whsec_made1', 'whsec_mine']);
    const { id, sealed } = given.endpoint;
    expect(await world.managing.sealer.open(id, sealed)).toEqual({ current: 'whsec_mine' });
  });

  test('has a limit for each caller, and one for all together', async () => {
    const world = managingWorld();
    const { stores, managing } = world;
    const one = await created(world);
    const add = async (id: string, principal: string) =>
      await stores.endpoints.create({ ...one, id, principal });
    for (let nth = 1; nth < MAX_WEBHOOKS_PER_CALLER; nth++) await add(`ep_a${nth}`, 'someone');
    expect(await codeOf(created(world))).toBe('too_many_webhooks');
    const other = async () => await createEndpoint(managing, SETTINGS, { ...BY, principal: undefined });
    expect(await codeOf(other())).toBe('done');
    for (let nth = MAX_WEBHOOKS_PER_CALLER + 1; nth < MAX_WEBHOOKS; nth++)
      await add(`ep_b${nth}`, `of ${nth}`);
    expect(await codeOf(other())).toBe('too_many_webhooks');
  });
});

describe('list', () => {
  test('fills a page with visible endpoints, however rare they are, and reveals nothing about others', async () => {
    const world = managingWorld();
    const one = await created(world);
    await world.stores.endpoints.remove(one.id);
    for (let nth = 1_000; nth < 1_500; nth++)
      await world.stores.endpoints.create({
        ...one,
        id: `ep_${nth}`,
        principal: nth % 100 ? 'other' : 'own',
      });
    const sees = ({ principal }: Endpoint) => principal === 'own';
    const first = await listEndpoints(world.managing, sees, { after: '', limit: 3 });
    expect(first.endpoints.map(({ id }) => id)).toEqual(['ep_1000', 'ep_1100', 'ep_1200']);
    expect(first.next).toBe('ep_1200');
    const second = await listEndpoints(world.managing, sees, { after: 'ep_1200', limit: 2 });
    expect(second.endpoints.map(({ id }) => id)).toEqual(['ep_1300', 'ep_1400']);
    // The 99 endpoints after it belong to other callers.
    expect(second.next).toBeUndefined();
  });

  test('answers alike for an endpoint that is not visible and for one that does not exist', async () => {
    const world = managingWorld();
    const { id } = await created(world);
    const messageOf = async (asked: string) =>
      await readEndpoint(world.managing, asked, () => false).catch((error: unknown) => String(error));
    expect(await messageOf(id)).toBe(await messageOf('ep_none'));
  });
});

describe('change', () => {
  test('registers new patterns before the row has them, and removes old registrations afterwards', async () => {
    const world = managingWorld();
    const endpoint = await created(world, { channels: ['a', 'b'] });
    const calls: string[] = [];
    world.log.hook = (moment) => void (moment.startsWith('before') && calls.push(moment.slice(7)));
    const after = await changeEndpoint(world.managing, endpoint, { channels: ['b', 'c'] });
    expect(calls).toEqual([
      'endpoints.listen',
      'endpoints.listen',
      'endpoints.replace',
      'endpoints.unlisten',
    ]);
    expect([after.channels, after.version]).toEqual([['b', 'c'], 2]);
    expect([await listening(world, 'a'), await listening(world, 'b', 'c')]).toEqual([0, 1]);
  });

  test('keeps the earlier moment of a pattern that is named again', async () => {
    const world = managingWorld();
    const endpoint = await created(world);
    const since = world.log.now;
    world.log.now += 60_000;
    await changeEndpoint(world.managing, endpoint, { channels: ['chat/*', 'new'] });
    expect(await world.stores.endpoints.listeners(['chat/*'])).toEqual(new Map([[endpoint.id, since]]));
    expect(await world.stores.endpoints.listeners(['new'])).toEqual(new Map([[endpoint.id, world.log.now]]));
  });

  test('refuses one of two changes at the same moment, and keeps the registrations that the other may need', async () => {
    const world = managingWorld();
    const endpoint = await created(world, { channels: ['a'] });
    await changeEndpoint(world.managing, endpoint, { channels: ['b'] });
    const late = changeEndpoint(world.managing, endpoint, { channels: ['b', 'c'] });
    expect(await codeOf(late)).toBe('webhook_conflict');
    expect(await listening(world, 'b')).toBe(1);
    expect((await world.stores.endpoints.get(endpoint.id))?.channels).toEqual(['b']);
  });

  const [enabled, disabled, pending] = (['enabled', 'disabled', 'pending'] as const).map((status) => ({
    status,
  }));
  const url = 'https://example.org/';
  test.each([
    ['a stop', enabled, false, { enabled: false }, 'disabled', false],
    ['a stop of a pending endpoint', pending, true, { enabled: false }, 'disabled', false],
    ['a change of a disabled endpoint', disabled, false, { url }, 'disabled', false],
    ['a start', disabled, false, { enabled: true }, 'enabled', false],
    ['a start of an endpoint with a handshake', disabled, true, { enabled: true }, 'pending', true],
    [
      'a start without the handshake that it had',
      disabled,
      true,
      { enabled: true, handshake: false },
      'enabled',
      false,
    ],
    ['another URL', enabled, false, { url }, 'enabled', false],
    ['another URL of an endpoint with a handshake', enabled, true, { url }, 'pending', true],
    ['another URL before the first agreed', pending, true, { url }, 'pending', true],
    ['another URL, stopped', enabled, true, { url, enabled: false }, 'disabled', false],
    ['the same URL', enabled, true, { url: SETTINGS.url }, 'enabled', false],
    ['a handshake', enabled, false, { handshake: true }, 'pending', true],
    ['no handshake any more', pending, true, { handshake: false }, 'enabled', false],
    ['another rate of a pending endpoint', pending, true, { rate: 60 }, 'pending', false],
    ['nothing', enabled, true, {}, 'enabled', false],
  ] as const)('makes the right state: %s', async (_name, from, handshake, change, status, isAsked) => {
    const world = managingWorld();
    const endpoint = await stored(world, await created(world), { ...from, handshake });
    const after = await changeEndpoint(world.managing, endpoint, change);
    expect(after.status).toBe(status);
    expect(world.tasks(endpoint.id).map(({ kind }) => kind)).toEqual(isAsked ? ['handshake'] : []);
    expect(await world.stores.endpoints.get(endpoint.id)).toEqual(after);
  });

  test('keeps the reason of a disabled endpoint until it is enabled', async () => {
    const world = managingWorld();
    const gone = await stored(world, await created(world), { status: 'disabled', reason: 'gone' });
    const renamed = await changeEndpoint(world.managing, gone, { description: 'x' });
    const stopped = await changeEndpoint(world.managing, renamed, { enabled: false });
    const started = await enableEndpoint(world.managing, stopped);
    expect([renamed, stopped, started].map(({ reason }) => reason)).toEqual(['gone', 'asked', undefined]);
  });

  test('that enables an endpoint forgets its failures, and is refused before the endpoint has agreed', async () => {
    const world = managingWorld();
    const { managing, stores, log } = world;
    const endpoint = await created(world);
    const { id } = endpoint;
    const lease = { owner: 'owner', until: 1 };
    const taken = await stores.leases.take(id, lease, 0);
    if (!taken) throw new Error('the lease is free');
    const health = { ...taken.health, failures: 7, failingSince: log.now };
    await stores.leases.release(id, lease, { ...taken, health }, undefined, 0);
    log.now += 1;
    expect((await healthOf(managing, endpoint)).failingSince).toBe(log.now - 1);
    const described = await changeEndpoint(managing, endpoint, { description: 'x' });
    expect([(await healthOf(managing, described)).failures, world.woken]).toEqual([7, []]);
    const again = await enableEndpoint(managing, described);
    expect([await healthOf(managing, again), world.woken]).toEqual([HEALTHY, [id]]);
    const waiting = await stored(world, again, { status: 'pending', handshake: true });
    expect(await codeOf(enableEndpoint(managing, waiting))).toBe('webhook_conflict');
  });

  test('of the URL forgets the failures of the previous one', async () => {
    const world = managingWorld();
    const endpoint = await created(world);
    world.log.now += 1;
    const moved = await changeEndpoint(world.managing, endpoint, { url });
    expect([moved.enabledAt, moved.createdAt]).toEqual([world.log.now, world.log.now - 1]);
    expect(world.woken).toEqual([moved.id]);
  });
});

test('a removal removes the registrations before the row', async () => {
  const world = managingWorld();
  const endpoint = await created(world, { channels: ['a', 'b'] });
  const calls: string[] = [];
  world.log.hook = (moment) => void (moment.startsWith('before') && calls.push(moment.slice(7)));
  await removeEndpoint(world.managing, endpoint);
  expect(calls).toEqual(['endpoints.unlisten', 'endpoints.unlisten', 'endpoints.remove']);
});

test('after a rotation the previous secret also signs for a day', async () => {
  const world = managingWorld();
  const endpoint = await created(world);
  const { endpoint: after, secret } = await rotateSecret(world.managing, endpoint, undefined);
  const secrets = await world.managing.sealer.open(after.id, after.sealed);
  expect(secretsAt(secrets, world.log.now)).toEqual([secret, 'whsec_made1']);
  expect(secretsAt(secrets, world.log.now + SECRET_OVERLAP_MS)).toEqual([secret]);
  expect(await codeOf(rotateSecret(world.managing, endpoint, undefined))).toBe('webhook_conflict');
});
