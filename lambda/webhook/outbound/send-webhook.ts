/**
 * Sends requests to endpoints. No other code of the hub calls a URL that a caller has chosen.
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
import { errorClassOf } from './outbound-failure.ts';
import { type Resolve, resolverBy } from './resolve.ts';
import { excerpt } from './response-excerpt.ts';
import { signatureOf } from './standard-webhooks.ts';
import { parseOwnHost, parseTarget, type TargetRules } from './target.ts';

/** The settings of the sender. */
export interface SenderSettings {
  /** Which URLs are allowed. */
  readonly rules: TargetRules;
  /** Resolves names; by default asks the name servers of the machine. */
  readonly resolve?: Resolve;
  /** The time limit from the look-up of the name to the last byte of the answer, in milliseconds. */
  readonly deadlineMs?: number;
  /** A certificate in PEM form, trusted in addition to those of Node. */
  readonly ca?: string;
}

/** The first status of a final answer. Node's parser accepts 000 as a status. */
const LEAST_STATUS = 200;

/** The size limit of an answer's headers, in bytes: Node's default. */
const MAX_HEADER_BYTES = 16 * 1024;

interface Request {
  readonly method: 'POST' | 'OPTIONS';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

/**
 * Returns the sender.
 * @throws Error if one of the hub's own hosts is malformed, so that the start fails instead of a loop going unnoticed
 */
export function senderTo(settings: SenderSettings): Sender {
  const { rules, resolve = resolverBy(), deadlineMs = DELIVERY_TIMEOUT_MS, ca } = settings;
  rules.ownHosts.forEach(parseOwnHost);
  const agents = guardedAgents({ rules, resolve, timeoutMs: deadlineMs, ca });
  const send = async (url: string, request: Request): Promise<SendResult> => {
    try {
      return await exchange(openRequest(parseTarget(url, rules), request, agents), request.body, deadlineMs);
    } catch (error) {
      // Only a Refusal is expected here. Any other error ends this attempt, but not the delivery pass.
      return failed(error instanceof Refusal ? 'blocked' : 'connection_error', 0);
    }
  };
  return {
    post: (request) => send(request.url, signedRequest(request)),
    askHandshake: (url, origin) =>
      send(url, { method: 'OPTIONS', headers: { 'user-agent': USER_AGENT, [REQUEST_ORIGIN]: origin } }),
  };
}

/** Signs for this attempt: a receiver refuses a signature that is older than five minutes as a replay. */
function signedRequest({ id, at, secrets, contentType, body: text }: WebhookRequest): Request {
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
 * Opens the request. It does not use fetch, which follows redirects and unpacks compressed bodies, which may grow a
 * thousandfold.
 *
 * Some receivers do not follow HTTP exactly. So the parser is the lenient one, which accepts folded headers and lines that
 * end with LF alone. The danger of it is that two machines may disagree where a message ends. Here the other machine is the
 * receiver itself, and at worst it answers its own next request.
 * https://nodejs.org/api/http.html#httprequesturl-options-callback (insecureHTTPParser)
 */
function openRequest(url: URL, { method, headers }: Request, { http, https }: GuardedAgents): ClientRequest {
  // Node writes these two names with capital letters. The hub writes all names in lower case.
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
 * Sends the request and reads its answer. The status decides: a failure of the body after it changes nothing. An answer of
 * 1xx is not final, and Node waits for the next one.
 */
function exchange(request: ClientRequest, body: Buffer | undefined, deadlineMs: number): Promise<SendResult> {
  return new Promise((settle) => {
    const began = performance.now();
    const read = excerpt();
    let answer: IncomingMessage | undefined;
    /** Only the first call has an effect. */
    const end = (error: ErrorClass): void => {
      clearTimeout(timer);
      const ms = Math.round(performance.now() - began);
      settle(answer === undefined ? failed(error, ms) : answered(answer, read.text(), ms));
    };
    const cut = (error: ErrorClass): void => {
      end(error);
      request.destroy();
    };
    const timer = setTimeout(cut, deadlineMs, 'timeout');
    request.on('error', (error) => {
      // After a status, "close" ends the request, with the part of the answer that was read.
      if (answer === undefined) end(errorClassOf(error));
    });
    request.on('upgrade', () => cut('bad_response'));
    request.on('response', (response) => {
      if (statusOf(response) < LEAST_STATUS) {
        cut('bad_response');
        return;
      }
      answer = response;
      response.on('data', (chunk: Buffer) => read.take(chunk) || cut('bad_response'));
      response.on('error', () => {}); // a body that is cut short: "close" follows
      response.on('close', () => end('connection_error'));
    });
    request.end(body);
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
