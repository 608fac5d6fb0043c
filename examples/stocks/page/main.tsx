/**
 * The page of the stock ticker: a card with a chart for each symbol, and numbers that show what a slow page skips.
 * @module
 */
import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import type { ConnectionState } from '../../../client/index.ts';
import { Figure } from '../../shared/page/figure.tsx';
import { type Session, signIn } from '../../shared/page/session.ts';
import { followPrices, SLOW_MS, type Stock, type Ticker, WINDOW_MS } from './ticker.ts';

/** Time between two drawings, in milliseconds. Ten numbers a second cannot be read. */
const DRAW_MS = 250;

function App({ session }: { readonly session: Session }) {
  const prices = useRef<ReturnType<typeof followPrices>>(null);
  const [ticker, setTicker] = useState<Ticker>();
  const [connection, setConnection] = useState<ConnectionState>();
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const followed = followPrices(session.hub, setConnection);
    prices.current = followed;
    const drawing = setInterval(() => setTicker(followed.ticker()), DRAW_MS);
    return () => clearInterval(drawing);
  }, [session]);
  const toggle = (): void => {
    prices.current?.setSlow(!isSlow);
    setSlow(!isSlow);
  };
  const stocks = [...(ticker?.stocks.values() ?? [])].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  return (
    <main>
      <header>
        <h1>Stocks</h1>
        <button type="button" aria-pressed={isSlow} onClick={toggle}>
          Slow tab
        </button>
        <dl class="figures">
          <Figure label="Prices received" value={ticker && String(ticker.received)} />
          <Figure label="Skipped by the hub" value={ticker && String(ticker.skipped)} />
          <Figure label="Newest price arrived after" value={ticker && `${ticker.lateMs} ms`} />
          <Figure
            label="Connection"
            value={isSlow ? `every ${SLOW_MS / 1_000} s` : connection && stateOf(connection)}
          />
        </dl>
      </header>
      <ul class="stocks" aria-label="Prices">
        {stocks.map((stock) => (
          <StockCard key={stock.symbol} stock={stock} />
        ))}
      </ul>
    </main>
  );
}

function StockCard({ stock: { symbol, price, first, line } }: { readonly stock: Stock }) {
  const change = ((price - first) / first) * 100;
  return (
    <li class="card">
      <p class="row">
        <bdi>{symbol}</bdi>
        <strong>{price.toFixed(2)}</strong>
        <span
          class={change < 0 ? 'down' : 'up'}
        >{`${change < 0 ? '▼' : '▲'} ${Math.abs(change).toFixed(2)} %`}</span>
      </p>
      <Chart symbol={symbol} line={line} />
    </li>
  );
}

function Chart({ symbol, line }: Pick<Stock, 'symbol' | 'line'>) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(null);
  useEffect(() => {
    const { current: parent } = box;
    if (parent === null) return;
    const colour = () => getComputedStyle(parent).getPropertyValue('--accent');
    const made = new uPlot(
      {
        width: Math.max(parent.clientWidth, 1),
        height: 48,
        padding: [4, 0, 4, 0],
        cursor: { show: false },
        legend: { show: false },
        scales: { x: { time: false, range: () => [Date.now() - WINDOW_MS, Date.now()] } },
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke: colour, width: 1.5, points: { show: false } }],
      },
      [[], []],
      parent,
    );
    chart.current = made;
    const fit = (): void => made.setSize({ width: Math.max(parent.clientWidth, 1), height: 48 });
    addEventListener('resize', fit);
    return () => {
      removeEventListener('resize', fit);
      made.destroy();
    };
  }, []);
  useEffect(() => chart.current?.setData([[...line[0]], [...line[1]]]));
  return <div ref={box} role="img" aria-label={`The last minute of ${symbol}`} />;
}

const stateOf = (connection: ConnectionState): string =>
  connection.state === 'connected' ? connection.transport : connection.state;

const root = document.getElementById('app');
const session = await signIn('Guest');
if (root && session) render(<App session={session} />, root);
