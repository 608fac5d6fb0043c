/**
 * One channel: its messages as they come, its history, publishing, and its end.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import type { Hub } from '../../client/connect.ts';
import { asTidingsError, type TidingsError } from '../../client/errors.ts';
import { connect } from '../../client/index.ts';
import { ForeignName } from '../foreign-text.tsx';
import { WAYS } from '../race/ways.ts';
import { hubUrls, type PageProps, request } from '../session.ts';
import { type ChannelFacts, describeChannel } from './channel-facts.ts';
import { type ChannelState, type FollowedChannel, followChannel } from './followed-channel.ts';
import { Members } from './members.tsx';
import { Messages } from './messages.tsx';
import { NewestValues } from './newest-values.tsx';
import { PublishForm } from './publish-form.tsx';

interface Props extends PageProps {
  readonly channel: string;
  readonly onDeleted: () => void;
}

/** What the page can show of a channel. Only keyed channels have values. */
const VIEWS = { messages: 'Messages', values: 'Newest of each key', members: 'Who is here' } as const;
type View = keyof typeof VIEWS;
const VIEW_NAMES: readonly View[] = ['messages', 'values', 'members'];

const ENDED: Readonly<Partial<Record<TidingsError['code'], string>>> = {
  offset_gone:
    'The channel was deleted, or its messages have left the log. What is shown here may not be there any more.',
  channel_not_found: 'There is no such channel: it was deleted, or was never made.',
  forbidden: 'This token may not read the channel.',
};

/** The channel. */
export function ChannelView({ channel, session, onUnauthorized, onDeleted }: Props) {
  const [hub, setHub] = useState<Hub>();
  const [followed, setFollowed] = useState<FollowedChannel>();
  const [state, setState] = useState<ChannelState>();
  const [attempt, setAttempt] = useState(0);
  const [problem, setProblem] = useState('');
  const [facts, setFacts] = useState<ChannelFacts>();
  const [view, setView] = useState<View>('messages');

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

  const isThere = (state?.groups.length ?? 0) > 0;
  useEffect(() => {
    // A token may publish without the right to read: then nothing is known of the channel, and its messages are refused.
    describeChannel(session.token, channel).then(setFacts, () => setFacts(undefined));
  }, [session, channel, attempt, isThere]);

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
        {facts && <span class="about">{kindOf(facts)}</span>}
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
        facts={facts}
        hub={hub}
        session={session}
        isEnded={state?.isEnded ?? false}
        onProblem={report}
        onDone={() => setProblem('')}
      />
      <ViewMenu view={view} isKeyed={facts?.streamKey !== undefined} onSelect={setView} />
      {view === 'messages' && (
        <Messages state={state} onOlder={() => void followed?.readOlder().catch(report)} />
      )}
      {view === 'values' && hub && facts?.streamKey && (
        <NewestValues hub={hub} channel={channel} streamKey={facts.streamKey} onProblem={report} />
      )}
      {view === 'members' && hub && (
        <Members hub={hub} channel={channel} token={session.token} onProblem={report} />
      )}
    </section>
  );
}

interface ViewMenuProps {
  readonly view: View;
  readonly isKeyed: boolean;
  readonly onSelect: (view: View) => void;
}

const ViewMenu = ({ view, isKeyed, onSelect }: ViewMenuProps) => (
  <fieldset class="views">
    <legend class="hidden">What is shown of the channel</legend>
    {VIEW_NAMES.filter((name) => name !== 'values' || isKeyed).map((name) => (
      <button key={name} type="button" aria-pressed={name === view} onClick={() => onSelect(name)}>
        {VIEWS[name]}
      </button>
    ))}
  </fieldset>
);

/** What is special about a channel. Most channels hold JSON, have no key, and stay. */
const kindOf = ({ contentType, streamKey, ttlSeconds, expiresAt }: ChannelFacts): string =>
  [
    ...(contentType.startsWith('application/json') ? [] : [contentType]),
    ...(streamKey === undefined ? [] : [`keyed by ${streamKey}`]),
    ...(ttlSeconds === undefined ? [] : [`ends after ${ttlSeconds} s without use`]),
    ...(expiresAt === undefined ? [] : [`ends at ${new Date(expiresAt).toLocaleString('en-GB')}`]),
  ].join(', ');

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
