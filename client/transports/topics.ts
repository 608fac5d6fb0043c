/**
 * The topics of the socket. A topic is a channel or a pattern. All subscriptions of this client to one topic share one
 * subscription at the hub (PROTOCOL.md §12.1, §12.4).
 * @module
 */

import { isChannelName } from '../../protocol/channel-name.ts';
import type { Frame } from '../cursor.ts';
import { countOf } from '../cursor.ts';
import { asTidingsError, isLasting, type TidingsError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { RetryBudget } from '../retry-budget.ts';
import { jittered, RECHECK_MS, retryWait } from '../timers.ts';
import type { Answer, Ephemeral } from './frames.ts';
import type { Socket } from './socket.ts';

/** A subscription of this client, as the socket sees it. */
export interface Member {
  /** The channel or pattern. */
  readonly topic: string;
  /** Returns its position: an offset, `-1`, `now`, `latest` or `last=N`. */
  readonly offset: () => string;
  /** True if it may miss messages that newer ones of the same key have replaced. */
  readonly isConflated: boolean;
  /** What this client says about itself as a member of the channel (PROTOCOL.md §14). Default: nothing. */
  readonly presence?: unknown;
  /** Receives frames. It may be called before `onLive`, and with old frames: the member applies the gap rule. */
  readonly onFrame: (frame: Frame) => void;
  /** Receives ephemeral messages, after `onLive`. */
  readonly onEphemeral: (ephemeral: Ephemeral) => void;
  /**
   * Frames come from now on, and begin at `answer.offset`. The offset is undefined if they do not begin at the position of
   * this member, because the subscription at the hub began at the position of another member.
   */
  readonly onLive: (answer: Answer) => void;
  /** The socket has ended. The next one is being opened. */
  readonly onLost: (why: TidingsError) => void;
  /** No frames come at the moment. */
  readonly onDown: (why: TidingsError) => void;
  /** The member was removed. */
  readonly onRefused: (error: TidingsError) => void;
}

interface Topic {
  /** The channel or pattern. */
  readonly name: string;
  /**
   * Member → true if it gets frames. While the hub subscribes, a member at a later position than the subscription gets none: it
   * must not take the first frame for its own beginning.
   */
  readonly members: Map<Member, boolean>;
  /** The socket on which the hub has the subscription. Only the current socket counts. */
  subscribedOn: Socket | undefined;
  isBusy: boolean;
  /** The data that the hub was told with the subscription. */
  told: unknown;
  /** True after one refusal of the token. A second one is final. */
  isDenied: boolean;
}

/** All topics of one client. */
export interface Topics {
  /** Returns the channels and patterns that have a member. */
  readonly names: () => readonly string[];
  /** Adds a member. */
  readonly join: (member: Member) => void;
  /** Removes a member. */
  readonly leave: (member: Member) => void;
  /** Subscribes and unsubscribes on the current socket until it has exactly the topics with members. */
  readonly align: () => void;
  /** Reports the end of the socket to all members. */
  readonly allLost: (why: TidingsError) => void;
  /** Reports to all members that no socket can be opened. */
  readonly allDown: (why: TidingsError) => void;
  /** Ends all subscriptions, because the hub refuses this client. */
  readonly refuseAll: (error: TidingsError) => void;
  /** Gives a frame to the members of its topic. */
  readonly onFrame: (frame: Frame) => void;
  /** Gives ephemeral messages to the members of a topic, if they came on the socket that it is subscribed on. */
  readonly onEphemeral: (socket: Socket | undefined, topic: string, ephemeral: Ephemeral) => void;
  /** Takes an error frame that answers no request: the subscription has ended at the hub (PROTOCOL.md §12.3). */
  readonly onFault: (topic: string | undefined, error: TidingsError) => void;
}

/** The parts of the link that the topics use. */
export interface TopicsOptions {
  /** The timers and random numbers. */
  readonly host: Pick<Host, 'random'>;
  /** Pays for retries. */
  readonly budget: RetryBudget;
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal;
  /** Returns the current socket, if it may be used for requests. */
  readonly current: () => Socket | undefined;
  /** Asks for a socket with a new token, and returns true; false if there is no other token. The link calls `align` then. */
  readonly renew: () => boolean;
  /** Called when no subscription is left. */
  readonly onEmpty: () => void;
}

/** Returns the topics of a client, without members. */
export function topicsOn({ host, budget, signal, current, renew, onEmpty }: TopicsOptions): Topics {
  const topics = new Map<string, Topic>();

  /** Sends one request at a time for each topic, because the hub handles frames in parallel, in no order. */
  async function align(topic: Topic): Promise<void> {
    if (topic.isBusy) return;
    topic.isBusy = true;
    let failures = 0;
    for (let socket = current(); socket && !isAligned(topic, socket); socket = current()) {
      try {
        await (topic.members.size > 0 ? subscribe(topic, socket) : unsubscribe(topic, socket));
        budget.answered(failures > 0);
        failures = 0;
      } catch (error) {
        const trouble = asTidingsError(error);
        if (socket !== current()) continue;
        const wait = waitAfter(topic, trouble, failures++);
        if (wait !== undefined) await budget.wait(wait, signal);
      }
    }
    topic.isBusy = false;
    if (topic.members.size === 0 && topics.delete(topic.name) && topics.size === 0) onEmpty();
  }

  /** Returns the milliseconds to wait before another attempt; undefined if the next attempt is not a repetition. */
  const waitAfter = (topic: Topic, error: TidingsError, failures: number): number | undefined =>
    reportTrouble(topic, error, renew) ? retryIn(error, failures, host.random()) : undefined;

  function forEach(run: (topic: Topic, member: Member) => void): void {
    for (const topic of topics.values()) for (const member of [...topic.members.keys()]) run(topic, member);
  }

  return {
    names: () => [...topics.keys()],
    join(member) {
      const topic = topics.get(member.topic) ?? newTopic(member.topic);
      topics.set(topic.name, topic);
      const socket = current();
      const isLive = socket !== undefined && topic.subscribedOn === socket && !topic.isBusy;
      topic.members.set(member, isLive);
      if (isLive) member.onLive(ELSEWHERE);
      void align(topic);
    },
    leave(member) {
      const topic = topics.get(member.topic);
      if (topic?.members.delete(member)) void align(topic);
    },
    align() {
      for (const topic of topics.values()) void align(topic);
    },
    allLost: (why) => forEach((_topic, member) => member.onLost(why)),
    allDown: (why) => forEach((_topic, member) => member.onDown(why)),
    refuseAll(error) {
      forEach((topic, member) => refuse(topic, member, error));
      for (const topic of topics.values()) void align(topic);
    },
    onFrame(frame) {
      const topic = topics.get(frame.pattern ?? frame.channel);
      for (const [member, isLive] of [...(topic?.members ?? [])]) if (isLive) member.onFrame(frame);
    },
    onEphemeral(socket, name, ephemeral) {
      const topic = topics.get(name);
      // While one socket replaces another both are subscribed. The messages of one of them are enough.
      if (topic?.subscribedOn === undefined || topic.subscribedOn !== socket) return;
      for (const [member, isLive] of [...topic.members]) if (isLive) member.onEphemeral(ephemeral);
    },
    onFault(name, error) {
      const topic = topics.get(name ?? '');
      if (!topic) return;
      topic.subscribedOn = undefined;
      // The hub has ended the subscription, and may do so again. So the next one is a retry.
      const isRetry = waitAfter(topic, error, 0) !== undefined;
      void (isRetry ? budget.wait(0, signal) : Promise.resolve()).then(() => align(topic));
    },
  };
}

/**
 * Tells the members of a topic that the hub has refused it, or that it cannot be reached. Returns true if the next attempt is a repetition.
 * @param renew as in TopicsOptions
 */
function reportTrouble(topic: Topic, error: TidingsError, renew: () => boolean): boolean {
  if (error.code === 'unauthorized' && !topic.isDenied) {
    topic.isDenied = true;
    if (renew()) return false;
  }
  if (isLasting(error, true)) {
    topic.subscribedOn = undefined;
    // A member at another position, or a later one, gets its own answer.
    for (const [member, isLive] of [...topic.members]) if (isLive) refuse(topic, member, error);
    return false;
  }
  for (const member of [...topic.members.keys()]) member.onDown(error);
  return true;
}

/** Returns the milliseconds until the next attempt. */
const retryIn = ({ code, retryAfterMs }: TidingsError, failures: number, random: number): number =>
  code === 'too_many_subscriptions'
    ? jittered(RECHECK_MS, random)
    : retryWait(failures, random, retryAfterMs);

/** The answer for a member that is not at the offset where the hub's subscription began. */
const ELSEWHERE: Answer = { offset: undefined, closed: false };

const newTopic = (name: string): Topic => ({
  name,
  members: new Map(),
  subscribedOn: undefined,
  isBusy: false,
  told: undefined,
  isDenied: false,
});

/** True if the hub has the subscription, or has none, as it should be. A subscription is repeated to tell it other data. */
const isAligned = (topic: Topic, socket: Socket): boolean => {
  const { members, subscribedOn: on, told } = topic;
  const data = presenceOf(topic);
  return members.size > 0 === (on === socket) && (on !== socket || data === undefined || data === told);
};

/** Returns the data of the member that joined last with some; undefined if there is none. */
const presenceOf = ({ members }: Topic): unknown =>
  [...members.keys()]
    .map(({ presence }) => presence)
    .filter((data) => data !== undefined)
    .pop();

/** Returns the earliest position of the members. As text, `-1` sorts before all offsets, and `last=N`, `latest` and `now` after them. */
const earliestOffset = ({ members }: Topic): string | undefined =>
  [...members.keys()].map((member) => member.offset()).sort()[0];

function refuse({ members }: Topic, member: Member, error: TidingsError): void {
  members.delete(member);
  member.onRefused(error);
}

async function subscribe(topic: Topic, socket: Socket): Promise<void> {
  const asked = earliestOffset(topic);
  const exact = new Set([...topic.members.keys()].filter((member) => member.offset() === asked));
  for (const member of topic.members.keys()) topic.members.set(member, exact.has(member));
  const last = asked === undefined ? undefined : countOf(asked);
  const start = last === undefined ? { offset: asked } : { last };
  const presence = presenceOf(topic);
  const answer = await socket.request({
    action: 'subscribe',
    channel: topic.name,
    ...(isChannelName(topic.name) ? start : {}),
    ...(presence === undefined ? {} : { presence }),
    ...([...topic.members.keys()].every(({ isConflated }) => isConflated) ? { conflate: true } : {}),
  });
  topic.told = presence;
  topic.subscribedOn = socket;
  topic.isDenied = false;
  for (const member of [...topic.members.keys()]) {
    topic.members.set(member, true);
    member.onLive(exact.has(member) ? answer : ELSEWHERE);
  }
}

async function unsubscribe(topic: Topic, socket: Socket): Promise<void> {
  await socket.request({ action: 'unsubscribe', channel: topic.name });
  topic.subscribedOn = undefined;
}
