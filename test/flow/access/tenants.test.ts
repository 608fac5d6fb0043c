/**
 * PROTOCOL.md §7 and §7.1 over the wire: tenants of one hub do not reach each other, on any route.
 * @module
 */
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { issuedClaims, ownClaims } from '../../support/access/confusion.ts';
import { issue } from '../../support/access/issuer.ts';
import { openSocket } from '../../support/wire/socket.ts';
import {
  type Caller,
  callerAt,
  callerWith,
  EVERYTHING,
  newChannel,
  refusalOf,
} from '../../support/wire/wire.ts';

const { url, socketUrl, key, audience, issuer } = inject('hub');
const hub = { key, audience, issuer, now: Math.floor(Date.now() / 1_000) };

/** Tokens of a tenant that may do everything, by their signer. */
const SIGNERS: Readonly<Record<string, (tenant: string) => Promise<string>>> = {
  'the hub': async (tenant) =>
    await new SignJWT({
      ...ownClaims(hub),
      tenant,
      capability: { ...EVERYTHING, [`${tenant}/*`]: EVERYTHING['*'] },
    })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(key)),
  ...(issuer && {
    'the provider': async (tenant) =>
      await issue(issuer.keys[0], { ...issuedClaims(hub, issuer), org: tenant }),
  }),
};

let foreign: string;
beforeAll(async () => {
  foreign = newChannel('other');
  await callerWith(EVERYTHING).publish(foreign, 'secret');
});

const withToken = (token: string): Caller => callerAt(url, { Authorization: `Bearer ${token}` });

describe.each(Object.entries(SIGNERS))('with a token of %s', (_name, sign) => {
  let token: string;
  let acme: Caller;
  beforeAll(async () => {
    token = await sign('acme');
    acme = withToken(token);
  });

  test('a tenant may do everything below its name', async () => {
    const own = newChannel('acme');
    expect((await acme.publish(own, 1)).status).toBe(204);
    expect((await acme.readAll(own)).messages).toEqual([1]);
    expect((await acme.request(`/channels/${own}`, { method: 'DELETE' })).status).toBe(204);
  });

  test('for it, what another tenant has does not exist: the answer is the same as for what no tenant has', async () => {
    const ask = async (channel: string) => {
      const answers = [await acme.read(channel), await acme.publish(channel, 1)];
      answers.push(await acme.request(`/channels/${channel}`, { method: 'DELETE' }));
      answers.push(await acme.request(`/channels/${channel}?live=sse&offset=-1`));
      answers.push(await acme.request(`/events?channel=${channel}`));
      return await Promise.all(answers.map(async (answer) => [answer.status, await answer.text()]));
    };
    const answers = await ask(foreign);
    expect(answers.map(([status]) => status)).toEqual(Array(5).fill(403));
    for (const channel of [newChannel('other'), newChannel('acme2'), 'acme', `${foreign}/acme/x`])
      expect(await ask(channel)).toEqual(answers);
  });

  test('a socket, a pattern, a ticket and a webhook reach nothing of another tenant', async () => {
    const { ticket } = Object(await (await acme.request('/tickets', { method: 'POST' })).json());
    const byHeader = await openSocket({ url: socketUrl, headers: { Authorization: `Bearer ${token}` } });
    for (const socket of [byHeader, await openSocket({ url: `${socketUrl}?ticket=${ticket}` })]) {
      const subscribed = async (channel: string) => {
        const { type, code } = await socket.ask({ action: 'subscribe', channel });
        return code ?? type;
      };
      expect(await subscribed('acme/*')).toBe('subscribed');
      for (const channel of [foreign, 'other/*', 'acme2/*', 'acme', '*', 'tidings/*'])
        expect(await subscribed(channel), channel).toBe('forbidden');
    }
    for (const channels of [['*'], ['other/*'], ['acme/*', foreign]]) {
      const body = JSON.stringify({ url: 'https://example.com/hooks', channels });
      const headers = { 'Content-Type': 'application/json' };
      const refused = await acme.request('/webhooks', { method: 'POST', headers, body });
      expect(await refusalOf(refused), String(channels)).toEqual([403, 'forbidden']);
    }
  });

  test('a tenant may neither see nor end connections', async () => {
    const socket = await openSocket({ url: socketUrl, headers: { Authorization: `Bearer ${token}` } });
    const listed = await acme.request('/connections');
    expect(await refusalOf(listed)).toEqual([403, 'forbidden']);
    for (const query of ['id=x', 'principal=x']) {
      const ended = await acme.request(`/connections?${query}`, { method: 'DELETE' });
      expect(await refusalOf(ended), query).toEqual([403, 'forbidden']);
    }
    expect((await socket.ask({ action: 'ping' })).type).toBe('pong');
  });

  test('a tenant of another name may do all of that below its own name', async () => {
    const own = newChannel('other');
    expect((await withToken(await sign('other')).publish(own, 1)).status).toBe(204);
  });
});

test('a member of a group of the provider may do what the group may, and no more', async () => {
  if (!issuer) return;
  const trader = withToken(
    await issue(issuer.keys[1], { ...issuedClaims(hub, issuer), groups: ['trader', 'x'] }),
  );
  const admin = withToken(await issue(issuer.keys[2], issuedClaims(hub, issuer)));
  const prices = newChannel('acme/prices');
  await admin.publish(prices, 1);
  expect((await trader.readAll(prices)).messages).toEqual([1]);
  expect(await refusalOf(await trader.publish(prices, 2))).toEqual([403, 'forbidden']);
  expect(await refusalOf(await trader.read(newChannel('prices')))).toEqual([403, 'forbidden']);
  const nobody = withToken(await issue(issuer.keys[0], { ...issuedClaims(hub, issuer), groups: [] }));
  expect(await refusalOf(await nobody.read(prices))).toEqual([403, 'forbidden']);
});
