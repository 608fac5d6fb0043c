/**
 * The webhooks: a list of the endpoints, a form for a new one, and the endpoint that is selected.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import { asTidingsError } from '../../client/errors.ts';
import { ForeignName } from '../foreign-text.tsx';
import type { Page } from '../listed.ts';
import type { PageProps } from '../session.ts';
import { EndpointView } from './endpoint-view.tsx';
import { NewEndpoint } from './new-endpoint.tsx';
import { listEndpoints, readEndpoint, type ShownEndpoint } from './webhook-calls.ts';

/** The page. */
export function WebhooksPage({ session, onUnauthorized }: PageProps) {
  const [page, setPage] = useState<Page<ShownEndpoint>>();
  const [selected, setSelected] = useState<string>();
  const [problem, setProblem] = useState('');

  function report(error: unknown): void {
    const { code, message } = asTidingsError(error);
    if (code === 'unauthorized') onUnauthorized();
    else setProblem(`${code}: ${message}`);
  }

  /** Reads the list, and the selected endpoint, which may be far behind in it. @param chosen the endpoint that is selected then */
  async function load(chosen: string | undefined): Promise<void> {
    try {
      const { rows, next } = await listEndpoints(session.token);
      const isListed = chosen === undefined || rows.some(({ id }) => id === chosen);
      const more = isListed ? [] : await readEndpoint(session.token, chosen);
      setPage({ rows: [...more, ...rows], next });
      setProblem('');
    } catch (error) {
      setPage((before) => before ?? { rows: [], next: undefined });
      report(error);
    }
  }

  async function loadMore(after: string): Promise<void> {
    try {
      const { rows, next } = await listEndpoints(session.token, after);
      setPage((before) => {
        const known = before?.rows ?? [];
        return { rows: [...known, ...rows.filter(({ id }) => known.every((one) => one.id !== id))], next };
      });
    } catch (error) {
      report(error);
    }
  }
  useEffect(() => void load(selected), [session]);

  const endpoint = page?.rows.find(({ id }) => id === selected);
  return (
    <main class="channels">
      <h1 class="hidden">Webhooks</h1>
      <section class="card list" aria-label="List of endpoints">
        {page === undefined ? (
          <p role="status" class="hint">
            Loading …
          </p>
        ) : (
          <Rows rows={page.rows} selected={selected} onSelect={setSelected} />
        )}
        {problem !== '' && (
          <p class="problem" role="alert">
            <ForeignName text={problem} />
          </p>
        )}
        <div class="actions">
          <button type="button" onClick={() => void load(selected)}>
            Refresh
          </button>
          {page?.next !== undefined && (
            <button type="button" onClick={() => void loadMore(page.next ?? '')}>
              More
            </button>
          )}
        </div>
        <NewEndpoint
          session={session}
          onProblem={report}
          onMade={(id) => {
            setSelected(id);
            void load(id);
          }}
        />
      </section>
      {endpoint === undefined ? (
        <p class="hint empty">
          An endpoint is a URL that gets every message of some channels. Select one to see its deliveries, or
          add one.
        </p>
      ) : (
        <EndpointView
          key={endpoint.id}
          endpoint={endpoint}
          session={session}
          onUnauthorized={onUnauthorized}
          onChanged={() => void load(selected)}
          onRemoved={() => {
            setSelected(undefined);
            void load(undefined);
          }}
        />
      )}
    </main>
  );
}

interface RowsProps {
  readonly rows: readonly ShownEndpoint[];
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

function Rows({ rows, selected, onSelect }: RowsProps) {
  if (rows.length === 0) return <p class="hint">There are no endpoints yet that this token may see.</p>;
  return (
    <ul>
      {rows.map((row) => (
        <li key={row.id}>
          <button
            type="button"
            class="row"
            aria-pressed={row.id === selected}
            onClick={() => onSelect(row.id)}
          >
            <ForeignName text={row.url} />
            <span class="about">{row.status}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
