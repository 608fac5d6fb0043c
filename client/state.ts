/**
 * How a subscription is connected, as a page shows it.
 * @module
 */
import type { TidingsError } from './errors.ts';
import type { Transport } from './transport.ts';

export type ConnectionState =
  /** It has not been connected yet. */
  | { readonly state: 'connecting' }
  /** Messages come by this transport. */
  | { readonly state: 'connected'; readonly transport: Transport }
  /** It was connected, and is being connected again. Nothing is lost. */
  | { readonly state: 'reconnecting'; readonly error: TidingsError }
  /** Every transport has been tried in vain. They are tried again until one works. */
  | { readonly state: 'offline'; readonly error: TidingsError };

export interface StateTeller {
  /** Messages come by this transport. */
  readonly up: (transport: Transport) => void;
  /** This transport does not work at the moment; `isLast` if there is no other. */
  readonly down: (transport: Transport, error: TidingsError, isLast: boolean) => void;
}

/** Tells each state once, `connecting` a moment after this call. Nothing is told once the signal is aborted. */
export function stateTeller(signal: AbortSignal, onState: (state: ConnectionState) => void): StateTeller {
  let last: ConnectionState = { state: 'connecting' };
  const tell = (state: ConnectionState): void => {
    last = state;
    if (!signal.aborted) onState(state);
  };
  queueMicrotask(() => last.state === 'connecting' && tell(last));
  return {
    up(transport) {
      if (last.state !== 'connected' || last.transport !== transport) tell({ state: 'connected', transport });
    },
    down(transport, error, isLast) {
      if (last.state === 'connected') {
        // A better one that is tried again beside the one that works is no news.
        if (last.transport === transport) tell({ state: 'reconnecting', error });
      } else if (isLast && last.state !== 'offline') tell({ state: 'offline', error });
    },
  };
}
