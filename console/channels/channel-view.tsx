/**
 * One channel: its messages as they come, its history, publishing, and its end.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import type { Hub } from '../../client/connect.ts';
import { asTidingsError, type TidingsError } from '../../client/errors.ts';
import { connect } from '../../client/index.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { WAYS } from '../race/ways.ts';
import { hubUrls, type PageProps, request } from '../session.ts';
import {
  type ChannelState,
  type FollowedChannel,
  followChannel,
  type MessageGroup,
} from './followed-channel.ts';
import { PublishForm } from './publish-form.tsx';

interface Props extends PageProps {
  readonly channel: string;
  /** Undefined if the channel is not in the list. */
  readonly contentType: string | undefined;
  readonly onDeleted: () => void;
}

const ENDED: Readonly<Partial<Record<TidingsError['code'], string>>> = {
  offset_gone:
    'The channel was deleted, or its messages have left the log. What is shown here may not be there any more.',
  channel_not_found: 'There is no such channel: it was deleted, or was never made.',
  forbidden: 'This token may not read the channel.',
};

/** The channel. */
export function ChannelView({ channel, contentType, session, onUnauthorized, onDeleted }: Props) {
  const [hub, setHub] = useState<Hub>();
  const [followed, setFollowed] = useState<FollowedChannel>();
  const [state, setState] = useState<ChannelState>();
  const [attempt, setAttempt] = useState(0);
  const [problem, setProblem] = useState('');

  useEffect(() => {
    const client = connect({ ...hubUrls(), token: session.token });
    const following = followChannel(client, channel, setState);
    setHub(client);
    setFollowed(following);
    return () => {
      following.close();
      client.close();
    };
  }, [session, channel, attempt]);

  function report(error: unknown): void {
    const { code, message } = asTidingsError(error);
    if (code === 'unauthorized') onUnauthorized();
    else setProblem(`${code}: ${message}`);
  }

  async function remove(): Promise<void> {
    if (!confirm(`Delete the channel ${channel} and all of its messages?`)) return;
    try {
      await request(session.token, `/channels/${channel}`, { method: 'DELETE' });
      onDeleted();
    } catch (error) {
      report(error);
    }
  }

  const error = state?.error;
  useEffect(() => {
    if (error?.code === 'unauthorized') onUnauthorized();
  }, [error]);

  return (
    <section class="card channel-view" aria-labelledby="channel-name">
      <header>
        <h2 id="channel-name">
          <ForeignName text={channel} />
        </h2>
        <p class="state" data-state={error ? 'refused' : state?.connection.state}>
          {connectionOf(state)}
        </p>
        <div class="actions">
          <button type="button" onClick={() => void remove()}>
            Delete
          </button>
        </div>
      </header>
      {error && (
        <div class="card notice" role="alert">
          <p>{ENDED[error.code] ?? `${error.code}: ${error.message}`}</p>
          <button type="button" onClick={() => setAttempt(attempt + 1)}>
            Follow it again
          </button>
        </div>
      )}
      {problem !== '' && (
        <p class="problem" role="alert">
          <bdi>{problem}</bdi>
        </p>
      )}
      <PublishForm
        channel={channel}
        contentType={contentType}
        hub={hub}
        session={session}
        isEnded={state?.isEnded ?? false}
        onProblem={report}
        onDone={() => setProblem('')}
      />
      <Messages state={state} onOlder={() => void followed?.readOlder().catch(report)} />
    </section>
  );
}

function connectionOf(state: ChannelState | undefined): string {
  if (state === undefined) return 'Connecting';
  if (state.error) return 'Stopped';
  if (state.isEnded) return 'Closed: no more messages will come';
  const { connection } = state;
  if (connection.state === 'connected') return `Live by ${WAYS[connection.transport]}`;
  return { connecting: 'Connecting', reconnecting: 'Reconnecting', offline: 'The hub does not answer' }[
    connection.state
  ];
}

function Messages({ state, onOlder }: { state: ChannelState | undefined; onOlder: () => void }) {
  const groups = state?.groups ?? [];
  return (
    <>
      {groups.length === 0 ? (
        <p class="hint">No message yet. What is published appears here at once.</p>
      ) : (
        <ol class="messages" reversed>
          {groups.toReversed().map((group) => (
            <Group key={group.key} group={group} />
          ))}
        </ol>
      )}
      {state?.isBeginning ? (
        <p class="hint">This is the beginning of what is kept.</p>
      ) : (
        <button type="button" class="more" onClick={onOlder}>
          Older messages
        </button>
      )}
    </>
  );
}

/** Messages that came together, the newest first, with the offset after them. */
function Group({ group: { messages, next, at } }: { group: MessageGroup }) {
  return (
    <li>
      <p class="about">
        <span title="the offset after these messages">{next}</span>
        <span>{at === undefined ? 'from the history' : at.toLocaleTimeString('en-GB')}</span>
      </p>
      <div class="texts">
        {messages.toReversed().map((text, index) => (
          <ForeignText key={index} text={text} />
        ))}
      </div>
    </li>
  );
}
