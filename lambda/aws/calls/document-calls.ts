/**
 * The operations of DynamoDB that the tables need, with native values in place of attributes.
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html
 * @module
 */
import { fieldsOf } from '../../../protocol/fields.ts';
import { attributesOf, type Item, itemOf } from './attribute-values.ts';
import { type CallOptions, jsonCallsTo } from './signed-calls.ts';

interface OnTable {
  /** Name of the table. */
  readonly TableName: string;
  /** Placeholders of the expressions, with a hash, and the attributes for which they stand. */
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>;
}

interface OnItem extends OnTable {
  /** Key of the item. */
  readonly Key: Item;
}

interface Conditional extends OnTable {
  /** Without it the write is carried out in any case. */
  readonly ConditionExpression?: string;
  /** Values of the expressions, by names with a colon. */
  readonly ExpressionAttributeValues?: Item;
}

/** Input of GetItem. */
export interface GetInput extends OnItem {
  /** True for a read that sees every write that was answered before. It costs twice as much. */
  readonly ConsistentRead?: boolean;
  /** The attributes to return; all by default. */
  readonly ProjectionExpression?: string;
}

/** Input of Query. */
export interface QueryInput extends OnTable {
  /** The partition key, and a range of sort keys. */
  readonly KeyConditionExpression: string;
  /** Leaves out items that were looked at, and that are paid for. */
  readonly FilterExpression?: string;
  /** The attributes to return; all by default. */
  readonly ProjectionExpression?: string;
  /** Values of the expressions, by names with a colon. */
  readonly ExpressionAttributeValues: Item;
  /** True for a read that sees every write that was answered before. It costs twice as much. */
  readonly ConsistentRead?: boolean;
  /** False to begin at the highest sort key. */
  readonly ScanIndexForward?: boolean;
  /** The most items that are looked at. */
  readonly Limit?: number;
  /** Key of the item after which the page begins: `LastEvaluatedKey` of the page before. */
  readonly ExclusiveStartKey?: Item;
}

/** Input of Scan. */
export interface ScanInput extends OnTable {
  /** Leaves out items that were looked at, and that are paid for. */
  readonly FilterExpression?: string;
  /** Values of the expression, by names with a colon. */
  readonly ExpressionAttributeValues?: Item;
  /** The most items that are looked at. */
  readonly Limit?: number;
  /** Key of the item after which the page begins: `LastEvaluatedKey` of the page before. */
  readonly ExclusiveStartKey?: Item;
}

/** A page of items. */
interface ItemPage {
  /** The items, in the order of their sort keys. */
  readonly Items: Item[];
  /** Key of the last item that was looked at, if there may be more. */
  readonly LastEvaluatedKey?: Item;
}

/** Input of PutItem. */
export interface PutInput extends Conditional {
  /** All attributes of the item, with its key. */
  readonly Item: Item;
  /** Returns the item that was there before. Nothing by default. */
  readonly ReturnValues?: 'ALL_OLD';
}

/** Input of UpdateItem. */
export interface UpdateInput extends Conditional, OnItem {
  /** The change. */
  readonly UpdateExpression: string;
  /** Returns the item before or after the update. Nothing by default. */
  readonly ReturnValues?: 'ALL_OLD' | 'ALL_NEW';
}

/** Input of DeleteItem. */
export interface DeleteInput extends Conditional, OnItem {
  /** Returns the item that was deleted. Nothing by default. */
  readonly ReturnValues?: 'ALL_OLD';
}

/** The keys to get from one table. */
export interface KeysInput {
  /** The keys, each once. */
  readonly Keys: readonly Item[];
  /** True for a read that sees every write that was answered before. It costs twice as much. */
  readonly ConsistentRead?: boolean;
}

/** Input of BatchGetItem: keys by table, at most 100. */
export interface BatchGetInput {
  /** Table → keys. */
  readonly RequestItems: Readonly<Record<string, KeysInput>>;
}

