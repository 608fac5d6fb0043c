/**
 * What the page shows of a channel: its messages, the newest of each key, or who is here.
 * @module
 */
import { useState } from 'preact/hooks';
import { Members } from './members.tsx';
import { Messages } from './messages.tsx';
import { NewestValues } from './newest-values.tsx';
import type { ShownChannel } from './use-channel.ts';

/** Only keyed channels have values. */
const VIEWS = { messages: 'Messages', values: 'Newest of each key', members: 'Who is here' } as const;
type View = keyof typeof VIEWS;
const VIEW_NAMES: readonly View[] = ['messages', 'values', 'members'];

interface Props {
  readonly channel: string;
  readonly shown: ShownChannel;
  readonly token: string;
  readonly onProblem: (error: unknown) => void;
}

/** The menu, and the view that it has selected. */
export function ChannelViews({ channel, shown: { hub, followed, state, facts }, token, onProblem }: Props) {
  const [selected, setSelected] = useState<View>('messages');
  const streamKey = facts?.streamKey;
  const names = VIEW_NAMES.filter((name) => name !== 'values' || streamKey !== undefined);
  // A channel that was deleted may have come again without a key.
  const view = names.includes(selected) ? selected : 'messages';
  return (
    <>
      <fieldset class="views">
        <legend class="hidden">What is shown of the channel</legend>
        {names.map((name) => (
          <button key={name} type="button" aria-pressed={name === view} onClick={() => setSelected(name)}>
            {VIEWS[name]}
          </button>
        ))}
      </fieldset>
      {view === 'messages' && (
        <Messages state={state} onOlder={() => void followed?.readOlder().catch(onProblem)} />
      )}
      {view === 'values' && hub && streamKey !== undefined && (
        <NewestValues hub={hub} channel={channel} streamKey={streamKey} onProblem={onProblem} />
      )}
      {view === 'members' && hub && (
        <Members hub={hub} channel={channel} token={token} onProblem={onProblem} />
      )}
    </>
  );
}
