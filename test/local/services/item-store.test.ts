/**
 * The store in memory answers as the store of dynalite in a directory does.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type DynamoDb, startDynamoDb } from '../../../local/services/dynamodb-service.ts';
import type { JsonObject } from '../../../local/template/json.ts';
import { itemsTable } from '../fixture/items-table.ts';
import { temporaryDirectory } from '../support.ts';

const TableName = 'rows';
const key = (name: string, KeyType: string) => ({ AttributeName: name, KeyType });
const ROWS = {
  ...itemsTable,
  logicalId: 'Rows',
  path: 'State/Rows',
  name: TableName,
  properties: {
    AttributeDefinitions: [
      { AttributeName: 'id', AttributeType: 'S' },
      { AttributeName: 'at', AttributeType: 'N' },
      { AttributeName: 'owner', AttributeType: 'S' },
    ],
    KeySchema: [key('id', 'HASH'), key('at', 'RANGE')],
    GlobalSecondaryIndexes: [
      {
        IndexName: 'byOwner',
        KeySchema: [key('owner', 'HASH'), key('at', 'RANGE')],
        Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['note'] },
      },
    ],
  },
};

const id = fc.constantFrom('a', 'b', 'c');
const at = fc.constantFrom('-2', '0', '1', '2.5', '10', '100');
const owner = fc.option(fc.constantFrom('me', 'you'), { nil: undefined });
const note = fc.option(fc.constantFrom('x', 'y'.repeat(200)), { nil: undefined });

const Key = fc.record({ id, at }).map((one) => ({ id: { S: one.id }, at: { N: one.at } }));
const Item = fc.record({ key: Key, owner, note }).map((one) => ({
  ...one.key,
  ...(one.owner !== undefined && { owner: { S: one.owner } }),
  ...(one.note !== undefined && { note: { S: one.note } }),
}));
const bounds = fc.constantFrom('= :at', '< :at', '<= :at', '> :at', '>= :at', 'BETWEEN :at AND :to');
const query = fc
  .record({ index: fc.boolean(), name: fc.constantFrom('a', 'b', 'me', 'you'), bounds, at, to: at })
  .chain((one) =>
    fc.record({
      ScanIndexForward: fc.boolean(),
      Limit: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      KeyConditionExpression: fc.constant(`#hash = :hash AND #at ${one.bounds}`),
      ExpressionAttributeNames: fc.constant({ '#hash': one.index ? 'owner' : 'id', '#at': 'at' }),
      ExpressionAttributeValues: fc.constant({
        ':hash': { S: one.name },
        ':at': { N: one.at },
        ...(one.bounds.includes(':to') && { ':to': { N: one.to } }),
      }),
      IndexName: fc.constant(one.index ? 'byOwner' : undefined),
    }),
  );

const step: fc.Arbitrary<readonly [string, JsonObject]> = fc.oneof(
  Item.map((one) => ['PutItem', { Item: one, ReturnValues: 'ALL_OLD' }] as const),
  Item.map((one) => {
    return ['PutItem', { Item: one, ConditionExpression: 'attribute_not_exists(id)' }] as const;
  }),
  Key.map((one) => ['GetItem', { Key: one }] as const),
  Key.map((one) => ['DeleteItem', { Key: one, ReturnValues: 'ALL_OLD' }] as const),
  fc.tuple(Key, at).map(([one, count]) => {
    const update = 'SET note = :note ADD #count :count';
    return [
      'UpdateItem',
      {
        Key: one,
        UpdateExpression: update,
        ExpressionAttributeNames: { '#count': 'count' },
        ExpressionAttributeValues: { ':note': { S: 'z' }, ':count': { N: count } },
        ReturnValues: 'ALL_NEW',
      },
    ] as const;
  }),
  query.map((one) => ['Query', one] as const),
  fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }).map((Limit) => ['Scan', { Limit }] as const),
);

/** Reads all pages, so that the keys between them are compared too. */
async function answersOf(dynamodb: DynamoDb, operation: string, input: JsonObject): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (let ExclusiveStartKey: unknown; ; ) {
    const request = structuredClone({
      TableName,
      ...input,
      ...(ExclusiveStartKey !== undefined && { ExclusiveStartKey }),
    });
    const { status, body } = await dynamodb.run(operation, request);
    answers.push(JSON.parse(JSON.stringify({ status, body })));
    ExclusiveStartKey = body.LastEvaluatedKey;
    if (ExclusiveStartKey === undefined) return answers;
  }
}

it('any operations have the same answers in memory and in a directory', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const data = temporaryDirectory();
      const stores = [
        await startDynamoDb([ROWS], undefined, () => {}),
        await startDynamoDb([ROWS], data.path, () => {}),
      ];
      try {
        for (const [operation, input] of steps) {
          const [inMemory, inDirectory] = await Promise.all(
            stores.map((store) => answersOf(store, operation, input)),
          );
          expect(inMemory, operation).toEqual(inDirectory);
        }
      } finally {
        for (const store of stores) await store.close();
        data.remove();
      }
    }),
    { numRuns: 30 },
  );
});

it('an index entry has only the attributes that its item has', async () => {
  const store = await startDynamoDb([ROWS], undefined, () => {});
  await store.run('PutItem', { TableName, Item: { id: { S: 'a' }, at: { N: '1' }, owner: { S: 'me' } } });
  const { body } = await store.run('Query', {
    TableName,
    IndexName: 'byOwner',
    KeyConditionExpression: '#owner = :owner',
    ExpressionAttributeNames: { '#owner': 'owner' },
    ExpressionAttributeValues: { ':owner': { S: 'me' } },
  });
  expect(body.Items).toStrictEqual([{ owner: { S: 'me' }, at: { N: '1' }, id: { S: 'a' } }]);
  await store.close();
});

it('a stored item does not change with the request or with an answer', async () => {
  const store = await startDynamoDb([ROWS], undefined, () => {});
  const Item = { id: { S: 'a' }, at: { N: '1' }, tags: { L: [{ S: 'x' }] } };
  const Key = { id: { S: 'a' }, at: { N: '1' } };
  await store.run('PutItem', { TableName, Item });
  Item.tags.L.push({ S: 'y' });
  const before = JSON.stringify((await store.run('GetItem', { TableName, Key: structuredClone(Key) })).body);
  expect(before).not.toContain('"y"');
  await store.run('UpdateItem', {
    TableName,
    Key: structuredClone(Key),
    UpdateExpression: 'SET tags = list_append(tags, :more)',
    ExpressionAttributeValues: { ':more': { L: [{ S: 'z' }] } },
  });
  const old = await store.run('PutItem', {
    TableName,
    Item: structuredClone({ ...Key, n: { N: '1' } }),
    ReturnValues: 'ALL_OLD',
  });
  expect(JSON.stringify(old.body.Attributes)).toContain('"z"');
  await store.close();
});
