/**
 * What SNS counts in a batch, because fauxqs measures single messages only.
 * @see https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
 * @module
 */
import type { AwsRequest } from './aws-requests.ts';

const MAX_BATCH_BYTES = 256 * 1024;
const COUNTED =
  /^PublishBatchRequestEntries\.member\.\d+\.(?:Message|MessageAttributes\.entry\.\d+\.(?:Name|Value\.\w+))$/;

/** True for a `PublishBatch` whose messages together, with their attributes, are more than SNS takes at once. */
export function isBatchTooLong({ operation, input }: AwsRequest): boolean {
  if (operation !== 'PublishBatch') return false;
  let bytes = 0;
  for (const [name, value] of Object.entries(input)) {
    if (!COUNTED.test(name) || typeof value !== 'string') continue;
    bytes += Buffer.byteLength(value, name.endsWith('.BinaryValue') ? 'base64' : 'utf8');
  }
  return bytes > MAX_BATCH_BYTES;
}
