/**
 * Calls of AWS services with signed requests and with the retries of the SDK, for the few operations that requests need.
 * The SDK itself takes five times the processor time for a call, and most of a cold start (docs/adr/0017-lean-aws-calls.md).
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fieldsOf } from '../../../protocol/fields.ts';
import { hashOf, type Sign, signer } from '../sockets/sigv4.ts';
import { type Answer, requestsTo, type SendRequest } from './http-requests.ts';
import { callerOf, traceHeader } from './lambda-environment.ts';
import { type CallError, type Retries, retriesOf } from './retries.ts';

/**
 * The number of attempts, and how long each may take until its answer begins, in milliseconds. All attempts together, without the
 * pauses between them, take less than the grace after which readers seal a gap (GAP_GRACE_MS). So a slow writer mostly gets an
 * error from its own client, and does not lose its slot.
 */
const ATTEMPTS = 3;
const ATTEMPT_TIMEOUT_MS = 800;

/**
 * How much earlier than `performance.now()` a timer of Node may end, in milliseconds. A write that must not be repeated has no time
 * for another attempt then.
 */
const EARLY_MS = 5;

/** The difference between clocks from which services refuse signatures or soon will, in milliseconds. */
const SKEW_MS = 240_000;

/** What differs between services. */
export interface ServiceSettings {
  /** The name of the service in hosts and signatures. */
  readonly service: string;
  /** The content type of its bodies. */
  readonly contentType: string;
  /** The first pause between attempts, in milliseconds. @default - that of the SDK for most services */
  readonly baseMs?: number;
  /** The most attempts at one call. @default - 3 */
  readonly attempts?: number;
  /** Returns the error in an answer. */
  readonly errorIn: (answer: Answer) => CallError;
}

/** Options of one call. */
export interface CallOptions {
  /**
   * How long the call may take with all its attempts, in milliseconds. An attempt then has no timeout of its own.
   * After it the call fails with an error that has the name `AbortError`.
   */
  readonly withinMs?: number;
}

/** Calls one operation. Returns the body of the answer. @throws CallError if no attempt succeeded */
export type CallOperation = (body: string, options?: CallOptions) => Promise<string>;

/** What all calls of a service share in a process: the sockets, the budget of retries, and the clock. */
interface Shared {
  readonly send: SendRequest;
  readonly retries: Retries;
  /** How far the clock of the service is ahead of that of this machine, in milliseconds. 0 below SKEW_MS. */
  skewMs: number;
}

const sharedByService = new Map<string, Shared>();

function sharedOf({ service, baseMs }: ServiceSettings, origin: string): Shared {
  const name = `${service} ${origin}`;
  const known = sharedByService.get(name);
  if (known) return known;
  const shared = { send: requestsTo(origin), retries: retriesOf(baseMs), skewMs: 0 };
  sharedByService.set(name, shared);
  return shared;
}

interface Service {
  readonly settings: ServiceSettings;
  readonly shared: Shared;
  readonly path: string;
}

/**
 * Returns a function that returns the calls of one operation of a service. `target` is its `x-amz-target`; `path` is `/` for services
 * that do not tell their operations apart by it.
 * @throws Error if Lambda gave no credentials
 */
export function callsTo(settings: ServiceSettings): (target?: string, path?: string) => CallOperation {
  const { origin, ...caller } = callerOf(settings.service);
  const shared = sharedOf(settings, origin);
  const clock = () => Date.now() + shared.skewMs;
  const { host } = new URL(origin);
  const { service, contentType } = settings;
  return (target, path = '/') => {
    const sign = signer({ ...caller, service, host, clock, contentType, ...(target && { target }) });
    return async (body, options) =>
      await callOperation({ settings, shared, path }, sign, Buffer.from(body), options);
  };
}

async function callOperation(
  service: Service,
  sign: Sign,
  body: Buffer,
  { withinMs }: CallOptions = {},
): Promise<string> {
  const { settings, shared } = service;
  const bodyHash = hashOf(body);
  const end = withinMs === undefined ? undefined : performance.now() + withinMs;
  let cost: number | undefined;
  for (let attempt = 0; ; attempt++) {
    try {
      const text = await attemptAt(service, sign(service.path, bodyHash), body, end);
      shared.retries.succeeded(cost);
      return text;
    } catch (error) {
      const isLast = attempt + 1 >= (settings.attempts ?? ATTEMPTS);
      const pause = isLast ? undefined : shared.retries.pauseAfter(error, attempt);
      if (pause === undefined) throw error;
      cost = pause.cost;
      if (end !== undefined && performance.now() + pause.ms >= end) throw outOfTime();
      await sleep(pause.ms);
    }
  }
}

