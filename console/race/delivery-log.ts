/**
 * The deliveries of one endpoint, as the hub notes them (PROTOCOL.md §13.5), and what they add up to.
 * @module
 */
import { isRecord } from '../../client/errors.ts';
import { request } from '../session.ts';
import type { Delays } from './delays.ts';

/** Deliveries in one answer. */
const PAGE = 100;
/** Deliveries that are read one by one at each look. */
const MOST_LATE = 5;

/** What the deliveries add up to. */
interface Totals {
  /** Deliveries that an attempt has delivered. */
  arrived: number;
  /** Deliveries that the hub has given up. */
  lost: number;
  /** Attempts. */
  attempts: number;
  /** Attempts that were answered 2xx: more than one of a delivery is a duplicate. */
  accepted: number;
  /** Time that the receiver took, in milliseconds. */
  answerMs: number;
}

/** The log of one endpoint. */
export interface DeliveryLog {
  /** What the deliveries add up to. */
  readonly totals: Readonly<Totals>;
  /** Reads what is new. @throws TidingsError */
  readonly look: (endpoint: string, isOver: () => boolean) => Promise<void>;
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

/** Returns a log that has read nothing yet. @param delays takes the delay of each delivery */
export function deliveryLog(token: string, delays: Delays): DeliveryLog {
  const known = new Map<string, Delivery>();
  /** Deliveries that are not final. */
  const open = new Set<string>();
  const totals: Totals = { arrived: 0, lost: 0, attempts: 0, accepted: 0, answerMs: 0 };

  function note(delivery: Delivery): void {
    const before = known.get(delivery.id);
    known.set(delivery.id, delivery);
    if (before !== undefined) addTo(totals, before, -1);
    addTo(totals, delivery, 1);
    if (FINAL.includes(delivery.status)) open.delete(delivery.id);
    else open.add(delivery.id);
    const attempt = delivery.attempts.find(({ isDelivered }) => isDelivered);
    if (attempt === undefined || before?.attempts.some(({ isDelivered }) => isDelivered)) return;
    // The page sees it later than it happened. The chart shows when it happened.
    const ago = Math.max(0, Date.now() - attempt.at - attempt.ms);
    delays.note(performance.now() - ago, attempt.at + attempt.ms - delivery.publishedAt);
  }

  /** Reads deliveries, the newest first, until one is known that is final, and then those that were open before. */
  async function look(id: string, isOver: () => boolean): Promise<void> {
    const waiting = new Set(open);
    let after = '';
    do {
      const query = after === '' ? '' : `&after=${encodeURIComponent(after)}`;
      const page = await answerOf(token, `/webhooks/${id}/deliveries?limit=${PAGE}${query}`);
      const rows =
        isRecord(page) && Array.isArray(page.deliveries) ? page.deliveries.flatMap(deliveryOf) : [];
      const isKnown = rows.some(({ id: row }) => FINAL.includes(known.get(row)?.status ?? ''));
      for (const row of rows.toReversed()) {
        waiting.delete(row.id);
        note(row);
      }
      after = !isKnown && isRecord(page) && typeof page.next === 'string' ? page.next : '';
    } while (after !== '' && !isOver());
    // One that is tried again later is far behind the newest ones.
    for (const late of [...waiting].slice(0, MOST_LATE))
      for (const row of deliveryOf(await answerOf(token, `/webhooks/${id}/deliveries/${late}`))) note(row);
  }

  return { totals, look };
}

/** Adds a delivery to the totals, or takes it out. The page shows the totals several times a second, so they are not counted again. */
function addTo(totals: Totals, { status, attempts }: Delivery, sign: 1 | -1): void {
  const isLost = FINAL.includes(status) && status !== 'delivered';
  totals.arrived += status === 'delivered' ? sign : 0;
  totals.lost += isLost ? sign : 0;
  for (const { isDelivered, ms } of attempts) {
    totals.attempts += sign;
    totals.accepted += isDelivered ? sign : 0;
    totals.answerMs += sign * ms;
  }
}

async function answerOf(token: string, path: string): Promise<unknown> {
  return await (await request(token, path)).json();
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
