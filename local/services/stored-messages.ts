/**
 * Stores the messages of queues in a file, so that an accepted message is there after a kill, with its delay and its number of
 * receives. fauxqs has a persistence of its own, but it fails for a message whose visibility timeout is set to 0.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { type SqsQueue, SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js';
import type { MessageAttributeValue, SqsMessage } from '../../node_modules/fauxqs/dist/sqs/sqsTypes.js';
import { numberOr, objectOr, parseJson, requireString, stringOr } from '../template/json.ts';

/** The file of all queues. */
export interface StoredMessages {
  /** Puts the stored messages into the queue. From then on every change of the queue is stored. */
  attach(queue: SqsQueue): void;
  /** Closes the file. */
  close(): void;
}

/**
 * With `synchronous = NORMAL` a write does not wait for the disk. After a kill nothing is lost; after a power failure the last
 * writes may be. The tables of dynalite are as durable.
 */
const SCHEMA = `
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS messages (
  id TEXT PRIMARY KEY, queue TEXT NOT NULL, body TEXT NOT NULL, attributes TEXT NOT NULL, sent INTEGER NOT NULL,
  delayed_until INTEGER, group_id TEXT, deduplication_id TEXT, sequence_number TEXT,
  receives INTEGER NOT NULL, first_received INTEGER, is_taken INTEGER NOT NULL DEFAULT 0, hidden_until INTEGER
);
CREATE TABLE IF NOT EXISTS sequences (queue TEXT PRIMARY KEY, counter INTEGER NOT NULL);
`;

/**
 * Opens the file in the directory `data`.
 * @throws Error with one sentence if it is damaged
 */
export function openStoredMessages(data: string, log: (line: string) => void): StoredMessages {
  const file = join(data, 'queues.sqlite');
  const database = openDatabase(file);
  const run = reporter(file, log, () => database.isOpen);
  const statements = prepare(database);
  return {
    attach(queue) {
      const counter = statements.counter.get(queue.name)?.counter;
      queue.sequenceCounter = numberOr(counter ?? undefined, 0, 'a sequence');
      for (const row of statements.messages.all(queue.name)) restore(queue, row, Date.now());
      watch(queue, statements, run);
    },
    close: () => database.close(),
  };
}

function openDatabase(file: string): DatabaseSync {
  try {
    const database = new DatabaseSync(file);
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(
      `the queues in ${file} cannot be opened: ${cause}. Put back a copy of the file, or move it away: ` +
        `then the messages in the queues are lost`,
    );
  }
}

