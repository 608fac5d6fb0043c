/**
 * What may befall posts to connections, and the news of their end.
 * @module
 */
import { type Chaos, seeded } from './chaos.ts';

/** What becomes of a post: as on a good day, refused for the rate, failed, or failed and arrived all the same. */
export type PostChaos = 'fine' | 'throttled' | 'failed' | 'failed but sent';

export interface SocketChaos {
  /** The n-th post has the same fate in every run. */
  nextPost(): PostChaos;
  /** The n-th connection too: true if nobody is told of its end. */
  losesDisconnect(): boolean;
}

/** Fates from the seed. Connections draw from numbers of their own: how much is posted must not change them. */
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
