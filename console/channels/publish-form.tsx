/**
 * Publishes on a channel: one message, or a batch.
 * @module
 */
import { useState } from 'preact/hooks';
import type { Hub } from '../../client/connect.ts';
import { refusalOf } from '../../client/errors.ts';
import { hubUrls, type Session } from '../session.ts';

interface Props {
  readonly channel: string;
  readonly contentType: string | undefined;
  readonly hub: Hub | undefined;
  readonly session: Session;
  readonly isEnded: boolean;
  readonly onProblem: (error: unknown) => void;
  readonly onDone: () => void;
}

/** The form. An array is a batch, as in the protocol. */
export function PublishForm({ channel, contentType, hub, session, isEnded, onProblem, onDone }: Props) {
  const [text, setText] = useState('{"text":"hello"}');
  const [mistake, setMistake] = useState('');
  const isJson = contentType === undefined || contentType.startsWith('application/json');

  async function publish(event: Event): Promise<void> {
    event.preventDefault();
    setMistake('');
    try {
      if (isJson) await publishJson(hub, channel, text);
      else await publishText(session, channel, contentType, text);
      onDone();
    } catch (error) {
      if (error instanceof SyntaxError) setMistake('This is no JSON. A text needs quotation marks: "hello".');
      else onProblem(error);
    }
  }

  return (
    <form class="publish" onSubmit={(event) => void publish(event)}>
      <label for="message">
        {isJson ? 'Message as JSON. A list is a batch.' : `Message as ${contentType}`}
      </label>
      <textarea
        id="message"
        rows={2}
        spellcheck={false}
        value={text}
        aria-describedby="message-mistake"
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
      <button type="submit" class="primary" disabled={hub === undefined || isEnded}>
        Publish
      </button>
      <p id="message-mistake" class="problem" role="alert">
        {mistake}
      </p>
    </form>
  );
}

async function publishJson(hub: Hub | undefined, channel: string, text: string): Promise<void> {
  const value: unknown = JSON.parse(text);
  await hub?.publish(channel, Array.isArray(value) ? value : [value]);
}

/** The client publishes JSON only. */
async function publishText({ token }: Session, channel: string, type: string, text: string): Promise<void> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': type };
  const response = await fetch(`${hubUrls().url}/channels/${channel}`, {
    method: 'POST',
    headers,
    body: text,
  });
  if (!response.ok) throw await refusalOf(response);
}
