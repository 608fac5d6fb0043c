/**
 * The messages of a channel that is followed, the newest first.
 * @module
 */
import { ForeignText } from '../foreign-text.tsx';
import type { ChannelState, MessageGroup } from './followed-channel.ts';

/** The list, and the button that adds what was before. */
export function Messages({ state, onOlder }: { state: ChannelState | undefined; onOlder: () => void }) {
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
    <li data-ephemeral={next === undefined}>
      <p class="about">
        {next === undefined ? (
          <span>ephemeral, not stored</span>
        ) : (
          <span title="the offset after these messages">{next}</span>
        )}
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
