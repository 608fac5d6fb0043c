/**
 * The network of clients of the library, watched: which requests they repeat, and how soon the hub answers each publish.
 * @module
 */
import { isErrorCode } from '../../client/errors.ts';
import { type Host, realHost } from '../../client/host.ts';
import { ERRORS } from '../../protocol/errors.ts';
import { type Answer, codeIn, type Requests } from './measured.ts';

/** A network for many clients. */
export interface WatchedHost {
  /** Returns a host for one client. */
  readonly host: () => Host;
  /** Returns the requests since the start. */
  readonly requests: () => Requests;
}

/** What a frame of a client or of the hub says about a publish. */
interface Frame {
  readonly type?: unknown;
  readonly action?: unknown;
  readonly id?: unknown;
  readonly key?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
}

/** A frame has no status. API Gateway answers a message whose function is throttled as if it had failed. */
const THROTTLED = 503;

/** Returns the status that a refusal with this code has over HTTP. */
const statusOf = (code: unknown): number => (isErrorCode(code) ? ERRORS[code].status : THROTTLED);

/**
 * Returns a network.
 * @param answered gets each answer to a publish, and when the request was sent
 */
export function watchedHost(answered: (sentAt: number, answer: Answer) => void): WatchedHost {
  let first = 0;
  let again = 0;
  const keys = new Set<unknown>();
  const note = (isFirst: boolean): void => {
    if (isFirst) first += 1;
    else again += 1;
  };
  const noteKey = (key: unknown): void => {
    note(!keys.has(key));
    keys.add(key);
  };
  const end = (sentAt: number, status: number, code: string, hasRetryAfter = false): void =>
    answered(sentAt, { ms: performance.now() - sentAt, status, code, hasRetryAfter });

  async function watchedFetch(real: Host, url: string, init: RequestInit): Promise<Response> {
    const key = new Headers(init.headers).get('idempotency-key');
    if (key === null) {
      // A player on a socket reads over HTTP only because a frame was missing.
      note(false);
      return await real.fetch(url, init);
    }
    noteKey(key);
    const sentAt = performance.now();
    try {
      const response = await real.fetch(url, init);
      const code = response.ok ? '' : codeIn(await response.clone().text());
      end(sentAt, response.status, code, response.headers.has('retry-after'));
      return response;
    } catch (error) {
      end(sentAt, 0, 'no answer');
      throw error;
    }
  }

  function host(): Host {
    const real = realHost();
    let opened = 0;
    let subscribed = 0;
    return {
      ...real,
      fetch: (url, init) => watchedFetch(real, url, init),
      openWire(url, protocols, listener) {
        note(opened++ === 0);
        /** The publishes without an answer on this socket: when they were sent, by id. The oldest is the first. */
        const unanswered = new Map<unknown, number>();
        const settle = (id: unknown, status: number, code: string): void => {
          const sentAt = unanswered.get(id);
          if (sentAt === undefined) return;
          unanswered.delete(id);
          end(sentAt, status, code);
        };
        const wire = real.openWire?.(url, protocols, {
          ...listener,
          received(text) {
            // The frames with messages are most of all, and answer nothing.
            if (!text.startsWith('{"type":"messages"')) {
              const { type, id, code, message }: Frame = JSON.parse(text);
              if (type === 'published') settle(id, 204, '');
              else if (type === 'error') settle(id, statusOf(code), `${code} frame`);
              // API Gateway does not say which frame it refused.
              else if (type === undefined)
                settle(unanswered.keys().next().value, THROTTLED, `${message} frame`);
            }
            listener.received(text);
          },
          closed() {
            for (const id of [...unanswered.keys()]) settle(id, 0, 'no answer');
            listener.closed();
          },
        });
        if (wire === undefined) throw new Error('this Node has no WebSocket');
        return {
          ...wire,
          send(text) {
            if (text.startsWith('{"action":"subscribe"')) note(subscribed++ === 0);
            else if (text.startsWith('{"action":"publish"')) {
              const { key, id }: Frame = JSON.parse(text);
              noteKey(key);
              unanswered.set(id, performance.now());
            }
            wire.send(text);
          },
        };
      },
    };
  }
  return { host, requests: () => ({ first, again }) };
}
