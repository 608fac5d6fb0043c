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
/** Deliveries that are read one by one at each look. */
const MOST_LATE = 5;
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
  /** Deliveries that are not final. */
  const open = new Set<string>();
  const totals = { arrived: 0, lost: 0, attempts: 0, accepted: 0, answerMs: 0 };
  let state: TrackState = { kind: 'waiting', detail: '' };
  let endpoint: string | undefined;
  let calculated = 0;
  let isClosed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function note(delivery: Delivery): void {
    const before = known.get(delivery.id);
    known.set(delivery.id, delivery);
    if (before !== undefined) count(before, -1);
    count(delivery, 1);
    if (FINAL.includes(delivery.status)) open.delete(delivery.id);
    else open.add(delivery.id);
    const attempt = delivery.attempts.find(({ isDelivered }) => isDelivered);
    if (attempt === undefined || before?.attempts.some(({ isDelivered }) => isDelivered)) return;
    // The page sees it later than it happened. The chart shows when it happened.
    const ago = Math.max(0, Date.now() - attempt.at - attempt.ms);
    delays.note(performance.now() - ago, attempt.at + attempt.ms - delivery.publishedAt);
  }

  /** Adds a delivery to the totals, or takes it out. The page shows them several times a second. */
  function count({ status, attempts }: Delivery, sign: 1 | -1): void {
    const isLost = FINAL.includes(status) && status !== 'delivered';
    totals.arrived += status === 'delivered' ? sign : 0;
    totals.lost += isLost ? sign : 0;
    for (const { isDelivered, ms } of attempts) {
      totals.attempts += sign;
      totals.accepted += isDelivered ? sign : 0;
      totals.answerMs += sign * ms;
    }
  }

  /** Reads deliveries, the newest first, until one is known that is final, and then those that were open before. */
  async function look(id: string): Promise<void> {
    const waiting = new Set(open);
    let after = '';
    do {
      const query = after === '' ? '' : `&after=${encodeURIComponent(after)}`;
      const page = await answerOf(`/webhooks/${id}/deliveries?limit=${PAGE}${query}`);
      const rows =
        isRecord(page) && Array.isArray(page.deliveries) ? page.deliveries.flatMap(deliveryOf) : [];
      const isKnown = rows.some(({ id: row }) => FINAL.includes(known.get(row)?.status ?? ''));
      for (const row of rows.toReversed()) {
        waiting.delete(row.id);
        note(row);
      }
      after = !isKnown && isRecord(page) && typeof page.next === 'string' ? page.next : '';
    } while (after !== '' && !isClosed);
    // One that is tried again later is far behind the newest ones.
    for (const late of [...waiting].slice(0, MOST_LATE))
      for (const row of deliveryOf(await answerOf(`/webhooks/${id}/deliveries/${late}`))) note(row);
  }

  async function answerOf(path: string): Promise<unknown> {
    return await (await request(token, path)).json();
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
      const { arrived, lost, attempts, accepted, answerMs } = totals;
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
