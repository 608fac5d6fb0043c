/**
 * Messages for a publish: JSON values, one in each line, collected into requests that the hub takes.
 * @module
 */
import { MAX_MESSAGE_BYTES, MAX_MESSAGES_PER_REQUEST, MAX_REQUEST_BYTES } from '../../protocol/limits.ts';
import { cut } from '../terminal/table.ts';

/** The messages of one request. */
export interface Batch {
  /** The body of the request. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The number of messages in it. */
  readonly count: number;
}

/** A text that is not a message. */
export class NotAMessage extends Error {}

/** Characters of a wrong text that an error shows. */
const SHOWN = 40;

/**
 * Returns the text of a JSON value as the hub takes it. The text stays as it is: numbers of any length survive.
 * @param where names the text in an error: `line 3`
 * @throws NotAMessage if it is not JSON, or larger than a message may be
 */
export function messageIn(text: string, where: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_MESSAGE_BYTES)
    throw new NotAMessage(`${where} has ${bytes} bytes, a message has at most ${MAX_MESSAGE_BYTES}`);
  try {
    JSON.parse(text);
  } catch {
    throw new NotAMessage(
      `${where} is ${cut(text, SHOWN)}, it must be JSON such as {"text":"hello"} or "hello"`,
    );
  }
  // The gateway puts U+FFFD for bytes that are not UTF-8. So the hub takes this character only as an escape (PROTOCOL.md §4).
  return text.trim().replaceAll('\ufffd', '\\ufffd');
}

/** Collects messages. */
export interface Collector {
  /** Adds a message. Returns the batch that it did not fit into, if any. */
  readonly add: (message: string) => Batch[];
  /** Returns what is collected, and begins again. */
  readonly take: () => Batch[];
}

/** Returns an empty batch that ends before it is larger than a request may be. */
export function batchOf(): Collector {
  let messages: string[] = [];
  let bytes = 2;
  const take = (): Batch[] => {
    if (messages.length === 0) return [];
    const batch = { body: Buffer.from(`[${messages.join(',')}]`), count: messages.length };
    messages = [];
    bytes = 2;
    return [batch];
  };
  return {
    take,
    add(message) {
      const more = Buffer.byteLength(message) + 1;
      const isFull = messages.length === MAX_MESSAGES_PER_REQUEST || bytes + more > MAX_REQUEST_BYTES;
      const full = isFull ? take() : [];
      messages.push(message);
      bytes += more;
      return full;
    },
  };
}

/**
 * Yields the lines of an input in batches. Empty lines count for nothing.
 * @param isSteady false: a batch also ends when no more lines are there, so that a line is published when it comes
 * @throws NotAMessage for a line that is not JSON. The lines before it are yielded first
 */
export async function* batchesOf(
  input: AsyncIterable<Buffer> & { readonly readableLength: number },
  isSteady: boolean,
): AsyncGenerator<Batch> {
  const batch = batchOf();
  let line = 0;
  for await (const lines of linesOf(input)) {
    for (const text of lines) {
      line += 1;
      if (text.trim() === '') continue;
      try {
        yield* batch.add(messageIn(text, `line ${line}`));
      } catch (error) {
        yield* batch.take();
        throw error;
      }
    }
    if (!isSteady && input.readableLength === 0) yield* batch.take();
  }
  yield* batch.take();
}

/** Yields the lines of each chunk. @throws Error for bytes that are not UTF-8, or a line that is longer than any message */
async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  const decoded = (chunk?: Buffer): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch {
      throw new NotAMessage('the input is not UTF-8: convert it first');
    }
  };
  for await (const chunk of input) {
    const lines = (rest + decoded(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield lines;
    if (rest.length > MAX_MESSAGE_BYTES)
      throw new NotAMessage(
        `a line has more than ${MAX_MESSAGE_BYTES} bytes, which is the most of one message`,
      );
  }
  yield [rest + decoded()];
}
