/**
 * Text that others have written: channel names, messages, answers of receivers. It is shown as text, isolated from the text around it,
 * and long text is cut until a person wants all of it.
 * @module
 */
import { useState } from 'preact/hooks';
import { size, visible } from './format.ts';

/** Characters that are shown at first. */
const SHOWN = 600;

/** A name, in one piece. */
export function ForeignName({ text }: { text: string }) {
  return <bdi class="foreign">{visible(text)}</bdi>;
}

/** A text of any length. */
export function ForeignText({ text }: { text: string }) {
  const [isWhole, setWhole] = useState(false);
  if (text.length <= SHOWN) return <pre class="foreign">{visible(text)}</pre>;
  return (
    <div>
      <pre class={isWhole ? 'foreign whole' : 'foreign'} tabIndex={isWhole ? 0 : undefined}>
        {visible(isWhole ? text : text.slice(0, SHOWN))}
        {isWhole ? '' : '…'}
      </pre>
      <button type="button" class="small" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
        {isWhole ? 'Show less' : `Show all ${size(text.length)}`}
      </button>
    </div>
  );
}
