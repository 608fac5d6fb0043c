/**
 * What AWS asks for a call, in US dollars a million: list prices of us-east-1, without the free tier, for small items.
 *
 * - DynamoDB on demand: $0.625 a million write units, $0.125 a million read units. A call here is one unit.
 *   https://aws.amazon.com/dynamodb/pricing/on-demand/
 * - SNS: $0.50 a million requests of up to 64 KB. https://aws.amazon.com/sns/pricing/
 * - SQS: $0.40 a million requests of up to 64 KB. https://aws.amazon.com/sqs/pricing/
 * - API Gateway: $1.00 a million WebSocket messages of up to 32 KB, $1.00 a million HTTP requests.
 *   https://aws.amazon.com/api-gateway/pricing/
 * @module
 */
const READ = 0.125;
const WRITE = 0.625;

const PRICES: Readonly<Record<string, number>> = {
  'dynamodb:GetItem': READ,
  'dynamodb:Query': READ,
  'dynamodb:BatchGetItem': READ,
  'dynamodb:PutItem': WRITE,
  'dynamodb:UpdateItem': WRITE,
  'dynamodb:DeleteItem': WRITE,
  'sns:Publish': 0.5,
  'sqs:SendMessage': 0.4,
  'sqs:ReceiveMessage': 0.4,
  'sqs:DeleteMessage': 0.4,
  'sqs:ChangeMessageVisibility': 0.4,
  'execute-api:ManageConnections': 1,
};

/** The request of the publisher at the HTTP API. */
export const HTTP_REQUEST = 1;

/** Returns US dollars for a million of these calls. @throws Error for a call that has no price here */
export function priceOf(action: string): number {
  const price = PRICES[action];
  if (price === undefined) throw new Error(`bench/prices.ts has no price for ${action}`);
  return price;
}
