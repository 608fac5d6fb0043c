/**
 * The backend of the stock ticker: an exchange that publishes a price of each symbol ten times a second, and the page. A visitor may
 * read the prices and nothing else.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../client/index.ts';
import { createKeyed, hubOfEnvironment, startApplication } from '../shared/application.ts';

const CHANNEL = 'demo/stocks/prices';
const SYMBOLS =
  'ACME BOLT CIRO DUNE ECHO FLUX GIGA HALO IRIS JADE KITE LUMA MONO NOVA ONYX PIKE QUAY RUNE SOLA TIDE'.split(
    ' ',
  );
/** Time between two prices of a symbol, in milliseconds. */
const TICK_MS = 100;
/** The largest change from one price to the next. */
const MOST_CHANGE = 0.002;

const hub = hubOfEnvironment();
const token = (): Promise<string> => hub.tokenFor('exchange', { [CHANNEL]: ['publish'] });

// A keyed channel: the hub keeps the newest message of each symbol, and gives it to readers that come late.
await createKeyed(hub, CHANNEL, '/symbol');

await startApplication(hub, {
  title: 'Stocks',
  folder: import.meta.dirname,
  rightsOf: () => ({ [CHANNEL]: ['subscribe'] }),
});

const { url, socketUrl, streamUrl } = hub;
const client = connect({ url, socketUrl, streamUrl, token });
const prices = SYMBOLS.map((symbol, at) => ({ symbol, price: 20 + 13 * at, n: 0 }));
for (;;) {
  for (const stock of prices) {
    stock.price *= 1 + (Math.random() - 0.5) * 2 * MOST_CHANGE;
    stock.n += 1;
  }
  const at = Date.now();
  // All symbols in one publish: it is stored as one entry. A hub that is slow gets fewer prices, not old ones.
  const published = client.publish(
    CHANNEL,
    prices.map(({ symbol, price, n }) => ({ symbol, price: Number(price.toFixed(2)), n, at })),
  );
  const failed = published.then(
    () => undefined,
    (error: unknown) => String(error),
  );
  await sleep(TICK_MS);
  const error = await failed;
  if (error !== undefined) process.stderr.write(`${error}\n`);
}
