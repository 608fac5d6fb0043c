/**
 * The messages of the fold queue: hints of keyed channels, and snapshots to remove.
 * @module
 */
import { isChannelName } from '../../../protocol/channel-name.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { BEGINNING, formatOffset } from '../../../protocol/offset.ts';
import type { FoldQueue, FoldTask, RemovedTask } from '../../hub/keyed/snapshot-ports.ts';
import { call } from '../aws-client.ts';
import { topicCalls } from '../calls/topic-calls.ts';
import { asciiJson } from './hint-messages.ts';
import { groupOf, sendingTo } from './push-queue.ts';
import type { QueueFormat } from './queue-handler.ts';

/** Returns the sender of tasks, for the fold itself. */
export function foldsBySqs(queueUrl: string): FoldQueue {
  const send = sendingTo(queueUrl);
  return { send: async (task, delayMs) => await send(bodyOf(task), delayMs, groupOf(task.channel)) };
}

/**
 * Returns a function that asks the fold to remove a snapshot, by the topic of hints: so the function that deletes channels needs no
 * other queue. For the other queues of the topic it is a hint that says nothing new.
 */
export function removalsBySns(topicArn: string): (task: RemovedTask) => Promise<void> {
  const client = topicCalls(ATTEMPTS);
  return async (task) => {
    const { channel } = task;
    const publish = {
      TopicArn: topicArn,
      Message: asciiJson({ ...bodyOf(task), offset: formatOffset(BEGINNING) }),
      MessageAttributes: {
        channel: { DataType: 'String', StringValue: channel },
        keyed: { DataType: 'String', StringValue: 'true' },
      },
      MessageGroupId: groupOf(channel),
    } as const;
    await call(() => client.publish(publish), 'the topic is busy; retry');
  };
}

/** Attempts at one publish to the topic. A deletion may wait a moment longer than a hint. */
const ATTEMPTS = 3;

const bodyOf = (task: FoldTask): object =>
  task.kind === 'grown'
    ? { channel: task.channel }
    : { channel: task.channel, removed: task.streamId, tries: task.tries };

/** Parses the body of a message. @throws Error for a body that the hub did not write */
function parseFoldTask(body: string): FoldTask {
  // A hint has more members, which the fold does not need: it reads the log.
  const { channel, removed: streamId, tries } = fieldsOf(JSON.parse(body));
  if (typeof channel !== 'string' || !isChannelName(channel)) throw new Error('the message names no channel');
  if (streamId === undefined) return { kind: 'grown', channel };
  if (typeof streamId !== 'string' || typeof tries !== 'number')
    throw new Error('the removal names no stream');
  return { kind: 'removed', channel, streamId, tries };
}

/** Parses and merges the messages of the fold queue: all hints of a channel are one task. */
export const foldQueue: QueueFormat<FoldTask> = {
  parse: parseFoldTask,
  keyOf: (task) => (task.kind === 'grown' ? task.channel : `@${task.streamId}`),
  about: ({ channel }) => ({ channel }),
  merge: (one) => one,
};
