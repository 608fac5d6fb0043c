/**
 * The track of the webhook. The page cannot receive a webhook, so it reads what the hub has noted about each delivery
 * (PROTOCOL.md §13.5). That works for every receiver. Delays are by the clock of the hub.
 * @module
 */
import { asTidingsError, isRecord, TidingsError } from '../../client/errors.ts';
import { request } from '../session.ts';
import { newDelays } from './delays.ts';
import { deliveryLog } from './delivery-log.ts';
import type { Track, TrackOptions, TrackState } from './track.ts';

/** The pause between two looks at the deliveries, in milliseconds. */
const LOOK_MS = 1_000;
const NO_TRAFFIC = { requests: 0, empty: 0, answers: 0, bytes: 0, frames: 0 };
/** In a list of endpoints a person knows the endpoint by this. */
const DESCRIPTION = 'Console: race';

/** A track that needs the URL of a receiver. */
export interface WebhookTrack extends Track {
  /** Creates an endpoint for the URL. The track says if the hub refuses it. */
  readonly send: (url: string) => Promise<void>;
  /** The endpoint, once there is one. */
  readonly endpoint: () => string | undefined;
}

/** Returns the track. It waits for a URL. */
export function webhookTrack(options: TrackOptions): WebhookTrack {
  const { token, channel, onUnauthorized } = options;
  const delays = newDelays();
  const log = deliveryLog(token, delays);
  let state: TrackState = { kind: 'waiting', detail: '' };
  let endpoint: string | undefined;
  let calculated = 0;
  let isClosed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function follow(id: string): Promise<void> {
    try {
      await log.look(id, () => isClosed);
      state = { kind: 'connected', detail: '' };
    } catch (error) {
      state = refused(asTidingsError(error));
    }
    if (!isClosed && state.kind !== 'refused') timer = setTimeout(() => void follow(id), LOOK_MS);
  }

  function refused(error: TidingsError): TrackState {
    if (error.code === 'unauthorized') onUnauthorized();
    const isTemporary = ['unavailable', 'too_many_requests', 'internal'].includes(error.code);
    return { kind: isTemporary ? 'reconnecting' : 'refused', detail: `${error.code}: ${error.message}` };
  }

  return {
    way: 'webhook',
    endpoint: () => endpoint,
    async send(url) {
      state = { kind: 'connecting', detail: '' };
      try {
        const body = { url, channels: [channel], description: DESCRIPTION };
        const response = await request(token, '/webhooks', { method: 'POST', body });
        const created: unknown = await response.json();
        if (!isRecord(created) || typeof created.id !== 'string')
          throw new TidingsError('internal', 'the hub did not answer with an endpoint');
        endpoint = created.id;
        if (isClosed) return remove(token, endpoint);
        await follow(endpoint);
      } catch (error) {
        state = refused(asTidingsError(error));
      }
    },
    acknowledged() {},
    view() {
      const now = performance.now();
      const { arrived, lost, attempts, accepted, answerMs } = log.totals;
      return {
        state,
        delays: delays.numbers(now),
        points: delays.points(now),
        counts: { arrived, lost, doubled: accepted - arrived },
        traffic: { ...NO_TRAFFIC, requests: attempts },
        work: { requests: attempts, answers: 0, frames: 0, messages: arrived, seconds: 0, answerMs },
        clients: endpoint === undefined ? 0 : 1,
        calculated,
        offset: '',
      };
    },
    cut: undefined,
    freeze: undefined,
    addClients(count) {
      calculated += count;
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      if (endpoint !== undefined) remove(token, endpoint);
    },
  };
}

/** Removes the endpoint, also while the page is closing. */
function remove(token: string, endpoint: string): void {
  request(token, `/webhooks/${endpoint}`, { method: 'DELETE', keepalive: true }).catch(() => {
    // The hub may be gone. The endpoint then stays in its list, with its description.
  });
}
