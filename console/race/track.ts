/**
 * One track of a race: the clients of one way, what they have got, and how long it took.
 * @module
 */
import { connectOver } from '../../client/connect.ts';
import { isRecord } from '../../client/errors.ts';
import type { Host } from '../../client/host.ts';
import type { Transport } from '../../client/transports/failover.ts';
import type { HubUrls } from '../session.ts';
import { type ArrivalCounts, type Arrivals, newArrivals } from './arrivals.ts';
import { type DelayNumbers, newDelays } from './delays.ts';
import { meteredHost, type Traffic } from './metered-host.ts';
import type { Way, Work } from './ways.ts';

/** The connection of a track, for people. */
export interface TrackState {
  /** `waiting` for something that a person must do. */
  readonly kind:
    | 'connecting'
    | 'connected'
    | 'reconnecting'
    | 'offline'
    | 'refused'
    | 'waiting'
    | 'frozen'
    | 'cut';
  /** More about it: the code and the message of the hub. */
  readonly detail: string;
}

/** What a track shows. */
export interface TrackView {
  /** The connection. */
  readonly state: TrackState;
  /** Delays of the first client. */
  readonly delays: DelayNumbers;
  /** The points of the chart: times since the start of the page, and delays, in milliseconds. */
  readonly points: { readonly at: readonly number[]; readonly delay: readonly number[] };
  /** Messages of all clients. */
  readonly counts: ArrivalCounts;
  /** Requests, answers and bytes of all clients. */
  readonly traffic: Readonly<Traffic>;
  /** What is paid for. */
  readonly work: Work;
  /** Clients that run here. */
  readonly clients: number;
  /** Clients that are only calculated. */
  readonly calculated: number;
  /** The offset of the first client. */
  readonly offset: string;
}

/** A track of the race. */
export interface Track {
  /** The way. */
  readonly way: Way;
  /** Notes the answer to a publish. */
  readonly acknowledged: (n: number, offset: string) => void;
  /** Returns what the track shows now. */
  readonly view: () => TrackView;
  /** Cuts the network, or repairs it. Undefined for webhooks, which use no network of this page. */
  readonly cut: ((isCut: boolean) => void) | undefined;
  /** Freezes the clients, or lets them go on. */
  readonly freeze: ((isFrozen: boolean) => void) | undefined;
  /** Adds clients. */
  readonly addClients: (count: number) => void;
  /** Ends all clients. */
  readonly close: () => void;
}

/** What all tracks of a race have in common. */
export interface TrackOptions extends HubUrls {
  /** The token of the session. */
  readonly token: string;
  /** The channel of the race. */
  readonly channel: string;
  /** The mark by which messages of this race are known. */
  readonly race: string;
  /** The offset at which the race begins. */
  readonly start: string;
  /** Called when the hub refuses the token. */
  readonly onUnauthorized: () => void;
}

/** A message of a race. */
export interface RaceMessage {
  /** The number of the message. */
  readonly n: number;
  /** When it was published, by the clock of this page. */
  readonly at: number;
}

/** Returns a message of this race, or undefined for a message of somebody else. */
export function messageOf(value: unknown, race: string): RaceMessage | undefined {
  if (!isRecord(value) || value.race !== race) return undefined;
  const { n, at } = value;
  return typeof n === 'number' && typeof at === 'number' ? { n, at } : undefined;
}

/**
 * A browser opens six connections to a host over HTTP/1.1, and the hub holds 25 requests for one caller. So only clients that
 * hold no request are added for real.
 */
const MANY_ARE_REAL: readonly Way[] = ['poll', 'websocket'];

/** A client of a track. */
interface Reader {
  /** The offset at which it began. */
  readonly start: string;
  /** What it has got. */
  readonly arrivals: Arrivals;
  /** Ends it. */
  readonly close: () => void;
}

