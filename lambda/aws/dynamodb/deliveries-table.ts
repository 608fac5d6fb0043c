/**
 * The Deliveries table: what is to be done for an endpoint, and what was done. Key `endpoint` and `row`, which sorts:
 *
 * | row | |
 * |---|---|
 * | `asked#{due}#{id}` | an errand that somebody waits for |
 * | `due#{due}#{id}` | any other errand |
 * | `lease` | who serves the endpoint (leases-dynamodb.ts) |
 * | `message#{id}` | a delivery |
 *
 * So what is due is the beginning of one Query. All reads are consistent.
 * @module
 */
import {
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
} from '@aws-sdk/lib-dynamodb';
import { fieldsOf } from '../../../protocol/fields.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import {
  type Attempt,
  DELIVERY_KINDS,
  DELIVERY_STATUSES,
  type Delivery,
  ERROR_CLASSES,
} from '../../webhook/delivery/delivery.ts';
import { type DeliveryTask, isAwaited } from '../../webhook/delivery/delivery-task.ts';
import { timeKey } from '../../webhook/delivery/due-delivery.ts';
import type { DeliveryStore } from '../../webhook/webhook-ports.ts';
import { call } from '../aws-client.ts';
import { callIf, expiryOf } from './document-client.ts';
import { type Item, ifThere, listOf, numberOf, oneOf, positionOf, textOf } from './stored-attributes.ts';
import { namesIn } from './update-item.ts';

/** All errands lie between these: `~` sorts after every digit. */
const FIRST_ERRAND = 'asked#';
const LAST_ERRAND = 'due#~';

const MESSAGE = 'message#';

const errandKey = (endpoint: string, errand: DeliveryTask) => ({
  endpoint,
  row: `${isAwaited(errand) ? 'asked' : 'due'}#${timeKey(errand.due)}#${errand.id}`,
});
const deliveryKey = (endpoint: string, id: string) => ({ endpoint, row: `${MESSAGE}${id}` });
/**
 * How long an errand is kept that nobody does, in milliseconds: 400 days, since a slow endpoint may take as long for a
 * range as its messages stay in the log (365). Only those of endpoints that were removed are left to that.
 */
const ERRANDS_KEPT_MS = 400 * 24 * 3_600_000;

export function deliveriesInDynamoDb(client: DynamoDBDocumentClient, table: string): DeliveryStore {
  const TableName = table;
  const get = async (endpoint: string, id: string): Promise<Delivery | undefined> => {
    const command = new GetCommand({ TableName, Key: deliveryKey(endpoint, id), ConsistentRead: true });
    const { Item } = await call(() => client.send(command));
    return Item && deliveryOf(Item);
  };
  return {
    get,
    async leave(endpoint, errand) {
      // An errand stays until it is done; it expires only where nobody serves the endpoint any more.
      const expiry = expiryOf(errand.due + ERRANDS_KEPT_MS);
      const Item = { ...errandKey(endpoint, errand), ...errandItem(errand), expiry };
      // One that the SDK repeats late may bring back what is done: then that is done once more, which it may be.
      await call(() => client.send(new PutCommand({ TableName, Item })));
    },
    async done(endpoint, errand) {
      await call(() => client.send(new DeleteCommand({ TableName, Key: errandKey(endpoint, errand) })));
    },
    async due(endpoint, now, most) {
      const condition = '#endpoint = :endpoint AND #row BETWEEN :first AND :last';
      const query = new QueryCommand({
        TableName,
        KeyConditionExpression: condition,
        ExpressionAttributeNames: namesIn(condition),
        ExpressionAttributeValues: { ':endpoint': endpoint, ':first': FIRST_ERRAND, ':last': LAST_ERRAND },
        ConsistentRead: true,
        Limit: most + 1,
      });
      const { Items = [] } = await call(() => client.send(query));
      const first = Items.map(errandOf);
      const isDue = (errand: DeliveryTask) => isAwaited(errand) || errand.due <= now;
      const errands = first.filter(isDue).slice(0, most);
      const following = first[errands.length];
      return { tasks: errands, next: following && !isDue(following) ? following.due : undefined };
    },
    async put(endpoint, delivery) {
      const { id, version, writer } = delivery;
      const isFirst = version === 1;
      const condition = isFirst ? 'attribute_not_exists(#row)' : '#version = :was';
      const put = new PutCommand({
        TableName,
        Item: { ...deliveryKey(endpoint, id), ...deliveryItem(delivery) },
        ConditionExpression: condition,
        ExpressionAttributeNames: namesIn(condition),
        ...(isFirst ? {} : { ExpressionAttributeValues: { ':was': version - 1 } }),
      });
      if (await callIf(() => client.send(put))) return true;
      // Ours after all, if the first answer was lost inside the SDK or with the process that waited for it.
      const there = await get(endpoint, id);
      return there?.version === version && there.writer === writer;
    },
    async page(endpoint, { after, direction, status, most }) {
      const condition = '#endpoint = :endpoint AND begins_with(#row, :message)';
      const filter = status === undefined ? '' : '#status = :status';
      const query = new QueryCommand({
        TableName,
        KeyConditionExpression: condition,
        ...(status === undefined ? {} : { FilterExpression: filter }),
        ExpressionAttributeNames: namesIn(condition, filter),
        ExpressionAttributeValues: {
          ':endpoint': endpoint,
          ':message': MESSAGE,
          ...(status === undefined ? {} : { ':status': status }),
        },
        ConsistentRead: true,
        ScanIndexForward: direction === 'forward',
        Limit: most,
        // It need not be there any more.
        ...(after === '' ? {} : { ExclusiveStartKey: deliveryKey(endpoint, after) }),
      });
      const { Items = [], LastEvaluatedKey } = await call(() => client.send(query));
      const last = LastEvaluatedKey && textOf(LastEvaluatedKey, 'row').slice(MESSAGE.length);
      return { deliveries: Items.map(deliveryOf), last };
    },
  };
}

