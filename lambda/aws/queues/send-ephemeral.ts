/**
 * Sends ephemeral messages to the push queue, and not to the topic (docs/adr/0020-ephemeral-messages.md). Each call has one attempt: a call
 * without an answer may have sent its messages.
 * @module
 */
import type { EphemeralPush } from '../../hub/ephemeral/post-ephemeral.ts';
import type { SendEphemeral } from '../../hub/ephemeral/publish-ephemeral.ts';
import { call } from '../aws-client.ts';
import { queueCalls } from '../calls/queue-calls.ts';
import { ephemeralBody } from './ephemeral-messages.ts';
import { BATCH, groupOf, sendBatch } from './push-queue.ts';

const ATTEMPTS = 1;

/**
 * Bytes of the messages of one call.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
 */
const MAX_CALL_BYTES = 256 * 1024;

/** Returns the message group. Ephemeral messages must not delay the hints of their channel. */
const ephemeralGroupOf = (channel: string): string => groupOf(`!${channel}`);

/** Returns the sender of what callers publish. */
export function ephemeralBySqs(queueUrl: string): SendEphemeral {
  const client = queueCalls(ATTEMPTS);
  return async (outgoing) => {
    const MessageGroupId = ephemeralGroupOf(outgoing.channel);
    const send = { QueueUrl: queueUrl, MessageBody: ephemeralBody(outgoing), MessageGroupId };
    await call(() => client.sendMessage(send), 'it is unknown whether the messages were sent');
  };
}

/** Returns the sender of messages to the shards of a pattern. */
export function ephemeralToShardsBySqs(queueUrl: string): EphemeralPush['sendToShards'] {
  const client = queueCalls(ATTEMPTS);
  return async (channel, shards, parts) => {
    const MessageGroupId = ephemeralGroupOf(channel);
    const bodies = parts.flatMap((part) => shards.map((shard) => ephemeralBody({ ...part, channel }, shard)));
    for (const some of batchesOf(bodies))
      await sendBatch(
        client,
        queueUrl,
        some.map((MessageBody) => ({ MessageBody, MessageGroupId })),
      );
  };
}

/** Divides bodies, which are ASCII, into calls. */
export function batchesOf(bodies: readonly string[]): string[][] {
  const batches: string[][] = [];
  let room = 0;
  for (const body of bodies) {
    const last = batches.at(-1);
    if (last && last.length < BATCH && body.length <= room) last.push(body);
    else {
      batches.push([body]);
      room = MAX_CALL_BYTES;
    }
    room -= body.length;
  }
  return batches;
}