/**
 * Makes one attempt. Returns the body of the answer.
 * @param end by `performance.now()`, for a call with a time of its own
 * @throws CallError for an answer that is an error, and if no answer came
 */
async function attemptAt(
  service: Service,
  signed: string[],
  body: Buffer,
  end: number | undefined,
): Promise<string> {
  const trace = traceHeader();
  const headers = trace === undefined ? signed : [...signed, 'x-amzn-trace-id', trace];
  const { shared, path } = service;
  if (end === undefined) return bodyIn(service, await shared.send(headers, body, ATTEMPT_TIMEOUT_MS, path));
  try {
    const leftMs = Math.max(0, end - performance.now());
    return bodyIn(service, await shared.send(headers, body, leftMs, path));
  } catch (error) {
    throw performance.now() >= end - EARLY_MS ? outOfTime() : error;
  }
}

function outOfTime(): Error {
  return Object.assign(new Error('no answer came in the time of the call'), { name: 'AbortError' });
}

/** Returns the body of an answer. @throws CallError for an answer that is an error */
function bodyIn(service: Service, answer: Answer): string {
  if (answer.status < 300) return answer.body;
  const retryAfterMs = retryAfterIn(answer);
  throw Object.assign(service.settings.errorIn(answer), {
    status: answer.status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(correctClock(service.shared, answer) ? { isClockCorrected: true } : {}),
  });
}

/** Returns how long the service asks to wait, in milliseconds; undefined if it does not. */
function retryAfterIn({ headers }: Answer): number | undefined {
  const ms = numberIn(headers['x-amz-retry-after']);
  const seconds = numberIn(headers['retry-after']);
  return ms ?? (seconds === undefined ? undefined : seconds * 1_000);
}

const numberIn = (text: string | string[] | undefined): number | undefined =>
  typeof text === 'string' && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;

/** Takes over the clock of the service if that of this machine is wrong. Returns true if it did. */
function correctClock(shared: Shared, { headers }: Answer): boolean {
  const skewMs = Date.parse(String(headers.date)) - Date.now();
  // An answer without a date gives NaN, which no comparison accepts.
  const isWrong = Math.abs(skewMs - shared.skewMs) >= SKEW_MS;
  if (!isWrong) return false;
  shared.skewMs = skewMs;
  return true;
}

/** Calls an operation with a JSON body. Returns the members of the answer, unchecked. */
export type CallJson = (input: object, options?: CallOptions) => Promise<Readonly<Record<string, unknown>>>;

/** A service with JSON bodies. */
export interface JsonService extends Omit<ServiceSettings, 'contentType' | 'errorIn'> {
  /** The version of the protocol. */
  readonly version: '1.0' | '1.1';
  /** Begins the names of its operations. */
  readonly prefix: string;
}

/** Returns a function that returns the calls of one operation. https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html */
export function jsonCallsTo({ version, prefix, ...settings }: JsonService): (operation: string) => CallJson {
  const calls = callsTo({
    ...settings,
    contentType: `application/x-amz-json-${version}`,
    errorIn: jsonErrorIn,
  });
  return (operation) => {
    const call = calls(`${prefix}.${operation}`);
    return async (input, options) => fieldsOf(JSON.parse(await call(JSON.stringify(input), options)));
  };
}

/** Returns the error in an answer with a JSON body. The name is in the body, or in a header. A shape of Smithy stands before it, and a URL may follow. */
export function jsonErrorIn({ headers, body }: Answer): CallError {
  const { __type, code, message, Message } = parsed(body);
  const type = headers['x-amzn-errortype'] ?? __type ?? code;
  const name = /(?:^|#)([^#:]+)(?::|$)/.exec(String(type ?? 'Unknown'))?.[1] ?? 'Unknown';
  return Object.assign(new Error(String(message ?? Message ?? 'no message')), { name });
}

function parsed(body: string): Readonly<Record<string, unknown>> {
  try {
    return fieldsOf(JSON.parse(body));
  } catch {
    // A proxy, or a service that is failing, may answer anything.
    return {};
  }
}
