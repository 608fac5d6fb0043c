/**
 * Posts to the WebSocket connections of API Gateway: one frame to very many of them, as fast as the account allows. It also ends
 * connections, which counts as a post.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
 * @module
 */
import { MAX_POST_BYTES } from '../../../protocol/limits.ts';
import type { Closed, Posted, SocketPoster } from '../../hub/push/push-ports.ts';
import { connectionSlotsTo, NO_ANSWER, type Send } from './connection-slot.ts';
import { machineTime, rateLimiter, type Time } from './rate-limiter.ts';
import { type Credentials, encodeSegment, hashOf, type Method, type Sign, signer } from './sigv4.ts';

/** The settings of the poster. */
export interface ConnectionsSettings {
  /** The URL of the stage, such as `https://abc.execute-api.eu-west-1.amazonaws.com/ws`. */
  readonly endpoint: string;
  /** The Region of the API, for signatures. */
  readonly region: string;
  /** Credentials that may post to the connections of the stage. */
  readonly credentials: Credentials;
  /** The most posts in flight, each on a socket of its own. The others wait in order. */
  readonly inFlight: number;
  /** The most posts in a second, each attempt counted. Above 0 and finite. */
  readonly perSecond: number;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** At least 0, below 1. */
  readonly random?: () => number;
  /** Monotonic time. The default is that of this machine. */
  readonly time?: Time;
  /** As POST_TIMEOUT_MS, its default. */
  readonly timeoutMs?: number;
}

/** The default of posts in flight. At 15 ms a post, 256 are 17,000 posts a second, more than one core sends. */
export const DEFAULT_IN_FLIGHT = 256;

/**
 * The longest wait of one attempt for its answer, in milliseconds. It may be up to a second more, because undici checks twice a
 * second. Connecting before the first attempt may take as long.
 */
export const POST_TIMEOUT_MS = 1_500;

/** The most attempts at one post, unless its caller wants fewer. */
const MAX_ATTEMPTS = 3;

/**
 * After an attempt that fails later than this no other follows, in milliseconds since the begin of the first attempt. The owner
 * of a shard must know when its last post is over (LEASE_MARGIN_MS in lambda/hub/push/push-shard.ts). With the pause before the
 * last attempt and its timeouts a post takes at most 5.3 s.
 */
const RETRY_WITHIN_MS = 1_000;

/** The pause between two attempts, in milliseconds. It is random, so that posts refused together do not return together. */
const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 250;

/** The most frames whose bytes and hash are cached, at MAX_POST_BYTES each: as many as are sent at the same time. */
const CACHED_FRAMES = 16;

interface Frame {
  readonly body: Buffer;
  readonly hash: string;
}

/** One post. Waiting posts form a linked list, because taking the first of ten thousand array members is slow. */
interface Post {
  readonly method: Method;
  readonly path: string;
  readonly frame: Frame;
  readonly settle: (posted: Posted) => void;
  readonly fail: (error: Error) => void;
  /** When no attempt may begin any more, in milliseconds since 1970. */
  readonly by: number;
  /** The most attempts. */
  readonly most: number;
  attempts: number;
  /** When the first attempt began, in monotonic time. */
  begun: number;
  mayHaveArrived: boolean;
  next: Post | undefined;
}

interface Slot {
  readonly send: Send;
  /** The post in flight. */
  post: Post | undefined;
}

/** Returns the poster to the connections of a stage. */
export function connectionsInApiGateway(settings: ConnectionsSettings): SocketPoster {
  const { origin, host, pathname } = new URL(settings.endpoint);
  const base = `${pathname.replace(/\/$/, '')}/@connections/`;
  const { clock = Date.now, credentials, region } = settings;
  const sign = signer({ credentials, region, service: 'execute-api', host, clock });
  const start = startingInOrder(settings, origin, sign);
  const frameOf = cachedFrames();
  const send = (
    method: Method,
    connection: string,
    frame: Frame,
    by = Number.POSITIVE_INFINITY,
    most = MAX_ATTEMPTS,
  ): Promise<Posted> =>
    new Promise((settle, fail) => {
      const path = base + encodeSegment(connection);
      const fresh = { attempts: 0, begun: 0, mayHaveArrived: false, next: undefined };
      start({ method, path, frame, settle, fail, by, most, ...fresh });
    });
  return {
    post: (connection, frame, by, attempts) => send('POST', connection, frameOf(frame), by, attempts),
    close: async (connection) => CLOSED[await send('DELETE', connection, EMPTY)],
  };
}

const EMPTY: Frame = { body: Buffer.alloc(0), hash: hashOf(Buffer.alloc(0)) };

/** A connection that may have ended is not closed for sure: it must be tried again. */
const CLOSED: Readonly<Record<Posted, Closed>> = {
  sent: 'closed',
  gone: 'gone',
  busy: 'busy',
  unsure: 'busy',
};

