/**
 * The pollers of Lambda: they receive messages from a queue, invoke the function with them, and delete the processed ones.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Chaos } from '../faults/chaos.ts';
import { createQueueChaos, type MessageChaos, scheduleBatches } from '../faults/chaos-queue.ts';
import type { Messaging } from '../services/messaging.ts';
import { batchResultOf } from './batch-answer.ts';
import type { EventSource } from './event-source-plan.ts';
import type { InvocationOutcome } from './response.ts';
import { bufferOutcome } from './response.ts';
import type { Runtime } from './runtime.ts';
import { createSemaphore, type Semaphore } from './semaphore.ts';
import { type ReceivedMessage, readMessages, splitBySize, writeEvent } from './sqs-event.ts';

/** The parts of the stack that pollers use. */
export interface EventSourcesOptions {
  /** Runs the operations of SQS. */
  readonly messaging: Pick<Messaging, 'sqs'>;
  /** Invokes functions. */
  readonly runtime: Pick<Runtime, 'invoke'>;
  /** The rates at which messages are doubled, delayed or lost. */
  readonly chaos: Chaos;
  /** Takes each line about an error or a refusal. */
  readonly log: (line: string) => void;
}

interface Poller {
  readonly source: EventSource;
  readonly options: EventSourcesOptions;
  /** Bounds the batches that the function processes at the same time. */
  readonly semaphore: Semaphore;
  readonly nextChaos: () => MessageChaos;
  /** Batches that the function processes, or that wait for it. */
  readonly deliveries: Set<Promise<void>>;
  readonly closing: AbortSignal;
}

/** Maximum wait of a receive. */
const LONG_POLL_S = 20;
/** Messages in one receive or delete request, at most. */
const MAX_IN_REQUEST = 10;
const THROTTLED_PAUSE_MS = 100;
/** Pause after a receive that failed. The usual cause is a full disk. */
const FAILED_PAUSE_MS = 1_000;

/**
 * Lambda starts with five batches at the same time, and adds "up to 300 more concurrent invokes per minute" while messages
 * wait. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
 */
const FIRST_POLLERS = 5;
const MORE_EVERY_MS = 200;

const ON_TIME: MessageChaos = { holdMs: 0, againMs: undefined };

/** The running pollers. */
export interface EventSources {
  /** Stops receiving messages. */
  stop(): void;
  /** Resolves when all batches have a result, and the processed messages are deleted. */
  settled(): Promise<void>;
}

/** Starts a poller for every mapping that is enabled. */
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
      semaphore: createSemaphore(Math.min(FIRST_POLLERS, source.maximumConcurrency), {
        most: source.maximumConcurrency,
        everyMs: MORE_EVERY_MS,
      }),
      // A FIFO queue promises the order and exactly one delivery.
      nextChaos: source.ordered ? () => ON_TIME : createQueueChaos(options.chaos),
      deliveries,
      closing: closing.signal,
    };
    poll(poller).catch((error: unknown) => report(poller, `is not polled any more: ${String(error)}`));
  }
  return {
    stop: () => closing.abort(),
    async settled() {
      await Promise.all(deliveries);
    },
  };
}

/**
 * Only one receive of a queue waits at a time. Lambda has several, but here all of them would wake up for the same message.
 * Batches still run in parallel.
 */
async function poll(poller: Poller): Promise<void> {
  const { source, semaphore, closing } = poller;
  while (!closing.aborted) {
    await semaphore.available();
    if (closing.aborted) return;
    const messages = await gather(poller).catch(async (error: unknown) => {
      report(poller, `cannot be read: ${String(error)}`);
      await pause(FAILED_PAUSE_MS, closing);
      return [];
    });
    const hiddenUntil = Date.now() + source.visibilityMs;
    for (const scheduled of scheduleBatches(messages, poller.nextChaos)) {
      const { afterMs } = scheduled;
      for (const batch of splitBySize(scheduled.messages)) {
        begin(poller, deliver(poller, batch, afterMs, hiddenUntil));
      }
    }
  }
}

/** After an error the messages are still in the queue, which delivers them again. */
function begin(poller: Poller, delivery: Promise<void>): void {
  const watched = delivery.catch((error: unknown) =>
    report(poller, `has a batch without a result: ${String(error)}`),
  );
  poller.deliveries.add(watched);
  void watched.then(() => poller.deliveries.delete(watched));
}

/** Waits for messages, then for more messages until the batch is full or its window ends. */
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
  const { source, semaphore, closing } = poller;
  if (afterMs > 0) await pause(afterMs, closing);
  await semaphore.run(async () => {
    if (closing.aborted) return;
    const outcome = await invoke(poller, batch, hiddenUntil);
    const { done, complaint } = batchResultOf(outcome, batch, source.reportsFailures);
    if (complaint !== undefined)
      report(poller, `keeps messages that ${source.function.path} failed: ${complaint}`);
    await remove(poller, done);
  });
}

/** Invokes the function. A throttled batch is tried again while its messages are hidden. Then the queue delivers them again. */
async function invoke(
  poller: Poller,
  batch: readonly ReceivedMessage[],
  hiddenUntil: number,
): Promise<InvocationOutcome> {
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

/** Waits. Resolves early when the stack closes. */
const pause = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal }).catch(() => {});

function report({ source, options, closing }: Poller, what: string): void {
  if (!closing.aborted) options.log(`[queue] ${source.queue.path} ${what}`);
}
