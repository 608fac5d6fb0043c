/**
 * Asks for the URL of a receiver of webhooks.
 * @module
 */
import { useState } from 'preact/hooks';

/** The form. The page creates an endpoint for its URL, and removes it at the end. */
export function WebhookForm({ isLocal, onSend }: { isLocal: boolean; onSend: (url: string) => void }) {
  const [url, setUrl] = useState('');
  if (isLocal) return null;
  return (
    <form
      class="receiver"
      onSubmit={(event) => {
        event.preventDefault();
        onSend(url.trim());
      }}
    >
      <label for="receiver">
        URL of a receiver that answers 2xx. The page adds it as an endpoint until it is closed.
      </label>
      <div class="line">
        <input
          id="receiver"
          type="url"
          required
          placeholder="https://example.com/hooks"
          value={url}
          onInput={({ currentTarget }) => setUrl(currentTarget.value)}
        />
        <button type="submit">Send webhooks there</button>
      </div>
    </form>
  );
}
