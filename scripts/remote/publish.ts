/**
 * `npm run publish`: publishes messages.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { isChannelName } from '../../protocol/channel-name.ts';
import { IDEMPOTENCY_KEY, STREAM_NEXT_OFFSET } from '../../protocol/headers.ts';
import { MAX_IDEMPOTENCY_KEY_LENGTH, MAX_REQUEST_BYTES } from '../../protocol/limits.ts';
import { commandWithWords, UsageError } from '../cli.ts';
import { jsonLine } from '../terminal/printable.ts';
import { note } from '../terminal/waiting.ts';
import { ask, NoAnswer } from './ask.ts';
import { type Batch, batchesOf, batchOf, messageIn, NotAMessage } from './messages.ts';
import { findRemoteHub, HUB_HELP, HUB_OPTIONS, type RemoteHub } from './remote-hub.ts';

const HELP = `usage: npm run publish -- CHANNEL [MESSAGE…] [OPTIONS]

Publishes each MESSAGE, one JSON value each, in one request. Without a MESSAGE it publishes each line of a file or of standard
input, up to 1,000 in a request. Prints the offset after them, when they are durable.

  npm run publish -- chat/room1 '{"text":"hello"}' '{"text":"world"}'
  npm run publish -- chat/room1 --file messages.jsonl
  npm run publish -- logs/app --type text/plain 'a line of text'

  --file FILE      publishes the lines of FILE
  --type TYPE      the content type of the channel (default application/json). Of another type each MESSAGE, or the whole input,
                   is one message as it is
  --key KEY        the Idempotency-Key: the same command with the same key stores nothing twice. If there are more requests than
                   one, the second one has KEY-2, and so on. (default: a new key)
  --json           prints {"channel","offset","messages"} for each request
${HUB_HELP}

The exit code is 0 if all is published, 1 if the hub refuses or cannot be reached, and 2 for a mistake in the command.`;

const OPTIONS = {
  file: { type: 'string' },
  type: { type: 'string', default: 'application/json' },
  key: { type: 'string' },
  json: { type: 'boolean', default: false },
  ...HUB_OPTIONS,
} as const;

/** HTTP removes spaces around a header, so a key has none at its ends (PROTOCOL.md §4.4). */
const KEY = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

await commandWithWords(HELP, OPTIONS, async (flags, [channel, ...words]) => {
  if (channel === undefined) throw new UsageError('the channel is missing, such as chat/room1');
  if (!isChannelName(channel))
    throw new UsageError(
      `the channel is ${channel}, it must be 1 to 8 segments of A-Z a-z 0-9 _ . ~ - with / between`,
    );
  const { key, type, file } = flags;
  if (key !== undefined && (!KEY.test(key) || key.length > MAX_IDEMPOTENCY_KEY_LENGTH))
    throw new UsageError(
      `--key has ${key.length} characters, it must be 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} of printable ASCII, without a space at either end`,
    );
  if (file !== undefined && words.length > 0)
    throw new UsageError('--file goes without messages in the command');
  if (file !== undefined && !existsSync(file))
    throw new UsageError(`--file is ${file}, which does not exist`);
  const isJson = /^application\/json\s*(;|$)/i.test(type);
  const batches = words.length > 0 ? wordsOf(words, isJson) : inputOf(file, isJson, key !== undefined);
  const hub = await findRemoteHub(flags, { [channel]: ['publish'] });
  await publishAll({ hub, channel, type, key: key ?? randomUUID(), isJson: flags.json }, batches);
});

/** Returns the messages of the command line. They are checked first, so that nothing is published if one is wrong. */
function wordsOf(words: readonly string[], isJson: boolean): AsyncIterable<Batch> | Iterable<Batch> {
  if (!isJson) return words.map((word) => ({ body: Buffer.from(word), count: 1 }));
  try {
    const messages = words.map((word, at) => messageIn(word, `message ${at + 1}`));
    return [...batchesInOrder(messages)];
  } catch (error) {
    if (!(error instanceof NotAMessage)) throw error;
    throw new UsageError(`${error.message}, or --type text/plain for text`);
  }
}

function batchesInOrder(messages: readonly string[]): Batch[] {
  const batch = batchOf();
  const full = messages.flatMap((message) => batch.add(message));
  return [...full, ...batch.take()];
}

function inputOf(file: string | undefined, isJson: boolean, isSteady: boolean): AsyncIterable<Batch> {
  if (file === undefined && process.stdin.isTTY)
    note(isJson ? 'type one JSON value in each line; Ctrl-D ends' : 'type the message; Ctrl-D ends');
  const input = file === undefined ? process.stdin : createReadStream(file);
  // With a key every run must make the same requests, so they do not depend on when the lines come.
  return isJson ? batchesOf(input, isSteady || file !== undefined) : wholeOf(input);
}

async function* wholeOf(input: AsyncIterable<Buffer>): AsyncGenerator<Batch> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES)
      throw new Error(
        `the input has more than ${MAX_REQUEST_BYTES} bytes, which is the most of one message and of one request`,
      );
  }
  yield { body: Buffer.concat(chunks), count: 1 };
}

interface Publishing {
  readonly hub: RemoteHub;
  readonly channel: string;
  readonly type: string;
  readonly key: string;
  readonly isJson: boolean;
}

async function publishAll(
  publishing: Publishing,
  batches: AsyncIterable<Batch> | Iterable<Batch>,
): Promise<void> {
  let requests = 0;
  let stored = 0;
  try {
    for await (const batch of batches) {
      requests += 1;
      await publish(publishing, batch, requests);
      stored += batch.count;
    }
  } catch (error) {
    if (stored === 0 || !(error instanceof Error)) throw error;
    throw new Error(`${error.message} (the ${stored.toLocaleString('en')} messages before are published)`);
  }
  if (requests === 0) throw new Error('the input has no message: nothing is published');
}

async function publish(
  { hub, channel, type, key, isJson }: Publishing,
  { body, count }: Batch,
  request: number,
): Promise<void> {
  const ownKey = request === 1 ? key : `${key}-${request}`;
  const doing = `publishing on ${channel}`;
  const headers = { 'Content-Type': type, [IDEMPOTENCY_KEY]: ownKey };
  const question = { method: 'POST', headers, body, doing, needs: { [channel]: ['publish'] } } as const;
  const response = await ask(hub, `/channels/${channel}`, question).catch((error: unknown) => {
    if (!(error instanceof NoAnswer)) throw error;
    const hint = request === 1 ? `; --key '${key}' repeats this publish without storing it twice` : '';
    throw new Error(`${error.message}${hint}`);
  });
  const offset = response.headers.get(STREAM_NEXT_OFFSET) ?? '';
  const counted = `${count.toLocaleString('en')} ${count === 1 ? 'message' : 'messages'}`;
  const line = isJson
    ? jsonLine({ channel, offset, messages: count })
    : `${counted} published on ${channel}, the offset after ${count === 1 ? 'it' : 'them'} is ${offset}`;
  process.stdout.write(`${line}\n`);
}
