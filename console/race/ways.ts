/**
 * The five ways from the hub to a client: their names, and what each costs by the cost table (docs/cost.md).
 * @module
 */
import {
  CONNECTION_HOUR,
  FRONT_DOOR_REQUEST,
  HELD_HOUR,
  HTTP_REQUEST,
  priceOf,
  SHORT_RUN,
  WEBHOOK_DELIVERY,
  WEBHOOK_WAIT,
} from '../../bench/prices.ts';

/** A way: a transport of the client, or a webhook. */
export type Way = 'poll' | 'long-poll' | 'sse' | 'websocket' | 'webhook';

/** The ways in the order in which the page shows them, with the names that people read. */
export const WAYS: Readonly<Record<Way, string>> = {
  poll: 'Short polling',
  'long-poll': 'Long polling',
  sse: 'Server-Sent Events',
  websocket: 'WebSocket',
  webhook: 'Webhook',
};

/** What the clients of one way have made the hub do. */
export interface Work {
  /** Requests, and openings of sockets. For webhooks: attempts. */
  readonly requests: number;
  /** Answers that had messages, of the requests that are no stream. */
  readonly answers: number;
  /** Messages that arrived. */
  readonly messages: number;
  /** Frames on sockets. */
  readonly frames: number;
  /** Seconds for which clients were connected or waited, added up over all clients. */
  readonly seconds: number;
  /** Milliseconds that endpoints took to answer, added up. */
  readonly answerMs: number;
}

/** The price of some work. */
export interface Cost {
  /** Calls to AWS services by the functions of the hub. */
  readonly calls: number;
  /** US dollars. */
  readonly dollars: number;
}

const MILLION = 1_000_000;
const HOUR_SECONDS = 3_600;
/** The time for which one count of a caller's long polls lasts, in seconds (docs/architecture.md, Calls per request). */
const COUNTED_SECONDS = 25;

const GET = 'dynamodb:GetItem';
const QUERY = 'dynamodb:Query';
const PUT = 'dynamodb:PutItem';
const UPDATE = 'dynamodb:UpdateItem';
const POST = 'execute-api:ManageConnections';

/** Calls of one delivery: dispatch, the lease of the endpoint, the claim and the outcome. */
const CALLS_OF_DELIVERY = 8;

interface Priced {
  /** The actions, and how often each is called. */
  readonly calls: readonly (readonly [string, number])[];
  /** What is paid beside the calls, in dollars. */
  readonly more: number;
}

/** Returns what is paid for a request at a gateway, in dollars for a million. */
const gateway = (atGateway: number, hasFrontDoor: boolean): number =>
  atGateway + SHORT_RUN + (hasFrontDoor ? FRONT_DOOR_REQUEST : 0);

const PRICED: Readonly<Record<Exclude<Way, 'webhook'>, (work: Work, hasFrontDoor: boolean) => Priced>> = {
  poll: ({ requests, answers }, hasFrontDoor) => ({
    calls: [
      [GET, requests],
      [QUERY, answers],
    ],
    more: (requests * gateway(HTTP_REQUEST, hasFrontDoor)) / MILLION,
  }),
  'long-poll': ({ requests, answers, seconds }, hasFrontDoor) => ({
    calls: [
      [GET, requests],
      [POST, answers],
      [UPDATE, (2 * seconds) / COUNTED_SECONDS],
    ],
    more: (requests * gateway(HTTP_REQUEST, hasFrontDoor)) / MILLION + (seconds / HOUR_SECONDS) * HELD_HOUR,
  }),
  sse: ({ requests, messages, seconds }, hasFrontDoor) => ({
    calls: [
      [GET, requests],
      [UPDATE, 2 * requests],
      [POST, messages],
    ],
    more: (requests * gateway(0, hasFrontDoor)) / MILLION + (seconds / HOUR_SECONDS) * HELD_HOUR,
  }),
  websocket: ({ requests, frames, seconds }, hasFrontDoor) => ({
    calls: [
      [UPDATE, requests],
      [PUT, requests],
      [POST, frames],
    ],
    more: (requests * gateway(0, hasFrontDoor)) / MILLION + (seconds / HOUR_SECONDS) * CONNECTION_HOUR,
  }),
};

/** Returns what the work costs, without what the hub pays once for all clients: the publish and the push. */
export function costOf(way: Way, work: Work, hasFrontDoor: boolean): Cost {
  if (way === 'webhook') {
    const { requests, answerMs } = work;
    return {
      calls: CALLS_OF_DELIVERY * requests,
      dollars: (WEBHOOK_DELIVERY * requests + (WEBHOOK_WAIT * answerMs) / 100) / MILLION,
    };
  }
  const { calls, more } = PRICED[way](work, hasFrontDoor);
  return {
    calls: calls.reduce((sum, [, count]) => sum + count, 0),
    dollars: more + calls.reduce((sum, [action, count]) => sum + (count * priceOf(action)) / MILLION, 0),
  };
}
