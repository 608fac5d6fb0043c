/**
 * The prices as this page has them: it begins with the newest price of each symbol, and then follows.
 * @module
 */
import type { ConnectionState, Hub, Subscription } from '../../../client/index.ts';

/** A stock with its prices of the last minute. */
export interface Stock {
  /** The name. */
  readonly symbol: string;
  /** The newest price. */
  readonly price: number;
  /** The first price that this page has seen. */
  readonly first: number;
  /** Times in milliseconds, and prices, the oldest first. */
  readonly line: readonly [at: number[], price: number[]];
  /** The number of the newest price: the exchange counts them. */
  readonly n: number;
}

/** All stocks, and what it took to have them. */
export interface Ticker {
  /** The stocks by symbol. */
  readonly stocks: ReadonlyMap<string, Stock>;
  /** Prices that came. */
  readonly received: number;
  /** Prices that the hub has skipped, because a newer one was there already. */
  readonly skipped: number;
  /** Time from the publish of the newest price to its arrival, in milliseconds. */
  readonly lateMs: number;
}

const CHANNEL = 'demo/stocks/prices';
/** Length of the charts, in milliseconds. */
export const WINDOW_MS = 60_000;
/** How often a slow page looks, in milliseconds. */
export const SLOW_MS = 2_000;

/** Follows the prices. */
export function followPrices(hub: Hub, onState: (state: ConnectionState) => void) {
  const stocks = new Map<string, Stock>();
  const counts = { received: 0, skipped: 0, lateMs: 0 };
  let subscription: Subscription | undefined;
  let slow: ReturnType<typeof setInterval> | undefined;
  let offset: string | undefined;

  function take(messages: readonly unknown[]): void {
    for (const message of messages) {
      const quote = quoteOf(message);
      if (quote === undefined) continue;
      const { symbol, price, n, at } = quote;
      const before = stocks.get(symbol);
      const line: [number[], number[]] = [
        [...(before?.line[0] ?? []), at],
        [...(before?.line[1] ?? []), price],
      ];
      while ((line[0][0] ?? at) < at - WINDOW_MS) for (const values of line) values.shift();
      stocks.set(symbol, { symbol, price, n, line, first: before?.first ?? price });
      counts.received += 1;
      // The exchange begins at 1 when it is started again.
      if (before !== undefined) counts.skipped += Math.max(0, n - before.n - 1);
      counts.lateMs = Date.now() - at;
    }
  }
  function follow(isOnce: boolean): void {
    subscription?.close();
    subscription = hub.subscribe(CHANNEL, {
      // At first the newest price of each symbol, and after a pause what is newer than the last one, without what was replaced.
      ...(offset === undefined ? { latest: true } : { offset }),
      conflate: true,
      onState,
      onMessages({ messages, next }) {
        offset = next;
        take(messages);
        if (isOnce) subscription?.close();
      },
    });
  }
  follow(false);
  return {
    /** Returns the prices as they are now. */
    ticker: (): Ticker => ({ stocks: new Map(stocks), ...counts }),
    /** Makes the page slow, as a tab in the background or a phone with a bad network: it looks only every few seconds. */
    setSlow(isSlow: boolean): void {
      clearInterval(slow);
      counts.received = 0;
      counts.skipped = 0;
      if (isSlow) subscription?.close();
      if (isSlow) slow = setInterval(follow, SLOW_MS, true);
      else follow(false);
    },
  };
}

interface Quote {
  readonly symbol: string;
  readonly price: number;
  readonly n: number;
  readonly at: number;
}

const isQuote = (value: object): value is Quote =>
  'symbol' in value &&
  typeof value.symbol === 'string' &&
  ['price', 'n', 'at'].every((name) => Number.isFinite(Reflect.get(value, name)));

const quoteOf = (value: unknown): Quote | undefined =>
  typeof value === 'object' && value !== null && isQuote(value) ? value : undefined;
