/**
 * Held requests of a process with a wake socket, in virtual time: news may come late, twice, changed or never.
 * @module
 */
import { type Hold, holdRead } from '../../../lambda/hub/hold/held-read.ts';
import { type News, newsText, parseNews } from '../../../lambda/hub/hold/news.ts';
import { rereading } from '../../../lambda/hub/hold/reread.ts';
import { sharingReads } from '../../../lambda/hub/hold/shared-reads.ts';
import { pushed } from '../../../lambda/hub/hold/wake.ts';
import type { SendHint } from '../../../lambda/hub/log/log-ports.ts';
import type { From } from '../../../lambda/hub/log/read-log.ts';
import { parseOffset } from '../../../protocol/offset.ts';
import { never } from './hold-world.ts';
import { CHANNEL, publish } from './json-log.ts';
import { type MemoryLog, memoryLog } from './memory-log.ts';
import { type VirtualTime, virtualTime } from './virtual-time.ts';

/** A process with a wake socket, over a log in memory. */
export interface WakeWorld {
  readonly log: MemoryLog;
  readonly time: VirtualTime;
  readonly hold: Hold;
  /** Channels and connections that were shown as waiting. */
  readonly shown: string[];
  /** The wake socket: undefined while there is none. */
  connection: string | undefined;
  /** Milliseconds until news arrives; undefined if it does not. */
  delay: () => number | undefined;
  /** Whether news arrives twice. */
  isDoubled: () => boolean;
  /** What becomes of news on its way. */
  altered: (news: News) => News;
  /** Opens the wake socket. */
  readonly open: () => void;
  /** What has arrived. */
  readonly heard: News[];
  /** Publishes after a pause. */
  readonly later: (ms: number, ...messages: unknown[]) => Promise<void>;
  /** Lets news arrive now. */
  readonly tell: (news: News) => void;
  /** Error with which the store of waits fails. */
  trouble: (() => Error) | undefined;
  /** Errors that were logged for the operator. */
  readonly defects: unknown[];
}

export function wakeWorld(): WakeWorld {
  const log = memoryLog();
  const time = virtualTime();
  const start = log.now;
  Object.defineProperty(log, 'now', { get: () => start + Math.floor(time.now()) });
  let hear: (news: News) => void = () => {};
  const alive = new Set<() => void>();
  const shared = sharingReads(log, time.turn);
  const waits = {
    shownForMs: 60_000,
    async show(channel: string, connection: string) {
      if (w.trouble) throw w.trouble();
      w.shown.push(`${channel} ${connection}`);
    },
  };
  const wakeSocket = {
    connection: () => w.connection,
    onAlive(callback: () => void) {
      alive.add(callback);
      return () => alive.delete(callback);
    },
    listen(callback: typeof hear) {
      hear = callback;
    },
  };
  const tell = (news: News): void => {
    const parsed = parseNews(JSON.parse(newsText(news)));
    if (!parsed) throw new Error('the news cannot be parsed');
    w.heard.push(parsed);
    hear(parsed);
  };
  const hint: SendHint = async ({ channel, offset, isClosing, entry }) => {
    const isShown = w.shown.includes(`${channel} ${w.connection}`);
    const delay = w.delay();
    if (!isShown || delay === undefined) return;
    const news = { channel, next: parseOffset(offset)?.entry ?? 0, isClosing, entry };
    void time.sleep(delay, never).then(() => tell(w.altered(news)));
    if (w.isDoubled()) void time.sleep(2 * delay + 1, never).then(() => tell(w.altered(news)));
  };
  Object.defineProperty(log, 'hint', { value: hint });
  const fallback = rereading({ log: shared, timer: time });
  const logDefect = (error: unknown) => void w.defects.push(error);
  const wake = pushed({ log: shared, waits, timer: time, wakeSocket, fallback, logDefect });
  const w: WakeWorld = {
    log,
    time,
    hold: { log: shared, timer: time, wake },
    shown: [],
    connection: 'wake=',
    delay: () => 20,
    isDoubled: () => false,
    altered: (news) => news,
    heard: [],
    async later(ms, ...messages) {
      await time.sleep(ms, never);
      await publish(log, ...messages);
    },
    open() {
      w.connection = 'wake=';
      for (const callback of alive) callback();
      alive.clear();
    },
    tell,
    trouble: undefined,
    defects: [],
  };
  return w;
}

/** One long poll. */
export const poll = ({ hold, time }: WakeWorld, from: From, ms = 25_000) =>
  holdRead(hold, CHANNEL, from, time.now() + ms, never);