/** Returns a function that starts posts in order, as soon as a slot is free and the rate limiter allows. */
function startingInOrder(settings: ConnectionsSettings, origin: string, sign: Sign): (post: Post) => void {
  const { inFlight, time = machineTime, random = Math.random, timeoutMs = POST_TIMEOUT_MS } = settings;
  const { clock = Date.now } = settings;
  const openSlot = connectionSlotsTo(origin, timeoutMs);
  const waiting = waitingPosts();
  const free: Slot[] = [];
  let slots = 0;
  const mayStart = rateLimiter(settings.perSecond, time, startAll);

  function open(): Slot {
    slots++;
    const send = openSlot((answer) => answered(slot, answer));
    const slot: Slot = { send, post: undefined };
    return slot;
  }

  function startAll(): void {
    while (waiting.any() && (free.length > 0 || slots < inFlight) && mayStart()) {
      const post = waiting.take();
      if (!post) return;
      // It waited too long, for example because the gateway is slow. The lease of its owner may end.
      if (clock() > post.by) {
        giveUp(post);
        continue;
      }
      // The slot that was freed last: a small fan-out then stays on few sockets, which are warm.
      const slot = free.pop() ?? open();
      slot.post = post;
      if (post.attempts++ === 0) post.begun = time.now();
      const { method, path, frame } = post;
      slot.send(path, sign(path, frame.hash, method), frame.body, method);
    }
  }

  function answered(slot: Slot, answer: number | Error): void {
    const { post } = slot;
    if (!post) return;
    slot.post = undefined;
    free.push(slot);
    if (typeof answer !== 'number') post.fail(answer);
    else if (isWorthRetrying(post, answer, time.now())) retryLater(post);
    else conclude(post, answer);
    startAll();
  }

  /** The slot is used for others meanwhile: a 429 may concern one slow client or the whole account. */
  function retryLater(post: Post): void {
    time.after(MIN_BACKOFF_MS + random() * (MAX_BACKOFF_MS - MIN_BACKOFF_MS), () => {
      waiting.putFirst(post);
      startAll();
    });
  }

  return (post) => {
    waiting.putLast(post);
    startAll();
  };
}

function waitingPosts() {
  let first: Post | undefined;
  let last: Post | undefined;
  return {
    any: () => first !== undefined,
    take(): Post | undefined {
      const post = first;
      first = post?.next;
      if (post) post.next = undefined;
      return post;
    },
    putFirst(post: Post): void {
      post.next = first;
      if (!first) last = post;
      first = post;
    },
    putLast(post: Post): void {
      if (first && last) last.next = post;
      else first = post;
      last = post;
    },
  };
}

/**
 * Returns true for a LimitExceededException: too many requests, or the buffer of this one client is full.
 * https://docs.aws.amazon.com/AWSJavaSDK/latest/javadoc/com/amazonaws/services/apigatewaymanagementapi/model/package-summary.html
 */
const isBusy = (status: number): boolean => status === 429;
const isUnsure = (status: number): boolean => status === NO_ANSWER || status >= 500;

function isWorthRetrying(post: Post, status: number, now: number): boolean {
  post.mayHaveArrived ||= isUnsure(status);
  const isLast = post.attempts >= post.most || now - post.begun > RETRY_WITHIN_MS;
  return (isBusy(status) || isUnsure(status)) && !isLast;
}

function conclude(post: Post, status: number): void {
  if (status === 200 || status === 204) post.settle('sent');
  // 400 means that no connection can have this id.
  // https://github.com/localstack/localstack/issues/4694
  else if (status === 410 || status === 400) post.settle('gone');
  else if (isBusy(status) || isUnsure(status)) giveUp(post);
  else post.fail(new Error(defectOf(post, status)));
}

const giveUp = ({ settle, mayHaveArrived }: Post): void => settle(mayHaveArrived ? 'unsure' : 'busy');

function defectOf({ frame }: Post, status: number): string {
  if (status === 413) {
    return `a frame of ${frame.body.byteLength} bytes is too large to be posted: the limit is ${MAX_POST_BYTES}`;
  }
  if (status === 403) {
    return 'posting to connections is forbidden: the role lacks execute-api:ManageConnections on the stage, or the clock is wrong';
  }
  return `posting to a connection was answered ${status}`;
}

/** Returns a function that gives the bytes of a frame and their hash. They are computed once for all its connections. */
function cachedFrames(): (text: string) => Frame {
  const cached = new Map<string, Frame>();
  return (text) => {
    const known = cached.get(text);
    if (known) return known;
    const body = Buffer.from(text);
    const frame = { body, hash: hashOf(body) };
    cached.set(text, frame);
    const oldest = cached.keys().next();
    if (cached.size > CACHED_FRAMES && !oldest.done) cached.delete(oldest.value);
    return frame;
  };
}
