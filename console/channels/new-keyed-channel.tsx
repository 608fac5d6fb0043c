/**
 * A form for a keyed channel. Other channels begin with their first message, and need no form.
 * @module
 */
import { useState } from 'preact/hooks';
import { TextField } from '../text-field.tsx';
import { createKeyedChannel } from './channel-facts.ts';

interface Props {
  readonly token: string;
  readonly onProblem: (error: unknown) => void;
  readonly onMade: (channel: string) => void;
}

/** The form. */
export function NewKeyedChannel({ token, onProblem, onMade }: Props) {
  const [channel, setChannel] = useState('');
  const [streamKey, setStreamKey] = useState('');
  const create = (event: Event): void => {
    event.preventDefault();
    createKeyedChannel(token, channel.trim(), streamKey.trim()).then(() => onMade(channel.trim()), onProblem);
  };
  return (
    <details>
      <summary>New keyed channel</summary>
      <form class="new-endpoint" onSubmit={create}>
        <TextField id="keyed-name" label="Name" example="prices" value={channel} onInput={setChannel} />
        <TextField
          id="keyed-key"
          label="Where the key is in each message"
          example="/symbol"
          value={streamKey}
          onInput={setStreamKey}
        />
        <button type="submit">Create it</button>
      </form>
    </details>
  );
}
