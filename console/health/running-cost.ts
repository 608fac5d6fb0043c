/**
 * What a hub would have cost on AWS since its start, by the list prices (bench/prices.ts, docs/cost.md).
 * @module
 */
import {
  FRONT_DOOR_REQUEST,
  HELD_HOUR,
  HTTP_REQUEST,
  hasPrice,
  priceOf,
  SHORT_RUN,
  SOCKET_MESSAGE,
  WEBHOOK_WAIT,
} from '../../bench/prices.ts';
import type { CallSum, HealthReport, RunSum } from './health-report.ts';

const MILLION = 1_000_000;
const HOUR_MS = 3_600_000;
const MONTH_MS = 30 * 24 * HOUR_MS;

/** A start costs more than what follows, so a projection from less time says nothing, in milliseconds. */
const LEAST_MS = 60_000;

/** What is paid for one request of each function at the gateway in front of it, in dollars for a million. */
const AT_GATEWAY: Readonly<Record<string, number>> = {
  Publish: HTTP_REQUEST,
  Read: HTTP_REQUEST,
  Hold: HTTP_REQUEST,
  Webhooks: HTTP_REQUEST,
  Console: HTTP_REQUEST,
  Stream: 0,
  Socket: SOCKET_MESSAGE,
};

/** The functions whose requests pass the front door. Frames of sockets are paid at the API only. */
const isBehindFrontDoor = (name: string): boolean => Object.hasOwn(AT_GATEWAY, name) && name !== 'Socket';

/** What one millisecond of a function costs that waits for others, in dollars. All other functions have short runs. */
const WAITING: Readonly<Record<string, number>> = {
  Hold: HELD_HOUR / HOUR_MS,
  Stream: HELD_HOUR / HOUR_MS,
  Deliver: WEBHOOK_WAIT / 100 / MILLION,
};

/** The parts of the cost, in dollars. */
export interface RunningCost {
  /** Calls of AWS services by functions. */
  readonly calls: number;
  /** Requests at the APIs and at the front door. */
  readonly gateways: number;
  /** Short runs of functions. */
  readonly runs: number;
  /** The time of functions that wait for messages or for endpoints. */
  readonly waiting: number;
}

const sumOf = <T>(rows: readonly T[], of: (row: T) => number): number =>
  rows.reduce((sum, row) => sum + of(row), 0);

/** Returns what calls cost, in dollars; 0 if the action has no price. */
export const costOfCalls = ({ action, count }: CallSum): number =>
  hasPrice(action) ? (count * priceOf(action)) / MILLION : 0;

const costAtGateway = ({ function: name, count }: RunSum, hasFrontDoor: boolean): number =>
  (((AT_GATEWAY[name] ?? 0) + (hasFrontDoor && isBehindFrontDoor(name) ? FRONT_DOOR_REQUEST : 0)) * count) /
  MILLION;

/** Returns the cost since the start. */
export const runningCost = (
  { calls, runs }: Pick<HealthReport, 'calls' | 'runs'>,
  hasFrontDoor: boolean,
): RunningCost => ({
  calls: sumOf(calls, costOfCalls),
  gateways: sumOf(runs, (run) => costAtGateway(run, hasFrontDoor)),
  runs: sumOf(runs, ({ count }) => (SHORT_RUN * count) / MILLION),
  waiting: sumOf(runs, ({ function: name, ms }) => (WAITING[name] ?? 0) * ms),
});

/** Returns all parts together, in dollars. */
export const totalOf = ({ calls, gateways, runs, waiting }: RunningCost): number =>
  calls + gateways + runs + waiting;

/** Returns what a month costs that goes on like the time until now, in dollars; NaN in the first minute. @param ms since the start */
export const monthlyCost = (dollars: number, ms: number): number =>
  ms < LEAST_MS ? Number.NaN : (dollars / ms) * MONTH_MS;
