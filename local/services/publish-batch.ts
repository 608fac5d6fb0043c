/**
 * The size limit of a batch for SNS. fauxqs checks only the size of each message.
 * @see https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
 * @module
 */
import type { AwsRequest } from './aws-requests.ts';

const MAX_BATCH_BYTES = 256 * 1024;
const COUNTED =
  /^PublishBatchRequestEntries\.member\.\d+\.(?:Message|MessageAttributes\.entry\.\d+\.(?:Name|Value\.\w+))$/;

/** Returns true for a `PublishBatch` whose messages and attributes together have more than 256 KiB. */
export function isBatchTooLong({ operation, input }: AwsRequest): boolean {
  if (operation !== 'PublishBatch') return false;
  let bytes = 0;
  for (const [name, value] of Object.entries(input)) {
    if (!COUNTED.test(name) || typeof value !== 'string') continue;
    bytes += Buffer.byteLength(value, name.endsWith('.BinaryValue') ? 'base64' : 'utf8');
  }
  return bytes > MAX_BATCH_BYTES;
}
