/**
 * A table, and the UpdateItem that all tables send.
 * @module
 */
import type { DocumentClient, UpdateInput } from '../calls/document-calls.ts';
import { callIf, once } from './document-client.ts';
import type { Item } from './stored-attributes.ts';

/** A table, for the functions that read and write its items. */
export interface Table {
  /** Sends the calls. */
  readonly client: DocumentClient;
  /** Name of the table, by the word of DynamoDB: every call has a member with this name. */
  readonly TableName: string;
  /** Sends an update (`updatesOf`). */
  readonly update: (update: Update) => Promise<Item | undefined>;
}

/** Returns the table with that name. */
export const tableOf = (client: DocumentClient, name: string): Table => ({
  client,
  TableName: name,
  update: updatesOf(client, name),
});

/** One UpdateItem. In its expressions `#name` stands for the attribute `name`, unless `names` says otherwise. */
export interface Update {
  /** The key of the item. An item that does not exist is created, unless a condition prevents it. */
  readonly key: Item;
  /** The UpdateExpression. */
  readonly change: string;
  /** The ConditionExpression. */
  readonly condition?: string;
  /** The values of the expressions, by names with a colon. */
  readonly values?: Item;
  /** Attributes that have another name than in the expressions, such as a name that a caller chose. */
  readonly names?: Readonly<Record<string, string>>;
  /** Which attributes to return: those before the update, or those after it. None by default. */
  readonly returns?: 'ALL_OLD' | 'ALL_NEW';
  /** True for a change that must not be repeated (`once` in document-client.ts). */
  readonly isOnce?: boolean;
}

/**
 * Returns a function that sends updates to a table. It returns the attributes that `returns` asks for, `{}` if there are
 * none, and undefined if the condition did not hold.
 * @throws Refusal unavailable, as `call`
 */
export const updatesOf =
  (client: DocumentClient, table: string) =>
  async ({ key, change, condition, values, names, returns, isOnce }: Update): Promise<Item | undefined> => {
    // DynamoDB refuses an empty map, and a name or value that no expression uses.
    const allNames = { ...namesIn(change, condition ?? ''), ...names };
    const update: UpdateInput = {
      TableName: table,
      Key: key,
      UpdateExpression: change,
      ...(condition === undefined ? {} : { ConditionExpression: condition }),
      ...(Object.keys(allNames).length === 0 ? {} : { ExpressionAttributeNames: allNames }),
      ...(values === undefined ? {} : { ExpressionAttributeValues: values }),
      ...(returns === undefined ? {} : { ReturnValues: returns }),
    };
    const updated = await callIf(() =>
      isOnce === true ? once((options) => client.update(update, options)) : client.update(update),
    );
    return updated && (updated.Attributes ?? {});
  };

/**
 * Returns `#name` for each attribute that the expressions name so. Many names are reserved, and DynamoDB refuses a name that
 * is declared and not used. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
 */
export const namesIn = (...expressions: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    expressions.flatMap((text) => [...text.matchAll(/#(\w+)/g)].map(([hash, name = '']) => [hash, name])),
  );
