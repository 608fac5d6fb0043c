/**
 * PROTOCOL.md §13.1 over the wire: a caller manages endpoints if it has the right to all of their channels. To other callers
 * they do not exist. These tests send nothing, so that they run against any hub; webhooks-deliver.test.ts sends.
 * @module
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { fieldsOf } from '../../../protocol/fields.ts';
import { type WebhookCaller, webhooksOf } from '../../support/webhooks/webhook-calls.ts';
import { ENDPOINT_ROUTES } from '../../support/webhooks/webhook-handler.ts';
import { socketWith } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

/** No server is there, and nothing is published on the channels of these endpoints. */
const UNUSED_URL = 'https://receiver.example/hooks';
const GIVEN = `whsec_${Buffer.alloc(32, 's').toString('base64')}`;

const hub = callerWith(EVERYTHING);
const webhooks = webhooksOf(hub);
afterAll(webhooks.removeAll);

const idsOf = (endpoints: unknown): unknown[] =>
  Array.isArray(endpoints) ? endpoints.map((endpoint) => fieldsOf(endpoint).id) : [];

describe('an endpoint', () => {
  test('is created, read, changed, rotated, disabled, enabled and removed, and its secret is shown twice', async () => {
    const channel = newChannel();
    const created = await webhooks.ask('POST', '', { url: UNUSED_URL, channels: [channel] });
    expect(created.status).toBe(201);
    const { secret, ...endpoint } = created.body;
    expect(endpoint).toEqual({
      id: expect.stringMatching(/^ep_/),
      url: UNUSED_URL,
      channels: [channel],
      types: [],
      format: 'standard',
      handshake: false,
      description: '',
      status: 'enabled',
      createdAt: expect.stringMatching(/Z$/),
    });
    expect(created.headers.get('Location')).toMatch(new RegExp(`^http.*/webhooks/${endpoint.id}$`));
    const path = `/${endpoint.id}`;
    const change = {
      types: ['order.*'],
      rate: 60,
      description: 'é☃',
      format: 'cloudevents',
      channels: [`${channel}/*`],
    };
    const answers = [
      await webhooks.ask('GET', path),
      await webhooks.ask('GET', ''),
      await webhooks.ask('PATCH', path, { ...change, enabled: false }),
      await webhooks.ask('PATCH', path, { rate: null }),
      await webhooks.ask('POST', `${path}/enable`),
      await webhooks.ask('GET', `${path}/deliveries`),
    ];
    const { rate: _rate, ...expected } = change;
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
    expect(answers[0]?.body).toEqual(endpoint);
    expect(answers[2]?.body).toEqual({ ...endpoint, ...change, status: 'disabled', reason: 'asked' });
    expect(answers[3]?.body).toEqual({ ...endpoint, ...expected, status: 'disabled', reason: 'asked' });
    expect(answers[4]?.body).toEqual({ ...endpoint, ...expected });
    expect(answers[5]?.body).toEqual({ deliveries: [] });
    const rotated = await webhooks.ask('POST', `${path}/rotate`);
    const given = await webhooks.ask('POST', `${path}/rotate`, { secret: GIVEN });
    const secrets = [secret, rotated.body.secret, given.body.secret].map(String);
    expect(new Set(secrets).size).toBe(3);
    expect(secrets[2]).toBe(GIVEN);
    for (const one of secrets) expect(one).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    answers.push(await webhooks.ask('GET', path));
    for (const { headers, text } of answers) {
      expect(text).not.toContain('whsec_');
      expect(headers.get('Cache-Control')).toBe('no-store');
    }
    const removed = await webhooks.ask('DELETE', path);
    expect([removed.status, removed.text]).toEqual([204, '']);
    for (const [method, below, body] of ENDPOINT_ROUTES)
      expect(await webhooks.refusal(method, `${path}${below}`, body)).toEqual([404, 'webhook_not_found']);
  });

  test('is listed in pages that do not count the endpoints of others', async () => {
    const prefix = newChannel('pages');
    const own = webhooksOf(callerWith({ [`${prefix}/*`]: ['webhook'] }));
    const made: string[] = [];
    for (const nth of [1, 2, 3, 4, 5]) {
      await webhooks.create(UNUSED_URL, [prefix]);
      made.push((await own.create(UNUSED_URL, [`${prefix}/${nth}`])).id);
    }
    const listed: unknown[] = [];
    const sizes: number[] = [];
    for (let query = '?limit=2'; query !== ''; ) {
      const { body } = await own.ask('GET', query);
      const page = idsOf(body.endpoints);
      listed.push(...page);
      sizes.push(page.length);
      query = body.next === undefined ? '' : `?limit=2&after=${body.next}`;
    }
    expect([sizes, listed]).toEqual([[2, 2, 1], made.toSorted()]);
    for (const query of [
      '?limit=0',
      '?limit=101',
      '?limit=x',
      '?limit=1&limit=2',
      `?after=${'a'.repeat(129)}`,
    ])
      expect(await own.refusal('GET', query), query).toEqual([400, 'bad_request']);
    await own.removeAll();
    expect((await own.ask('GET', '')).body).toEqual({ endpoints: [] });
  });

  test('that is disabled accepts tests and single attempts, but neither replays nor recoveries', async () => {
    const channel = newChannel();
    const { id } = await webhooks.create(UNUSED_URL, [channel]);
    await webhooks.ask('PATCH', `/${id}`, { enabled: false });
    const since = new Date().toISOString();
    const conflict = [409, 'webhook_conflict'];
    expect(await webhooks.refusal('POST', `/${id}/replay`, { channel, offset: '-1' })).toEqual(conflict);
    expect(await webhooks.refusal('POST', `/${id}/recover`, { since })).toEqual(conflict);
    expect(await webhooks.refusal('POST', `/${id}/handshake`)).toEqual(conflict);
    const unknown = [404, 'delivery_not_found'];
    expect(await webhooks.refusal('GET', `/${id}/deliveries/msg_1`)).toEqual(unknown);
    expect(await webhooks.refusal('POST', `/${id}/deliveries/msg_1/retry`)).toEqual(unknown);
  });
});

