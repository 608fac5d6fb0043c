/**
 * One run: what the checks share, and what to remove afterwards.
 * @module
 */
import { STREAM_CLOSED, STREAM_TTL } from '../../protocol/headers.ts';
import type { SmokeHub } from './hub.ts';

/** The options of a run. */
export interface Choices {
  /** Publishes per second of the check that publishes fast. */
  readonly rate: number;
  /** A URL that accepts webhooks and answers 2xx. Undefined: a receiver on this machine for a local hub, else none. */
  readonly receiver: string | undefined;
  /** The origin of a page that may call the hub. */
  readonly origin: string;
  /** The pause in the check of a frozen process, in milliseconds. */
  readonly pauseMs: number;
}

/** The parts that the checks of one run share. */
export interface Session extends Choices {
  /** The hub to test. */
  readonly hub: SmokeHub;
  /** Aborted when the run must end. */
  readonly stopped: AbortSignal;
  /** Prints what the run waits for. */
  readonly note: (line: string) => void;
  /** Sends a request with the token. `path` is appended to the front door, unless it is a full URL. */
  readonly ask: (path: string, init?: RequestInit) => Promise<Response>;
  /** Sends a request without a token. */
  readonly askAnonymously: (path: string, init?: RequestInit) => Promise<Response>;
  /** Creates an empty channel of JSON, which is deleted after the run. */
  readonly newChannel: (options?: ChannelOptions) => Promise<string>;
  /** Publishes with the token. */
  readonly publish: (channel: string, messages: readonly unknown[]) => Promise<Response>;
  /**
   * Closes the channels of the last check, so that the streams and long polls on them end. Otherwise each of them would
   * use one concurrent execution of the account for a minute. A new account has ten.
   */
  readonly endReaders: () => Promise<void>;
  /** Adds a path to delete after the run. */
  readonly removeLater: (path: string) => void;
  /** Deletes everything that the checks have created. Returns the paths that could not be deleted. */
  readonly clean: () => Promise<readonly string[]>;
}

interface ChannelOptions {
  /** True for a channel that anonymous callers may read. */
  readonly isOpen?: boolean;
  /** The lifetime after the last read. Default: no limit. */
  readonly ttlSeconds?: number;
}

/** The time limit for an answer, in milliseconds: a long poll of a minute, and a cold start. */
const ANSWER_MS = 75_000;

const JSON_TYPE = { 'Content-Type': 'application/json' };

/** Returns a session in which nothing is created yet. */
export function startSession(
  hub: SmokeHub,
  choices: Choices,
  stopped: AbortSignal,
  note: Session['note'],
): Session {
  const made: string[] = [];
  const open: string[] = [];
  let channels = 0;
  const send = (path: string, init: RequestInit, more: Record<string, string>, end: AbortSignal) => {
    const signals = [AbortSignal.timeout(ANSWER_MS), end, ...(init.signal ? [init.signal] : [])];
    const headers = { ...more, ...Object.fromEntries(new Headers(init.headers)) };
    const url = /^https?:/.test(path) ? path : `${hub.url}${path}`;
    return fetch(url, { ...init, headers, signal: AbortSignal.any(signals) });
  };
  const authorization = { Authorization: `Bearer ${hub.token}` };
  const ask: Session['ask'] = (path, init = {}) => send(path, init, authorization, stopped);
  return {
    ...choices,
    hub,
    stopped,
    note,
    ask,
    askAnonymously: (path, init = {}) => send(path, init, {}, stopped),
    async newChannel({ isOpen = false, ttlSeconds } = {}) {
      const name = `${isOpen ? hub.open : hub.root}/${++channels}`;
      const ttl: Record<string, string> =
        ttlSeconds === undefined ? {} : { [STREAM_TTL]: String(ttlSeconds) };
      const { status } = await ask(`/channels/${name}`, { method: 'PUT', headers: { ...JSON_TYPE, ...ttl } });
      if (status !== 201) throw new Error(`a channel could not be made: PUT was answered ${status}`);
      made.push(`/channels/${name}`);
      open.push(`/channels/${name}`);
      return name;
    },
    publish: (channel, messages) =>
      ask(`/channels/${channel}`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(messages) }),
    async endReaders() {
      const close = { method: 'POST', headers: { ...JSON_TYPE, [STREAM_CLOSED]: 'true' } };
      // A channel that cannot be closed expires, or is deleted after the run.
      await Promise.allSettled(open.splice(0).map((path) => ask(path, close)));
    },
    removeLater: (path) => void made.push(path),
    async clean() {
      // The last first: an endpoint is deleted before the channels that it follows.
      const paths = made.splice(0).reverse();
      const never = new AbortController().signal;
      const answers = await Promise.allSettled(
        paths.map((path) => send(path, { method: 'DELETE' }, authorization, never)),
      );
      return paths.filter((_, at) => !isGone(answers[at]));
    },
  };
}

/** 404: it has expired. */
const isGone = (answer: PromiseSettledResult<Response> | undefined): boolean =>
  answer?.status === 'fulfilled' && (answer.value.ok || answer.value.status === 404);
