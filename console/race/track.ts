/**
 * One track of a race: the clients of one way, what they have got, and how long it took.
 * @module
 */
import { connectOver } from '../../client/connect.ts';
import type { Batch } from '../../client/cursor.ts';
import { isRecord } from '../../client/errors.ts';
import type { Transport } from '../../client/transports/failover.ts';
import type { HubUrls } from '../session.ts';
import { type ArrivalCounts, newArrivals } from './arrivals.ts';
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

/** Returns a track whose clients follow the channel by one transport. */
export function clientTrack(way: Transport, options: TrackOptions): Track {
  const { channel, race, token, url, socketUrl, streamUrl, start, onUnauthorized } = options;
  const { host, traffic, cut, freeze } = meteredHost();
  const delays = newDelays();
  const readers: { readonly arrivals: ReturnType<typeof newArrivals>; readonly close: () => void }[] = [];
  let state: TrackState = { kind: 'connecting', detail: '' };
  let offset = start;
  let calculated = 0;
  let since = host.now();
  let clientSeconds = 0;
  let isFrozen = false;
  let isCut = false;

  function addReader(isFirst: boolean): void {
    const arrivals = newArrivals();
    const hub = connectOver(host, { url, socketUrl, streamUrl, token, transports: [way] });
    const onMessages = (batch: Batch): void => {
      const at = performance.now();
      for (const value of batch.messages) {
        const message = messageOf(value, race);
        if (message === undefined) continue;
        arrivals.arrived(message.n);
        if (isFirst) delays.note(at, at - message.at);
      }
      arrivals.reached(batch.next);
      if (isFirst) offset = batch.next;
    };
    hub.subscribe(channel, {
      offset,
      onMessages,
      onError(error) {
        if (error.code === 'unauthorized') onUnauthorized();
        if (isFirst) state = { kind: 'refused', detail: `${error.code}: ${error.message}` };
      },
      onState(next) {
        if (!isFirst) return;
        const detail = 'error' in next ? next.error.message : '';
        state = { kind: next.state, detail };
      },
    });
    readers.push({ arrivals, close: hub.close });
  }

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

  addReader(true);
  return {
    way,
    acknowledged(n, at) {
      for (const { arrivals } of readers) arrivals.acknowledged(n, at);
    },
    view() {
      countSeconds();
      const now = performance.now();
      const all = readers.map(({ arrivals }) => arrivals.counts());
      const sum = (name: keyof ArrivalCounts): number => all.reduce((total, one) => total + one[name], 0);
      const counts = { arrived: sum('arrived'), lost: sum('lost'), doubled: sum('doubled') };
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
      else for (let added = 0; added < count; added += 1) addReader(false);
    },
    close() {
      for (const { close } of readers) close();
    },
  };
}
