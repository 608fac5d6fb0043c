/**
 * Requests about endpoints and deliveries (PROTOCOL.md §13).
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type Fields, fieldsOf } from '../../protocol/fields.ts';
import { DELIVERY_TIMEOUT_MS, MAX_PAGE } from '../../protocol/limits.ts';
import { waitFor } from '../terminal/waiting.ts';
import { ask, membersIn, type Question, Refused } from './ask.ts';
import type { RemoteHub } from './remote-hub.ts';

/** The right that every request on `/webhooks` needs. An endpoint may follow any pattern, so it is for all of them. */
const NEEDS = { '*': ['webhook'] } as const;

/** Sends a request. Returns the members of its answer. */
export async function callHub(
  hub: RemoteHub,
  path: string,
  { body, ...question }: Omit<Question, 'needs' | 'headers'>,
): Promise<Fields> {
  const content = body === undefined ? {} : { body, headers: { 'Content-Type': 'application/json' } };
  return await membersIn(await ask(hub, path, { ...question, ...content, needs: NEEDS }));
}

/**
 * Returns the items of a list, of all its pages.
 * @param member the member of the answer that has them
 * @param most how many items to return
 */
export async function listAll(
  hub: RemoteHub,
  path: string,
  member: string,
  most: number,
): Promise<readonly Fields[]> {
  const items: Fields[] = [];
  const read = async (): Promise<void> => {
    for (let after: unknown = ''; typeof after === 'string' && items.length < most; ) {
      const limit = String(Math.min(MAX_PAGE, most - items.length));
      const query = new URLSearchParams({ limit, ...(after === '' ? {} : { after }) });
      const next = path.includes('?') ? `${path}&${query}` : `${path}?${query}`;
      const page = await callHub(hub, next, { doing: `listing ${member}` });
      const list = page[member];
      if (!Array.isArray(list)) throw new Error(`${hub.url} answered no list of ${member}: check --url`);
      items.push(...list.map(fieldsOf));
      after = page.next;
    }
  };
  await waitFor(`listing ${member}`, read(), { howFar: () => `${items.length.toLocaleString('en')} so far` });
  return items;
}

/** The time limit for an attempt: until it begins, and while it runs, in milliseconds. */
const OUTCOME_MS = 15_000 + DELIVERY_TIMEOUT_MS;
const LOOK_MS = 500;

/**
 * Waits until a delivery has one attempt more than before.
 * @throws Error if it has none in time
 */
export async function outcomeOf(hub: RemoteHub, path: string, attemptsBefore: number): Promise<Fields> {
  const until = performance.now() + OUTCOME_MS;
  const look = async (): Promise<Fields> => {
    for (;;) {
      const delivery = await deliveryAt(hub, path);
      if (delivery && attemptsIn(delivery) > attemptsBefore) return delivery;
      if (performance.now() > until)
        throw new Error(
          'the hub has made no attempt yet: it may be paused by its rate or its circuit breaker; look again later',
        );
      await wait(LOOK_MS);
    }
  };
  return await waitFor('waiting for the answer of the endpoint', look());
}

/** Returns a delivery. Undefined for a test that the hub has accepted, and not begun. */
async function deliveryAt(hub: RemoteHub, path: string): Promise<Fields | undefined> {
  try {
    return await callHub(hub, path, { doing: 'waiting for the answer of the endpoint' });
  } catch (error) {
    if (error instanceof Refused && error.code === 'delivery_not_found') return undefined;
    throw error;
  }
}

/** Returns the number of attempts that have ended. Of many, a delivery keeps only the last ones. */
export function attemptsIn({ attempts }: Fields): number {
  const last = Array.isArray(attempts) ? fieldsOf(attempts.at(-1)).number : undefined;
  return typeof last === 'number' ? last : 0;
}
