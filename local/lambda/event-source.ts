/**
 * Lambda's pollers: they take messages from a queue, invoke the function with them, and delete what it has done.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Chaos } from '../faults/chaos.ts';
import { type BatchChaos, createQueueChaos, scheduleBatches } from '../faults/chaos-queue.ts';
import type { Messaging } from '../services/messaging.ts';
import { batchResultOf } from './batch-answer.ts';
import type { EventSource } from './event-source-plan.ts';
import type { Outcome } from './response.ts';
import { bufferOutcome } from './response.ts';
import type { Runtime } from './runtime.ts';
import { createSemaphore, type Semaphore } from './semaphore.ts';
import { type ReceivedMessage, readMessages, splitBySize, writeEvent } from './sqs-event.ts';

export interface EventSourcesOptions {
  readonly messaging: Pick<Messaging, 'sqs'>;
  readonly runtime: Pick<Runtime, 'invoke'>;
  readonly chaos: Chaos;
  readonly log: (line: string) => void;
}

interface Poller {
  readonly source: EventSource;
  readonly options: EventSourcesOptions;
  readonly slots: Semaphore;
  readonly nextChaos: () => BatchChaos;
  /** Batches that are with the function, or wait for it. */
  readonly deliveries: Set<Promise<void>>;
  readonly closing: AbortSignal;
}

/** The longest that SQS lets a receive wait. */
const LONG_POLL_S = 20;
/** SQS gives, and deletes, ten messages in one request. */
const MAX_IN_REQUEST = 10;
const THROTTLED_PAUSE_MS = 100;
/** After a receive that failed: the disk is full, mostly. */
const FAILED_PAUSE_MS = 1_000;

/**
 * Batches that a mapping begins with at the same time, and how often there is one more while messages wait: "up to 300 more
 * concurrent invokes per minute". https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
 */
const FIRST_POLLERS = 5;
const MORE_EVERY_MS = 200;

const ON_TIME: BatchChaos = { holdMs: 0, againMs: undefined };

export interface EventSources {
  /** Takes no more messages. */
  stop(): void;
  /** Resolves when what was with the functions is judged, and deleted where they have done it. */
  settled(): Promise<void>;
}

/** Polls for every mapping that is enabled. */
export function startEventSources(
  sources: readonly EventSource[],
  options: EventSourcesOptions,
): EventSources {
  const closing = new AbortController();
  const deliveries = new Set<Promise<void>>();
  for (const source of sources.filter(({ enabled }) => enabled)) {
    const poller: Poller = {
      source,
      options,
      slots: createSemaphore(Math.min(FIRST_POLLERS, source.maximumConcurrency), {
        most: source.maximumConcurrency,
        everyMs: MORE_EVERY_MS,
      }),
      // A FIFO queue promises its order, and each message once.
      nextChaos: source.ordered ? () => ON_TIME : createQueueChaos(options.chaos),
      deliveries,
      closing: closing.signal,
    };
    poll(poller).catch((error: unknown) => tell(poller, `is polled no more: ${String(error)}`));
  }
  return {
    stop: () => closing.abort(),
    async settled() {
      await Promise.all(deliveries);
    },
  };
}

/**
 * One receive waits at a time, where Lambda has several: they would all wake up for the same message. The batches run
 * beside each other all the same.
 */
async function poll(poller: Poller): Promise<void> {
  const { source, slots, closing } = poller;
  while (!closing.aborted) {
    await slots.available();
    if (closing.aborted) return;
    const messages = await gather(poller).catch(async (error: unknown) => {
      tell(poller, `cannot be read: ${String(error)}`);
      await pause(FAILED_PAUSE_MS, closing);
      return [];
    });
    const hiddenUntil = Date.now() + source.visibilityMs;
    for (const { messages: meant, afterMs } of scheduleBatches(messages, poller.nextChaos)) {
      for (const batch of splitBySize(meant)) {
        begin(poller, deliver(poller, batch, afterMs, hiddenUntil));
      }
    }
  }
}

/** What goes wrong leaves the messages in the queue: they come again. */
function begin(poller: Poller, delivery: Promise<void>): void {
  const watched = delivery.catch((error: unknown) =>
    tell(poller, `has a batch that was lost sight of: ${String(error)}`),
  );
  poller.deliveries.add(watched);
  void watched.then(() => poller.deliveries.delete(watched));
}

/** Waits for messages, then for more of them until the batch is full or its window is over. */
async function gather(poller: Poller): Promise<ReceivedMessage[]> {
  const { batchSize, windowMs } = poller.source;
  const messages = await receive(poller, batchSize, LONG_POLL_S);
  const end = Date.now() + windowMs;
  while (messages.length > 0 && messages.length < batchSize && !poller.closing.aborted) {
    const leftS = (end - Date.now()) / 1_000;
    if (leftS <= 0) break;
    messages.push(...(await receive(poller, batchSize - messages.length, Math.min(leftS, LONG_POLL_S))));
  }
  return messages;
}

async function receive(
  { source, options, closing }: Poller,
  most: number,
  waitS: number,
): Promise<ReceivedMessage[]> {
  const answer = await options.messaging.sqs('ReceiveMessage', source.queue.name, {
    MaxNumberOfMessages: Math.min(most, MAX_IN_REQUEST),
    WaitTimeSeconds: waitS,
    MessageSystemAttributeNames: ['All'],
    MessageAttributeNames: ['All'],
  });
  return closing.aborted ? [] : readMessages(answer, source.queueArn);
}

async function deliver(
  poller: Poller,
  batch: readonly ReceivedMessage[],
  afterMs: number,
  hiddenUntil: number,
) {
  const { source, slots, closing } = poller;
  if (afterMs > 0) await pause(afterMs, closing);
  await slots.run(async () => {
    if (closing.aborted) return;
    const outcome = await invoke(poller, batch, hiddenUntil);
    const { done, complaint } = batchResultOf(outcome, batch, source.reportsFailures);
    if (complaint !== undefined)
      tell(poller, `keeps messages that ${source.function.path} failed: ${complaint}`);
    await remove(poller, done);
  });
}

/** A throttled batch is tried again for as long as its messages are hidden, then left to the queue. */
async function invoke(
  poller: Poller,
  batch: readonly ReceivedMessage[],
  hiddenUntil: number,
): Promise<Outcome> {
  const payload = writeEvent(batch);
  for (;;) {
    const { source, options, closing } = poller;
    const outcome = await bufferOutcome(await options.runtime.invoke(source.function.arn, payload));
    const late = Date.now() + THROTTLED_PAUSE_MS >= hiddenUntil;
    if (outcome.kind !== 'throttled' || late || closing.aborted) return outcome;
    await pause(THROTTLED_PAUSE_MS, closing);
  }
}

async function remove({ source, options }: Poller, done: readonly ReceivedMessage[]): Promise<void> {
  for (let start = 0; start < done.length; start += MAX_IN_REQUEST) {
    const Entries = done.slice(start, start + MAX_IN_REQUEST).map(({ receiptHandle }, index) => {
      return { Id: String(index), ReceiptHandle: receiptHandle };
    });
    await options.messaging.sqs('DeleteMessageBatch', source.queue.name, { Entries });
  }
}

/** Ends early, and quietly, when the stack closes. */
const pause = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal }).catch(() => {});

function tell({ source, options, closing }: Poller, what: string): void {
  if (!closing.aborted) options.log(`[queue] ${source.queue.path} ${what}`);
}