const errandItem = (errand: DeliveryTask): Item =>
  errand.kind === 'range'
    ? { ...errand, from: formatOffset(errand.from), to: formatOffset(errand.to) }
    : { ...errand };

function errandOf(item: Item): DeliveryTask {
  const due = { id: textOf(item, 'id'), due: numberOf(item, 'due') };
  const kind = textOf(item, 'kind');
  switch (kind) {
    case 'range':
      return {
        ...due,
        kind,
        channel: textOf(item, 'channel'),
        streamId: textOf(item, 'streamId'),
        from: positionOf(item, 'from'),
        to: positionOf(item, 'to'),
        since: numberOf(item, 'since'),
        run: textOf(item, 'run'),
      };
    case 'retry':
    case 'once':
    case 'redrive':
      return { ...due, kind, delivery: textOf(item, 'delivery') };
    case 'test':
    case 'handshake':
      return { ...due, kind };
    case 'recover':
      return {
        ...due,
        kind,
        since: numberOf(item, 'since'),
        until: numberOf(item, 'until'),
        after: textOf(item, 'after'),
      };
    default:
      throw new Error(`stored errand is of no kind: ${kind}`);
  }
}

const deliveryItem = (delivery: Delivery): Item => ({
  ...delivery,
  position: formatOffset(delivery.position),
  expiry: expiryOf(delivery.expiresAt),
});

function deliveryOf(item: Item): Delivery {
  return {
    id: textOf(item, 'id'),
    kind: oneOf(item, 'kind', DELIVERY_KINDS),
    channel: textOf(item, 'channel'),
    streamId: textOf(item, 'streamId'),
    position: positionOf(item, 'position'),
    time: numberOf(item, 'time'),
    status: oneOf(item, 'status', DELIVERY_STATUSES),
    attempts: listOf(item, 'attempts', attemptOf),
    begun: numberOf(item, 'begun'),
    sendingSince: ifThere(item, 'sendingSince', numberOf),
    rung: numberOf(item, 'rung'),
    due: ifThere(item, 'due', numberOf),
    run: textOf(item, 'run'),
    before: ifThere(item, 'before', beforeOf),
    changedAt: numberOf(item, 'changedAt'),
    ...(item.to === undefined ? {} : { to: textOf(item, 'to') }),
    expiresAt: numberOf(item, 'expiresAt'),
    version: numberOf(item, 'version'),
    writer: textOf(item, 'writer'),
  };
}

function beforeOf(delivery: Item, name: string): Delivery['before'] {
  const item = fieldsOf(delivery[name]);
  return { status: oneOf(item, 'status', DELIVERY_STATUSES), due: ifThere(item, 'due', numberOf) };
}

function attemptOf(value: unknown): Attempt {
  const item = fieldsOf(value);
  return {
    number: numberOf(item, 'number'),
    at: numberOf(item, 'at'),
    ms: numberOf(item, 'ms'),
    ...(item.status === undefined ? {} : { status: numberOf(item, 'status') }),
    ...(item.error === undefined ? {} : { error: oneOf(item, 'error', ERROR_CLASSES) }),
    ...(item.answer === undefined ? {} : { answer: textOf(item, 'answer') }),
  };
}
