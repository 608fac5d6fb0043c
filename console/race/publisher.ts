/**
 * The publisher of a race: one message, or a stream of them.
 * @module
 */
import { connectOver } from '../../client/connect.ts';
import { asTidingsError } from '../../client/errors.ts';
import { realHost } from '../../client/host.ts';
import type { TrackOptions } from './track.ts';

/** What the publisher shows. */
export interface PublisherView {
  /** Messages that were published. */
  readonly sent: number;
  /** Messages that the hub has stored. */
  readonly stored: number;
  /** The last refusal, or empty. */
  readonly problem: string;
  /** True while a stream runs. */
  readonly isStreaming: boolean;
}

/** The publisher. */
export interface Publisher {
  /** Publishes one message of this size, in bytes. */
  readonly publish: (size: number) => void;
  /** Publishes so many messages a second, until it is told 0. */
  readonly stream: (perSecond: number, size: number) => void;
  /** Returns what the publisher shows now. */
  readonly view: () => PublisherView;
  /** Ends the stream and the client. */
  readonly close: () => void;
}

/**
 * The client sends one publish on a channel after the other. Several clients keep the rate, where one answer takes longer than the
 * pause between two messages.
 */
const CLIENTS = 4;

/** The publishes that wait for an answer at most. A stream does not go on without answers. */
const MOST_WAITING = 200;

/** Returns a publisher. @param onStored called with the number of each message and the offset after it */
export function newPublisher(
  options: TrackOptions,
  onStored: (n: number, offset: string) => void,
): Publisher {
  const { url, token, channel, race, onUnauthorized } = options;
  const hubs = Array.from({ length: CLIENTS }, () =>
    connectOver(realHost(), { url, token, transports: ['long-poll'] }),
  );
  let sent = 0;
  let stored = 0;
  let waiting = 0;
  let problem = '';
  let timer: ReturnType<typeof setInterval> | undefined;

  function publish(size: number): void {
    const n = sent + 1;
    const message = { race, n, at: performance.now() };
    const pad = 'x'.repeat(Math.max(0, size - JSON.stringify({ ...message, pad: '' }).length));
    const hub = hubs[n % CLIENTS];
    if (hub === undefined) return;
    sent = n;
    waiting += 1;
    hub
      .publish(channel, [{ ...message, pad }])
      .then(
        ({ offset }) => {
          stored += 1;
          problem = '';
          onStored(n, offset);
        },
        (error: unknown) => {
          const refusal = asTidingsError(error);
          if (refusal.code === 'unauthorized') onUnauthorized();
          problem = `${refusal.code}: ${refusal.message}`;
        },
      )
      .finally(() => {
        waiting -= 1;
      });
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
  }

  return {
    publish,
    stream(perSecond, size) {
      stop();
      if (perSecond === 0) return;
      timer = setInterval(() => {
        if (waiting < MOST_WAITING) publish(size);
      }, 1_000 / perSecond);
    },
    view: () => ({ sent, stored, problem, isStreaming: timer !== undefined }),
    close() {
      stop();
      for (const hub of hubs) hub.close();
    },
  };
}