describe('a caller', () => {
  let channel: string;
  let id: string;
  beforeAll(async () => {
    channel = newChannel('orders');
    ({ id } = await webhooks.create(UNUSED_URL, [channel, `${channel}/*`]));
  });

  test('without a token is refused alike for endpoints that exist and for others', async () => {
    const anonymous = webhooksOf(callerWith(undefined));
    const answers = [
      await anonymous.ask('GET', ''),
      await anonymous.ask('POST', '', { url: UNUSED_URL, channels: ['public/news'] }),
    ];
    for (const [method, below, body] of ENDPOINT_ROUTES)
      for (const one of [id, 'ep_0']) answers.push(await anonymous.ask(method, `/${one}${below}`, body));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect([answers[0]?.status, answers[0]?.code]).toEqual([401, 'unauthorized']);
  });

  test.each([
    [
      'the right to one of its channels only, and all other rights',
      () => ({ [channel]: ['webhook'] as const }),
    ],
    ['the right to read', () => ({ '*': ['subscribe'] as const })],
    ['all rights but `webhook`', () => ({ '*': ['subscribe', 'publish', 'manage'] as const })],
  ])('with %s gets the same answers as for an endpoint that does not exist', async (_name, capability) => {
    const stranger = webhooksOf(callerWith(capability()));
    for (const [method, below, body] of ENDPOINT_ROUTES) {
      const there = await stranger.ask(method, `/${id}${below}`, body);
      const not = await stranger.ask(method, `/ep_0${below}`, body);
      expect([there.status, there.text], `${method} ${below}`).toEqual([not.status, not.text]);
      expect([there.status, there.code]).toEqual([404, 'webhook_not_found']);
    }
    expect((await stranger.ask('GET', '')).body).toEqual({ endpoints: [] });
    const creation = { url: UNUSED_URL, channels: [channel, `${channel}/*`] };
    expect(await stranger.refusal('POST', '', creation)).toEqual([403, 'forbidden']);
    expect((await webhooks.ask('GET', `/${id}`)).body).toMatchObject({ id, status: 'enabled' });
  });

  test('with the right to all of its channels manages an endpoint, but cannot add other channels', async () => {
    const owner = webhooksOf(callerWith({ [channel]: ['webhook'], [`${channel}/*`]: ['webhook'] }));
    expect((await owner.ask('GET', `/${id}`)).status).toBe(200);
    for (const channels of [['*'], [channel, `${channel}-of-others`], [`${channel}-of-others/*`]])
      expect(await owner.refusal('PATCH', `/${id}`, { channels })).toEqual([403, 'forbidden']);
    expect((await webhooks.ask('GET', `/${id}`)).body.channels).toEqual([channel, `${channel}/*`]);
  });

  test.each(['tidings/webhooks', 'tidings/anything'])('cannot publish on %s', async (own) => {
    const headers = { 'Content-Type': 'application/json' };
    for (const [method, path] of [
      ['POST', `/channels/${own}`],
      ['PUT', `/channels/${own}`],
      ['DELETE', `/channels/${own}`],
      ['POST', `/v1/stream/${own}`],
    ] as const) {
      const body = method === 'DELETE' ? {} : { body: '[{"type":"webhook.disabled"}]' };
      const response = await hub.request(path, { method, headers, ...body });
      expect(await refusalOf(response), `${method} ${path}`).toEqual([403, 'forbidden']);
    }
    const socket = await socketWith(EVERYTHING);
    const said = await socket.ask({ action: 'publish', channel: own, messages: [1] });
    expect(said).toMatchObject({ type: 'error', code: 'forbidden' });
  });
});

