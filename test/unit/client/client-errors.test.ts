/**
 * PROTOCOL.md §9 in the client: what is a refusal of the hub, and what is an answer of something between client and
 * hub.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { foreignAnswer, isLasting, refusalOf } from '../../../client/errors.ts';
import { ERRORS } from '../../../protocol/errors.ts';

const refusal = (code: string, message: unknown = 'no') => ({ error: { code, message } });
const ask = async (response: Response) => {
  const error = await refusalOf(response);
  return { code: error.code, status: error.status, lasts: isLasting(error, false) };
};

describe('a refusal in the form of the hub', () => {
  test.each(Object.entries(ERRORS))('%s (%j) is the refusal of the hub', async (code, { status }) => {
    const error = await refusalOf(Response.json(refusal(code, 'said so'), { status }));
    expect(error).toMatchObject({ code, status, message: 'said so' });
  });

  test('has a Retry-After of at most five minutes', async () => {
    const after = async (value: string) =>
      (
        await refusalOf(
          Response.json(refusal('unavailable'), { status: 503, headers: { 'Retry-After': value } }),
        )
      ).retryAfterMs;
    expect(await Promise.all(['2', '-5', 'soon', '1e99'].map(after))).toEqual([2_000, 0, 0, 300_000]);
  });
});

describe('an answer of anything else is temporary', () => {
  const html = (status: number) =>
    new Response('<h1>no</h1>', { status, headers: { 'Content-Type': 'text/html' } });
  test.each([
    ['403 of a firewall', html(403)],
    ['401 of a captive portal', html(401)],
    ['404 of a proxy', html(404)],
    ['410 of a proxy', html(410)],
    ['429 of the gateway', Response.json({ message: 'Too Many Requests' }, { status: 429 })],
    ['403 of a function URL', Response.json({ Message: 'Forbidden' }, { status: 403 })],
    ['a body without a message', Response.json({ error: { code: 'forbidden' } }, { status: 403 })],
    ['a message that is not text', Response.json(refusal('forbidden', 7), { status: 403 })],
    ['an unknown code', Response.json(refusal('go_away'), { status: 403 })],
    ['a code that is an inherited member', Response.json(refusal('constructor'), { status: 403 })],
    ['a code with another status', Response.json(refusal('unauthorized'), { status: 404 })],
    ['text that looks like a refusal', new Response(JSON.stringify(refusal('forbidden')), { status: 403 })],
    ['JSON that breaks off', new Response('{"error":', { status: 403, headers: jsonType() })],
    ['JSON null', Response.json(null, { status: 403 })],
    ['no body', new Response(null, { status: 404, headers: jsonType() })],
    ['200', html(200)],
  ])('%s', async (_name, response) => {
    const { status } = response;
    expect(await ask(response)).toEqual({ code: 'unavailable', status, lasts: false });
  });

  test('an endless body is not read to its end', async () => {
    let isCancelled = false;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(32)),
      cancel() {
        isCancelled = true;
      },
    });
    const response = new Response(body, { status: 403, headers: jsonType() });
    expect(await ask(response)).toEqual({ code: 'unavailable', status: 403, lasts: false });
    expect(isCancelled).toBe(true);
  });

  test('the message tells the status and type of the answer', () => {
    const redirect = new Response(null, { status: 302, headers: { Location: 'https://login.example/' } });
    expect(foreignAnswer(redirect).message).toContain('redirect to https://login.example/');
    expect(foreignAnswer(html(403)).message).toContain('403 (text/html)');
  });
});

function jsonType() {
  return { 'Content-Type': 'application/json' };
}
