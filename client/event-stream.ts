/**
 * Server-Sent Events out of a response body, by the standard's rules.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 * @module
 */

export interface StreamEvent {
  /** `message` if the stream does not say. */
  readonly name: string;
  readonly data: string;
}

/**
 * The events of a stream; an event that was cut off is none.
 * @param onBytes called whenever something arrives, be it a comment
 */
export async function* eventsIn(
  body: AsyncIterable<Uint8Array>,
  onBytes: () => void,
): AsyncGenerator<StreamEvent, void> {
  let name = '';
  let data: string[] = [];
  for await (const line of linesIn(body, onBytes)) {
    const [, field, value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === 'event') name = value;
    if (field === 'data') data.push(value);
    if (line !== '') continue;
    if (data.length > 0) yield { name: name || 'message', data: data.join('\n') };
    name = '';
    data = [];
  }
}

async function* linesIn(body: AsyncIterable<Uint8Array>, onBytes: () => void): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    onBytes();
    // A return at the very end may be half of a line break.
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

/** The chunks of a body. Not every browser lets a stream be iterated. */
export async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const reader = body.getReader();
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
  } finally {
    // Already broken, or no longer wanted: either way nobody cares how it ends.
    await reader.cancel().catch(() => {});
  }
}
