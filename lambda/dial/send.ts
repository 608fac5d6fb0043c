/**
 * Sends to endpoints: the only code of the hub that calls URLs which others have chosen.
 * @module
 */
import type { Agent, Dispatcher } from 'undici';
import { Refusal } from '../../protocol/errors.ts';
import { DELIVERY_TIMEOUT_MS } from '../../protocol/limits.ts';
import {
  ALLOWED_ORIGIN,
  ALLOWED_RATE,
  REQUEST_ORIGIN,
  USER_AGENT,
  WEBHOOK_ID,
  WEBHOOK_SIGNATURE,
  WEBHOOK_TIMESTAMP,
} from '../../protocol/webhooks.ts';
import type { ErrorClass } from '../webhook/delivery.ts';
import type { Letter, Outcome, Sender } from '../webhook/ports.ts';
import { excerpt } from './answer.ts';
import { kindOf } from './failure.ts';
import { guardedAgent } from './guard.ts';
import { type Resolve, resolverBy } from './resolve.ts';
import { signatureOf } from './sign.ts';
import { ownPlace, parseTarget, type TargetRules } from './target.ts';

export interface SenderSettings {
  readonly rules: TargetRules;
  readonly resolve?: Resolve;
  /** From the look-up of the name to the last byte of the answer, in milliseconds. */
  readonly deadlineMs?: number;
  /** In PEM form, trusted beside those that Node brings. */
  readonly ca?: string;
}

type Request = Pick<Dispatcher.DispatchOptions, 'method' | 'body' | 'headers'>;
type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

/** @throws Error if a host of the hub's own is malformed: that is to be found at start, not by a loop */
export function senderTo(settings: SenderSettings): Sender {
  const { rules, resolve = resolverBy(), deadlineMs = DELIVERY_TIMEOUT_MS, ca } = settings;
  rules.ownHosts.forEach(ownPlace);
  const agent = guardedAgent({ rules, resolve, timeoutMs: deadlineMs, ca });
  const send = async (url: string, request: Request): Promise<Outcome> => {
    try {
      const { origin, pathname, search } = parseTarget(url, rules);
      return await exchange(agent, { ...request, origin, path: pathname + search }, deadlineMs);
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
function requestOf({ id, at, secrets, contentType, body: text }: Letter): Request {
  const body = Buffer.from(text);
  const seconds = Math.floor(at / 1_000);
  const headers = {
    'content-type': contentType,
    'user-agent': USER_AGENT,
    [WEBHOOK_ID]: id,
    [WEBHOOK_TIMESTAMP]: String(seconds),
    [WEBHOOK_SIGNATURE]: signatureOf(secrets, id, seconds, body),
  };
  return { method: 'POST', headers, body };
}

/** One request and its answer. Not by fetch: that follows redirects, and unpacks bodies that may grow a thousandfold. */
function exchange(agent: Agent, request: Agent.DispatchOptions, deadlineMs: number): Promise<Outcome> {
  return new Promise((settle) => {
    const began = performance.now();
    const end = (outcomeAfter: (ms: number) => Outcome): void => {
      clearTimeout(timer);
      settle(outcomeAfter(Math.round(performance.now() - began)));
    };
    const reading = readingAnswer(end);
    const timer = setTimeout(() => {
      end((ms) => failed('timeout', ms));
      reading.stop();
    }, deadlineMs);
    agent.dispatch(request, reading.handler);
  });
}

/** Tells what came of it, at least once. `stop` cuts the connection, or has it cut as soon as there is one. */
function readingAnswer(end: (outcomeAfter: (ms: number) => Outcome) => void): {
  readonly handler: Dispatcher.DispatchHandler;
  stop(): void;
} {
  const body = excerpt();
  let answerAfter = (ms: number): Outcome => failed('bad_response', ms);
  let connection: Dispatcher.DispatchController | undefined;
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
    connection?.abort(new Error('the hub has read enough'));
  };
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(controller) {
      connection = controller;
      if (isStopped) stop();
    },
    onResponseStart(_controller, status, headers) {
      answerAfter = (ms) => answered(status, headers, body.text(), ms);
    },
    onResponseData(_controller, chunk) {
      if (isStopped || body.take(chunk)) return;
      end(answerAfter);
      stop();
    },
    onResponseEnd: () => end(answerAfter),
    onResponseError: (_controller, error) => end((ms) => failed(kindOf(error), ms)),
  };
  return { handler, stop };
}

const failed = (error: ErrorClass, ms: number): Outcome => ({ kind: 'error', error, ms });

function answered(status: number, headers: Headers, answer: string, ms: number): Outcome {
  const header = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === 'object' ? value.join(', ') : value;
  };
  return {
    kind: 'answer',
    status,
    ms,
    answer,
    retryAfter: header('retry-after'),
    allowedOrigin: header(ALLOWED_ORIGIN),
    allowedRate: header(ALLOWED_RATE),
  };
}
