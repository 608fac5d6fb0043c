/**
 * Reads Server-Sent Events from a response body, by the rules of the standard.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 * @module
 */

/**
 * Characters of one event. A message of 128 KiB takes at most six times as many (`\u0000` for one byte), plus its
 * channel and twenty offsets. A proxy may send a line without an end, and that line must not fill the memory.
 */
export const MAX_EVENT_CHARS = 1_048_576;

/** One event. */
export interface StreamEvent {
  /** `message` if the stream does not name the event. */
  readonly name: string;
  /** Empty if the event has only an id. */
  readonly data: string;
  /** The `id` of the event. */
  readonly id: string | undefined;
}

/**
 * Yields the events of a stream that have data or an id. An event that is cut off is dropped.
 * @param onBytes called whenever something arrives, also a comment
 * @throws Error for an event of more than MAX_EVENT_CHARS
 */
export async function* eventsIn(
  body: AsyncIterable<Uint8Array>,
  onBytes: () => void,
): AsyncIterableIterator<StreamEvent, void> {
  let name = '';
  let id: string | undefined;
  let data: string[] = [];
  let chars = 0;
  for await (const line of linesIn(body, onBytes)) {
    const [, field, value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === 'event') name = value;
    if (field === 'id') id = value;
    if (field === 'data') data.push(value);
    chars += line.length + 1;
    if (chars > MAX_EVENT_CHARS) throw tooLong();
    if (line !== '') continue;
    if (data.length > 0 || id !== undefined) yield { name: name || 'message', data: data.join('\n'), id };
    name = '';
    id = undefined;
    data = [];
    chars = 0;
  }
}

async function* linesIn(
  body: AsyncIterable<Uint8Array>,
  onBytes: () => void,
): AsyncIterableIterator<string, void> {
  const decoder = new TextDecoder();
  /** The line that has not ended yet, in pieces. Joining it for each chunk would cost the square of its length. */
  let pieces: string[] = [];
  let chars = 0;
  let endsInReturn = false;
  for await (const bytes of body) {
    onBytes();
    const decoded = decoder.decode(bytes, { stream: true });
    // A carriage return ends a line at once. A line feed at the start of the next chunk belongs to it.
    const text = endsInReturn && decoded.startsWith('\n') ? decoded.slice(1) : decoded;
    if (decoded !== '') endsInReturn = decoded.endsWith('\r');
    const lines = text.split(/\r\n|\n|\r/);
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      yield pieces.join('') + line;
      pieces = [];
      chars = 0;
    }
    pieces.push(rest);
    chars += rest.length;
    if (chars > MAX_EVENT_CHARS) throw tooLong();
  }
}

const tooLong = (): Error => new Error(`an event of the stream has more than ${MAX_EVENT_CHARS} characters`);
