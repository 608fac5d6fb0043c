/**
 * The connections: who has a socket open, with which subscriptions, and the end of one.
 * @module
 */
import { useRef, useState } from 'preact/hooks';
import { asTidingsError } from '../../client/errors.ts';
import { ForeignName } from '../foreign-text.tsx';
import { count, visible } from '../format.ts';
import type { Page } from '../listed.ts';
import { useLooking } from '../looking.ts';
import type { PageProps } from '../session.ts';
import { endConnection, listConnections, type ShownConnection } from './connection-calls.ts';
import { ConnectionRow, nameOf } from './connection-row.tsx';

const FORBIDDEN = 'This token may not see who is connected: that needs manage on everything (*).';

/** The page. It looks again by itself only while a connection ends, because each look costs the hub a part of a table. */
export function ConnectionsPage({ session, onUnauthorized }: PageProps) {
  const [page, setPage] = useState<Page<ShownConnection>>();
  const [pages, setPages] = useState(1);
  const [looks, setLooks] = useState(0);
  const [ending, setEnding] = useState<ReadonlySet<string>>(new Set());
  const [news, setNews] = useState('');
  const [problem, setProblem] = useState('');
  const said = useRef<HTMLParagraphElement>(null);
  const { token } = session;

  /** Says what went wrong. Returns true if another look may help. */
  function report(error: unknown): boolean {
    const { code, message } = asTidingsError(error);
    if (code === 'unauthorized') onUnauthorized();
    else setProblem(code === 'forbidden' ? FORBIDDEN : `${code}: ${message}`);
    return code !== 'unauthorized' && code !== 'forbidden';
  }

  async function end(connection: ShownConnection): Promise<void> {
    const question = `End the connection of ${visible(nameOf(connection))}? Its client is told. It can come back as long as its token is valid.`;
    if (!confirm(question)) return;
    try {
      await endConnection(token, connection.id);
      setEnding((before) => new Set([...before, connection.id]));
      setNews(`The hub ends the connection of ${visible(nameOf(connection))}.`);
      // The row goes away, and with it the button that has the focus.
      said.current?.focus({ preventScroll: true });
    } catch (error) {
      report(error);
    }
  }

  useLooking(
    async (isOver) => {
      try {
        const found = await listConnections(token, pages);
        if (isOver()) return false;
        const isEnding = found.rows.some(({ id }) => ending.has(id));
        setPage(found);
        setProblem('');
        if (ending.size > 0 && !isEnding) setNews('The connection has ended.');
        return isEnding;
      } catch (error) {
        return !isOver() && report(error) && ending.size > 0;
      }
    },
    [token, pages, looks, ending],
  );

  return (
    <main class="connections">
      <h1 class="hidden">Connections</h1>
      <section class="card" aria-labelledby="open-sockets">
        <h2 id="open-sockets">Open WebSocket connections</h2>
        <p class="hint">
          Long polls and streams are requests that end by themselves, within a minute by default. The hub does
          not store who holds them. A channel with presence shows them among its members.
        </p>
        {page === undefined && problem === '' && (
          <p role="status" class="hint">
            Loading …
          </p>
        )}
        {problem !== '' && (
          <p class="problem" role="alert">
            <ForeignName text={problem} />
          </p>
        )}
        <p role="status" class="news" ref={said} tabIndex={-1}>
          <bdi>{news}</bdi>
        </p>
        {page && <Rows page={page} ending={ending} onEnd={(connection) => void end(connection)} />}
        <div class="actions">
          <button type="button" onClick={() => setLooks(looks + 1)}>
            Refresh
          </button>
          {page?.next !== undefined && (
            <button type="button" onClick={() => setPages(pages + 1)}>
              More
            </button>
          )}
        </div>
      </section>
    </main>
  );
}

interface RowsProps {
  readonly page: Page<ShownConnection>;
  readonly ending: ReadonlySet<string>;
  readonly onEnd: (connection: ShownConnection) => void;
}

function Rows({ page: { rows, next }, ending, onEnd }: RowsProps) {
  const isAll = next === undefined;
  if (rows.length === 0)
    return (
      <p class="hint">
        {isAll
          ? 'Nobody is connected by WebSocket. A client that connects is here after a refresh.'
          : 'There is none in the part of the table that the hub has looked at. More looks further.'}
      </p>
    );
  return (
    <>
      <p class="hint" role="status">
        {rows.length === 1 ? 'One connection' : `${count(rows.length)} connections`}
        {isAll ? '' : ', and there may be more'}
      </p>
      <ul class="connection-list">
        {rows.map((connection) => (
          <ConnectionRow
            key={connection.id}
            connection={connection}
            isEnding={ending.has(connection.id)}
            onEnd={() => onEnd(connection)}
          />
        ))}
      </ul>
    </>
  );
}