describe('refused is', () => {
  const prefix = newChannel('refused');
  const good = () => ({ url: UNUSED_URL, channels: [newChannel(prefix)] });
  let own: WebhookCaller;
  let id: string;
  beforeAll(async () => {
    own = webhooksOf(callerWith({ [`${prefix}/*`]: ['webhook'] }));
    ({ id } = await own.create(UNUSED_URL, [newChannel(prefix)]));
    return () => own.removeAll();
  });
  /** Expects that the caller's only endpoint is unchanged. */
  const expectUnchanged = async () =>
    expect((await own.ask('GET', '')).body).toMatchObject({ endpoints: [{ id, url: UNUSED_URL }] });

  test.each([
    ['malformed', 'hooks', 'bad_webhook_url'],
    ['empty', '', 'bad_webhook_url'],
    ['one without a scheme', 'receiver.example/hooks', 'bad_webhook_url'],
    ['one of FTP', 'ftp://receiver.example/', 'bad_webhook_url'],
    ['a file', 'file:///etc/passwd', 'bad_webhook_url'],
    ['a script', 'javascript:alert(1)', 'bad_webhook_url'],
    ['one with a password', 'https://user:canary@receiver.example/', 'bad_webhook_url'],
    ['one of 2,049 characters', `${UNUSED_URL}?${'a'.repeat(2_048 - UNUSED_URL.length)}`, 'bad_webhook_url'],
    ['a private address', 'https://10.0.0.1/', 'address_not_allowed'],
    ['the metadata of a machine', 'https://169.254.169.254/latest/meta-data/', 'address_not_allowed'],
    ['the same by IPv6', 'https://[fd00:ec2::254]/', 'address_not_allowed'],
    ['a wrapped loopback', 'https://[::ffff:127.0.0.1]/', 'address_not_allowed'],
    ['a name of one label', 'https://intranet/', 'address_not_allowed'],
    ['a private name', 'https://metadata.google.internal/', 'address_not_allowed'],
  ])('a URL that is %s', async (_name, url, code) => {
    for (const said of [
      await own.ask('POST', '', { ...good(), url }),
      await own.ask('PATCH', `/${id}`, { url }),
    ]) {
      expect([said.status, said.code]).toEqual([code === 'bad_webhook_url' ? 400 : 403, code]);
      expect(said.text).not.toContain('canary');
    }
    await expectUnchanged();
  });

  test('the hub itself, by every name of it', async () => {
    const { url } = inject('hub');
    const others = new URL(url).hostname === '127.0.0.1' ? [url.replace('127.0.0.1', 'localhost')] : [];
    for (const itself of [url, `${url}/channels/x`, ...others])
      expect(await own.refusal('POST', '', { ...good(), url: itself })).toEqual([403, 'address_not_allowed']);
  });

  test.each([
    ['an unknown member', { ...good(), typos: [] }, 'bad_request'],
    ['a secret that is too short', { ...good(), secret: 'whsec_Y2FuYXJ5' }, 'bad_request'],
    ['a secret of another kind', { ...good(), secret: 'canary' }, 'bad_request'],
    ['no channel', { ...good(), channels: [] }, 'bad_request'],
    ['no channels', { url: UNUSED_URL }, 'bad_request'],
    ['no URL', { channels: ['x'] }, 'bad_request'],
    ['a URL that is not text', { ...good(), url: 1 }, 'bad_request'],
    ['an invalid channel', { ...good(), channels: ['a//b'] }, 'bad_channel'],
    ['21 channels', { ...good(), channels: Array.from({ length: 21 }, (_, n) => `c${n}`) }, 'bad_request'],
    ['a rate of 0', { ...good(), rate: 0 }, 'bad_request'],
    ['a rate of 60,001', { ...good(), rate: 60_001 }, 'bad_request'],
    ['an invalid type', { ...good(), types: ['order.'] }, 'bad_request'],
    ['an unknown format', { ...good(), format: 'xml' }, 'bad_request'],
    ['a list', [good()], 'bad_request'],
    ['half a body', '{"url":"https://rec', 'bad_json'],
  ])('a creation with %s', async (_name, body, code) => {
    const said = await own.ask('POST', '', body);
    expect([said.status, said.code]).toEqual([400, code]);
    expect(said.text).not.toMatch(/canary|Y2FuYXJ5/);
    await expectUnchanged();
  });

  test('an unknown member in every body', async () => {
    for (const [method, below] of [
      ['PATCH', ''],
      ['POST', '/enable'],
      ['POST', '/rotate'],
      ['POST', '/test'],
      ['POST', '/replay'],
      ['POST', '/recover'],
    ] as const)
      expect(await own.refusal(method, `/${id}${below}`, { typos: 1 }), below).toEqual([400, 'bad_request']);
    expect((await own.ask('GET', `/${id}/deliveries`)).body).toEqual({ deliveries: [] });
  });

  test('a body of more than 16 KB, and an unknown method', async () => {
    const description = 'a'.repeat(16 * 1_024);
    expect(await own.refusal('POST', '', { ...good(), description })).toEqual([413, 'too_large']);
    expect(await own.refusal('PUT', '', good())).toEqual([405, 'method_not_allowed']);
  });
});
