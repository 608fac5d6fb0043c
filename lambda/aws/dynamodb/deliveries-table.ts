/**
 * The Deliveries table: the tasks of an endpoint, and its deliveries. The key is `endpoint` and `row`, which sorts:
 *
 * | row | |
 * |---|---|
 * | `asked#{due}#{id}` | a task that a caller has asked for and waits for |
 * | `due#{due}#{id}` | any other task |
 * | `lease` | the owner of the endpoint, and the state that one owner hands to the next |
 * | `message#{id}` | a delivery |
 *
 * The tasks that are due are therefore the first rows of one Query. All reads are strongly consistent.
 * The attribute `rung` has the `failures` of a delivery. In `health`, `backoffUntil` is stored as `restsUntil`, `isNotified` as
 * `isTold` and `nextStartAt` as `pacedUntil`.
 * @module
 */
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
import { HEALTHY } from '../../webhook/health.ts';
import type {
  DeliveryStore,
  EndpointLeaseStore,
  EndpointRow,
  EndpointState,
  Health,
} from '../../webhook/webhook-stores.ts';
import { call } from '../aws-client.ts';
import type { DocumentClient, GetInput, PutInput, QueryInput } from '../calls/document-calls.ts';
import { callIf, expiryOf } from './document-client.ts';
import { asksOf, leasesInDynamoDb } from './lease-rows.ts';
import {
  booleanOf,
  type Item,
  ifThere,
  listOf,
  numberOf,
  oneOf,
  positionOf,
  textOf,
} from './stored-attributes.ts';
import { namesIn, type Table, tableOf } from './update-item.ts';

/** All tasks lie between these: `~` sorts after every digit. */
const FIRST_TASK = 'asked#';
const LAST_TASK = 'due#~';

const MESSAGE = 'message#';

const taskKey = (endpoint: string, task: DeliveryTask) => ({
  endpoint,
  row: `${isAwaited(task) ? 'asked' : 'due'}#${timeKey(task.due)}#${task.id}`,
});
const deliveryKey = (endpoint: string, id: string) => ({ endpoint, row: `${MESSAGE}${id}` });

/**
 * How long DynamoDB keeps a task that is not done, in milliseconds: 400 days. That is more than the longest retention (365 days),
 * because a slow endpoint may need that long for a range of messages. In practice only tasks of removed endpoints expire.
 */
const TASKS_KEPT_MS = 400 * 24 * 3_600_000;

/**
 * Returns the store of tasks and deliveries in DynamoDB. Its methods throw Refusal unavailable if the table is
 * throttled.
 */
export function deliveriesInDynamoDb(client: DocumentClient, name: string): DeliveryStore {
  const table = tableOf(client, name);
  return {
    get: get(table),
    putTask: putTask(table),
    removeTask: removeTask(table),
    dueTasks: dueTasks(table),
    put: put(table),
    page: page(table),
  };
}

const get =
  ({ client, TableName }: Table): DeliveryStore['get'] =>
  async (endpoint, id) => {
    const command: GetInput = { TableName, Key: deliveryKey(endpoint, id), ConsistentRead: true };
    const { Item } = await call(() => client.get(command));
    return Item && deliveryOf(Item);
  };

const putTask =
  ({ client, TableName }: Table): DeliveryStore['putTask'] =>
  async (endpoint, task) => {
    const expiry = expiryOf(task.due + TASKS_KEPT_MS);
    const Item = { ...taskKey(endpoint, task), ...taskItem(task), expiry };
    // A late repetition by the client may bring back a task that is done. It is then done again, which is harmless.
    await call(() => client.put({ TableName, Item }));
  };

const removeTask =
  ({ client, TableName }: Table): DeliveryStore['removeTask'] =>
  async (endpoint, task) => {
    await call(() => client.delete({ TableName, Key: taskKey(endpoint, task) }));
  };

const dueTasks =
  ({ client, TableName }: Table): DeliveryStore['dueTasks'] =>
  async (endpoint, now, most) => {
    const condition = '#endpoint = :endpoint AND #row BETWEEN :first AND :last';
    const query: QueryInput = {
      TableName,
      KeyConditionExpression: condition,
      ExpressionAttributeNames: namesIn(condition),
      ExpressionAttributeValues: { ':endpoint': endpoint, ':first': FIRST_TASK, ':last': LAST_TASK },
      ConsistentRead: true,
      Limit: most + 1,
    };
    const { Items = [] } = await call(() => client.query(query));
    const read = Items.map(taskOf);
    const isDue = (task: DeliveryTask) => isAwaited(task) || task.due <= now;
    const tasks = read.filter(isDue).slice(0, most);
    const following = read[tasks.length];
    return { tasks, next: following && !isDue(following) ? following.due : undefined };
  };

