/**
 * Reading Server-Sent Events event by event, by the standard's rules.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 * @module
 */
import type { Caller } from './wire.ts';

export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
}

export interface EventStream {
  readonly response: Response;
  /** The next event; undefined when the stream has ended. */
  readonly next: () => Promise<StreamEvent | undefined>;
  readonly close: () => Promise<void>;
}

export async function openStream(
  caller: Caller,
  path: string,
  headers: Record<string, string> = {},
): Promise<EventStream> {
  const response = await caller.request(path, { headers });
  if (response.status !== 200 || !response.body)
    throw new Error(`no stream: ${response.status} ${await response.text()}`);
  const events = eventsIn(response.body);
  return {
    response,
    next: async () => (await events.next()).value,
    close: async () => {
      await events.return(undefined);
    },
  };
}

async function* eventsIn(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent, undefined> {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const blocks = `${rest}${text}`.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parseBlock(block);
      if (event) yield event;
    }
  }
  return undefined;
}

function parseBlock(block: string): StreamEvent | undefined {
  const lines = block.split(/\r\n|\r|\n/).filter((line) => !line.startsWith(':'));
  const fields = (name: string) =>
    lines
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).replace(/^ /, ''));
  const data = fields('data');
  if (data.length === 0) return undefined;
  return { event: fields('event').at(-1) ?? 'message', data: data.join('\n'), id: fields('id').at(-1) };
}
