/**
 * The track of the webhook. The page cannot receive a webhook, so it reads what the hub has noted about each delivery
 * (PROTOCOL.md §13.5). That works for every receiver. Delays are by the clock of the hub.
 * @module
 */
import { asTidingsError, isRecord, TidingsError } from '../../client/errors.ts';
import { request } from '../session.ts';
import { newDelays } from './delays.ts';
import type { Track, TrackOptions, TrackState } from './track.ts';

/** The pause between two looks at the deliveries, in milliseconds. */
const LOOK_MS = 1_000;
/** Deliveries in one answer. */
const PAGE = 100;
/** A test on the page, and a person who looks at the list of endpoints, know the endpoint by this. */
const DESCRIPTION = 'Console: race';

/** A track that needs the URL of a receiver. */
export interface WebhookTrack extends Track {
  /** Creates an endpoint for the URL. The track says if the hub refuses it. */
  readonly send: (url: string) => Promise<void>;
  /** The endpoint, once there is one. */
  readonly endpoint: () => string | undefined;
}

/** A delivery as the page needs it. */
interface Delivery {
  readonly id: string;
  readonly status: string;
  readonly publishedAt: number;
  readonly attempts: readonly { readonly at: number; readonly ms: number; readonly isDelivered: boolean }[];
}

/** The deliveries that will not be tried again. */
const FINAL: readonly string[] = ['delivered', 'failed', 'expired', 'skipped'];

/** Returns the track. It waits for a URL. */
export function webhookTrack(options: TrackOptions): WebhookTrack {
  const { token, channel, onUnauthorized } = options;
  const delays = newDelays();
  const known = new Map<string, Delivery>();
  const traffic = { requests: 0, empty: 0, answers: 0, bytes: 0, frames: 0 };
  let state: TrackState = { kind: 'waiting', detail: '' };
  let endpoint: string | undefined;
  let calculated = 0;
  let isClosed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function note(delivery: Delivery): void {
    const wasDelivered = known.get(delivery.id)?.status === 'delivered';
    known.set(delivery.id, delivery);
    const attempt = delivery.attempts.find(({ isDelivered }) => isDelivered);
    if (wasDelivered || attempt === undefined) return;
    // The page sees it later than it happened. The chart shows when it happened.
    const ago = Math.max(0, Date.now() - attempt.at - attempt.ms);
    delays.note(performance.now() - ago, attempt.at + attempt.ms - delivery.publishedAt);
  }

  /** Reads deliveries, the newest first, until one is known that is final. */
  async function look(id: string): Promise<void> {
    let after = '';
    do {
      const query = after === '' ? '' : `&after=${encodeURIComponent(after)}`;
      const response = await request(token, `/webhooks/${id}/deliveries?limit=${PAGE}${query}`);
      const page: unknown = await response.json();
      const rows =
        isRecord(page) && Array.isArray(page.deliveries) ? page.deliveries.flatMap(deliveryOf) : [];
      const isKnown = rows.some(({ id: row }) => FINAL.includes(known.get(row)?.status ?? ''));
      for (const row of rows.toReversed()) note(row);
      after = !isKnown && isRecord(page) && typeof page.next === 'string' ? page.next : '';
    } while (after !== '' && !isClosed);
  }

  async function follow(id: string): Promise<void> {
    try {
      await look(id);
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
      const all = [...known.values()];
      const attempts = all.flatMap((one) => one.attempts);
      const arrived = all.filter(({ status }) => status === 'delivered').length;
      const good = attempts.filter(({ isDelivered }) => isDelivered).length;
      const lost = all.filter(({ status }) => FINAL.includes(status) && status !== 'delivered').length;
      const answerMs = attempts.reduce((sum, { ms }) => sum + ms, 0);
      traffic.requests = attempts.length;
      return {
        state,
        delays: delays.numbers(now),
        points: delays.points(now),
        counts: { arrived, lost, doubled: good - arrived },
        traffic,
        work: { requests: attempts.length, answers: 0, frames: 0, messages: arrived, seconds: 0, answerMs },
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

function deliveryOf(row: unknown): Delivery[] {
  if (!isRecord(row) || typeof row.id !== 'string' || typeof row.status !== 'string') return [];
  const attempts = Array.isArray(row.attempts) ? row.attempts.filter(isRecord) : [];
  return [
    {
      id: row.id,
      status: row.status,
      publishedAt: Date.parse(String(row.publishedAt)),
      attempts: attempts.map(({ at, ms, status }) => ({
        at: Date.parse(String(at)),
        ms: typeof ms === 'number' ? ms : 0,
        isDelivered: typeof status === 'number' && status >= 200 && status < 300,
      })),
    },
  ];
}