const put =
  (table: Table): DeliveryStore['put'] =>
  async (endpoint, delivery) => {
    const { id, version, writer } = delivery;
    const isFirst = version === 1;
    const condition = isFirst ? 'attribute_not_exists(#row)' : '#version = :was';
    const input: PutInput = {
      TableName: table.TableName,
      Item: { ...deliveryKey(endpoint, id), ...deliveryItem(delivery) },
      ConditionExpression: condition,
      ExpressionAttributeNames: namesIn(condition),
      ...(isFirst ? {} : { ExpressionAttributeValues: { ':was': version - 1 } }),
    };
    if (await callIf(() => table.client.put(input))) return true;
    // The condition also fails if this version is stored already: an earlier try may have been carried out although its
    // answer was lost.
    const stored = await get(table)(endpoint, id);
    return stored?.version === version && stored.writer === writer;
  };

const page =
  ({ client, TableName }: Table): DeliveryStore['page'] =>
  async (endpoint, { after, direction, status, most }) => {
    const condition = '#endpoint = :endpoint AND begins_with(#row, :message)';
    const filter = status === undefined ? '' : '#status = :status';
    const query: QueryInput = {
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
      // DynamoDB accepts a start key whose row was removed.
      ...(after === '' ? {} : { ExclusiveStartKey: deliveryKey(endpoint, after) }),
    };
    const { Items = [], LastEvaluatedKey } = await call(() => client.query(query));
    const last = LastEvaluatedKey && textOf(LastEvaluatedKey, 'row').slice(MESSAGE.length);
    return { deliveries: Items.map(deliveryOf), last };
  };

/** Returns the attributes of a task: JSON values, which a queue can carry, too. */
export const taskItem = (task: DeliveryTask): Item =>
  task.kind === 'range' ? { ...task, from: formatOffset(task.from), to: formatOffset(task.to) } : { ...task };

/** Returns a task from its attributes. @throws Error if they are no task */
export function taskOf(item: Item): DeliveryTask {
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
      throw new Error(`stored task of an unknown kind: ${kind}`);
  }
}

const deliveryItem = ({ failures, ...delivery }: Delivery): Item => ({
  ...delivery,
  rung: failures,
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
    failures: numberOf(item, 'rung'),
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

/** How long an unused lease is stored, in milliseconds: 90 days, longer than any delivery. */
const LEASES_KEPT_MS = 90 * 24 * 3_600_000;

/** Returns the store of leases of endpoints. Its methods throw Refusal unavailable if the table is throttled. */
export const endpointLeasesInDynamoDb = (client: DocumentClient, table: string): EndpointLeaseStore =>
  leasesInDynamoDb<string, EndpointState, EndpointRow>(client, table, {
    keyOf: (endpoint) => ({ endpoint, row: 'lease' }),
    storedForMs: LEASES_KEPT_MS,
    attributesOf: ({ health, wakeAt, wakeBy }) => ({ health: healthItem(health), wakeAt, wakeBy }),
    rowOf: (item) => ({
      health: item.health === undefined ? HEALTHY : healthOf(fieldsOf(item.health)),
      wakeAt: ifThere(item, 'wakeAt', numberOf) ?? 0,
      wakeBy: ifThere(item, 'wakeBy', textOf) ?? '',
      asks: asksOf(item),
      isUnclean: item.owner !== undefined,
    }),
  });

const healthItem = ({ backoffUntil, isNotified, nextStartAt, ...health }: Health): Item => ({
  ...health,
  restsUntil: backoffUntil,
  isTold: isNotified,
  pacedUntil: nextStartAt,
});

function healthOf(item: Item): Health {
  return {
    failures: numberOf(item, 'failures'),
    failingSince: ifThere(item, 'failingSince', numberOf),
    failedAt: numberOf(item, 'failedAt'),
    opens: numberOf(item, 'opens'),
    backoffUntil: numberOf(item, 'restsUntil'),
    isNotified: booleanOf(item, 'isTold'),
    nextStartAt: numberOf(item, 'pacedUntil'),
  };
}
