/**
 * Posts to the WebSocket connections of API Gateway: one frame to very many of them, as fast as the account allows. And
 * ends them, which counts as a post.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
 * @module
 */
import { MAX_POST_BYTES } from '../../../protocol/limits.ts';
import type { Closed, Posted, SocketPoster } from '../../hub/push/push-ports.ts';
import { connectionSlotsTo, NO_ANSWER, type Send } from './connection-slot.ts';
import { machineTime, rateLimiter, type Time } from './rate-limiter.ts';
import { type Credentials, encodeSegment, hashOf, type Method, type Sign, signer } from './sigv4.ts';

export interface ConnectionsSettings {
  /** Of the stage, such as `https://abc.execute-api.eu-west-1.amazonaws.com/ws`. */
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
  /** Posts under way at a time, each on a socket of its own. The others wait, first come first served. */
  readonly inFlight: number;
  /** The most posts in a second, attempts counted; above 0 and finite. */
  readonly perSecond: number;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** At least 0, below 1. */
  readonly random?: () => number;
  readonly time?: Time;
  readonly timeoutMs?: number;
}

/** Posts under way at a time, unless configured: at 15 ms a post, 256 are 17,000 a second, more than one core sends. */
export const DEFAULT_IN_FLIGHT = 256;

/**
 * How long one attempt waits for its answer, in milliseconds, and up to a second more: undici looks twice a second. To
 * connect first may take as long.
 */
export const POST_TIMEOUT_MS = 1_500;

/** Attempts at one post, the first included. */
const MAX_ATTEMPTS = 3;

/**
 * An attempt that fails later than this after the first one began is the last, in milliseconds: the owner of a shard must
 * know when its last post is over (LEASE_MARGIN_MS in lambda/hub/push/push-shard.ts). With the pause before the last attempt and its
 * timeouts a post takes 5.3 s at the most.
 */
const RETRY_WITHIN_MS = 1_000;

/** Between two attempts, in milliseconds, chosen evenly: those that were refused together do not come back together. */
const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 250;

/** Frames whose bytes and hash are kept: as many as go out side by side, at MAX_POST_BYTES each. */
const FRAMES_KEPT = 16;

interface Frame {
  readonly body: Buffer;
  readonly hash: string;
}

/** One post on its way. Those that wait form a list, so that taking the first of ten thousand costs nothing. */
interface Post {
  readonly method: Method;
  readonly path: string;
  readonly frame: Frame;
  readonly settle: (posted: Posted) => void;
  readonly fail: (error: Error) => void;
  /** When it is too late to begin an attempt, by the clock. */
  readonly by: number;
  attempts: number;
  /** When the first attempt began, by the time that passes. */
  begun: number;
  mayHaveArrived: boolean;
  next: Post | undefined;
}

interface Lane {
  readonly send: Send;
  /** What is under way on it. */
  post: Post | undefined;
}

export function connectionsInApiGateway(settings: ConnectionsSettings): SocketPoster {
  const { origin, host, pathname } = new URL(settings.endpoint);
  const base = `${pathname.replace(/\/$/, '')}/@connections/`;
  const { clock = Date.now, credentials, region } = settings;
  const sign = signer({ credentials, region, service: 'execute-api', host, clock });
  const start = startingInOrder(settings, origin, sign);
  const frameOf = keepingFrames();
  const send = (
    method: Method,
    connection: string,
    frame: Frame,
    by = Number.POSITIVE_INFINITY,
  ): Promise<Posted> =>
    new Promise((settle, fail) => {
      const path = base + encodeSegment(connection);
      const fresh = { attempts: 0, begun: 0, mayHaveArrived: false, next: undefined };
      start({ method, path, frame, settle, fail, by, ...fresh });
    });
  return {
    post: (connection, frame, by) => send('POST', connection, frameOf(frame), by),
    close: async (connection) => CLOSED[await send('DELETE', connection, NOTHING)],
  };
}

const NOTHING: Frame = { body: Buffer.alloc(0), hash: hashOf(Buffer.alloc(0)) };

/** That a connection may have ended is not enough. */
const CLOSED: Readonly<Record<Posted, Closed>> = {
  sent: 'closed',
  gone: 'gone',
  busy: 'busy',
  unsure: 'busy',
};

/** Starts posts in order, as lanes are free and the pace allows. */
function startingInOrder(settings: ConnectionsSettings, origin: string, sign: Sign): (post: Post) => void {
  const { inFlight, time = machineTime, random = Math.random, timeoutMs = POST_TIMEOUT_MS } = settings;
  const { clock = Date.now } = settings;
  const openLane = connectionSlotsTo(origin, timeoutMs);
  const waiting = waitingPosts();
  const free: Lane[] = [];
  let lanes = 0;
  const mayStart = rateLimiter(settings.perSecond, time, startAll);

  function open(): Lane {
    lanes++;
    const send = openLane((answer) => answered(lane, answer));
    const lane: Lane = { send, post: undefined };
    return lane;
  }

  function startAll(): void {
    while (waiting.any() && (free.length > 0 || lanes < inFlight) && mayStart()) {
      const post = waiting.take();
      if (!post) return;
      // It waited for others, as where the gateway is slow. The lease that it was posted under may end.
      if (clock() > post.by) {
        giveUp(post);
        continue;
      }
      // The lane that was freed last: a small fan-out then stays on few sockets, which are warm.
      const lane = free.pop() ?? open();
      lane.post = post;
      if (post.attempts++ === 0) post.begun = time.now();
      const { method, path, frame } = post;
      lane.send(path, sign(path, frame.hash, method), frame.body, method);
    }
  }

  function answered(lane: Lane, answer: number | Error): void {
    const { post } = lane;
    if (!post) return;
    lane.post = undefined;
    free.push(lane);
    if (typeof answer !== 'number') post.fail(answer);
    else if (isWorthRetrying(post, answer, time.now())) retryLater(post);
    else conclude(post, answer);
    startAll();
  }

  /** The lane goes on meanwhile: a 429 is as often one slow client as it is the whole account. */
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
 * LimitExceededException: too many requests, or the buffer of this one client is full.
 * https://docs.aws.amazon.com/AWSJavaSDK/latest/javadoc/com/amazonaws/services/apigatewaymanagementapi/model/package-summary.html
 */
const isBusy = (status: number): boolean => status === 429;
const isUnsure = (status: number): boolean => status === NO_ANSWER || status >= 500;

function isWorthRetrying(post: Post, status: number, now: number): boolean {
  post.mayHaveArrived ||= isUnsure(status);
  const isLast = post.attempts >= MAX_ATTEMPTS || now - post.begun > RETRY_WITHIN_MS;
  return (isBusy(status) || isUnsure(status)) && !isLast;
}

function conclude(post: Post, status: number): void {
  if (status === 200 || status === 204) post.settle('sent');
  // 400 is for an id that cannot be one: nobody is there either, and nobody ever will be.
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

/** The bytes of a frame and their hash, worked out once for all the connections that it goes to. */
function keepingFrames(): (text: string) => Frame {
  const kept = new Map<string, Frame>();
  return (text) => {
    const known = kept.get(text);
    if (known) return known;
    const body = Buffer.from(text);
    const frame = { body, hash: hashOf(body) };
    kept.set(text, frame);
    const oldest = kept.keys().next();
    if (kept.size > FRAMES_KEPT && !oldest.done) kept.delete(oldest.value);
    return frame;
  };
}
