/**
 * A channel while a page shows it: what the hub says about it, and its messages as they come.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import type { Hub } from '../../client/connect.ts';
import { connect } from '../../client/index.ts';
import { hubUrls, type Session } from '../session.ts';
import { type ChannelFacts, describeChannel } from './channel-facts.ts';
import { type ChannelState, type FollowedChannel, followChannel } from './followed-channel.ts';

/** A channel that is shown. */
export interface ShownChannel {
  /** The client that follows it. Undefined at first. */
  readonly hub: Hub | undefined;
  /** The subscription. Undefined at first. */
  readonly followed: FollowedChannel | undefined;
  /** What came until now. Undefined at first. */
  readonly state: ChannelState | undefined;
  /** Undefined for a channel that does not exist, or that the token may not read. */
  readonly facts: ChannelFacts | undefined;
  /** Follows it again, after an error. */
  readonly again: () => void;
}

/** Follows a channel. */
export function useChannel(session: Session, channel: string): ShownChannel {
  const [hub, setHub] = useState<Hub>();
  const [followed, setFollowed] = useState<FollowedChannel>();
  const [state, setState] = useState<ChannelState>();
  const [facts, setFacts] = useState<ChannelFacts>();
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    const client = connect({ ...hubUrls(), token: session.token });
    const following = followChannel(client, channel, setState);
    setHub(client);
    setFollowed(following);
    return () => {
      following.close();
      client.close();
    };
  }, [session, channel, attempt]);

  // A channel begins with its first message.
  const isThere = (state?.groups.length ?? 0) > 0;
  useEffect(() => {
    // A token may publish without the right to read. Then the subscription says that it is refused.
    describeChannel(session.token, channel).then(setFacts, () => setFacts(undefined));
  }, [session, channel, attempt, isThere]);

  return { hub, followed, state, facts, again: () => setAttempt(attempt + 1) };
}
