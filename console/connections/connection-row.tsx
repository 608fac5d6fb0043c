/**
 * A connection in the list.
 * @module
 */
import { ForeignName } from '../foreign-text.tsx';
import type { ShownConnection } from './connection-calls.ts';

/** Returns the name of the caller, for people. */
export const nameOf = ({ principal }: ShownConnection): string => principal ?? 'a caller without a name';

/** Subscriptions that are shown at first. A connection may have 100. */
const SHOWN = 8;

interface Props {
  readonly connection: ShownConnection;
  /** True if a person has ended it, and it is still in the list. */
  readonly isEnding: boolean;
  readonly onEnd: () => void;
}

/** Who, by what, since when, with which subscriptions, and a button that ends it. */
export function ConnectionRow({ connection, isEnding, onEnd }: Props) {
  const { id, since, until, subscriptions } = connection;
  return (
    <li class="connection">
      <div>
        <p>
          <b>
            <ForeignName text={nameOf(connection)} />
          </b>{' '}
          <span class="about">
            by WebSocket, since <Clock at={since} />, ends by <Clock at={until} />, <ForeignName text={id} />
          </span>
        </p>
        <Subscriptions names={subscriptions} />
      </div>
      {/* Not disabled: it would lose the focus. */}
      <button type="button" aria-disabled={isEnding} onClick={isEnding ? undefined : onEnd}>
        {isEnding ? 'Ending …' : 'End'}
        <span class="hidden">
          {' '}
          the connection of <ForeignName text={nameOf(connection)} />
        </span>
      </button>
    </li>
  );
}

const Clock = ({ at }: { at: string }) => (
  <time dateTime={at}>{new Date(at).toLocaleTimeString('en-GB')}</time>
);

function Subscriptions({ names }: { names: readonly string[] }) {
  if (names.length === 0) return <p class="hint">No subscriptions</p>;
  return (
    <>
      <Names names={names.slice(0, SHOWN)} />
      {names.length > SHOWN && (
        <details>
          <summary class="about">{names.length - SHOWN} more</summary>
          <Names names={names.slice(SHOWN)} />
        </details>
      )}
    </>
  );
}

const Names = ({ names }: { names: readonly string[] }) => (
  <ul class="subscriptions" aria-label="Subscriptions">
    {names.map((name) => (
      <li key={name} class="subscription">
        <ForeignName text={name} />
      </li>
    ))}
  </ul>
);
