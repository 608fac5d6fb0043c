/**
 * A page of a list of the hub, and the members of its rows.
 * @module
 */
import { isRecord } from '../client/errors.ts';
import { request } from './session.ts';

/** A page of a list. */
export interface Page<T> {
  /** The rows. */
  readonly rows: readonly T[];
  /** Where the next page begins. Undefined if the list is complete. */
  readonly next: string | undefined;
}

const LIMIT = 50;

/**
 * Returns a page of a list.
 * @param member the member of the answer that has the rows
 * @param rowOf returns a row, or nothing for one that the page does not understand
 * @param parameters of the query. Those that are empty are left out
 * @throws TidingsError
 */
export async function list<T>(
  token: string,
  path: string,
  member: string,
  rowOf: (row: unknown) => T[],
  parameters: Readonly<Record<string, string | undefined>>,
): Promise<Page<T>> {
  const query = new URLSearchParams({ limit: String(LIMIT) });
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  const answer: unknown = await (await request(token, `${path}?${query}`)).json();
  const rows = isRecord(answer) ? answer[member] : undefined;
  const next = isRecord(answer) && typeof answer.next === 'string' ? answer.next : undefined;
  return { rows: Array.isArray(rows) ? rows.flatMap(rowOf) : [], next };
}

/** Returns a member that is a text; empty for any other. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Returns a member that is a list of texts. */
export const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(textOf) : []);
