/**
 * Sends messages of the past again: all of a channel from an offset on, or what has failed since a time.
 * @module
 */
import { useState } from 'preact/hooks';
import { TextField } from '../text-field.tsx';
import { recover, replay, type ShownEndpoint } from './webhook-calls.ts';

/** Runs a request, and says what it did. */
export type Ask = (request: () => Promise<unknown>, done: string) => Promise<void>;

const HOUR_MS = 3_600_000;
const HOURS = [1, 24, 168] as const;

/** Two forms. */
export function SendAgain({
  token,
  endpoint,
  onAsk,
}: {
  token: string;
  endpoint: ShownEndpoint;
  onAsk: Ask;
}) {
  const { id, channels } = endpoint;
  const [channel, setChannel] = useState(channels.find((pattern) => !pattern.endsWith('*')) ?? '');
  const [offset, setOffset] = useState('-1');
  const [hours, setHours] = useState<number>(HOURS[1]);
  return (
    <details>
      <summary>Send again</summary>
      <form
        class="again"
        onSubmit={(event) => {
          event.preventDefault();
          void onAsk(
            () => replay(token, id, channel.trim(), offset.trim()),
            'The hub sends the messages again.',
          );
        }}
      >
        <TextField id="replay-channel" label="Replay the channel" value={channel} onInput={setChannel} />
        <TextField id="replay-offset" label="from the offset" value={offset} onInput={setOffset} />
        <button type="submit">Replay</button>
      </form>
      <form
        class="again"
        onSubmit={(event) => {
          event.preventDefault();
          const since = new Date(Date.now() - hours * HOUR_MS).toISOString();
          void onAsk(() => recover(token, id, since), 'The hub sends again what failed or was skipped.');
        }}
      >
        <label for="recover-hours">Recover what failed or was skipped in the last</label>
        <select
          id="recover-hours"
          value={hours}
          onChange={({ currentTarget }) => setHours(Number(currentTarget.value))}
        >
          {HOURS.map((each) => (
            <option key={each} value={each}>
              {each === 1 ? 'hour' : `${each} hours`}
            </option>
          ))}
        </select>
        <button type="submit">Recover</button>
      </form>
    </details>
  );
}
