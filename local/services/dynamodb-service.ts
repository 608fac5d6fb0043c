/**
 * DynamoDB: dynalite in process, without its HTTP server.
 * @module
 */
import type { Store } from 'dynalite/db/index.js';
import { checkTypes, checkValidations } from 'dynalite/validations/index.js';
import type { Resolved } from '../template/assembly.ts';
import { asList, isObject, type JsonObject, objectOr, stringOr } from '../template/json.ts';
import { describeResource } from '../template/resources.ts';
import { type GuardedStore, openGuardedStore } from './dynalite-store.ts';
import { cacheExpressions } from './expression-cache.ts';

/** The answer of a service. */
export interface ServiceAnswer {
  /** HTTP status. */
  readonly status: number;
  /** Result, or error with `__type`. */
  readonly body: JsonObject;
}

/** The DynamoDB service. */
export interface DynamoDb {
  /** Runs one operation. dynalite changes `input`. Never rejects: errors are answers. */
  run(operation: string, input: JsonObject): Promise<ServiceAnswer>;
  /** Closes the store. */
  close(): Promise<void>;
}

type Act = (store: Store, data: object, done: (error: unknown, result?: unknown) => void) => void;

interface Operation {
  readonly act: Act;
  readonly types: object;
  /** Without the checks of the table name, for a name that has passed them. */
  readonly typesOfKnown: object;
  readonly custom: unknown;
}

/** The operations for apps and for the stack itself. dynalite has no transactions, streams or PartiQL. */
const OPERATIONS = [
  'BatchGetItem',
  'BatchWriteItem',
  'CreateTable',
  'DeleteItem',
  'DescribeTable',
  'DescribeTimeToLive',
  'GetItem',
  'ListTables',
  'PutItem',
  'Query',
  'Scan',
  'UpdateItem',
] as const;

const WRITES: readonly string[] = ['BatchWriteItem', 'CreateTable', 'DeleteItem', 'PutItem', 'UpdateItem'];

const CORAL = 'com.amazon.coral.service#';

/**
 * Opens the store in `data`, or in memory if that is undefined, and creates the missing tables.
 * @throws Error with one sentence if the store is damaged or in use, or has a table with other keys
 */
export async function startDynamoDb(
  tables: readonly Resolved[],
  data: string | undefined,
  log: (line: string) => void,
): Promise<DynamoDb> {
  cacheExpressions();
  const operations = new Map<string, Operation>();
  for (const name of OPERATIONS) operations.set(name, await loadOperation(name));
  const guarded = await openGuardedStore(data, log);

  const known = new Set<unknown>();

  async function run(name: string, input: JsonObject): Promise<ServiceAnswer> {
    const operation = operations.get(name);
    if (operation === undefined)
      return { status: 400, body: { __type: `${CORAL}UnknownOperationException` } };
    const unsupported = unsupportedOption(input);
    if (unsupported !== undefined) return unsupported;
    try {
      const result = await guarded.use(WRITES.includes(name), (store) => {
        const checked = checkTypes(input, operation.types);
        const types = known.has(input.TableName) ? operation.typesOfKnown : operation.types;
        checkValidations(checked, types, operation.custom, store);
        return perform(operation.act, store, checked);
      });
      return { status: 200, body: objectOr(result) };
    } catch (error) {
      return answerTo(error);
    }
  }

  try {
    for (const table of tables) await provision(guarded, run, table);
    for (const { name } of tables) known.add(name);
  } catch (error) {
    await guarded.close();
    throw error;
  }
  return { run, close: guarded.close };
}

async function loadOperation(name: string): Promise<Operation> {
  const file = `${name.charAt(0).toLowerCase()}${name.slice(1)}.js`;
  const action: { default: Act } = await import(`dynalite/actions/${file}`);
  const validation: { default: { types: object; custom?: unknown } } = await import(
    `dynalite/validations/${file}`
  );
  const { types, custom } = validation.default;
  return { act: action.default, types, typesOfKnown: { ...types, TableName: {} }, custom };
}

