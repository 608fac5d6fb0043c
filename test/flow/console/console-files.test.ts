/**
 * What is served at /console: a page with a strict policy, and files that never change (PROTOCOL.md §10.1).
 * @module
 */
import { gzipSync } from 'node:zlib';
import { describe, expect, inject, test } from 'vitest';
import { callerAt } from '../../support/wire/wire.ts';

/** Bytes of the whole console, as they are sent. */
const MAX_BYTES = 120 * 1_024;

const get = async (path: string, init: RequestInit = {}): Promise<Response> =>
  await callerAt(inject('hub').url).request(path, init);

async function namesIn(page: Response): Promise<string[]> {
  const html = await page.text();
  return [...html.matchAll(/(?:src|href)="(console\/[^"]+)"/g)].map(([, name = '']) => `/${name}`);
}

describe('the page', () => {
  test('has no script and no style of its own, and a policy that allows none', async () => {
    const page = await get('/console');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(Object.fromEntries(page.headers)).toMatchObject({
      'cache-control': 'no-cache',
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
    });
    const policy = page.headers.get('content-security-policy') ?? '';
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ])
      expect(policy.split('; ')).toContain(part);
    expect(policy).not.toMatch(/unsafe|\*|https:(?!\/\/)/);
    const html = await page.text();
    expect(html).not.toMatch(/<style|style=|<script(?![^>]* src=)|\son\w+=|https?:\/\/(?!www\.w3\.org)/);
  });

  test('loads files that are named by their contents, for ever, and in less than 120 KB', async () => {
    const names = await namesIn(await get('/console'));
    expect(names).toEqual([
      expect.stringMatching(/^\/console\/css-\w{8,}\.css$/),
      expect.stringMatching(/^\/console\/js-\w{8,}\.js$/),
    ]);
    let bytes = 0;
    for (const name of names) {
      const file = await get(name);
      expect(file.status).toBe(200);
      expect(Object.fromEntries(file.headers)).toMatchObject({
        'cache-control': 'public, max-age=31536000, immutable',
        'content-encoding': 'gzip',
        'x-content-type-options': 'nosniff',
      });
      expect(file.headers.get('content-type')).toMatch(/^text\/(css|javascript); charset=utf-8$/);
      bytes += gzipSync(await file.text()).length;
    }
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(MAX_BYTES);
  });

  test('is the same page for HEAD, without a body', async () => {
    const head = await get('/console', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });
});

test.each([
  ['GET', '/console/none.js', 404, 'route_not_found'],
  ['GET', '/console/a/b', 404, 'route_not_found'],
  ['POST', '/console', 405, 'method_not_allowed'],
  ['POST', '/console/sign-in', 405, 'method_not_allowed'],
  ['GET', '/console?page=race', 400, 'bad_request'],
  ['GET', '/console?token=secret', 400, 'bad_request'],
])('%s %s is %i %s', async (method, path, status, code) => {
  const response = await get(path, { method });
  expect([response.status, await response.json()]).toMatchObject([status, { error: { code } }]);
});