/** What a client reports. */
interface ReaderEvents {
  /** A message arrived. @param at the time, in milliseconds */
  readonly onMessage: (message: RaceMessage, at: number) => void;
  /** Everything before this offset has arrived. */
  readonly onOffset: (offset: string) => void;
  /** The connection has changed. */
  readonly onState: (state: TrackState) => void;
}

/** Returns a client that follows the channel by one transport. */
function newReader(
  host: Host,
  way: Transport,
  { channel, race, token, url, socketUrl, streamUrl, onUnauthorized }: TrackOptions,
  start: string,
  { onMessage, onOffset, onState }: ReaderEvents,
): Reader {
  const arrivals = newArrivals();
  const hub = connectOver(host, { url, socketUrl, streamUrl, token, transports: [way] });
  hub.subscribe(channel, {
    offset: start,
    onMessages({ messages, next }) {
      const at = performance.now();
      for (const value of messages) {
        const message = messageOf(value, race);
        if (message === undefined) continue;
        arrivals.arrived(message.n);
        onMessage(message, at);
      }
      arrivals.reached(next);
      onOffset(next);
    },
    onError(error) {
      if (error.code === 'unauthorized') onUnauthorized();
      onState({ kind: 'refused', detail: `${error.code}: ${error.message}` });
    },
    onState: (next) => onState({ kind: next.state, detail: 'error' in next ? next.error.message : '' }),
  });
  return { start, arrivals, close: hub.close };
}

/** Adds the counts of all clients. */
function countsOf(readers: readonly Reader[]): ArrivalCounts {
  const all = readers.map(({ arrivals }) => arrivals.counts());
  const sum = (name: keyof ArrivalCounts): number => all.reduce((total, one) => total + one[name], 0);
  return { arrived: sum('arrived'), lost: sum('lost'), doubled: sum('doubled') };
}

const NOTHING: ReaderEvents = { onMessage() {}, onOffset() {}, onState() {} };

/** Returns a track whose clients follow the channel by one transport. */
export function clientTrack(way: Transport, options: TrackOptions): Track {
  const { host, traffic, cut, freeze } = meteredHost();
  const delays = newDelays();
  let state: TrackState = { kind: 'connecting', detail: '' };
  let offset = options.start;
  let calculated = 0;
  let since = host.now();
  let clientSeconds = 0;
  let isFrozen = false;
  let isCut = false;

  const first = newReader(host, way, options, offset, {
    onMessage: (message, at) => delays.note(at, at - message.at),
    onOffset(next) {
      offset = next;
    },
    onState(next) {
      state = next;
    },
  });
  const readers = [first];

  function countSeconds(): void {
    const now = host.now();
    clientSeconds += ((now - since) / 1_000) * readers.length;
    since = now;
  }

  function shownState(): TrackState {
    if (state.kind === 'refused') return state;
    if (isCut) return { kind: 'cut', detail: '' };
    return isFrozen ? { kind: 'frozen', detail: '' } : state;
  }

  return {
    way,
    acknowledged(n, at) {
      // The answer to a publish may come after a client that began behind the message.
      for (const { start, arrivals } of readers) if (at > start) arrivals.acknowledged(n, at);
    },
    view() {
      countSeconds();
      const now = performance.now();
      const counts = countsOf(readers);
      const { requests, answers, frames } = traffic;
      return {
        state: shownState(),
        delays: delays.numbers(now),
        points: delays.points(now),
        counts,
        traffic,
        work: { requests, answers, frames, messages: counts.arrived, seconds: clientSeconds, answerMs: 0 },
        clients: readers.length,
        calculated,
        offset,
      };
    },
    cut(next) {
      isCut = next;
      cut(next);
    },
    freeze(next) {
      isFrozen = next;
      freeze(next);
    },
    addClients(count) {
      countSeconds();
      if (!MANY_ARE_REAL.includes(way)) calculated += count;
      else
        for (let added = 0; added < count; added += 1)
          readers.push(newReader(host, way, options, offset, NOTHING));
    },
    close() {
      for (const { close } of readers) close();
    },
  };
}