const prepare = (database: DatabaseSync) => ({
  counter: database.prepare('SELECT counter FROM sequences WHERE queue = ?'),
  count: database.prepare('INSERT OR REPLACE INTO sequences (queue, counter) VALUES (?, ?)'),
  messages: database.prepare('SELECT * FROM messages WHERE queue = ? ORDER BY rowid'),
  // A message keeps its id, and so its row, when it moves to the dead-letter queue.
  insert: database.prepare(
    `INSERT OR REPLACE INTO messages (id, queue, body, attributes, sent, delayed_until, group_id, deduplication_id,
      sequence_number, receives, first_received) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ),
  take: database.prepare(
    'UPDATE messages SET receives = ?, first_received = ?, is_taken = 1, hidden_until = NULL WHERE id = ?',
  ),
  hide: database.prepare('UPDATE messages SET is_taken = 0, hidden_until = ? WHERE id = ?'),
  remove: database.prepare('DELETE FROM messages WHERE id = ?'),
  purge: database.prepare('DELETE FROM messages WHERE queue = ?'),
});

type Statements = ReturnType<typeof prepare>;

/** On a disk that is nearly full, small writes succeed while large writes fail. So success is logged after this time. */
const QUIET_MS = 10_000;

/** Returns a function that runs a write. It logs when writes begin to fail, mostly because the disk is full, and when they work again. */
function reporter(file: string, log: (line: string) => void, isOpen: () => boolean) {
  let failedAt: number | undefined;
  return (write: () => unknown): void => {
    try {
      write();
    } catch (error) {
      const because = error instanceof Error ? error.message : String(error);
      if (failedAt === undefined && isOpen())
        log(`[queues] cannot write ${file}: ${because}. It goes on when there is room.`);
      failedAt = Date.now();
      throw error;
    }
    if (failedAt === undefined || Date.now() - failedAt < QUIET_MS) return;
    failedAt = undefined;
    log(`[queues] writes ${file} again`);
  };
}

/**
 * Puts a message into its queue. A receive that the end of the stack interrupted does not count: the message is visible at once,
 * and no nearer to the dead-letter queue. A message that a function has hidden stays hidden until that time.
 */
function restore(queue: SqsQueue, row: Record<string, SQLOutputValue>, now: number): void {
  const message = messageOf(row);
  const hiddenUntil = Number(row.hidden_until ?? 0);
  const group = message.messageGroupId ?? '';
  if (hiddenUntil > now) {
    const receiptHandle = randomUUID();
    queue.inflightMessages.set(receiptHandle, { message, receiptHandle, visibilityDeadline: hiddenUntil });
    if (queue.isFifo()) queue.fifoLockedGroups.set(group, (queue.fifoLockedGroups.get(group) ?? 0) + 1);
    return;
  }
  const isDelayed = (message.delayUntil ?? 0) > now;
  if (!queue.isFifo()) {
    (isDelayed ? queue.delayedMessages : queue.messages).push(message);
    return;
  }
  const groups = isDelayed ? queue.fifoDelayed : queue.fifoMessages;
  groups.set(group, [...(groups.get(group) ?? []), message]);
}

function messageOf(row: Record<string, SQLOutputValue>): SqsMessage {
  const text = (name: string) => (typeof row[name] === 'string' ? row[name] : undefined);
  const message = SqsStore.createMessage(
    requireString(row.body, 'a body'),
    attributesOf(requireString(row.attributes, 'the attributes')),
    undefined,
    text('group_id'),
    text('deduplication_id'),
  );
  const sequenceNumber = text('sequence_number');
  return {
    ...message,
    messageId: requireString(row.id, 'an id'),
    sentTimestamp: Number(row.sent),
    approximateReceiveCount: Number(row.receives) - Number(row.is_taken),
    ...(row.first_received !== null && { approximateFirstReceiveTimestamp: Number(row.first_received) }),
    ...(row.delayed_until !== null && { delayUntil: Number(row.delayed_until) }),
    ...(sequenceNumber !== undefined && { sequenceNumber }),
  };
}

function attributesOf(json: string): Record<string, MessageAttributeValue> {
  const read = Object.entries(objectOr(parseJson(json))).map(([name, value]) => {
    const { DataType, StringValue, BinaryValue } = objectOr(value);
    const text = stringOr(StringValue, undefined);
    const bytes = stringOr(BinaryValue, undefined);
    const attribute: MessageAttributeValue = {
      DataType: stringOr(DataType, 'String'),
      ...(text !== undefined && { StringValue: text }),
      ...(bytes !== undefined && { BinaryValue: bytes }),
    };
    return [name, attribute] as const;
  });
  return Object.fromEntries(read);
}

/**
 * Stores the changes of a queue. A message that cannot be stored is not accepted. A receive that cannot be stored goes on,
 * because a kill would lose only its count.
 */
function watch(queue: SqsQueue, statements: Statements, run: (write: () => unknown) => void): void {
  const { enqueue, dequeue, deleteMessage, changeVisibility, purge, nextSequenceNumber } = queue;
  const runOptional = (write: () => unknown): void => {
    try {
      run(write);
    } catch {
      // `run` has logged it.
    }
  };
  queue.enqueue = (message) => {
    run(() => insert(statements, queue.name, message));
    enqueue.call(queue, message);
  };
  queue.dequeue = (...args) => {
    const received = dequeue.apply(queue, args);
    for (const { ReceiptHandle } of received) {
      const message = queue.inflightMessages.get(ReceiptHandle)?.message;
      if (message === undefined) continue;
      const { messageId, approximateReceiveCount, approximateFirstReceiveTimestamp: first } = message;
      runOptional(() => statements.take.run(approximateReceiveCount, first ?? null, messageId));
    }
    return received;
  };
  queue.deleteMessage = (handle) => {
    const entry = queue.inflightMessages.get(handle);
    if (entry !== undefined) run(() => statements.remove.run(entry.message.messageId));
    return deleteMessage.call(queue, handle);
  };
  queue.changeVisibility = (handle, seconds) => {
    const entry = queue.inflightMessages.get(handle);
    changeVisibility.call(queue, handle, seconds);
    if (entry === undefined) return;
    const until = seconds === 0 ? null : entry.visibilityDeadline;
    runOptional(() => statements.hide.run(until, entry.message.messageId));
  };
  queue.purge = () => {
    run(() => statements.purge.run(queue.name));
    purge.call(queue);
  };
  queue.nextSequenceNumber = () => {
    run(() => statements.count.run(queue.name, queue.sequenceCounter + 1));
    return nextSequenceNumber.call(queue);
  };
}

function insert(statements: Statements, queue: string, message: SqsMessage): void {
  statements.insert.run(
    message.messageId,
    queue,
    message.body,
    JSON.stringify(message.messageAttributes),
    message.sentTimestamp,
    message.delayUntil ?? null,
    message.messageGroupId ?? null,
    message.messageDeduplicationId ?? null,
    message.sequenceNumber ?? null,
    message.approximateReceiveCount,
    message.approximateFirstReceiveTimestamp ?? null,
  );
}
