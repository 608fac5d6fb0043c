/**
 * The deliveries of an endpoint, with their attempts and the answers that they got.
 * @module
 */
import { useState } from 'preact/hooks';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { duration } from '../format.ts';
import type { Page } from '../listed.ts';
import { useLooking } from '../looking.ts';
import type { Ask } from './send-again.tsx';
import { listDeliveries, retryDelivery, type ShownAttempt, type ShownDelivery } from './webhook-calls.ts';

/** The statuses of a delivery (PROTOCOL.md §13.5). Empty for all. */
const STATUSES = ['', 'sending', 'waiting', 'delivered', 'failed', 'skipped', 'expired'];

interface Props {
  readonly token: string;
  /** The endpoint. */
  readonly id: string;
  /** Changes when the list must be read at once. */
  readonly looks: number;
  readonly onAsk: Ask;
  readonly onProblem: (error: unknown) => void;
}

/** The list. It looks again by itself while it shows the first page. */
export function Deliveries({ token, id, looks, onAsk, onProblem }: Props) {
  const [status, setStatus] = useState('');
  const [page, setPage] = useState<Page<ShownDelivery>>();
  const [isFirst, setFirst] = useState(true);

  useLooking(
    async (isOver) => {
      if (!isFirst) return false;
      try {
        const found = await listDeliveries(token, id, status);
        if (!isOver()) setPage(found);
      } catch (error) {
        if (!isOver()) onProblem(error);
      }
      return true;
    },
    [token, id, status, looks, isFirst],
  );

  async function more(after: string): Promise<void> {
    setFirst(false);
    try {
      const { rows, next } = await listDeliveries(token, id, status, after);
      setPage({ rows: [...(page?.rows ?? []), ...rows], next });
    } catch (error) {
      onProblem(error);
    }
  }

  return (
    <section aria-label="Deliveries" class="deliveries">
      <div class="line">
        <h3>Deliveries</h3>
        <select
          aria-label="Status of the deliveries"
          value={status}
          onChange={({ currentTarget }) => {
            setStatus(currentTarget.value);
            setFirst(true);
          }}
        >
          {STATUSES.map((each) => (
            <option key={each} value={each}>
              {each === '' ? 'all' : each}
            </option>
          ))}
        </select>
      </div>
      {page === undefined && (
        <p role="status" class="hint">
          Loading …
        </p>
      )}
      {page?.rows.length === 0 && (
        <p class="hint">None. A message that is published to the channels appears here.</p>
      )}
      <ul>
        {page?.rows.map((row) => (
          <Delivery
            key={row.id}
            delivery={row}
            onRetry={() =>
              void onAsk(() => retryDelivery(token, id, row.id), 'One more attempt is on its way.')
            }
          />
        ))}
      </ul>
      {page?.next !== undefined && (
        <button type="button" class="more" onClick={() => void more(page.next ?? '')}>
          More
        </button>
      )}
    </section>
  );
}

function Delivery({ delivery, onRetry }: { delivery: ShownDelivery; onRetry: () => void }) {
  const { id, channel, offset, publishedAt, status, due, kind, attempts } = delivery;
  return (
    <li class="delivery">
      <details>
        <summary>
          <span class="delivery-status" data-status={status}>
            {status}
          </span>
          <ForeignName text={kind === '' ? channel : kind} />
          <span class="about">{timeOf(publishedAt)}</span>
        </summary>
        <p class="about">
          <ForeignName text={id} />
          {offset !== '' && `, offset ${offset}`}
          {due !== '' && `, next attempt ${timeOf(due)}`}
        </p>
        {attempts.length === 0 && <p class="hint">No attempt yet.</p>}
        <ol class="attempts">
          {attempts.map((attempt) => (
            <Attempt key={attempt.number} attempt={attempt} />
          ))}
        </ol>
        <button type="button" class="small" onClick={onRetry}>
          Try once more
        </button>
      </details>
    </li>
  );
}

function Attempt({ attempt: { number, at, ms, outcome, answer } }: { attempt: ShownAttempt }) {
  return (
    <li>
      <p>
        Attempt {number}: <b>{outcome}</b> in {duration(ms)} <span class="about">{timeOf(at)}</span>
      </p>
      {answer !== '' && <ForeignText text={answer} />}
    </li>
  );
}

const timeOf = (time: string): string => (time === '' ? '' : new Date(time).toLocaleTimeString('en-GB'));
