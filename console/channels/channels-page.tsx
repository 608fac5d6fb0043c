/**
 * The channels: a list at the left, and the channel that is selected.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import { asTidingsError } from '../../client/errors.ts';
import { isChannelName } from '../../protocol/channel-name.ts';
import { ForeignName } from '../foreign-text.tsx';
import type { PageProps } from '../session.ts';
import { type ChannelPage, type ListedChannel, listChannels } from './channel-list.ts';
import { ChannelView } from './channel-view.tsx';
import { NewKeyedChannel } from './new-keyed-channel.tsx';

const EMPTY: ChannelPage = { channels: [], next: undefined };
const FORBIDDEN =
  'This token may not list the channels here: that needs manage. Type the name of a channel to open it.';

/** The page. */
export function ChannelsPage({ session, onUnauthorized }: PageProps) {
  const [prefix, setPrefix] = useState('');
  const [page, setPage] = useState<ChannelPage>();
  const [problem, setProblem] = useState('');
  const [selected, setSelected] = useState<string>();

  async function load(below: string, after?: string): Promise<void> {
    try {
      const { channels, next } = await listChannels(session.token, below, after);
      const before = after === undefined ? [] : (page?.channels ?? []);
      setPage({ channels: [...before, ...channels], next });
      setProblem('');
    } catch (error) {
      setPage(EMPTY);
      if (asTidingsError(error).code === 'forbidden') setProblem(FORBIDDEN);
      else report(error);
    }
  }
  function report(error: unknown): void {
    const { code, message } = asTidingsError(error);
    if (code === 'unauthorized') onUnauthorized();
    else setProblem(`${code}: ${message}`);
  }
  useEffect(() => void load(''), [session]);

  const open = (event: Event): void => {
    event.preventDefault();
    if (isChannelName(prefix)) setSelected(prefix);
    else void load(prefix);
  };

  return (
    <main class="channels">
      <h1 class="hidden">Channels</h1>
      <section class="card list" aria-label="List of channels">
        <form onSubmit={open}>
          <label for="prefix">Channel, or the beginning of names</label>
          <div class="line">
            <input
              id="prefix"
              type="text"
              placeholder="chat/room1 or chat/"
              spellcheck={false}
              autocomplete="off"
              value={prefix}
              onInput={({ currentTarget }) => setPrefix(currentTarget.value)}
            />
            <button type="submit">{isChannelName(prefix) ? 'Open' : 'List'}</button>
          </div>
        </form>
        {problem !== '' && (
          <p class="problem" role="alert">
            <bdi>{problem}</bdi>
          </p>
        )}
        {page === undefined ? (
          <p role="status" class="hint">
            Loading …
          </p>
        ) : (
          <Rows page={page} selected={selected} onSelect={setSelected} isFailed={problem !== ''} />
        )}
        <div class="actions">
          <button type="button" onClick={() => void load(isChannelName(prefix) ? '' : prefix)}>
            Refresh
          </button>
          {page?.next !== undefined && (
            <button type="button" onClick={() => void load(isChannelName(prefix) ? '' : prefix, page.next)}>
              More
            </button>
          )}
        </div>
        <NewKeyedChannel
          token={session.token}
          onProblem={report}
          onMade={(channel) => {
            setSelected(channel);
            void load('');
          }}
        />
      </section>
      {selected === undefined ? (
        <p class="hint empty">
          Select a channel to follow it, or type a name. A channel begins with its first message.
        </p>
      ) : (
        <ChannelView
          key={selected}
          channel={selected}
          session={session}
          onUnauthorized={onUnauthorized}
          onDeleted={() => void load('')}
        />
      )}
    </main>
  );
}

interface RowsProps {
  readonly page: ChannelPage;
  readonly selected: string | undefined;
  readonly onSelect: (channel: string) => void;
  readonly isFailed: boolean;
}

function Rows({ page: { channels, next }, selected, onSelect, isFailed }: RowsProps) {
  if (channels.length === 0) {
    if (isFailed) return null;
    return (
      <p class="hint">{next === undefined ? 'There are no channels here yet.' : 'None yet: look further.'}</p>
    );
  }
  const rows = channels.toSorted((a, b) => (a.channel < b.channel ? -1 : 1));
  return (
    <ul>
      {rows.map((row) => (
        <li key={row.channel}>
          <button
            type="button"
            class="row"
            aria-pressed={row.channel === selected}
            onClick={() => onSelect(row.channel)}
          >
            <ForeignName text={row.channel} />
            <span class="about">{aboutOf(row)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

const aboutOf = ({ contentType, isKeyed, isClosed }: ListedChannel): string =>
  [
    ...(contentType.startsWith('application/json') ? [] : [contentType]),
    ...(isKeyed ? ['keyed'] : []),
    ...(isClosed ? ['closed'] : []),
  ].join(', ');
