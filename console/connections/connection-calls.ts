/**
 * The requests of the connections page (PROTOCOL.md §12.6, §12.7).
 * @module
 */
import { isRecord } from '../../client/errors.ts';
import { list, type Page, textOf, textsOf } from '../listed.ts';
import { request } from '../session.ts';

/** A socket that is open. */
export interface ShownConnection {
  /** Its id. */
  readonly id: string;
  /** The `sub` of its token. Undefined if there is none. */
  readonly principal: string | undefined;
  /** When it was opened. */
  readonly since: string;
  /** By when it ends. */
  readonly until: string;
  /** Its channels and patterns. */
  readonly subscriptions: readonly string[];
}

/**
 * Returns the first pages of the list as one.
 * @throws TidingsError `forbidden` for a token without `manage` on everything
 */
export async function listConnections(token: string, pages: number): Promise<Page<ShownConnection>> {
  const found: ShownConnection[] = [];
  let next: string | undefined;
  for (let at = 0; at < pages && (at === 0 || next !== undefined); at++) {
    const page = await list(token, '/connections', 'connections', connectionOf, { after: next });
    found.push(...page.rows);
    next = page.next;
  }
  return { rows: found.toSorted((one, other) => other.since.localeCompare(one.since)), next };
}

/** Ends a socket within seconds. Its client is told. @throws TidingsError */
export const endConnection = (token: string, id: string) =>
  request(token, `/connections?${new URLSearchParams({ id })}`, { method: 'DELETE' });

function connectionOf(row: unknown): ShownConnection[] {
  if (!isRecord(row) || typeof row.id !== 'string') return [];
  return [
    {
      id: row.id,
      principal: typeof row.principal === 'string' ? row.principal : undefined,
      since: textOf(row.since),
      until: textOf(row.until),
      subscriptions: textsOf(row.subscriptions),
    },
  ];
}