/** Calls DynamoDB. The inputs and outputs have the members of its API. */
export interface DocumentClient {
  /** GetItem. */
  readonly get: (input: GetInput, options?: CallOptions) => Promise<{ readonly Item?: Item }>;
  /** Query. */
  readonly query: (input: QueryInput, options?: CallOptions) => Promise<ItemPage>;
  /** Scan. */
  readonly scan: (input: ScanInput, options?: CallOptions) => Promise<ItemPage>;
  /** PutItem. */
  readonly put: (input: PutInput, options?: CallOptions) => Promise<{ readonly Attributes?: Item }>;
  /** UpdateItem. */
  readonly update: (input: UpdateInput, options?: CallOptions) => Promise<{ readonly Attributes?: Item }>;
  /** DeleteItem. */
  readonly delete: (input: DeleteInput, options?: CallOptions) => Promise<{ readonly Attributes?: Item }>;
  /** BatchGetItem. */
  readonly batchGet: (
    input: BatchGetInput,
    options?: CallOptions,
  ) => Promise<{
    readonly Responses: Readonly<Record<string, Item[]>>;
    readonly UnprocessedKeys: BatchGetInput['RequestItems'];
  }>;
}

/** The first pause between two attempts, in milliseconds: shorter than for other services, as in the SDK. */
const BASE_MS = 25;

/** Returns a client for DynamoDB. */
export function documentCalls(): DocumentClient {
  const calls = jsonCallsTo({
    service: 'dynamodb',
    version: '1.0',
    prefix: 'DynamoDB_20120810',
    baseMs: BASE_MS,
  });
  const [get, query, scan, put] = [calls('GetItem'), calls('Query'), calls('Scan'), calls('PutItem')];
  const [update, remove, batchGet] = [calls('UpdateItem'), calls('DeleteItem'), calls('BatchGetItem')];
  return {
    get: async (input, options) => {
      const { Item } = await get(written(input), options);
      return Item === undefined ? {} : { Item: itemOf(Item) };
    },
    query: async (input, options) => pageIn(await query(written(input), options)),
    scan: async (input, options) => pageIn(await scan(written(input), options)),
    put: async (input, options) => attributesIn(await put(written(input), options)),
    update: async (input, options) => attributesIn(await update(written(input), options)),
    delete: async (input, options) => attributesIn(await remove(written(input), options)),
    batchGet: async ({ RequestItems }, options) => {
      const { Responses, UnprocessedKeys } = await batchGet(
        { RequestItems: mapped(RequestItems, keysOf) },
        options,
      );
      return {
        Responses: mapped(fieldsOf(Responses), (items) => listOf(items).map(itemOf)),
        UnprocessedKeys: mapped(fieldsOf(UnprocessedKeys), leftOf),
      };
    },
  };
}

/** The members of inputs that have native values. */
const VALUES = ['Key', 'Item', 'ExpressionAttributeValues', 'ExclusiveStartKey'] as const;

/** Returns an input as the API writes it. */
function written(input: { readonly [K in (typeof VALUES)[number]]?: Item }): object {
  const api: Record<string, unknown> = { ...input };
  for (const name of VALUES) {
    const value = input[name];
    if (value !== undefined) api[name] = attributesOf(value);
  }
  return api;
}

const keysOf = ({ Keys, ...rest }: KeysInput): object => ({ ...rest, Keys: Keys.map(attributesOf) });

/** Returns the keys that a busy table left out, as they can be asked for again. */
function leftOf(left: unknown): KeysInput {
  const { Keys, ConsistentRead } = fieldsOf(left);
  return { Keys: listOf(Keys).map(itemOf), ...(ConsistentRead === true ? { ConsistentRead } : {}) };
}

function pageIn({ Items, LastEvaluatedKey }: Readonly<Record<string, unknown>>): ItemPage {
  const page = { Items: listOf(Items).map(itemOf) };
  return LastEvaluatedKey === undefined ? page : { ...page, LastEvaluatedKey: itemOf(LastEvaluatedKey) };
}

function attributesIn({ Attributes }: Readonly<Record<string, unknown>>): { readonly Attributes?: Item } {
  return Attributes === undefined ? {} : { Attributes: itemOf(Attributes) };
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const mapped = <T, R>(map: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(map).map(([name, value]) => [name, change(value)]));
