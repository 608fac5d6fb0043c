/**
 * A form for a new endpoint. The hub shows its secret once.
 * @module
 */
import { useState } from 'preact/hooks';
import type { Session } from '../session.ts';
import { TextField } from '../text-field.tsx';
import { createEndpoint } from './webhook-calls.ts';

interface Props {
  readonly session: Session;
  readonly onProblem: (error: unknown) => void;
  readonly onMade: (id: string) => void;
}

/** The form, and the secret of the endpoint that it made last. */
export function NewEndpoint({ session, onProblem, onMade }: Props) {
  const [url, setUrl] = useState(session.receiver ?? '');
  const [channels, setChannels] = useState('');
  const [secret, setSecret] = useState('');

  async function create(event: Event): Promise<void> {
    event.preventDefault();
    setSecret('');
    try {
      const patterns = channels.split(/[\s,]+/).filter((pattern) => pattern !== '');
      const made = await createEndpoint(session.token, url.trim(), patterns);
      setSecret(made.secret);
      if (made.endpoint !== undefined) onMade(made.endpoint.id);
    } catch (error) {
      onProblem(error);
    }
  }

  return (
    <form class="new-endpoint" onSubmit={(event) => void create(event)}>
      <h2>New endpoint</h2>
      <label for="endpoint-url">URL</label>
      <input
        id="endpoint-url"
        type="url"
        required
        placeholder="https://example.com/hooks"
        value={url}
        onInput={({ currentTarget }) => setUrl(currentTarget.value)}
      />
      <TextField
        id="endpoint-channels"
        label="Channels or patterns"
        example="orders/* chat/room1"
        value={channels}
        onInput={setChannels}
      />
      <button type="submit">Add the endpoint</button>
      {secret !== '' && <Secret secret={secret} />}
    </form>
  );
}

/** A secret. The page forgets it when the person goes on. */
export function Secret({ secret }: { secret: string }) {
  return (
    <div class="secret" role="status">
      <p>The secret, which is shown only now:</p>
      <code>{secret}</code>
    </div>
  );
}
