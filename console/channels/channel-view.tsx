/**
 * One channel: its messages as they come, its history, publishing, and its end.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import { asTidingsError, type TidingsError } from '../../client/errors.ts';
import { ForeignName } from '../foreign-text.tsx';
import { WAYS } from '../race/ways.ts';
import { type PageProps, request } from '../session.ts';
import type { ChannelFacts } from './channel-facts.ts';
import { ChannelViews } from './channel-views.tsx';
import type { ChannelState } from './followed-channel.ts';
import { PublishForm } from './publish-form.tsx';
import { useChannel } from './use-channel.ts';

interface Props extends PageProps {
  readonly channel: string;
  readonly onDeleted: () => void;
}

const ENDED: Readonly<Partial<Record<TidingsError['code'], string>>> = {
  offset_gone:
    'The channel was deleted, or its messages have left the log. What is shown here may not be there any more.',
  channel_not_found: 'There is no such channel: it was deleted, or was never made.',
  forbidden: 'This token may not read the channel.',
};

/** The channel. */
export function ChannelView({ channel, session, onUnauthorized, onDeleted }: Props) {
  const [problem, setProblem] = useState('');
  const shown = useChannel(session, channel);
  const { hub, state, facts } = shown;

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
          <button type="button" onClick={shown.again}>
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
      <ChannelViews channel={channel} shown={shown} token={session.token} onProblem={report} />
    </section>
  );
}

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
