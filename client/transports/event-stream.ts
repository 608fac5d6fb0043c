/**
 * Server-Sent Events out of a response body, by the standard's rules.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 * @module
 */

/**
 * Characters of one event. A message of 128 KiB takes at most six times as many (`\u0000` for one byte), beside its
 * channel and twenty offsets. A proxy may send a line without an end, which must not fill the memory.
 */
export const MAX_EVENT_CHARS = 1_048_576;

export interface StreamEvent {
  /** `message` if the stream does not say. */
  readonly name: string;
  /** Empty if the event has nothing but an id. */
  readonly data: string;
  readonly id: string | undefined;
}

/**
 * Yields the events of a stream that have data or an id. An event that was cut off is none.
 * @param onBytes called whenever something arrives, be it a comment
 * @throws Error for an event of more than MAX_EVENT_CHARS
 */
export async function* eventsIn(
  body: AsyncIterable<Uint8Array>,
  onBytes: () => void,
): AsyncGenerator<StreamEvent, void> {
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

async function* linesIn(body: AsyncIterable<Uint8Array>, onBytes: () => void): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  /** The line that has not ended yet. Pieces, since a line that is copied for each of its chunks costs their square. */
  let pieces: string[] = [];
  let chars = 0;
  let endsInReturn = false;
  for await (const bytes of body) {
    onBytes();
    const decoded = decoder.decode(bytes, { stream: true });
    // A return ends a line at once. The line feed that may come with the next chunk belongs to it.
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

/** The chunks of a body. Not every browser lets a stream be iterated. */
export async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const reader = body.getReader();
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
  } finally {
    // Nothing waits for that: a body that is broken, or that a proxy holds, may never say that it has ended.
    reader.cancel().catch(() => {});
  }
}
