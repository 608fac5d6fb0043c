/**
 * Publishes on a channel: one message, or a batch, to be stored or ephemeral.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import type { Hub } from '../../client/connect.ts';
import { request, type Session } from '../session.ts';
import { type ChannelFacts, isJson } from './channel-facts.ts';
import { exampleOf } from './keyed-values.ts';

interface Props {
  readonly channel: string;
  /** Undefined for a channel that does not exist yet. */
  readonly facts: ChannelFacts | undefined;
  readonly hub: Hub | undefined;
  readonly session: Session;
  readonly isEnded: boolean;
  readonly onProblem: (error: unknown) => void;
  readonly onDone: () => void;
}

const EXAMPLE = '{"text":"hello"}';

/** The form. An array is a batch, as in the protocol. */
export function PublishForm({ channel, facts, hub, session, isEnded, onProblem, onDone }: Props) {
  const [text, setText] = useState(EXAMPLE);
  const [isEphemeral, setEphemeral] = useState(false);
  const [mistake, setMistake] = useState('');
  const streamKey = facts?.streamKey;
  useEffect(() => {
    if (streamKey !== undefined) setText((written) => (written === EXAMPLE ? exampleOf(streamKey) : written));
  }, [streamKey]);

  async function publish(event: Event): Promise<void> {
    event.preventDefault();
    setMistake('');
    try {
      if (isJson(facts)) await publishJson(hub, channel, text, isEphemeral);
      else await publishText(session, channel, facts?.contentType ?? '', text);
      onDone();
    } catch (error) {
      if (error instanceof SyntaxError) setMistake('This is no JSON. A text needs quotation marks: "hello".');
      else onProblem(error);
    }
  }

  return (
    <form class="publish" onSubmit={(event) => void publish(event)}>
      <label for="message">{labelOf(facts)}</label>
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
      {isJson(facts) && (
        <label class="choice">
          <input
            type="checkbox"
            checked={isEphemeral}
            onChange={({ currentTarget }) => setEphemeral(currentTarget.checked)}
          />
          Ephemeral: only to those who are connected now, not stored
        </label>
      )}
      <p id="message-mistake" class="problem" role="alert">
        {mistake}
      </p>
    </form>
  );
}

function labelOf(facts: ChannelFacts | undefined): string {
  if (!isJson(facts)) return `Message as ${facts?.contentType}`;
  const key =
    facts?.streamKey === undefined
      ? ''
      : ` Each message has its key at ${facts.streamKey}; "headers":{"operation":"delete"} removes the key.`;
  return `Message as JSON. A list is a batch.${key}`;
}

async function publishJson(
  hub: Hub | undefined,
  channel: string,
  text: string,
  isEphemeral: boolean,
): Promise<void> {
  const value: unknown = JSON.parse(text);
  const messages = Array.isArray(value) ? value : [value];
  if (isEphemeral) await hub?.publish(channel, messages, { ephemeral: true });
  else await hub?.publish(channel, messages);
}

/** The client publishes JSON only. */
async function publishText({ token }: Session, channel: string, type: string, text: string): Promise<void> {
  const headers = { 'Content-Type': type };
  await request(token, `/channels/${channel}`, { method: 'POST', headers, text });
}
