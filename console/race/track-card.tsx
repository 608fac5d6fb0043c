/**
 * One track as the page shows it.
 * @module
 */
import type { ComponentChildren } from 'preact';
import { ForeignName } from '../foreign-text.tsx';
import { count, dollars, duration, size } from '../format.ts';
import { hasFrontDoor } from '../session.ts';
import { DelayChart } from './delay-chart.tsx';
import type { Track, TrackState, TrackView } from './track.ts';
import { costOf, WAYS } from './ways.ts';

const STATES: Readonly<Record<TrackState['kind'], string>> = {
  connecting: 'Connecting',
  connected: 'Connected',
  reconnecting: 'Reconnecting',
  offline: 'Offline',
  refused: 'Stopped',
  waiting: 'Needs a receiver',
  frozen: 'Frozen',
  cut: 'Network cut',
};

/** Clients that one click adds. */
const MORE_CLIENTS = 100;
const DAY_SECONDS = 86_400;
const MILLION = 1_000_000;

interface Props {
  readonly track: Track;
  readonly view: TrackView;
  /** Cuts the network of the track for some seconds. */
  readonly onCut: () => void;
  readonly isFrozen: boolean;
  readonly onFreeze: () => void;
  readonly onMore: (count: number) => void;
  /** More, below the figures. */
  readonly children?: ComponentChildren;
}

/** The card of a track. */
export function TrackCard({ track, view, onCut, isFrozen, onFreeze, onMore, children }: Props) {
  const { way, cut, freeze } = track;
  const { state, delays, points } = view;
  const title = WAYS[way];
  const id = `track-${way}`;
  return (
    <section class="card track" data-way={way} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        <p class="state" data-state={state.kind}>
          {STATES[state.kind]}
        </p>
        <p class="clients">{clientsOf(view)}</p>
        {view.offset !== '' && <p class="clients">at offset {view.offset}</p>}
        <div class="actions">
          {cut && (
            <button type="button" onClick={onCut} disabled={state.kind === 'cut'}>
              Cut 5 s<span class="hidden"> the network of {title}</span>
            </button>
          )}
          {freeze && (
            <button type="button" aria-pressed={isFrozen} onClick={onFreeze}>
              Freeze<span class="hidden"> {title}</span>
            </button>
          )}
          <button type="button" onClick={() => onMore(MORE_CLIENTS)}>
            +{MORE_CLIENTS} clients<span class="hidden"> of {title}</span>
          </button>
        </div>
      </header>
      {state.detail !== '' && (
        <p class="problem">
          <ForeignName text={state.detail} />
        </p>
      )}
      <div class="measured">
        <dl class="delays">
          <Figure label="Now" value={duration(delays.now)} />
          <Figure label="p50" value={duration(delays.p50)} />
          <Figure label="p95" value={duration(delays.p95)} />
        </dl>
        <DelayChart points={points} numbers={delays} label={title} />
      </div>
      <Figures track={track} view={view} />
      {children}
    </section>
  );
}

function Figures({ track: { way }, view }: Pick<Props, 'track' | 'view'>) {
  const { traffic, counts, work } = view;
  const cost = costOf(way, work, hasFrontDoor());
  const perMillion = (cost.dollars / work.messages) * MILLION;
  const perClientDay = way === 'webhook' ? Number.NaN : (cost.dollars / work.seconds) * DAY_SECONDS;
  const isWebhook = way === 'webhook';
  return (
    <dl class="figures">
      <Figure label={isWebhook ? 'Attempts' : 'Requests'} value={count(traffic.requests)} />
      <Figure label="Empty answers" value={isWebhook ? '0' : count(traffic.empty)} />
      <Figure label="Received" value={isWebhook ? '–' : size(traffic.bytes)} />
      <Figure label="AWS calls" value={count(cost.calls)} />
      <Figure label="$ a million" value={dollars(perMillion)} />
      <Figure label="$ a client-day" value={dollars(perClientDay)} />
      <Figure label="Arrived" value={count(counts.arrived)} />
      <Figure label="Lost" value={count(counts.lost)} isBad={counts.lost > 0} />
      <Figure label="Doubled" value={count(counts.doubled)} isBad={counts.doubled > 0} />
    </dl>
  );
}

function clientsOf({ clients, calculated }: TrackView): string {
  const real = clients === 1 ? '1 client' : `${count(clients)} clients`;
  return calculated === 0 ? real : `${real}, and ${count(calculated)} calculated`;
}

function Figure({ label, value, isBad = false }: { label: string; value: string; isBad?: boolean }) {
  return (
    <div class="figure">
      <dt>{label}</dt>
      <dd class={isBad ? 'bad' : undefined}>{value}</dd>
    </div>
  );
}
