/**
 * A reader of one channel by one transport, made of the client of this project.
 * @module
 */
import { connect } from '../../client/index.ts';
import type { Transport } from '../../client/transports/failover.ts';
import type { Session } from './session.ts';

/** A reader of one channel. */
export interface Follower {
  /** The messages, in the order of arrival. */
  readonly got: readonly unknown[];
  /**
   * Waits until this many messages have come.
   * @throws Error with the number of messages, if they do not come within `ms` milliseconds
   */
  readonly until: (count: number, ms: number) => Promise<void>;
  /** Closes the client. */
  readonly close: () => void;
}

/** The time limit for a subscription, in milliseconds. */
const SUBSCRIBE_MS = 20_000;
const POLL_MS = 50;

/**
 * Follows a channel from now on.
 * @throws Error if the hub refuses the subscription
 */
export async function follow(session: Session, channel: string, transport: Transport): Promise<Follower> {
  const { hub } = session;
  const client = connect({
    url: hub.url,
    socketUrl: hub.sockets,
    streamUrl: hub.streams,
    token: hub.token,
    transports: [transport],
  });
  const got: unknown[] = [];
  let problem: Error | undefined;
  const close = (): void => client.close();
  const subscribed = new Promise<void>((resolve, reject) => {
    setTimeout(reject, SUBSCRIBE_MS, new Error(`no subscription by ${transport} in time`)).unref();
    client.subscribe(channel, {
      onMessages: ({ messages }) => void got.push(...messages),
      onSubscribed: resolve,
      onError(error) {
        problem = error;
        reject(error);
      },
    });
  });
  await subscribed.catch((error: unknown) => {
    close();
    throw error;
  });
  return {
    got,
    close,
    async until(count, ms) {
      const end = performance.now() + ms;
      while (got.length < count) {
        if (problem) throw problem;
        if (session.stopped.aborted || performance.now() > end)
          throw new Error(`${got.length} of ${count} messages by ${transport}`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
  };
}
