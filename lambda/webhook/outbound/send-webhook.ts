/**
 * Sends to endpoints: the only code of the hub that calls URLs which others have chosen.
 * @module
 */
import {
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
  request as requestHttp,
} from 'node:http';
import { request as requestHttps } from 'node:https';
import { Refusal } from '../../../protocol/errors.ts';
import { DELIVERY_TIMEOUT_MS } from '../../../protocol/limits.ts';
import {
  ALLOWED_ORIGIN,
  ALLOWED_RATE,
  REQUEST_ORIGIN,
  USER_AGENT,
  WEBHOOK_ID,
  WEBHOOK_SIGNATURE,
  WEBHOOK_TIMESTAMP,
} from '../../../protocol/webhooks.ts';
import type { ErrorClass } from '../delivery/delivery.ts';
import type { Sender, SendResult, WebhookRequest } from '../webhook-ports.ts';
import { type GuardedAgents, guardedAgents } from './guard.ts';
import { kindOf } from './outbound-failure.ts';
import { type Resolve, resolverBy } from './resolve.ts';
import { excerpt } from './response-excerpt.ts';
import { signatureOf } from './standard-webhooks.ts';
import { ownPlace, parseTarget, type TargetRules } from './target.ts';

export interface SenderSettings {
  readonly rules: TargetRules;
  readonly resolve?: Resolve;
  /** From the look-up of the name to the last byte of the answer, in milliseconds. */
  readonly deadlineMs?: number;
  /** In PEM form, trusted beside those that Node brings. */
  readonly ca?: string;
}

/** The first status of a final answer. Node's parser takes 000 for a status. */
const LEAST_STATUS = 200;

/** Headers of an answer, in bytes: what Node takes by default. */
const MAX_HEADER_BYTES = 16 * 1024;

interface Request {
  readonly method: 'POST' | 'OPTIONS';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

/** @throws Error if a host of the hub's own is malformed: that is to be found at start, not by a loop */
export function senderTo(settings: SenderSettings): Sender {
  const { rules, resolve = resolverBy(), deadlineMs = DELIVERY_TIMEOUT_MS, ca } = settings;
  rules.ownHosts.forEach(ownPlace);
  const agents = guardedAgents({ rules, resolve, timeoutMs: deadlineMs, ca });
  const send = async (url: string, request: Request): Promise<SendResult> => {
    try {
      return await exchange(callTo(parseTarget(url, rules), request, agents), request.body, deadlineMs);
    } catch (error) {
      // Nothing else is thrown here; if it is, it ends this attempt and not the work of the process.
      return failed(error instanceof Refusal ? 'blocked' : 'connection_error', 0);
    }
  };
  return {
    post: (letter) => send(letter.url, requestOf(letter)),
    ask: (url, origin) =>
      send(url, { method: 'OPTIONS', headers: { 'user-agent': USER_AGENT, [REQUEST_ORIGIN]: origin } }),
  };
}

/** Signs for this attempt: receivers refuse a signature that is older than five minutes, as a replay. */
function requestOf({ id, at, secrets, contentType, body: text }: WebhookRequest): Request {
  const body = Buffer.from(text);
  const seconds = Math.floor(at / 1_000);
  const headers = {
    'content-type': contentType,
    'user-agent': USER_AGENT,
    [WEBHOOK_ID]: id,
    [WEBHOOK_TIMESTAMP]: String(seconds),
    [WEBHOOK_SIGNATURE]: signatureOf(secrets, id, seconds, body),
    'content-length': String(body.byteLength),
  };
  return { method: 'POST', headers, body };
}

/**
 * Not by fetch: that follows redirects, and unpacks bodies that may grow a thousandfold.
 *
 * Receivers are written by hand, too. So the parser is the lenient one: it takes folded headers and lines that end with LF
 * alone. What is dangerous about it is that another machine may find the end of a message elsewhere. Here that would be the
 * receiver itself, and the worst it can do is to answer its own next request.
 * https://nodejs.org/api/http.html#httprequesturl-options-callback (insecureHTTPParser)
 */
function callTo(url: URL, { method, headers }: Request, { http, https }: GuardedAgents): ClientRequest {
  // Node writes these two in capitals. The hub writes all names in lower case.
  const all = { host: url.host, connection: 'keep-alive', ...headers };
  const options: RequestOptions = {
    method,
    headers: all,
    maxHeaderSize: MAX_HEADER_BYTES,
    insecureHTTPParser: true,
  };
  return url.protocol === 'https:'
    ? requestHttps(url, { ...options, agent: https })
    : requestHttp(url, { ...options, agent: http });
}

/**
 * One request and its answer. As soon as there is a status, it decides: what happens to the body after it changes nothing.
 * An answer of 1xx is not final, and Node waits for the next one.
 */
function exchange(call: ClientRequest, body: Buffer | undefined, deadlineMs: number): Promise<SendResult> {
  return new Promise((settle) => {
    const began = performance.now();
    const read = excerpt();
    let answer: IncomingMessage | undefined;
    /** The first call counts. */
    const end = (error: ErrorClass): void => {
      clearTimeout(timer);
      const ms = Math.round(performance.now() - began);
      settle(answer === undefined ? failed(error, ms) : answered(answer, read.text(), ms));
    };
    const cut = (error: ErrorClass): void => {
      end(error);
      call.destroy();
    };
    const timer = setTimeout(cut, deadlineMs, 'timeout');
    call.on('error', (error) => {
      // After a status, the end of the answer is still to come, with what was read of it.
      if (answer === undefined) end(kindOf(error));
    });
    call.on('upgrade', () => cut('bad_response'));
    call.on('response', (response) => {
      if (statusOf(response) < LEAST_STATUS) {
        cut('bad_response');
        return;
      }
      answer = response;
      response.on('data', (chunk: Buffer) => read.take(chunk) || cut('bad_response'));
      response.on('error', () => {}); // a body that is cut short, which "close" tells, too
      response.on('close', () => end('connection_error'));
    });
    call.end(body);
  });
}

const statusOf = ({ statusCode = 0 }: IncomingMessage): number => statusCode;

const failed = (error: ErrorClass, ms: number): SendResult => ({ kind: 'error', error, ms });

function answered(response: IncomingMessage, answer: string, ms: number): SendResult {
  const header = (name: string): string | undefined => response.headersDistinct[name]?.join(', ');
  return {
    kind: 'answer',
    status: statusOf(response),
    ms,
    answer,
    retryAfter: header('retry-after'),
    allowedOrigin: header(ALLOWED_ORIGIN),
    allowedRate: header(ALLOWED_RATE),
  };
}
