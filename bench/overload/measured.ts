/**
 * What the process of the load gets and gives.
 * @module
 */
import type { MeasuredHub } from '../hub.ts';

/** What the process is to send, and for how long. */
export interface Load {
  /**
   * `publishers`: requests at a fixed rate, without waiting for answers. `clients`: users of the client library, each with a channel of
   * its own. `players`: the same in one room, each of which receives what all publish.
   */
  readonly kind: 'publishers' | 'clients' | 'players';
  /** The hub. */
  readonly hub: Pick<MeasuredHub, 'url' | 'socketUrl' | 'token'>;
  /** A part of channel names that is new for each load. */
  readonly run: string;
  /** Publishes a second, of all together. */
  readonly perSecond: number;
  /** Milliseconds before the measurement begins. */
  readonly settleMs: number;
  /** Milliseconds of the measurement. */
  readonly measuredMs: number;
}

/** One answer of the hub to a publish. */
export interface Answer {
  /** Milliseconds from the request to the answer. */
  readonly ms: number;
  /** The status. 0 if the connection broke, or if there was no answer in time. */
  readonly status: number;
  /** The code of a refusal of the hub, or the message of one of the platform. */
  readonly code: string;
  /** True if the answer says when to come again. */
  readonly hasRetryAfter: boolean;
}

/** What was measured. */
export interface Measured {
  /** Publishes that were due in the time of the measurement. */
  readonly offered: number;
  /** Publishes whose acknowledgement came in that time. */
  readonly completed: number;
  /** The answers to requests of that time, each as it came from the network. A publish that a client sends again has several. */
  readonly answers: readonly Answer[];
  /** Milliseconds from a call of `publish` to its success, with all waits and retries of the client; empty for publishers. */
  readonly waits: readonly number[];
  /** Milliseconds from a publish to each delivery in that time; players only. */
  readonly delays: readonly number[];
  /** Requests of the clients, by kind, since their start; not of publishers. */
  readonly requests: Requests;
  /** Milliseconds by which this process began a publish later than it was due. If they are large, the load was less than it says. */
  readonly lateness: readonly number[];
  /** Processor time of this process, in milliseconds. */
  readonly cpuMs: number;
}

/** Requests of clients: first attempts, and all that repeat one. */
export interface Requests {
  /** Publishes, openings of sockets and subscriptions, each the first time. */
  readonly first: number;
  /** The same, again. */
  readonly again: number;
}

/** True for an acknowledgement. */
export const isStored = ({ status }: Answer): boolean => status >= 200 && status < 300;

/** True for an answer that says that the hub is busy. */
export const isBusy = ({ status }: Answer): boolean => status === 429 || status === 503;

/** Returns the code of a refusal of the hub, or the message of one of the platform. */
export const codeIn = (body: string): string => /"(?:code|message)":"([^"]*)"/.exec(body)?.[1] ?? '';
