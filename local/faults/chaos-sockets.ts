/**
 * Chaos mode for WebSockets: some posts to connections fail, and some `$disconnect` events get lost.
 * @module
 */
import { type Chaos, seeded } from './chaos.ts';

/** The treatment of a post: nothing special, an answer 429, or an answer 500 without or with the message being sent. */
export type PostChaos = 'fine' | 'throttled' | 'failed' | 'failed but sent';

/** The decisions for one API. */
export interface SocketChaos {
  /** Decides about the next post. The n-th decision depends only on the seed and on n. */
  nextPost(): PostChaos;
  /** Decides about the next connection: true if its `$disconnect` gets lost. The n-th decision depends only on the seed and on n. */
  losesDisconnect(): boolean;
}

/** Returns the decisions for one API. Posts and connections have separate random numbers, so that posts do not change the others. */
export function createSocketChaos(chaos: Chaos): SocketChaos {
  const posts = seeded(chaos.seed);
  const connections = seeded(~chaos.seed);
  const { throttledPosts, failedPosts, lostDisconnects } = chaos;
  return {
    nextPost() {
      const drawn = posts();
      if (drawn < throttledPosts) return 'throttled';
      if (drawn >= throttledPosts + failedPosts) return 'fine';
      return drawn < throttledPosts + failedPosts / 2 ? 'failed' : 'failed but sent';
    },
    losesDisconnect: () => connections() < lostDisconnects,
  };
}
