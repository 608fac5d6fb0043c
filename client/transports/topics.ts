/**
 * What is subscribed on the socket, and by which subscriptions of this client: one subscription of the hub for all subscribers of the
 * same channel or pattern (PROTOCOL.md §12.1, §12.4).
 * @module
 */
import { isChannelName } from '../../protocol/channel-name.ts';
import type { Frame } from '../cursor.ts';
import { asTidingsError, isLasting, type TidingsError } from '../errors.ts';
import type { Host } from '../host.ts';
import { backoff, jittered, RECHECK_MS, sleep } from '../timers.ts';
import type { Answer } from './frames.ts';
import type { Socket } from './socket.ts';

/** A subscription of this client, as the socket sees it. */
export interface Member {
  /** The channel or pattern. */
  readonly topic: string;
  /** Where it stands: an offset, `-1` or `now`. */
  readonly offset: () => string;
  /** May be called before `onLive`, and for frames that came before: it applies the gap rule. */
  readonly onFrame: (frame: Frame) => void;
  /**
   * From now on frames come. `answer.offset` is where they begin; undefined if they do not begin where it stands, since
   * other members were there before it.
   */
  readonly onLive: (answer: Answer) => void;
  /** The socket has ended, and another is being opened. */
  readonly onLost: (why: TidingsError) => void;
  /** For the time being no frames come. */
  readonly onDown: (why: TidingsError) => void;
  /** It is no member any more. */
  readonly onRefused: (error: TidingsError) => void;
}

interface Topic {
  readonly name: string;
  /**
   * With whether it gets frames yet: a member that stands elsewhere than where the hub's subscription begins must not take
   * the first frame for its beginning.
   */
  readonly members: Map<Member, boolean>;
  /** Where the hub has the subscription; any but the present socket counts for nothing. */
  on: Socket | undefined;
  isBusy: boolean;
  /** True after one refusal of the token: another one is final. */
  isDenied: boolean;
}

export interface Topics {
  /** The channels and patterns that have a member. */
  readonly names: () => readonly string[];
  readonly join: (member: Member) => void;
  readonly leave: (member: Member) => void;
  /** Brings what is subscribed on the present socket in line with what is wanted. */
  readonly align: () => void;
  readonly allLost: (why: TidingsError) => void;
  readonly allDown: (why: TidingsError) => void;
  /** Ends all subscriptions: the hub does not let this client in any more. */
  readonly refuseAll: (error: TidingsError) => void;
  readonly onFrame: (frame: Frame) => void;
  /** An error that answers nothing ends the hub's subscription (PROTOCOL.md §12.3). */
  readonly onFault: (topic: string | undefined, error: TidingsError) => void;
}

export interface TopicsOptions {
  readonly host: Pick<Host, 'after' | 'random'>;
  readonly signal: AbortSignal;
  /** The present socket, if it may be subscribed on. */
  readonly current: () => Socket | undefined;
  /** Asks for another socket with a new token, after which `align` is called; false if there is no other token. */
  readonly renew: () => boolean;
  /** There is no subscription any more. */
  readonly onEmpty: () => void;
}

export function topicsOn({ host, signal, current, renew, onEmpty }: TopicsOptions): Topics {
  const topics = new Map<string, Topic>();

  /** One request at a time for each topic: the hub handles frames at the same time, in no order. */
  async function align(topic: Topic): Promise<void> {
    if (topic.isBusy) return;
    topic.isBusy = true;
    let failures = 0;
    for (let socket = current(); socket && !isAligned(topic, socket); socket = current()) {
      try {
        await (topic.members.size > 0 ? subscribe(topic, socket) : unsubscribe(topic, socket));
        failures = 0;
      } catch (error) {
        const trouble = asTidingsError(error);
        if (socket === current()) await sleep(host, onTrouble(topic, trouble, failures++), signal);
      }
    }
    topic.isBusy = false;
    if (topic.members.size === 0 && topics.delete(topic.name) && topics.size === 0) onEmpty();
  }

  /** Answers what to wait before another try, in milliseconds. */
  function onTrouble(topic: Topic, error: TidingsError, failures: number): number {
    if (error.code === 'unauthorized' && !topic.isDenied) {
      topic.isDenied = true;
      if (renew()) return 0;
    }
    if (isLasting(error, true)) {
      topic.on = undefined;
      // A member that stands elsewhere, or came later, gets an answer of its own.
      for (const [member, hears] of [...topic.members]) if (hears) refuse(topic, member, error);
      return 0;
    }
    for (const member of [...topic.members.keys()]) member.onDown(error);
    const random = host.random();
    return error.code === 'too_many_subscriptions' ? jittered(RECHECK_MS, random) : backoff(failures, random);
  }

  function forEach(run: (topic: Topic, member: Member) => void): void {
    for (const topic of topics.values()) for (const member of [...topic.members.keys()]) run(topic, member);
  }

  return {
    names: () => [...topics.keys()],
    join(member) {
      const topic = topics.get(member.topic) ?? newTopic(member.topic);
      topics.set(topic.name, topic);
      const socket = current();
      const isLive = socket !== undefined && topic.on === socket && !topic.isBusy;
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
      for (const [member, hears] of [...(topic?.members ?? [])]) if (hears) member.onFrame(frame);
    },
    onFault(name, error) {
      const topic = topics.get(name ?? '');
      if (!topic) return;
      topic.on = undefined;
      onTrouble(topic, error, 0);
      void align(topic);
    },
  };
}

/** To a member that does not stand where the subscription of the hub began. */
const ELSEWHERE: Answer = { offset: undefined, closed: false };

const newTopic = (name: string): Topic => ({
  name,
  members: new Map(),
  on: undefined,
  isBusy: false,
  isDenied: false,
});

const isAligned = ({ members, on }: Topic, socket: Socket): boolean => members.size > 0 === (on === socket);

/** As text `-1` is before all offsets, and `now` after them. */
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
  const offset = isChannelName(topic.name) ? { offset: asked } : {};
  const answer = await socket.request({ action: 'subscribe', channel: topic.name, ...offset });
  topic.on = socket;
  topic.isDenied = false;
  for (const member of [...topic.members.keys()]) {
    topic.members.set(member, true);
    member.onLive(exact.has(member) ? answer : ELSEWHERE);
  }
}

async function unsubscribe(topic: Topic, socket: Socket): Promise<void> {
  await socket.request({ action: 'unsubscribe', channel: topic.name });
  topic.on = undefined;
}
