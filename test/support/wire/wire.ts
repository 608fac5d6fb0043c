/**
 * Talking to the hub under test over HTTP, and nothing else.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { inject } from 'vitest';
import type { Capability } from '../../../protocol/capability.ts';
import { mint } from '../../../scripts/mint.ts';
import { checkAnswer } from './openapi.ts';

export const EVERYTHING: Capability = { '*': ['publish', 'subscribe', 'webhook', 'manage'] };
const JSON_TYPE = { 'Content-Type': 'application/json' };

let channels = 0;
/** A channel that no other test has. */
export const newChannel = (prefix = 'test'): string => `${prefix}/${process.pid}-${Date.now()}-${++channels}`;

export async function token(capability: Capability, ttlSeconds = 600, sub?: string): Promise<string> {
  return await mint({ ...inject('hub'), capability, ttlSeconds, sub });
}

/**
 * A caller of the hub that all files of test/flow share; with an undefined capability, one without a token. Its token is minted when
 * it sends its first request. It publishes again while the hub is busy with the tests beside: a message that was not stored
 * would never arrive.
 */
export function callerWith(capability: Capability | undefined): Caller {
  const headersOf = async (): Promise<Readonly<Record<string, string>>> =>
    capability === undefined ? {} : { Authorization: `Bearer ${await token(capability)}` };
  let headers: ReturnType<typeof headersOf> | undefined;
  const caller = callerBy(async () => {
    headers ??= headersOf();
    return { url: inject('hub').url, headers: await headers };
  });
  return { ...caller, publish: (...args) => throughBusy(() => caller.publish(...args)) };
}

/** How long to leave a gateway alone that says 429, in milliseconds. */
const THROTTLED_MS = 250;

/**
 * Sends again while the gateway refuses for its rate (PROTOCOL.md §8): no test may depend on being slower than that. What
 * the hub itself refuses with 429 is an answer.
 */
async function throughRates(send: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const response = await send();
    if (response.status !== 429) return response;
    const text = await response.clone().text();
    if (!text.includes('Too Many Requests')) return response;
    await wait(THROTTLED_MS);
  }
}

/**
 * Returns true for the status of a request that was refused, or not finished, because hub or platform were busy. To a socket that
 * opens, API Gateway says 502 if a function has no room, and 504 if it is late.
 */
export const isBusy = (status: number): boolean => [429, 502, 503, 504].includes(status);

/** The answer of API Gateway if a function has no room for a request. */
const NO_ROOM = '{"message":"Service Unavailable"}';

/**
 * Returns true for an answer that its caller must repeat (PROTOCOL.md §8, §9): the hub says `unavailable`, and after how many seconds
 * to come again, or API Gateway has no room. Any other 503 is a defect, also at the first attempt.
 * @param text the body; the answer to a HEAD has none
 */
export function isToRepeat({ status, retryAfter, text }: BusyAnswer): boolean {
  if (status !== 503) return false;
  if (text === NO_ROOM) return true;
  return (
    /^[1-9]\d*$/.test(retryAfter ?? '') && (text === '' || text.startsWith('{"error":{"code":"unavailable",'))
  );
}

export interface BusyAnswer {
  readonly status: number;
  readonly retryAfter: string | null | undefined;
  readonly text: string;
}

/** How often a request is sent at the most that a busy store refuses, and the pause before it is sent again, in milliseconds. */
export const BUSY_ATTEMPTS = 40;
export const BUSY_MS = 500;

/** Sends again what is to be repeated: on a busy machine the store may be late. */
export async function throughBusy(send: () => Promise<Response>): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const response = await send();
    if (response.status !== 503 || attempt === BUSY_ATTEMPTS) return response;
    const text = await response.clone().text();
    if (!isToRepeat({ status: 503, retryAfter: response.headers.get('Retry-After'), text })) return response;
    await response.body?.cancel();
    await wait(BUSY_MS);
  }
}

export type Caller = ReturnType<typeof callerBy>;

/** What a caller needs for a request. */
export interface Access {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** @param comesAgain false for tests of the rates themselves; every other one waits as clients do */
export const callerAt = (url: string, headers: Access['headers'] = {}, { comesAgain = true } = {}): Caller =>
  callerBy(async () => ({ url, headers }), { comesAgain });

/** @param access is called before each request, so that a file can have a caller before its hub runs */
export function callerBy(access: () => Promise<Access>, { comesAgain = true } = {}) {
  const request = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const { url, headers } = await access();
    const all = { ...headers, ...Object.fromEntries(new Headers(init.headers)) };
    const send = () => fetch(`${url}${path}`, { ...init, headers: all });
    const response = comesAgain ? await throughRates(send) : await send();
    await checkAnswer(init.method ?? 'GET', path, response);
    return response;
  };
  return {
    request,
    publish: (channel: string, ...messages: readonly unknown[]) =>
      request(`/channels/${channel}`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(messages) }),
    read: (channel: string, offset = '-1') => request(`/channels/${channel}?offset=${offset}`),
    /** All messages from an offset to the end, and the offset after them. Reads again what a busy store refuses. */
    async readAll(channel: string, offset = '-1'): Promise<{ messages: unknown[]; next: string }> {
      const messages: unknown[] = [];
      for (let from = offset; ; ) {
        const response = await throughBusy(() => request(`/channels/${channel}?offset=${from}`));
        if (response.status !== 200)
          throw new Error(`read answered ${response.status}: ${await response.text()}`);
        const page: unknown = await response.json();
        if (!Array.isArray(page)) throw new Error(`not an array: ${JSON.stringify(page)}`);
        messages.push(...page);
        from = response.headers.get('Stream-Next-Offset') ?? '';
        if (response.headers.get('Stream-Up-To-Date') === 'true') return { messages, next: from };
      }
    },
  };
}

/** Status and code of a refusal, after checking that it is one in form. */
export async function refusalOf(response: Response): Promise<[number, string]> {
  const body: unknown = await response.json();
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined;
  if (typeof error !== 'object' || error === null || !('code' in error) || !('message' in error)) {
    throw new Error(`not a refusal: ${response.status} ${JSON.stringify(body)}`);
  }
  if (typeof error.message !== 'string' || error.message === '')
    throw new Error('a refusal without a message');
  return [response.status, String(error.code)];
}
