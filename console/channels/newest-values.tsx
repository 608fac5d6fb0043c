/**
 * The newest message of each key of a keyed channel, as a table that changes as messages come.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import type { Hub } from '../../client/connect.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { count } from '../format.ts';
import { type KeyedValues, withMessages } from './keyed-values.ts';

/** Rows of the table. A page with more is slow. */
const MOST_ROWS = 200;

interface Props {
  readonly hub: Hub;
  readonly channel: string;
  /** The key of the channel. */
  readonly streamKey: string;
  readonly onProblem: (error: unknown) => void;
}

/** The table. */
export function NewestValues({ hub, channel, streamKey, onProblem }: Props) {
  const [values, setValues] = useState<KeyedValues>();
  useEffect(() => {
    const { close } = hub.subscribe(channel, {
      latest: true,
      conflate: true,
      onSubscribed: () => setValues((known) => known ?? new Map()),
      onMessages: ({ messages }) =>
        setValues((known = new Map()) => withMessages(known, messages, streamKey)),
      onError: onProblem,
    });
    return close;
  }, [hub, channel, streamKey]);

  if (values === undefined)
    return (
      <p role="status" class="hint">
        Loading …
      </p>
    );
  if (values.size === 0) return <p class="hint">No key has a value yet.</p>;
  const rows = [...values].slice(0, MOST_ROWS);
  return (
    <>
      <table class="rows">
        <caption class="hidden">The newest message of each key</caption>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Newest message</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([id, { key, text }]) => (
            <tr key={id}>
              <th scope="row">
                <ForeignName text={key} />
              </th>
              <td>
                <ForeignText text={text} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint" role="status">
        {values.size > MOST_ROWS
          ? `The first ${MOST_ROWS} of ${count(values.size)} keys`
          : `${count(values.size)} ${values.size === 1 ? 'key' : 'keys'}`}
      </p>
    </>
  );
}