function perform(act: Act, store: Store, data: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    act(store, data, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

/** Returns the answer for an error. An error of DynamoDB has the status and the body as members. */
function answerTo(error: unknown): ServiceAnswer {
  if (error instanceof Error && 'statusCode' in error && 'body' in error) {
    if (typeof error.statusCode === 'number' && isObject(error.body)) {
      return { status: error.statusCode, body: error.body };
    }
  }
  const message = error instanceof Error ? error.message : String(error);
  return { status: 500, body: { __type: `${CORAL}InternalServerError`, message } };
}

/** Refuses an option that dynalite ignores: the app would wait for an item that the answer never has. */
function unsupportedOption(input: JsonObject): ServiceAnswer | undefined {
  const option = input.ReturnValuesOnConditionCheckFailure;
  if (option === undefined || option === 'NONE') return undefined;
  const message = 'ReturnValuesOnConditionCheckFailure is not supported by the local stack, only "NONE" is';
  return { status: 400, body: { __type: 'com.amazon.coral.validate#ValidationException', message } };
}

async function provision(guarded: GuardedStore, run: DynamoDb['run'], table: Resolved): Promise<void> {
  const { properties, name } = table;
  const wanted = {
    TableName: name,
    AttributeDefinitions: properties.AttributeDefinitions,
    KeySchema: properties.KeySchema,
    BillingMode: 'PAY_PER_REQUEST',
    ...indexes(properties, 'GlobalSecondaryIndexes'),
    ...indexes(properties, 'LocalSecondaryIndexes'),
  };
  const shape = shapeOf(wanted);
  const existing = await run('DescribeTable', { TableName: name });
  if (existing.status === 200) {
    const found = objectOr(existing.body.Table);
    if (found.TableStatus === 'ACTIVE') {
      if (shapeOf(found) === shape) return;
      throw new Error(
        `${describeResource(table)} has other keys or indexes than the stored table: remove the data directory`,
      );
    }
    // The stack was killed before the table became active, so the table is empty.
    await guarded.use(true, ({ tableDb }) => new Promise<void>((done) => tableDb.del(name, () => done())));
  }
  const created = await run('CreateTable', wanted);
  if (created.status !== 200)
    throw new Error(`${describeResource(table)} cannot be created: ${JSON.stringify(created.body)}`);
  await untilActive(run, name);
}

function indexes(properties: JsonObject, kind: string): JsonObject {
  const list = asList(properties[kind]).map((index) => {
    const { IndexName, KeySchema, Projection } = objectOr(index);
    return { IndexName, KeySchema, Projection };
  });
  return list.length > 0 ? { [kind]: list } : {};
}

/** Returns the keys and indexes as a text that can be compared. */
function shapeOf(table: JsonObject): string {
  const keys = (value: unknown) => asList(value).map((key) => stringOr(objectOr(key).AttributeName, '?'));
  const types = asList(table.AttributeDefinitions).map((entry) => {
    const { AttributeName, AttributeType } = objectOr(entry);
    return `${AttributeName}:${AttributeType}`;
  });
  const list = ['GlobalSecondaryIndexes', 'LocalSecondaryIndexes'].flatMap((kind) => {
    return asList(table[kind]).map((index) => {
      const { IndexName, KeySchema, Projection } = objectOr(index);
      const { ProjectionType, NonKeyAttributes } = objectOr(Projection);
      return [
        IndexName,
        ...keys(KeySchema),
        ProjectionType,
        asList(NonKeyAttributes).toSorted().join(),
      ].join();
    });
  });
  return JSON.stringify([keys(table.KeySchema), types.toSorted(), list.toSorted()]);
}

const TABLE_POLL_MS = 1;

/** Waits for the table: dynalite makes it active shortly after the answer of CreateTable. */
async function untilActive(run: DynamoDb['run'], name: string): Promise<void> {
  for (;;) {
    const { body } = await run('DescribeTable', { TableName: name });
    if (objectOr(body.Table).TableStatus === 'ACTIVE') return;
    await new Promise((resolve) => setTimeout(resolve, TABLE_POLL_MS));
  }
}
