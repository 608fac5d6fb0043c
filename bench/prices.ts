/**
 * The price of each AWS call, in US dollars per million: list prices of us-east-1, without the free tier, for small items.
 *
 * - DynamoDB on demand: $0.625 per million write units, $0.125 per million read units. A call here is one unit.
 *   https://aws.amazon.com/dynamodb/pricing/on-demand/
 * - SNS: $0.50 per million requests of up to 64 KB. https://aws.amazon.com/sns/pricing/
 * - SQS: $0.40 per million requests of up to 64 KB. https://aws.amazon.com/sqs/pricing/
 * - API Gateway: $1.00 per million WebSocket messages of up to 32 KB, $1.00 per million HTTP requests.
 *   https://aws.amazon.com/api-gateway/pricing/
 * - Secrets Manager: $5 per million calls, which a process makes when it starts. https://aws.amazon.com/secrets-manager/pricing/
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
  'secretsmanager:GetSecretValue': 5,
};

/** A million requests at the HTTP API, in dollars, as all of the following. docs/cost.md has the same numbers. */
export const HTTP_REQUEST = 1;

/** The price of one frame of a client, or of an answer to it, at the WebSocket API. */
export const SOCKET_MESSAGE = 1;

/** A million short runs of a function. https://aws.amazon.com/lambda/pricing/ */
export const SHORT_RUN = 0.3;

/** A million requests through the front door: requests of CloudFront, and its function. https://aws.amazon.com/cloudfront/pricing/ */
export const FRONT_DOOR_REQUEST = 1.1;

/** One held long poll or stream, for an hour: 256 MB of a Lambda environment. */
export const HELD_HOUR = 0.012;

/** One open WebSocket, for an hour. */
export const CONNECTION_HOUR = 0.000_015;

/** A million webhook deliveries, one by one. */
export const WEBHOOK_DELIVERY = 5;

/** A million webhook deliveries, for each 100 ms that the endpoint takes to answer. */
export const WEBHOOK_WAIT = 0.67;

/** True for a call that has a price here. */
export const hasPrice = (action: string): boolean => Object.hasOwn(PRICES, action);

/**
 * Returns US dollars for per million of these calls.
 * @throws Error for a call without a price here
 */
export function priceOf(action: string): number {
  const price = PRICES[action];
  if (price === undefined) throw new Error(`bench/prices.ts has no price for ${action}`);
  return price;
}
