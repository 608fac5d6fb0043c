// dynalite 4.0.0 has no types. This file declares only what the local stack uses.
// Its package.json has no "exports" map, so the local stack imports its modules directly. That saves its HTTP server, and with it one
// network hop for each call.

declare module 'dynalite/db/index.js' {
  export interface Iterators {
    keys(options: object): { close(): Promise<void> };
    values(options: object): { close(): Promise<void> };
  }
  type Done<T = void> = (error: Error | null | undefined, result?: T) => void;
  /** A range of keys. `limit` is -1 for all. */
  export interface RangeOptions {
    readonly gt?: string;
    readonly gte?: string;
    readonly lt?: string;
    readonly lte?: string;
    readonly reverse?: boolean;
    readonly limit?: number;
  }
  /** The items of a table, or the entries of an index. */
  export interface ItemDb {
    readonly lock: unknown;
    get(key: string, done: Done<object>): void;
    put(key: string, item: object, done: Done): void;
    del(key: string, done: Done): void;
    createValueStream(options: RangeOptions): import('node:stream').Stream;
  }
  export interface Table {
    readonly TableStatus: string;
  }
  /** The second argument may be left out. */
  type GetTable = (name: string, checkStatus: boolean | Done<Table>, done?: Done<Table>) => void;
  export interface Store {
    readonly db: Iterators & { open(): Promise<void>; close(done: Done): void };
    readonly tableDb: { del(key: string, done: Done): void };
    getTable: GetTable;
    getItemDb: (table: string) => ItemDb;
    getIndexDb: (type: string, table: string, index: string) => ItemDb;
  }
  export function create(options: {
    path?: string;
    createTableMs: number;
    deleteTableMs: number;
    updateTableMs: number;
  }): Store;
}

declare module 'dynalite/validations/index.js' {
  import type { Store } from 'dynalite/db/index.js';
  /** Removes unknown members of the input, and checks the types of the others. */
  export function checkTypes(data: object, types: object): object;
  export function checkValidations(data: object, types: object, custom: unknown, store: Store): void;
}

declare module 'dynalite/db/conditionParser.js' {
  /** The names and values of a request. The parser removes the placeholders that it uses from the last two members. */
  export interface ParserContext {
    /** Placeholder (`#a`) → name of an attribute. */
    readonly attrNames?: Readonly<Record<string, string>> | undefined;
    /** Placeholder (`:a`) → value, an object with its type as the only member. */
    readonly attrVals?: Readonly<Record<string, object>> | undefined;
    readonly unusedAttrNames: Record<string, true>;
    readonly unusedAttrVals: Record<string, true>;
    compare(operator: 'GT', one: unknown, other: unknown): boolean;
  }
  /** Returns the parsed expression, or the message about an invalid one. Throws for wrong syntax. */
  export type Parse = (text: string, options: { readonly context: ParserContext }) => unknown;
  const parser: { parse: Parse };
  export default parser;
}

declare module 'dynalite/db/projectionParser.js' {
  import type { Parse } from 'dynalite/db/conditionParser.js';

  const parser: { parse: Parse };
  export default parser;
}

declare module 'dynalite/db/updateParser.js' {
  import type { Parse } from 'dynalite/db/conditionParser.js';

  const parser: { parse: Parse };
  export default parser;
}
